/** What other ignore settings would change for the paths of a folder that are known, here or on the server. */
import { type IgnoreSettings, RuleFilesOnDisk } from "../client/rule_files.ts";
import { openState } from "../client/sqlite_state.ts";
import type { Entry } from "../core/entry.ts";
import { displayPath, type SyncPath } from "../core/path.ts";
import { systemClock } from "../system/clock.ts";
import { systemRandom } from "../system/random.ts";
import { openDisk } from "../system/real_disk.ts";
import { ignoreSettings } from "./_ignore.ts";
import { type Output, plural } from "./_output.ts";

export interface Foreseen {
  /** Synced now, and not by the other settings. */
  readonly stopped: readonly SyncPath[];
  /** On the server and ignored now, and not by the other settings. */
  readonly started: readonly SyncPath[];
}

/** Paths that are named one by one. */
const SHOWN_MAX = 20;

/** Looks at the rules and at what is remembered of the folder; changes nothing, and needs nobody. */
export function foresee(root: string, change: Partial<IgnoreSettings>): Foreseen {
  const settings = ignoreSettings(root);
  const disk = openDisk(root);
  const state = openState(`${root}/.fsync/state.db`, systemRandom);
  try {
    const now = new RuleFilesOnDisk(disk, systemClock, settings);
    const then = new RuleFilesOnDisk(disk, systemClock, () => ({ ...settings(), ...change }));
    const ignores = (files: RuleFilesOnDisk, path: SyncPath, { kind }: Entry) => {
      files.ensure(path);
      return files.rules.isIgnored(path, kind === "dir", true);
    };
    const stopped: SyncPath[] = [];
    for (const [path, { entry }] of state.load()) if (ignores(then, path, entry)) stopped.push(path);
    const started: SyncPath[] = [];
    for (const [path, { entry }] of state.ignored()) {
      if (ignores(now, path, entry) && !ignores(then, path, entry)) started.push(path);
    }
    return { stopped: stopped.sort(), started: started.sort() };
  } finally {
    state.close();
    disk.close();
  }
}

/** Says it, as what is to come or as what was done. */
export function tellForeseen(output: Output, { stopped, started }: Foreseen, dryRun: boolean): void {
  const are = (paths: readonly SyncPath[]) => paths.length === 1 ? "is" : "are";
  const stop = dryRun ? "would no longer be" : `${are(stopped)} no longer`;
  tell(output, stopped, `${stop} synced on this device; nothing is deleted`);
  const start = dryRun ? "would be" : are(started);
  tell(
    output,
    started,
    `${start} synced again on this device; where both sides differ, both versions are kept`,
  );
  if (stopped.length + started.length > 0) return;
  output.info(`Nothing that is known ${dryRun ? "would be" : "is"} synced otherwise than before.`);
}

function tell(output: Output, paths: readonly SyncPath[], what: string): void {
  if (paths.length === 0) return;
  for (const path of paths.slice(0, SHOWN_MAX)) output.line(displayPath(path));
  if (paths.length > SHOWN_MAX) output.line(`… and ${paths.length - SHOWN_MAX} more`);
  output.info(`${plural(paths.length, "path")} ${what}.`);
}
