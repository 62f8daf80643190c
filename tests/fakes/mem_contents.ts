/**
 * Contents in memory: the twin of `server/store/pack_contents.ts`. Large contents and staging lie in the private area
 * of a disk, so that the plain tree can hold second names for them.
 */
import { type ChunkList, digestHex } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import { unpackBlock } from "../../protocol/block.ts";
import type { Block } from "../../protocol/messages.ts";
import { GroupSync } from "../../server/store/_group_sync.ts";
import { IncomingContent, type Part } from "../../server/store/_incoming_content.ts";
import { HEADER_BYTES, storable } from "../../server/store/_pack_format.ts";
import { Parts } from "../../server/store/_parts.ts";
import { ArchivedContents } from "../../server/store/_archived_contents.ts";
import {
  type ChunkIndex,
  type Contents,
  ContentsError,
  type Incoming,
  type Location,
  type PackEnd,
} from "../../server/store/contents.ts";

/** The private area of a memory disk, as far as the twin uses it. Writing is durable at once. */
export interface PrivateFiles {
  read(name: string): Uint8Array | null;
  write(name: string, bytes: Uint8Array): void;
  remove(name: string): void;
  list(prefix: string): string[];
}

/** A private area without a disk. */
export function mapFiles(): PrivateFiles {
  const files = new Map<string, Uint8Array>();
  return {
    read: (name) => files.get(name) ?? null,
    write: (name, bytes) => void files.set(name, bytes.slice()),
    remove: (name) => void files.delete(name),
    list: (prefix) => [...files.keys()].filter((name) => name.startsWith(prefix)).sort(),
  };
}

const PACK_BYTES_MAX = 1024 * 1024;

interface Stored {
  readonly offset: number;
  readonly block: Block;
  durable: boolean;
}

export interface MemContentsOptions {
  /** What finds the chunks of archived contents. */
  readonly index?: ChunkIndex;
  readonly packBytesMax?: number;
  /** Awaited by each sync before anything is durable; may wait, and a rejection makes the sync fail. */
  readonly syncData?: () => Promise<void>;
}

/** Survives `close()`, like a directory; use it again for the next run. */
export class MemContents implements Contents {
  readonly #files: PrivateFiles;
  readonly #options: MemContentsOptions;
  readonly #archived: ArchivedContents | null;
  readonly #packs = new Map<number, Stored[]>();
  #parts: Parts;
  #pack = 0;
  #packBytes = 0;
  #syncs = new GroupSync(() => this.#flush());

  constructor(files: PrivateFiles = mapFiles(), options: MemContentsOptions = {}) {
    this.#files = files;
    this.#options = options;
    this.#parts = this.#findParts();
    const { index } = options;
    this.#archived = index === undefined
      ? null
      : new ArchivedContents(index, (id, location) => this.read(id, location));
  }

  append(block: Block): { readonly pack: number; readonly offset: number; readonly length: number } {
    const stored = storable(block);
    const length = HEADER_BYTES + stored.bytes.length;
    const full = this.#packBytes > 0 &&
      this.#packBytes + length > (this.#options.packBytesMax ?? PACK_BYTES_MAX);
    if (this.#pack === 0 || full) this.#nextPack();
    const offset = this.#packBytes;
    this.#packs.get(this.#pack)!.push({
      offset,
      block: { ...block, bytes: block.bytes.slice() },
      durable: false,
    });
    this.#packBytes += length;
    this.#syncs.note();
    return { pack: this.#pack, offset, length };
  }

  async sync(): Promise<void> {
    await this.#syncs.sync();
  }

  read(id: ContentId, location: Location): Uint8Array {
    const stored = this.#packs.get(location.pack)?.find(({ offset }) => offset === location.offset);
    if (stored === undefined) {
      throw new ContentsError("missing", `Cannot read the content ${id}: its block is missing`);
    }
    const bytes = contentIn(stored.block, location);
    if (bytes === null || digestHex(bytes) !== id) {
      throw new ContentsError("corrupt", `Cannot read the content ${id}: its block is damaged`);
    }
    return bytes;
  }

  async receive(
    id: ContentId,
    size: number,
    base: { readonly id: ContentId; readonly chunks: ChunkList } | null,
    owner = "",
  ): Promise<Incoming> {
    return await IncomingContent.resume(this.#openPart(id, size, owner), {
      id,
      size,
      base: base && {
        chunks: base.chunks,
        read: (into: Uint8Array, offset: number) => this.readLarge(base.id, into, offset),
      },
      yield: () => Promise.resolve(),
    });
  }

  stagedBytes(owner: string, next: ContentId | null): number {
    return this.#parts.bytesOf(owner, next);
  }

  hasLarge(id: ContentId): boolean {
    return this.hasLargeFile(id) || (this.#archived?.has(id) ?? false);
  }

  hasLargeFile(id: ContentId): boolean {
    return this.#files.read(this.largeName(id)) !== null;
  }

  largeName(id: ContentId): string {
    return `large/${id}`;
  }

  readLarge(id: ContentId, into: Uint8Array, offset: number): number {
    const bytes = this.#files.read(this.largeName(id));
    if (bytes === null && this.#archived !== null) return this.#archived.read(id, into, offset);
    if (bytes === null) throw new ContentsError("missing", `Cannot read the content ${id}: it is missing`);
    return copy(bytes, into, offset);
  }

  dropLarge(id: ContentId): void {
    this.#files.remove(this.largeName(id));
  }

  close(): void {
    this.#parts = this.#findParts();
  }

  /** Imitates a power cut and the next start: blocks that were never synced are gone, like contents half received. */
  powerCut(): void {
    this.#dropUndurable();
    this.#parts = this.#findParts();
    this.#syncs = new GroupSync(() => this.#flush());
  }

  /** Where the last durable block ends. */
  durableEnd(): PackEnd {
    for (let pack = this.#pack; pack > 0; pack--) {
      const last = this.#packs.get(pack)?.findLast(({ durable }) => durable);
      if (last !== undefined) return { pack, offset: last.offset + HEADER_BYTES + last.block.bytes.length };
    }
    return { pack: 0, offset: 0 };
  }

  /** Flips a bit of the block at `location`, as a failing disk does. */
  damage({ pack, offset }: Location): void {
    const stored = this.#packs.get(pack)?.find((candidate) => candidate.offset === offset);
    const last = stored?.block.bytes.length ?? 0;
    if (stored !== undefined && last > 0) stored.block.bytes[last - 1]! ^= 1;
  }

  async #flush(): Promise<void> {
    const waiting = [...this.#packs.values()].flat().filter(({ durable }) => !durable);
    try {
      await this.#options.syncData?.();
    } catch (error) {
      this.#dropUndurable();
      throw new ContentsError(
        "io",
        `Cannot make contents durable: ${error instanceof Error ? error.message : error}`,
      );
    }
    for (const stored of waiting) stored.durable = true;
  }

  #dropUndurable(): void {
    for (const [pack, blocks] of this.#packs) this.#packs.set(pack, blocks.filter(({ durable }) => durable));
    if (this.#pack > 0) this.#nextPack();
  }

  #nextPack(): void {
    this.#pack++;
    this.#packBytes = 0;
    this.#packs.set(this.#pack, []);
  }

  #openPart(id: ContentId, size: number, owner: string): Part {
    const { name, release } = this.#parts.take(id, size, owner);
    return new MemPart(this.#files, { name: `incoming/${name}`, place: this.largeName(id), release });
  }

  #findParts(): Parts {
    // Nothing here has a time: what came first goes first.
    let time = 0;
    const parts = new Parts(() => ++time, (name) => this.#files.remove(`incoming/${name}`));
    for (const name of this.#files.list("incoming/")) {
      parts.found(name.slice("incoming/".length), this.#files.read(name)?.length ?? 0, 0);
    }
    return parts;
  }
}

interface PartNames {
  readonly name: string;
  /** Of the finished content. */
  readonly place: string;
  readonly release: (bytes: number | null) => void;
}

/** Keeps its bytes in memory until it is let go: a power cut takes them, as it may. */
class MemPart implements Part {
  readonly #files: PrivateFiles;
  readonly #names: PartNames;
  #bytes: Uint8Array;
  #size: number;

  constructor(files: PrivateFiles, names: PartNames) {
    this.#files = files;
    this.#names = names;
    this.#bytes = files.read(names.name)?.slice() ?? new Uint8Array(0);
    this.#size = this.#bytes.length;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): void {
    if (this.#size + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array(2 * (this.#size + bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  read(into: Uint8Array, offset: number): number {
    return copy(this.#bytes.subarray(0, this.#size), into, offset);
  }

  truncate(size: number): void {
    this.#size = size;
  }

  place(): Promise<void> {
    this.#files.write(this.#names.place, this.#bytes.slice(0, this.#size));
    this.remove();
    return Promise.resolve();
  }

  pause(): void {
    this.#files.write(this.#names.name, this.#bytes.slice(0, this.#size));
    this.#names.release(this.#size);
  }

  remove(): void {
    this.#files.remove(this.#names.name);
    this.#names.release(null);
  }
}

function contentIn(block: Block, { innerOffset, size }: Location): Uint8Array | null {
  try {
    const bytes = unpackBlock(block).subarray(innerOffset, innerOffset + size);
    return bytes.length === size ? bytes : null;
  } catch {
    return null;
  }
}

function copy(bytes: Uint8Array, into: Uint8Array, offset: number): number {
  const part = bytes.subarray(offset, offset + into.length);
  into.set(part);
  return part.length;
}
