/**
 * What inotify can be proved to watch, and what it has room for. The kernel lists its watches in
 * `/proc/self/fdinfo`, one line for each directory, with the inode.
 */
import { RESERVED_NAME, type SyncPath } from "../core/path.ts";
import type { Clock } from "../system/clock.ts";
import { readProcText } from "../system/proc.ts";
import type { Shortage, Skip } from "./source.ts";

const LIMITS = "/proc/sys/fs/inotify/";
/** What distributions with generous limits set. */
const WATCHES_ADVISED = 524_288;
const INSTANCES_ADVISED = 1_024;
/** Work between two turns of the event loop, milliseconds. */
const SLICE_MS = 8;

/** How many directories one user may watch, or `null` if it cannot be read. */
export function watchesMax(): number | null {
  return readLimit("max_user_watches");
}

function readLimit(name: string): number | null {
  const value = Number(readProcText(LIMITS + name));
  return Number.isSafeInteger(value) && value > 0 ? value : null;
}

/**
 * There are more directories than watches.
 * @param needed directories of the folder, if they were counted
 */
export function watchesShortage(needed = 0, limit: number | null = watchesMax()): Shortage {
  const all = needed > 0 ? `all ${needed} directories` : "all directories";
  const allowed = limit === null ? "no more watches" : `${limit} watches`;
  let advised = WATCHES_ADVISED;
  // Twice the need, because every program of the user draws on the same number.
  while (advised < 2 * needed || advised <= (limit ?? 0)) advised *= 2;
  return {
    reason: `Cannot watch ${all}: the system allows ${allowed} for each user (fs.inotify.max_user_watches)`,
    advice: adviceFor("max_user_watches", advised),
  };
}

/** Other programs of this user hold all event queues. */
export function instancesShortage(limit: number | null = readLimit("max_user_instances")): Shortage {
  const allowed = limit === null ? "no more" : `only ${limit}`;
  let advised = INSTANCES_ADVISED;
  while (advised <= (limit ?? 0)) advised *= 2;
  return {
    reason:
      `Cannot watch files: the system allows ${allowed} event queues for each user (fs.inotify.max_user_instances)`,
    advice: adviceFor("max_user_instances", advised),
  };
}

function adviceFor(name: string, value: number): string {
  return `sudo sysctl fs.inotify.${name}=${value} # and put it in /etc/sysctl.d/`;
}

/**
 * Inode numbers of the directories that the queue `fd` watches.
 * @param exceptWd a watch that does not count
 */
export function readWatched(fd: number, exceptWd: number): Set<number> {
  const inodes = new Set<number>();
  for (const [wd, ino] of parseFdInfo(readProcText(`/proc/self/fdinfo/${fd}`) ?? "")) {
    if (wd !== exceptWd) inodes.add(ino);
  }
  return inodes;
}

/** The watches, as `[wd, inode]`, in the text of `/proc/self/fdinfo/N`. */
export function* parseFdInfo(text: string): Generator<[number, number]> {
  for (const match of text.matchAll(/^inotify wd:([0-9a-f]+) ino:([0-9a-f]+) /gm)) {
    yield [parseInt(match[1]!, 16), parseInt(match[2]!, 16)];
  }
}

/**
 * Inode numbers of the directory `root` and all that can be listed below it, without ours and those that `skip` names. One that may not be listed
 * can be neither watched nor synced and does not count.
 */
export async function directoryInodes(
  root: string,
  clock: Clock,
  signal?: AbortSignal,
  skip: Skip = () => false,
): Promise<number[]> {
  const inodes: number[] = [];
  const stack = [root];
  let sliceStart = clock.monotonic();
  for (let dir = stack.pop(); dir !== undefined && !signal?.aborted; dir = stack.pop()) {
    const ino = listInto(dir, dir === root, (found) => {
      if (!skip(found.slice(root.length + 1) as SyncPath)) stack.push(found);
    });
    if (ino !== null) inodes.push(ino);
    if (clock.monotonic() - sliceStart < SLICE_MS) continue;
    await clock.yield();
    sliceStart = clock.monotonic();
  }
  return inodes;
}

function listInto(dir: string, isRoot: boolean, add: (dir: string) => void): number | null {
  const found: string[] = [];
  try {
    for (const entry of Deno.readDirSync(dir)) {
      if (entry.isDirectory && entry.name !== RESERVED_NAME) found.push(`${dir}/${entry.name}`);
    }
    const stat = isRoot ? Deno.statSync(dir) : Deno.lstatSync(dir);
    found.forEach(add);
    return stat.isDirectory ? stat.ino : null;
  } catch {
    // Gone meanwhile, or not ours to read.
    return null;
  }
}
