/**
 * Large contents that have no file of their own any more: their chunks lie in the packs, found through the records by
 * their digests, as small contents are.
 */
import { ChunkList } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import { Lru } from "./_lru.ts";
import { type ChunkIndex, ContentsError, type Location } from "./contents.ts";

/** Chunk lists that are kept for the next read: those of about 100 GB of contents. */
const LISTS_BYTES_MAX = 64 * 1024 * 1024;

interface OpenList {
  readonly chunks: ChunkList;
  readonly offsets: Float64Array;
}

export class ArchivedContents {
  readonly #index: ChunkIndex;
  readonly #readChunk: (id: ContentId, location: Location) => Uint8Array;
  readonly #lists = new Lru<ContentId, OpenList>(LISTS_BYTES_MAX, ({ chunks }) => chunks.bytes.length);

  /** @param readChunk gives verified bytes, or throws a {@link ContentsError} */
  constructor(index: ChunkIndex, readChunk: (id: ContentId, location: Location) => Uint8Array) {
    this.#index = index;
    this.#readChunk = readChunk;
  }

  /** Whether every chunk of `id` is in a pack. */
  has(id: ContentId): boolean {
    const list = this.#list(id);
    if (list === null) return false;
    for (let i = 0; i < list.chunks.length; i++) {
      if (this.#index.location(chunkId(list.chunks, i)) === null) return false;
    }
    return true;
  }

  /** @throws {ContentsError} if a chunk is missing or damaged */
  read(id: ContentId, into: Uint8Array, offset: number): number {
    const list = this.#list(id);
    if (list === null) throw missing(id);
    const { chunks, offsets } = list;
    let filled = 0;
    for (let i = chunkAt(offsets, offset); i < chunks.length && filled < into.length; i++) {
      const bytes = this.#chunk(id, chunks, i);
      const part = bytes.subarray(offset + filled - offsets[i]!);
      const taken = part.subarray(0, into.length - filled);
      into.set(taken, filled);
      filled += taken.length;
    }
    return filled;
  }

  #chunk(id: ContentId, chunks: ChunkList, i: number): Uint8Array {
    const chunk = chunkId(chunks, i);
    // Looked up each time, since packs are rewritten.
    const location = this.#index.location(chunk);
    if (location === null) throw missing(id);
    return this.#readChunk(chunk, location);
  }

  #list(id: ContentId): OpenList | null {
    const known = this.#lists.get(id);
    if (known !== undefined) return known;
    const bytes = this.#index.chunkList(id);
    if (bytes === null) return null;
    const chunks = new ChunkList(bytes);
    const list = { chunks, offsets: chunks.offsets() };
    this.#lists.set(id, list);
    return list;
  }
}

/** The digest of a chunk as the content that it is: a small content of the same bytes has the same one. */
export function chunkId(chunks: ChunkList, index: number): ContentId {
  return chunks.idAt(index).toHex() as ContentId;
}

/** The chunk that holds the byte at `offset`; behind the last, the number of chunks. */
function chunkAt(offsets: Float64Array, offset: number): number {
  let low = 0, high = offsets.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle + 1]! <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function missing(id: ContentId): ContentsError {
  return new ContentsError("missing", `Cannot read the content ${id}: it is not in the store`);
}
