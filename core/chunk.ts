/**
 * Content as a list of chunks.
 *
 * Small contents are one chunk. Larger ones are cut by content-defined chunking, so that an insertion changes the
 * chunks around it and no others: FastCDC (Xia et al., USENIX ATC 2016) with a 32-bit gear hash and normalised
 * chunking of level 2. The parameters are part of the wire and store format: changing one changes every identity.
 */
import { createHash, hash } from "node:crypto";
import { Buffer } from "node:buffer";
import type { ContentId } from "./entry.ts";
import { invariant } from "./invariant.ts";

/** Contents up to this many bytes are a single chunk. */
export const SINGLE_CHUNK_MAX = 128 * 1024;
/** Bounds and target of a cut chunk, bytes. */
export const CHUNK_MIN = 16 * 1024;
export const CHUNK_TARGET = 64 * 1024;
export const CHUNK_MAX = 256 * 1024;

/** Two more and two fewer bits than log2(CHUNK_TARGET) = 16, taken from the top, where 32 bytes have mixed. */
const MASK_BEFORE_TARGET = 0xffffc000 | 0; // 18 bits
const MASK_AFTER_TARGET = 0xfffc0000 | 0; // 14 bits

const GEAR = gearTable();

/** 256 fixed 32-bit numbers: the first four bytes of SHA-256("fsync gear N"). */
function gearTable(): Int32Array {
  const table = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    table[n] = createHash("sha256").update(`fsync gear ${n}`).digest().readInt32LE(0);
  }
  return table;
}

/**
 * Length of the chunk that starts at `start` in `bytes`, of which `end` bytes are filled.
 *
 * @returns the length, or 0 if more bytes are needed to decide (never when `last`)
 */
export function cutPoint(bytes: Uint8Array, start: number, end: number, last: boolean): number {
  const available = end - start;
  if (available < CHUNK_MAX && !last) return 0;
  if (available <= CHUNK_MIN) return available;
  const target = Math.min(start + CHUNK_TARGET, end);
  const limit = Math.min(start + CHUNK_MAX, end);
  let rolling = 0;
  // The hash remembers 32 bytes, so it may start that far before the first place where a cut is allowed.
  let i = start + CHUNK_MIN - 32;
  for (const warm = start + CHUNK_MIN; i < warm; i++) rolling = ((rolling << 1) + GEAR[bytes[i]!]!) | 0;
  for (; i < target; i++) {
    rolling = ((rolling << 1) + GEAR[bytes[i]!]!) | 0;
    if ((rolling & MASK_BEFORE_TARGET) === 0) return i + 1 - start;
  }
  for (; i < limit; i++) {
    rolling = ((rolling << 1) + GEAR[bytes[i]!]!) | 0;
    if ((rolling & MASK_AFTER_TARGET) === 0) return i + 1 - start;
  }
  return limit - start;
}

/** SHA-256 of `bytes`, 32 bytes. */
export function digest(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** SHA-256 of `bytes`, 64 hex digits. */
export function digestHex(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** Identity of a content of one chunk. */
export function singleChunkId(bytes: Uint8Array): ContentId {
  invariant(bytes.length <= SINGLE_CHUNK_MAX, "a single chunk is too large");
  return digestHex(bytes) as ContentId;
}

const RECORD_BYTES = 36;

/**
 * The chunks of one content in order, as one block of bytes: for each chunk its SHA-256 (32 bytes) and its size
 * (4 bytes, little endian). The block is stored and hashed as it is.
 */
export class ChunkList {
  readonly bytes: Uint8Array;
  readonly length: number;

  /** @throws {RangeError} if `bytes` is not a whole number of records or a size is out of bounds */
  constructor(bytes: Uint8Array) {
    if (bytes.length % RECORD_BYTES !== 0) {
      throw new RangeError("Cannot read a chunk list: its length is not whole");
    }
    this.bytes = bytes;
    this.length = bytes.length / RECORD_BYTES;
    for (let i = 0; i < this.length; i++) {
      const size = this.sizeAt(i);
      if (size < 1 || size > CHUNK_MAX) {
        throw new RangeError("Cannot read a chunk list: a chunk size is out of bounds");
      }
    }
  }

  /** The 32 bytes of the digest of chunk `index` (a view, not a copy). */
  idAt(index: number): Uint8Array {
    return this.bytes.subarray(index * RECORD_BYTES, index * RECORD_BYTES + 32);
  }

  /** Digest of chunk `index` as a string that can be a key of a map. */
  keyAt(index: number): string {
    return keyOf(this.idAt(index));
  }

  /** Whether `bytes` are chunk `index`. */
  matches(index: number, bytes: Uint8Array): boolean {
    return bytes.length === this.sizeAt(index) && keyOf(digest(bytes)) === this.keyAt(index);
  }

  /** Bytes of chunk `index`. */
  sizeAt(index: number): number {
    const at = index * RECORD_BYTES + 32;
    const b = this.bytes;
    return (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
  }

  /** Bytes of the whole content. */
  totalSize(): number {
    let total = 0;
    for (let i = 0; i < this.length; i++) total += this.sizeAt(i);
    return total;
  }

  /** Offset of each chunk in the content; one more than there are chunks, the last being the total size. */
  offsets(): Float64Array {
    const offsets = new Float64Array(this.length + 1);
    for (let i = 0; i < this.length; i++) offsets[i + 1] = offsets[i]! + this.sizeAt(i);
    return offsets;
  }

  /** SHA-256 over the first `count` records; empty for none. Two sides compare it to see what they share. */
  prefixDigest(count: number): Uint8Array {
    return count === 0 ? new Uint8Array(0) : digest(this.bytes.subarray(0, count * RECORD_BYTES));
  }

  contentId(): ContentId {
    return createHash("sha256").update("fsync chunk list 1\n").update(this.bytes).digest("hex") as ContentId;
  }
}

/** A digest as a compact map key (one character per byte). */
export function keyOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
}

/** Collects chunks into a {@link ChunkList}. */
export class ChunkListBuilder {
  #bytes = new Uint8Array(64 * RECORD_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(id: Uint8Array, size: number): void {
    invariant(id.length === 32 && size > 0 && size <= CHUNK_MAX, "a chunk record is out of bounds");
    const at = this.#length * RECORD_BYTES;
    if (at + RECORD_BYTES > this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(id, at);
    this.#bytes[at + 32] = size;
    this.#bytes[at + 33] = size >>> 8;
    this.#bytes[at + 34] = size >>> 16;
    this.#bytes[at + 35] = size >>> 24;
    this.#length++;
  }

  /** Digest of chunk `index`, a copy. */
  idAt(index: number): Uint8Array {
    invariant(index < this.#length, "a chunk record is out of bounds");
    return this.#bytes.slice(index * RECORD_BYTES, index * RECORD_BYTES + 32);
  }

  /** The list so far. */
  build(): ChunkList {
    return new ChunkList(this.#bytes.slice(0, this.#length * RECORD_BYTES));
  }
}

/** What is needed to read a content: fills `into` from `offset`, returns the bytes read, 0 at the end. */
export type ReadAt = (into: Uint8Array, offset: number) => number;

/**
 * Cuts a large content and hashes its chunks, slice by slice, so that the caller can let other work run between.
 * Yields the bytes covered so far about every {@link SLICE_BYTES}; returns the finished list.
 */
export function* chunkContent(read: ReadAt): Generator<number, ChunkList> {
  const builder = new ChunkListBuilder();
  const buffer = new Uint8Array(SLICE_BYTES + CHUNK_MAX);
  let start = 0, end = 0, offset = 0;
  for (;;) {
    let last = false;
    while (end < buffer.length) {
      const n = read(buffer.subarray(end), offset);
      if (n === 0) {
        last = true;
        break;
      }
      end += n;
      offset += n;
    }
    for (;;) {
      const size = start === end ? 0 : cutPoint(buffer, start, end, last);
      if (size === 0) break;
      builder.add(digest(buffer.subarray(start, start + size)), size);
      start += size;
    }
    if (last) return builder.build();
    buffer.copyWithin(0, start, end);
    end -= start;
    start = 0;
    yield offset - end;
  }
}

/** Bytes that are read and hashed between two chances for other work to run (about 4 ms of work). */
export const SLICE_BYTES = 4 * 1024 * 1024;
