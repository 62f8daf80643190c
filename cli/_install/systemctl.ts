/** The service manager, if there is one: what it is told when services come and go. */
import { existsSync } from "@std/fs";
import type { Programs } from "../../system/programs.ts";
import { sessionDir } from "../../system/state_dirs.ts";
import type { Places } from "./places.ts";

/** Whether unit files are of any use on this machine. */
export function hasSystemd(): boolean {
  return ["/usr/bin/systemctl", "/bin/systemctl", "/run/systemd/system"].some((path) => existsSync(path));
}

export interface Systemctl {
  /** As people type it. */
  readonly name: string;
  /** Reads the unit files again. */
  reload(): Promise<void>;
  /** @returns what went wrong, `null` if nothing did */
  start(unit: string): Promise<string | null>;
  stop(unit: string): Promise<void>;
  /** Starts those services anew that are running, with the program as it is now. */
  renew(): Promise<void>;
}

/** The manager that runs these units now; `null` if none runs (in a container, in a session without one). */
export function findSystemctl({ system, destDir }: Places, programs: Programs): Systemctl | null {
  if (destDir !== "") return null;
  const runtime = sessionDir();
  if (system) return existsSync("/run/systemd/system") ? systemctl([], {}, programs) : null;
  if (runtime === null || !existsSync(`${runtime}/systemd/private`)) return null;
  return systemctl(["--user"], { XDG_RUNTIME_DIR: runtime }, programs);
}

function systemctl(
  flags: readonly string[],
  env: { readonly [name: string]: string },
  programs: Programs,
): Systemctl {
  const run = async (...args: readonly string[]) => {
    const answer = await programs.run("systemctl", [...flags, ...args], { env });
    if (answer?.success) return null;
    return answer?.stderr.trim().split("\n")[0] ?? "systemctl is not installed";
  };
  return {
    name: ["systemctl", ...flags].join(" "),
    reload: async () => void await run("daemon-reload"),
    start: (unit) => run("start", "--", unit),
    stop: async (unit) => {
      await run("stop", "--", unit);
      // Else one that had failed would be listed for ever.
      await run("reset-failed", "--", unit);
    },
    renew: async () => void await run("try-restart", "fsync-server@*.service", "fsync-watch@*.service"),
  };
}
