/**
 * The contents of the embedded server in its private directory `.fsync/`: small ones in packs, large ones as files.
 * `docs/store.md` describes the formats and the order of writes.
 */
import type { ChunkList } from "../../core/chunk.ts";
import { digestHex } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import type { Block } from "../../protocol/messages.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import { makePrivateDir, syncDir } from "../../system/private_file.ts";
import { attempt } from "./_file_access.ts";
import { type LargeFile, LargeFiles } from "./_large_files.ts";
import type { SyncData } from "./_pack_file.ts";
import { packFileName, Packs, type WalkedBlock } from "./_packs.ts";
import { ArchivedContents } from "./_archived_contents.ts";
import {
  type ChunkIndex,
  type Contents,
  ContentsError,
  type Incoming,
  type Location,
  type PackEnd,
} from "./contents.ts";

/** Size at which a pack is full: few files, yet one can be copied, checked and rewritten on its own. */
const PACK_BYTES_MAX = 256 * 1024 * 1024;
/** Decompressed blocks kept for the next read: a client that downloads in order finds its blocks here. */
const CACHE_BYTES_MAX = 16 * 1024 * 1024;

export interface ContentsOptions {
  /** What the records say: nothing before it is ever cut off. */
  readonly end: PackEnd;
  readonly clock?: Clock;
  /** What finds the chunks of archived contents: the records. Without it only files are large contents. */
  readonly index?: ChunkIndex;
  /** For tests. */
  readonly packBytesMax?: number;
  readonly cacheBytesMax?: number;
  readonly syncData?: SyncData;
}

/**
 * Opens the contents below `dir`, making what is missing, and cuts off what a crash left half written.
 *
 * @throws {ContentsError}
 */
export function openContents(dir: string, options: ContentsOptions): PackContents {
  return attempt("open", dir, () => new PackContents(dir, options));
}

export class PackContents implements Contents {
  readonly #packs: Packs;
  readonly #large: LargeFiles;
  readonly #archived: ArchivedContents | null;
  /** What was found wrong at opening, for the log: recorded contents that are not there. */
  readonly problem: string | null;

  constructor(dir: string, options: ContentsOptions) {
    const syncData: SyncData = options.syncData ?? ((file) => file.syncData());
    makePrivateDir(dir);
    this.#packs = new Packs(`${dir}/packs`, {
      end: options.end,
      packBytesMax: options.packBytesMax ?? PACK_BYTES_MAX,
      cacheBytesMax: options.cacheBytesMax ?? CACHE_BYTES_MAX,
      syncData,
    });
    this.problem = this.#packs.problem;
    const { index } = options;
    this.#archived = index === undefined
      ? null
      : new ArchivedContents(index, (id, location) => this.read(id, location));
    this.#large = new LargeFiles(dir, options.clock ?? systemClock, syncData, this.#archived);
    // The directories that were just made.
    syncDir(dir);
  }

  append(block: Block): { readonly pack: number; readonly offset: number; readonly length: number } {
    return this.#packs.append(block);
  }

  async sync(): Promise<void> {
    await this.#packs.sync();
  }

  read(id: ContentId, location: Location): Uint8Array {
    const block = this.#packs.read(location);
    const { innerOffset, size } = location;
    const bytes = block.subarray(innerOffset, innerOffset + size);
    if (bytes.length !== size || digestHex(bytes) !== id) {
      const where = `block at ${location.offset} of pack ${location.pack}`;
      throw new ContentsError("corrupt", `Cannot read the content ${id}: it is not what the ${where} holds`);
    }
    return bytes;
  }

  async receive(
    id: ContentId,
    size: number,
    base: { readonly id: ContentId; readonly chunks: ChunkList } | null,
    owner = "",
  ): Promise<Incoming> {
    return await this.#large.receive(id, size, base, owner);
  }

  stagedBytes(owner: string, next: ContentId | null): number {
    return this.#large.stagedBytes(owner, next);
  }

  hasLarge(id: ContentId): boolean {
    return this.#large.has(id);
  }

  hasLargeFile(id: ContentId): boolean {
    return this.#large.hasFile(id);
  }

  /** Whether all chunks of a large content are in packs. */
  isArchived(id: ContentId): boolean {
    return this.#archived?.has(id) ?? false;
  }

  /** Files of large contents, each with the number of its names. @throws {ContentsError} */
  largeFiles(): Generator<LargeFile> {
    return this.#large.files();
  }

  /** The packs and their sizes in bytes, in their order. @throws {ContentsError} */
  packs(): { readonly number: number; readonly size: number }[] {
    return this.#packs.list();
  }

  /** Name of a pack's file, below the store's directory. */
  packName(pack: number): string {
    return `packs/${packFileName(pack)}`;
  }

  /** The blocks of a pack, each decompressed, or `null` where it is damaged. @throws {ContentsError} */
  blocks(pack: number): Generator<WalkedBlock> {
    return this.#packs.walk(pack);
  }

  /** Bytes that the blocks of a pack hold after decompression, read from their headers. @throws {ContentsError} */
  rawBytes(pack: number): number {
    return this.#packs.rawBytes(pack);
  }

  /** Lets the next block begin a new pack; returns the number from which on packs are new. */
  sealPack(): number {
    return this.#packs.seal();
  }

  /** Removes a pack that no location names. @throws {ContentsError} */
  removePack(pack: number): void {
    this.#packs.remove(pack);
  }

  largeName(id: ContentId): string {
    return `large/${id}`;
  }

  readLarge(id: ContentId, into: Uint8Array, offset: number): number {
    return this.#large.read(id, into, offset);
  }

  dropLarge(id: ContentId): void {
    this.#large.drop(id);
  }

  close(): void {
    this.#packs.close();
    this.#large.close();
  }
}
