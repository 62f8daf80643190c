import type { Clock } from "../system/clock.ts";
import { directoryInodes } from "./inotify_budget.ts";
import { rootIdentity } from "./root.ts";
import type { Skip, WatchSource } from "./source.ts";

/** A directory that was made a moment ago may rightly be unwatched for so long. */
const SETTLE_MS = 100;
const TRIES = 3;

export interface Coverage {
  /** Directories that the kernel watches for us. */
  readonly watched: number;
  /** Directories that there are. */
  readonly directories: number;
}

/** Counts what is on disk against what the kernel says it watches. */
export async function measureCoverage(
  root: string,
  source: WatchSource | null,
  clock: Clock,
  signal: AbortSignal,
  skip?: Skip,
): Promise<Coverage> {
  for (let tries = 1;; tries++) {
    const coverage = await measureOnce(root, source, clock, signal, skip);
    const { watched, directories } = coverage;
    if (watched === directories || source === null || tries === TRIES || signal.aborted) return coverage;
    await clock.sleep(SETTLE_MS, signal);
  }
}

async function measureOnce(
  root: string,
  source: WatchSource | null,
  clock: Clock,
  signal: AbortSignal,
  skip: Skip | undefined,
): Promise<Coverage> {
  const needed = await directoryInodes(root, clock, signal, skip);
  const held = source?.watchedInodes() ?? new Set<number>();
  const rootIno = rootIdentity(root)?.ino ?? null;
  // A layered file system may show other inode numbers than the kernel's own list; then only the counts compare.
  const comparable = rootIno === null || held.has(rootIno);
  const watched = comparable
    ? needed.filter((ino) => held.has(ino)).length
    : Math.min(held.size, needed.length);
  return { watched, directories: needed.length };
}
