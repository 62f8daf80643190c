/** Receives one large content into the staging area, going on where an earlier try stopped. */
import { AssembleError, Assembler } from "../core/assemble.ts";
import { CHUNK_MAX, chunkContent, ChunkList, ChunkListBuilder } from "../core/chunk.ts";
import type { FileEntry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import type { DataOp } from "../protocol/messages.ts";
import type { LargeSink, VersionRef } from "../protocol/remote.ts";
import { DiskError, type ReadHandle, type Staged, type StageFile } from "../system/disk.ts";
import type { Replica } from "./replica.ts";
import type { Room } from "./room.ts";

export class FetchSink implements LargeSink {
  /** The version that stands here and that the server may refer to. */
  readonly base: VersionRef | null;
  readonly #path: SyncPath;
  readonly #room: Room;
  readonly #stage: StageFile;
  readonly #baseHandle: ReadHandle | null;
  readonly #baseChunks: ChunkList | null;
  readonly #held: ChunkList;
  readonly #size: number;
  #assembler: Assembler;
  #sealed = false;

  /** @throws {DiskError} */
  constructor(replica: Replica, path: SyncPath, entry: FileEntry) {
    const { trees, disk } = replica;
    this.#path = path;
    this.#room = replica.room;
    this.#size = entry.size;
    this.#stage = disk.stageLarge(entry.content);
    const near = trees.synced.has(path) ? path : trees.pathOfLarge(entry.content) ?? path;
    const node = trees.synced.get(near);
    this.#baseChunks = node?.entry.kind === "file" && node.revision > 0 ? replica.chunks(near) : null;
    this.#baseHandle = this.#baseChunks === null ? null : openIfThere(() => disk.open(near));
    this.base = this.#baseHandle === null ? null : { path: near, revision: node!.revision };
    this.#held = wholeChunks(this.#stage);
    this.#assembler = this.#fresh();
    this.#assembler.resume(this.#held);
  }

  /** @throws {DiskError} no_space if the rest would not fit: then nothing need be asked for */
  get have(): { readonly chunks: number; readonly prefix: Uint8Array } {
    if (this.#size - this.#assembler.bytes > this.#room.left()) {
      throw new DiskError("no_space", "download", this.#path, "no space left on the device");
    }
    return { chunks: this.#assembler.chunks, prefix: this.#assembler.prefix() };
  }

  start(first: number, _chunks: number): void {
    if (first === this.#held.length) {
      this.#stage.truncate(this.#assembler.bytes);
      return;
    }
    if (first !== 0) throw new ProtocolError("the server goes on at a chunk that is not there");
    this.#stage.truncate(0);
    this.#assembler = this.#fresh();
  }

  accept(ops: readonly DataOp[], bytes: Uint8Array): void {
    try {
      this.#assembler.accept(ops, bytes);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** Verifies and finishes the content. @throws {DiskError | RemoteError} */
  finish(entry: FileEntry): { readonly staged: Staged; readonly chunks: ChunkList } {
    try {
      const chunks = this.#assembler.finish(entry.content);
      const staged = this.#stage.seal(entry);
      this.#sealed = true;
      return { staged, chunks };
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** Gives back the room of what was received, which others need. */
  drop(): void {
    if (this.#sealed) return;
    try {
      this.#stage.truncate(0);
    } catch (error) {
      // It goes when the staging area is cleared.
      if (!(error instanceof DiskError)) throw error;
    }
  }

  close(): void {
    this.#baseHandle?.close();
    this.#stage.close();
  }

  #fresh(): Assembler {
    const base = this.#baseHandle === null || this.#baseChunks === null ? null : {
      chunks: this.#baseChunks,
      read: (into: Uint8Array, at: number) => this.#baseHandle!.read(into, at),
    };
    return new Assembler(this.#stage, base, this.#size);
  }

  /** A base that changed here is our own doing: start again without it. Anything else is the server's. */
  #refused(error: unknown): unknown {
    if (!(error instanceof AssembleError)) return error;
    this.#stage.truncate(0);
    if (this.base !== null) {
      return new DiskError("io", "assemble", this.base.path, `${error.message}; it is tried again`);
    }
    // One content that is not what was announced must not keep all others from coming.
    return new RemoteError("corrupt", `the server sent other bytes than announced (${error.message})`);
  }
}

function openIfThere(open: () => ReadHandle): ReadHandle | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof DiskError) return null;
    throw error;
  }
}

/** The chunks that a staged file surely holds: all but the last, which may have been cut short. */
function wholeChunks(stage: StageFile): ChunkList {
  if (stage.size === 0) return new ChunkList(new Uint8Array(0));
  const cutter = chunkContent((into, offset) => stage.read(into, offset));
  let step = cutter.next();
  while (!step.done) step = cutter.next();
  const list = step.value;
  const builder = new ChunkListBuilder();
  // A cut needs up to CHUNK_MAX bytes of sight; nearer to the end a chunk may have come out differently.
  let end = 0;
  for (let i = 0; i < list.length; i++) {
    end += list.sizeAt(i);
    if (end + CHUNK_MAX > stage.size) break;
    builder.add(list.idAt(i), list.sizeAt(i));
  }
  return builder.build();
}
