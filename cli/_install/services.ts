/** What shall run by itself, as the flags of `install` and `uninstall` name it. */
import { resolve } from "@std/path";
import type { Context, Flag } from "../_command.ts";
import { fitsCron } from "./crontab.ts";
import { SetupError } from "../_exit.ts";
import type { Owner, Service } from "./record.ts";
import { instanceName } from "./units.ts";
import { findUser } from "../_user.ts";

const KINDS: readonly { readonly flag: string; readonly kind: Service["kind"]; readonly help: string }[] = [
  { flag: "watch", kind: "watch", help: "keep DIR in sync, from each login on" },
  { flag: "serve", kind: "server", help: "serve DIR, from each login on" },
  { flag: "timer", kind: "sync-all", help: "sync DIR every ten minutes, by systemd" },
  { flag: "cron", kind: "cron", help: "sync DIR every ten minutes, by cron" },
];

export const SERVICE_FLAGS: readonly Flag[] = KINDS.map(({ flag, help }) => ({
  name: flag,
  value: "DIR",
  help,
}));

/** Longest name of a unit, in bytes. */
const UNIT_NAME_MAX = 255;

/** Services that are to be set up; their folders must be there. @throws {SetupError} */
export function servicesToInstall(context: Context, options: { readonly system: boolean }): Service[] {
  return KINDS.flatMap(({ flag, kind }) => {
    const given = context.value(flag);
    if (given === undefined) return [];
    const dir = existingDir(given, flag);
    expectFit(kind, dir, options.system);
    return [{ kind, dir, owner: options.system ? ownerOf(context, dir) : null }];
  });
}

/** Services that are to go, the folder there or not. */
export function servicesToRemove(context: Context): Pick<Service, "kind" | "dir">[] {
  return KINDS.flatMap(({ flag, kind }) => {
    const given = context.value(flag);
    return given === undefined ? [] : [{ kind, dir: realPathOrSame(given) }];
  });
}

function existingDir(given: string, flag: string): string {
  const dir = realPathOrSame(given);
  if (isDirectory(dir)) return dir;
  throw new SetupError(
    "failed",
    `Cannot install --${flag} "${given}": there is no such folder`,
    flag === "serve" ? `make it first: mkdir "${given}"` : "fsync join makes it, or mkdir",
  );
}

function expectFit(kind: Service["kind"], dir: string, system: boolean): void {
  const cannot = (reason: string) => new SetupError("failed", `Cannot run a service on "${dir}": ${reason}`);
  if (kind === "cron") {
    if (!fitsCron(dir)) throw cannot("cron knows no path with a line break");
  } else if (new TextEncoder().encode(instanceName(kind, dir)).length > UNIT_NAME_MAX) {
    throw cannot("its path is too long for the name of a systemd unit");
  } else if (system && /^\/(var\/)?tmp(\/|$)/.test(dir)) {
    throw cannot("services of the system have a /tmp of their own");
  }
}

/** Whose service it is: the one that `--as` names, or whom the folder belongs to. Never root by accident. */
function ownerOf(context: Context, dir: string): Owner {
  const named = context.value("as");
  const owner = findUser(named ?? Deno.statSync(dir).uid ?? 0);
  if (owner === null) {
    throw new SetupError(
      "failed",
      `Cannot run a service on "${dir}": there is no user ${named ?? "that it belongs to"}`,
      "name one of /etc/passwd: --as USER",
    );
  }
  if (named === undefined && owner.user === "root") {
    throw new SetupError(
      "failed",
      `Cannot run a service on "${dir}": it belongs to root, and fsync need not run as root`,
      "give it to a user (chown), or say --as USER; --as root if it must be",
    );
  }
  return owner;
}

function realPathOrSame(given: string): string {
  try {
    return Deno.realPathSync(given);
  } catch {
    return resolve(given);
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
