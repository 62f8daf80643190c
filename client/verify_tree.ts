/**
 * Reads every file of a replica that, by its stat, is what both sides agreed on, and says which ones hold other bytes:
 * damage that no event and no look can show.
 */
import { chunkContent, SINGLE_CHUNK_MAX, singleChunkId } from "../core/chunk.ts";
import type { ContentId } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Clock } from "../system/clock.ts";
import { type ReadDisk, type ReadHandle, sameStat } from "../system/disk.ts";
import type { Synced } from "./state.ts";

export interface TreeFinding {
  readonly path: SyncPath;
  readonly what: "damaged" | "missing" | "unreadable";
  readonly revision: number;
}

export interface TreeReport {
  readonly files: number;
  /** Bytes that were read. */
  readonly bytes: number;
  /** Files that changed since, by their stat: they are the next look's matter. */
  readonly changed: number;
  readonly findings: readonly TreeFinding[];
}

export async function verifyTree(
  disk: ReadDisk,
  rows: Iterable<readonly [SyncPath, Synced]>,
  clock: Clock,
): Promise<TreeReport> {
  let [files, bytes, changed] = [0, 0, 0];
  const findings: TreeFinding[] = [];
  for (const [path, { entry, stat, revision }] of rows) {
    const found = disk.stat(path);
    if (found === null) findings.push({ path, what: "missing", revision });
    if (found === null || entry.kind !== "file") continue;
    if (stat === null || !sameStat(found, stat)) {
      changed++;
      continue;
    }
    const content = await contentOf(disk, path, clock);
    if (content === entry.content || !sameStat(disk.stat(path), stat)) {
      files++;
      bytes += entry.size;
    } else findings.push({ path, what: content === null ? "unreadable" : "damaged", revision });
  }
  return { files, bytes, changed, findings };
}

/** `null` if it cannot be read. */
async function contentOf(disk: ReadDisk, path: SyncPath, clock: Clock): Promise<ContentId | null> {
  let handle: ReadHandle;
  try {
    handle = disk.open(path);
  } catch {
    return null;
  }
  try {
    const small = readSmall(handle);
    await clock.yield();
    if (small !== null) return singleChunkId(small);
    const cutting = chunkContent((into, offset) => handle.read(into, offset));
    for (;;) {
      const step = cutting.next();
      if (step.done) return step.value.contentId();
      await clock.yield();
    }
  } catch {
    return null;
  } finally {
    handle.close();
  }
}

/** `null` if it is large. */
function readSmall(handle: ReadHandle): Uint8Array | null {
  const buffer = new Uint8Array(SINGLE_CHUNK_MAX + 1);
  let size = 0;
  for (let count = -1; count !== 0 && size < buffer.length; size += count) {
    count = handle.read(buffer.subarray(size), size);
  }
  return size > SINGLE_CHUNK_MAX ? null : buffer.subarray(0, size);
}
