/** Reads what stands at a path: what it is, with its content's identity, as of one moment. */
import { chunkContent, type ChunkList, SINGLE_CHUNK_MAX, singleChunkId } from "../core/chunk.ts";
import { clampMtime, type ContentId, type Entry, MODE_MASK } from "../core/entry.ts";
import { LINK_TARGET_BYTES_MAX, type SyncPath, utf8Length } from "../core/path.ts";
import { modeFromShared } from "../core/shared_mode.ts";
import type { Clock } from "../system/clock.ts";
import { type ReadDisk, type ReadHandle, sameStat, type Stat } from "../system/disk.ts";
import type { Found, SyncedNode, Trees } from "./trees.ts";

export interface ReadSource {
  readonly disk: ReadDisk;
  readonly trees: Trees;
  readonly clock: Clock;
  /** Bytes of small files that may be kept for their upload. */
  readonly keptBytesMax: number;
  /** The chunk list of a synced large content. */
  readonly chunks: (path: SyncPath) => ChunkList | null;
}

/** `unsteady`: it changed, or was moved away, while it was read. */
export type Reading = { readonly found: Found } | { readonly problem: string } | { readonly unsteady: true };

export const UNSTEADY: Reading = { unsteady: true };

interface ReadContent {
  readonly size: number;
  readonly id: ContentId;
  readonly bytes: Uint8Array | null;
  readonly chunks: ChunkList | null;
}

/** For one look: what moved is found by the inodes as they were when it began. */
export class PathReader {
  readonly #source: ReadSource;
  readonly #disk: ReadDisk;
  readonly #trees: Trees;
  readonly #generation: number;
  /** The group's bits are the folder's, not the file's. */
  readonly #shared: boolean;
  readonly #buffer = new Uint8Array(SINGLE_CHUNK_MAX + 1);
  #keptBytes = 0;
  #byInode: Map<number, SyncPath> | null = null;

  /** @param generation number of the look, see {@link Found.seen} */
  constructor(source: ReadSource, generation: number) {
    this.#source = source;
    this.#disk = source.disk;
    this.#trees = source.trees;
    this.#generation = generation;
    this.#shared = source.disk.groupShared;
  }

  /** The bytes that were kept were taken. */
  forgetKept(): void {
    this.#keptBytes = 0;
  }

  /**
   * Reads what stands at `path`. Whether its directory is still where it was, the caller has to ask afterwards.
   *
   * @param stat of what stands there
   * @param node what was agreed on for the path
   * @throws {DiskError}
   */
  async read(path: SyncPath, stat: Stat, node: SyncedNode | undefined): Promise<Reading> {
    const reading = await this.#read(path, stat, node);
    if (!("found" in reading)) return reading;
    // What is read from an open file may have been written to it at another place.
    return sameStat(this.#disk.stat(path), reading.found.stat) ? reading : UNSTEADY;
  }

  async #read(path: SyncPath, stat: Stat, node: SyncedNode | undefined): Promise<Reading> {
    if (stat.kind === "dir") {
      return this.#found({ kind: "dir", mode: this.#modeOf(path, stat, node) }, stat, { racy: false });
    }
    if (stat.kind === "link") {
      const target = this.#disk.readLink(path);
      const reason = linkProblem(target);
      if (reason !== null) return { problem: `Cannot sync "${path}": ${reason}` };
      return this.#found({ kind: "link", target }, stat);
    }
    if (stat.kind === "other") {
      return { problem: `Cannot sync "${path}": it is neither a file nor a directory nor a link` };
    }
    const moved = node === undefined ? this.#movedHere(stat) : null;
    return moved ?? await this.#readFile(path, node);
  }

  #found(entry: Entry, stat: Stat, over: Partial<Pick<Found, "racy" | "bytes" | "chunks">> = {}): Reading {
    const racy = over.racy ?? this.#isRacy(stat);
    const { bytes = null, chunks = null } = over;
    return { found: { entry, stat, racy, bytes, chunks, seen: this.#generation } };
  }

  /**
   * A file that was moved with its directory is untouched: its inode, times and size are those of a path that is known.
   * (Moving the file itself changes its ctime, so that one is read.)
   */
  #movedHere(stat: Stat): Reading | null {
    const from = this.#inodes().get(stat.ino);
    const node = from === undefined ? undefined : this.#trees.synced.get(from);
    if (node === undefined || node.entry.kind !== "file" || !sameStat(node.stat, stat)) return null;
    const large = node.entry.size > SINGLE_CHUNK_MAX;
    const chunks = large ? this.#source.chunks(from!) : null;
    return large && chunks === null ? null : this.#found(node.entry, stat, { racy: false, chunks });
  }

  /**
   * The bits that the user means: where the disk stored other bits than were agreed on (a shared folder adds group
   * bits), they count as unchanged as long as the disk says the same.
   */
  #modeOf(path: SyncPath, stat: Stat, node: SyncedNode | undefined): number {
    const known = node?.entry;
    if (
      node?.stat && known !== undefined && known.kind !== "link" && node.stat.mode === stat.mode &&
      node.stat.kind === stat.kind
    ) {
      return known.mode;
    }
    const mode = stat.mode & MODE_MASK;
    if (!this.#shared) return mode;
    const entry = known ?? this.#entryOfMoved(stat) ?? this.#trees.remote.get(path)?.entry ?? null;
    const same = entry !== null && entry.kind === stat.kind && entry.kind !== "link";
    return modeFromShared(mode, same ? entry.mode : null);
  }

  /** What was agreed on for something that seems to have come here from another path. */
  #entryOfMoved(stat: Stat): Entry | null {
    const from = this.#inodes().get(stat.ino);
    const node = from === undefined ? undefined : this.#trees.synced.get(from);
    if (node === undefined || node.stat?.kind !== stat.kind) return null;
    const same = stat.kind === "dir" || (node.stat.size === stat.size && node.stat.mtimeUs === stat.mtimeUs);
    return same ? node.entry : null;
  }

  /** Synced files and directories by inode, made when the first unknown one is met. */
  #inodes(): ReadonlyMap<number, SyncPath> {
    if (this.#byInode !== null) return this.#byInode;
    this.#byInode = new Map();
    for (const [path, node] of this.#trees.synced) {
      if (node.stat !== null && node.entry.kind !== "link") this.#byInode.set(node.stat.ino, path);
    }
    return this.#byInode;
  }

  async #readFile(path: SyncPath, node: SyncedNode | undefined): Promise<Reading> {
    const handle = this.#disk.open(path);
    try {
      const before = handle.stat();
      const content = before.size <= SINGLE_CHUNK_MAX
        ? this.#readSmall(handle)
        : await this.#readLarge(handle);
      const after = handle.stat();
      if (content === null || content.size !== after.size || !sameStat(before, after)) {
        return UNSTEADY;
      }
      const entry: Entry = {
        kind: "file",
        size: content.size,
        mtime: mtimeOf(after, node),
        // Of the same moment as the stat that is remembered, or a change between listing and reading stays unseen.
        mode: this.#modeOf(path, after, node),
        content: content.id,
      };
      return this.#found(entry, after, { bytes: content.bytes, chunks: content.chunks });
    } finally {
      handle.close();
    }
  }

  #readSmall(handle: ReadHandle): ReadContent | null {
    let size = 0;
    for (;;) {
      const n = handle.read(this.#buffer.subarray(size), size);
      if (n === 0) break;
      size += n;
      if (size > SINGLE_CHUNK_MAX) return null;
    }
    const view = this.#buffer.subarray(0, size);
    const kept = this.#keptBytes + size <= this.#source.keptBytesMax;
    if (kept) this.#keptBytes += size;
    return { size, id: singleChunkId(view), bytes: kept ? view.slice() : null, chunks: null };
  }

  async #readLarge(handle: ReadHandle): Promise<ReadContent> {
    const cutter = chunkContent((into, offset) => handle.read(into, offset));
    for (;;) {
      const step = cutter.next();
      if (step.done) {
        const chunks = step.value;
        const size = chunks.totalSize();
        if (size > SINGLE_CHUNK_MAX) return { size, id: chunks.contentId(), bytes: null, chunks };
        // It shrank while it was read; the caller compares the size.
        return { size: -1, id: "" as ContentId, bytes: null, chunks: null };
      }
      await this.#source.clock.yield();
    }
  }

  /** A later change shows in the ctime, which nobody can set, unless it comes within the same tick. */
  #isRacy(stat: Stat): boolean {
    return Math.abs(this.#source.clock.now() * 1000 - stat.ctimeUs) < this.#disk.racyWindowUs;
  }
}

/** The time that the user means; the same rule for disks that store times coarsely. */
function mtimeOf(stat: Stat, node: SyncedNode | undefined): number {
  if (node?.stat && node.entry.kind === "file" && node.stat.mtimeUs === stat.mtimeUs) return node.entry.mtime;
  return clampMtime(stat.mtimeUs / 1000);
}

function linkProblem(target: string): string | null {
  if (target === "") return "the link is empty";
  if (!target.isWellFormed()) return "the link's text is not UTF-8";
  return utf8Length(target) > LINK_TARGET_BYTES_MAX
    ? `the link is longer than ${LINK_TARGET_BYTES_MAX} bytes`
    : null;
}
