/**
 * The systemd units. They are templates: `fsync-watch@home-ann-docs.service` watches `/home/ann/docs`. So there is one
 * file for all folders, systemd itself turns the name back into the path, and a folder is started, stopped and looked
 * at by its name, with or without `fsync install`.
 */
import { EXIT } from "../_exit.ts";

/** What systemd runs on a folder. */
export type ServiceKind = "server" | "watch" | "sync-all";

export const SERVICE_KINDS: readonly ServiceKind[] = ["server", "watch", "sync-all"];

export interface UnitFile {
  /** `fsync-watch@.service`. */
  readonly name: string;
  readonly text: string;
}

export interface UnitOptions {
  /** The program, absolute. */
  readonly executable: string;
  /** For all users, or in the manager of one user's session. */
  readonly system: boolean;
}

/** All unit files. */
export function unitFiles(options: UnitOptions): UnitFile[] {
  return [
    { name: "fsync-server@.service", text: lasting("server", "fsync server of %f", options) },
    { name: "fsync-watch@.service", text: lasting("watch", "fsync keeps %f in sync", options) },
    { name: "fsync-sync-all@.service", text: onePass(options) },
    { name: "fsync-sync-all@.timer", text: timer() },
  ];
}

/** What is started at boot or login for a folder: `fsync-watch@home-ann-docs.service`. */
export function instanceName(kind: ServiceKind, dir: string): string {
  return `fsync-${kind}@${escapePath(dir)}.${kind === "sync-all" ? "timer" : "service"}`;
}

/** The file of which an instance is made. */
export function templateName(kind: ServiceKind): string {
  return `fsync-${kind}@.${kind === "sync-all" ? "timer" : "service"}`;
}

/** Where an instance is linked to be started by itself. */
export function wantedBy(kind: ServiceKind, system: boolean): string {
  if (kind === "sync-all") return "timers.target";
  return system ? "multi-user.target" : "default.target";
}

/** The addition for one folder of a system unit: whose it is. */
export function ownerDropIn(owner: { readonly user: string; readonly home: string }): string {
  return `${HEADER}
[Service]
User=${owner.user}
# Credentials, and the cache into which a self-extracting program unpacks.
ReadWritePaths=-${word(owner.home)}
`;
}

/** As `systemd-escape --path`. @param path absolute */
export function escapePath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  if (parts.length === 0) return "-";
  const bytes = new TextEncoder().encode(parts.join("/"));
  return [...bytes].map((byte, at) => {
    const char = String.fromCharCode(byte);
    if (char === "/") return "-";
    if (/[a-zA-Z0-9:_]/.test(char) || (char === "." && at > 0)) return char;
    return `\\x${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}

/** Whether systemd starts a program with this path; it wants no quotes in it, in whatever way they are written. */
export function fitsUnit(executable: string): boolean {
  // deno-lint-ignore no-control-regex
  return !/["'\\\x00-\x1f\x7f]/.test(executable);
}

const HEADER =
  '# Made by fsync install. Change it with "systemctl edit", which keeps the changes in a file of their own.';

/** Ends after which only a person can help; the others are worth another try. */
const NO_RESTART = [EXIT.usage, EXIT.state, EXIT.denied, EXIT.held];

/** A command that runs until it is stopped. */
function lasting(kind: "server" | "watch", description: string, { executable, system }: UnitOptions): string {
  return `${HEADER}
[Unit]
Description=${description}
Documentation=man:fsync-${kind}(1)
AssertPathIsDirectory=%f
RequiresMountsFor=%f
${system ? "After=network.target\n" : ""}
[Service]
Type=notify
NotifyAccess=main
# The colon: no variables in the path of the folder.
ExecStart=${word(`:${executable}`)} ${kind} %f
ExecReload=kill -HUP $MAINPID
Restart=on-failure
RestartSec=10
# Usage, state, not allowed, held: a person is needed.
RestartPreventExitStatus=${NO_RESTART.join(" ")}
TimeoutStopSec=20
# It reports as long as its event loop turns.
WatchdogSec=180
LimitCORE=0
${confinement(system)}
[Install]
WantedBy=${wantedBy(kind, system)}
`;
}

/** One pass, by the timer. */
function onePass({ executable, system }: UnitOptions): string {
  return `${HEADER}
[Unit]
Description=fsync: one pass over %f
Documentation=man:fsync-sync-all(1)
AssertPathIsDirectory=%f
RequiresMountsFor=%f

[Service]
Type=oneshot
ExecStart=${word(`:${executable}`)} sync-all %f
# Synced with conflicts open, another run on the folder: no failure of the unit.
SuccessExitStatus=${EXIT.conflicts} ${EXIT.locked}
LimitCORE=0
${confinement(system)}`;
}

function timer(): string {
  return `${HEADER}
[Unit]
Description=fsync: passes over %f
Documentation=man:fsync-sync-all(1)

[Timer]
OnCalendar=*:0/10
# Not all machines at once.
RandomizedDelaySec=60
Persistent=yes

[Install]
WantedBy=timers.target
`;
}

/**
 * What the process has no need of is taken from it. Left out on purpose: MemoryDenyWriteExecute (V8 compiles at run
 * time) and RestrictSUIDSGID (directories of a shared folder carry the set-group-id bit).
 */
function confinement(system: boolean): string {
  return system ? EVERYWHERE + SYSTEM_ONLY : EVERYWHERE;
}

/** Works in a user's own manager too: nothing here needs a mount or user namespace. */
const EVERYWHERE = `
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
`;

/**
 * A user's manager could do these only in a user namespace of its own, where the groups of a shared folder do not
 * exist.
 */
const SYSTEM_ONLY = `
# Of each folder in a drop-in; this one if there is none.
User=fsync
ProtectSystem=strict
ReadWritePaths=%f -/var/lib/fsync
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
CapabilityBoundingSet=
RuntimeDirectory=fsync/%i
Environment=XDG_RUNTIME_DIR=%t/fsync/%i
`;

/** A word of a unit file: quoted, and with nothing in it that systemd would expand. */
function word(text: string): string {
  const safe = text.replaceAll("%", "%%");
  return /^[\w:/.%+,=@-]+$/.test(safe) ? safe : `"${safe.replaceAll(/["\\]/g, "\\$&")}"`;
}
