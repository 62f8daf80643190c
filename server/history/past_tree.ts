/** What has to be done so that a directory, or everything, is again as it once was. */
import { sameEntry } from "../../core/entry.ts";
import type { Entry } from "../../core/entry.ts";
import { comparePaths, type SyncPath } from "../../core/path.ts";
import type { Revision } from "../../protocol/messages.ts";
import type { Clock } from "../../system/clock.ts";
import type { Folder } from "../folder.ts";
import { wasHead } from "../known.ts";
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

/** Where to look: a directory, or everything (`null`), as far as its past is shown. */
export interface PastOf {
  readonly folder: Folder;
  readonly dir: SyncPath | null;
  readonly shows: (path: SyncPath) => boolean;
  readonly clock: Pick<Clock, "yield">;
}

/**
 * What differs at and below `dir` from the last versions that `counts`, in an order in which it can be applied: what
 * has to go first, from below, then what has to be there, from above.
 */
export async function pastTree(of: PastOf, counts: (version: Version) => boolean): Promise<Target[]> {
  const targets: Target[] = [];
  const finish = (path: SyncPath, last: Version | null) => {
    const entry = last?.entry ?? null;
    if (sameEntry(of.folder.heads.get(path)?.entry ?? null, entry)) return;
    targets.push({ path, entry, version: entry === null ? 0 : last!.revision });
  };
  let path: SyncPath | null = null;
  let last: Version | null = null;
  for await (const version of historyOf(of)) {
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
async function* historyOf({ folder, dir, shows, clock }: PastOf): AsyncGenerator<Version> {
  let after: Version | null = null;
  for (;;) {
    const page: Version[] = folder.records.history(dir, after, PAGE_VERSIONS);
    for (const version of page) if (shows(version.path)) yield version;
    if (page.length < PAGE_VERSIONS) return;
    after = page.at(-1)!;
    await clock.yield();
  }
}

/**
 * The revision before the last delete at and below `dir` began: a directory that is deleted goes piece by piece.
 * `null` if the last thing that happened there was no delete.
 */
export async function beforeLastDelete(of: PastOf): Promise<Revision | null> {
  let lastChange = 0;
  const deletes: Revision[] = [];
  for await (const version of historyOf(of)) {
    if (!wasHead(version)) continue;
    if (version.operation === "deleted") deletes.push(version.revision);
    else lastChange = Math.max(lastChange, version.revision);
  }
  return deletes.some((revision) => revision > lastChange) ? lastChange : null;
}
