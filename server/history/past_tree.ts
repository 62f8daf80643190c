/** What has to be done so that a directory, or everything, is again as it once was. */
import { sameEntry } from "../../core/entry.ts";
import type { Entry } from "../../core/entry.ts";
import { comparePaths, type SyncPath } from "../../core/path.ts";
import type { Revision } from "../../protocol/messages.ts";
import type { Clock } from "../../system/clock.ts";
import type { Folder } from "../folder.ts";
import type { Version } from "../store/records.ts";

/** Versions that are looked at before others have their turn: some milliseconds. */
const PAGE_VERSIONS = 2000;

/** One path that has to become what it was. */
export interface Target {
  readonly path: SyncPath;
  /** `null`: it was absent. */
  readonly entry: Entry | null;
  /** The version that it was, 0 if it was absent. */
  readonly version: Revision;
}

/** Whether a version stood at its path for a while; the loser of a conflict is history from the start. */
function wasHead(version: Version): boolean {
  return version.head || version.operation !== "conflict" || version.from !== null;
}

/**
 * What differs at and below `dir` from the last versions that `counts`, in an order in which it can be applied: what
 * has to go first, from below, then what has to be there, from above.
 */
export async function pastTree(
  folder: Folder,
  dir: SyncPath | null,
  counts: (version: Version) => boolean,
  clock: Pick<Clock, "yield">,
): Promise<Target[]> {
  const targets: Target[] = [];
  const finish = (path: SyncPath, last: Version | null) => {
    const entry = last?.entry ?? null;
    if (sameEntry(folder.heads.get(path)?.entry ?? null, entry)) return;
    targets.push({ path, entry, version: entry === null ? 0 : last!.revision });
  };
  let path: SyncPath | null = null;
  let last: Version | null = null;
  for await (const version of historyOf(folder, dir, clock)) {
    if (version.path !== path) {
      if (path !== null) finish(path, last);
      path = version.path;
      last = null;
    }
    if (wasHead(version) && counts(version)) last = version;
  }
  if (path !== null) finish(path, last);
  const gone = targets.filter(({ entry }) => entry === null).sort((a, b) => comparePaths(b.path, a.path));
  const there = targets.filter(({ entry }) => entry !== null).sort((a, b) => comparePaths(a.path, b.path));
  return [...gone, ...there];
}

/** All versions at and below `dir`, by path, then revision. */
async function* historyOf(
  folder: Folder,
  dir: SyncPath | null,
  clock: Pick<Clock, "yield">,
): AsyncGenerator<Version> {
  let after: Version | null = null;
  for (;;) {
    const page: Version[] = folder.records.history(dir, after, PAGE_VERSIONS);
    yield* page;
    if (page.length < PAGE_VERSIONS) return;
    after = page.at(-1)!;
    await clock.yield();
  }
}

/**
 * The revision before the last delete at and below `dir` began: a directory that is deleted goes piece by piece.
 * `null` if the last thing that happened there was no delete.
 */
export async function beforeLastDelete(
  folder: Folder,
  dir: SyncPath,
  clock: Pick<Clock, "yield">,
): Promise<Revision | null> {
  let lastChange = 0;
  const deletes: Revision[] = [];
  for await (const version of historyOf(folder, dir, clock)) {
    if (!wasHead(version)) continue;
    if (version.operation === "deleted") deletes.push(version.revision);
    else lastChange = Math.max(lastChange, version.revision);
  }
  return deletes.some((revision) => revision > lastChange) ? lastChange : null;
}
