/**
 * Builds a large content from a recipe, verifying each chunk as it comes: nothing of a peer is trusted, and nothing is
 * kept that does not fit. The content is only ever a correct prefix, so a transfer can go on where it stopped.
 */
import { CHUNK_MAX, ChunkList, ChunkListBuilder, digest, keyOf } from "./chunk.ts";
import type { ContentId } from "./entry.ts";

/** The ops of a peer; `index` and `count` are unchecked numbers until they are used here. */
export type AssembleOp =
  | { readonly op: "base"; readonly index: number; readonly count: number }
  | { readonly op: "self"; readonly index: number }
  | { readonly op: "new"; readonly id: Uint8Array; readonly size: number };

export interface AssembleTarget {
  /** Adds bytes at the end of what is there. */
  append(bytes: Uint8Array): void;
  /** Fills `into` from `offset` of what is there; returns the bytes read. */
  read(into: Uint8Array, offset: number): number;
}

export interface AssembleBase {
  readonly chunks: ChunkList;
  read(into: Uint8Array, offset: number): number;
}

/** What a peer sent does not build the announced content. */
export class AssembleError extends Error {
  override name = "AssembleError";
}

export class Assembler {
  readonly #target: AssembleTarget;
  readonly #base: AssembleBase | null;
  readonly #baseOffsets: Float64Array;
  readonly #size: number;
  readonly #builder = new ChunkListBuilder();
  readonly #offsets: number[] = [0];
  readonly #sizes: number[] = [];
  readonly #buffer = new Uint8Array(CHUNK_MAX);

  /** @param size announced bytes of the whole content; never exceeded */
  constructor(target: AssembleTarget, base: AssembleBase | null, size: number) {
    this.#target = target;
    this.#base = base;
    this.#baseOffsets = base?.chunks.offsets() ?? new Float64Array(1);
    this.#size = size;
  }

  /** Chunks that are there. */
  get chunks(): number {
    return this.#builder.length;
  }

  /** Bytes that are there. */
  get bytes(): number {
    return this.#offsets[this.#offsets.length - 1]!;
  }

  /** Takes over chunks that the target holds already. They were verified by reading them. */
  resume(chunks: ChunkList): void {
    for (let i = 0; i < chunks.length; i++) this.#record(chunks.idAt(i), chunks.sizeAt(i));
  }

  /** SHA-256 of the list so far; empty if nothing is there. */
  prefix(): Uint8Array {
    return this.chunks === 0 ? new Uint8Array(0) : digest(this.#builder.build().bytes);
  }

  /**
   * Applies `ops`; `bytes` are those of the new chunks among them, in order.
   *
   * @throws {AssembleError} at the first op that does not fit; those before it stay
   */
  accept(ops: readonly AssembleOp[], bytes: Uint8Array): void {
    let at = 0;
    for (const op of ops) {
      if (op.op === "new") {
        if (op.size < 1 || op.size > CHUNK_MAX || at + op.size > bytes.length) {
          throw new AssembleError("a chunk's size does not fit its bytes");
        }
        this.#add(op.id, bytes.subarray(at, at + op.size));
        at += op.size;
      } else if (op.op === "self") this.#addSelf(op.index);
      else this.#addBase(op.index, op.count);
    }
    if (at !== bytes.length) throw new AssembleError("there are bytes that no chunk accounts for");
  }

  /**
   * The finished chunk list.
   *
   * @throws {AssembleError} if it is not the content `id` of the announced size
   */
  finish(id: ContentId): ChunkList {
    const list = this.#builder.build();
    if (this.bytes !== this.#size) {
      throw new AssembleError(`it has ${this.bytes} bytes instead of ${this.#size}`);
    }
    if (list.contentId() !== id) throw new AssembleError("its chunks are not those of the announced content");
    return list;
  }

  #add(id: Uint8Array, bytes: Uint8Array): void {
    if (keyOf(digest(bytes)) !== keyOf(id)) throw new AssembleError("a chunk does not match its digest");
    if (this.bytes + bytes.length > this.#size) throw new AssembleError("it is longer than announced");
    this.#target.append(bytes);
    this.#record(id, bytes.length);
  }

  #addSelf(index: number): void {
    const offset = this.#offsets[index];
    const size = this.#sizes[index];
    if (offset === undefined || size === undefined) {
      throw new AssembleError("it repeats a chunk that is not there");
    }
    this.#copy(this.#target, offset, size, this.#builder.idAt(index));
  }

  #addBase(index: number, count: number): void {
    const base = this.#base;
    if (base === null) throw new AssembleError("it refers to a base that was not named");
    const whole = Number.isInteger(index) && Number.isInteger(count);
    if (!whole || index < 0 || count < 1 || index + count > base.chunks.length) {
      throw new AssembleError("it refers to chunks that the base does not have");
    }
    for (let i = index; i < index + count; i++) {
      this.#copy(base, this.#baseOffsets[i]!, base.chunks.sizeAt(i), base.chunks.idAt(i));
    }
  }

  #copy(
    source: { read(into: Uint8Array, offset: number): number },
    offset: number,
    size: number,
    id: Uint8Array,
  ) {
    const into = this.#buffer.subarray(0, size);
    let filled = 0;
    while (filled < size) {
      const n = source.read(into.subarray(filled), offset + filled);
      if (n === 0) throw new AssembleError("the base is shorter than its chunk list");
      filled += n;
    }
    this.#add(id.slice(), into);
  }

  #record(id: Uint8Array, size: number): void {
    this.#builder.add(id, size);
    this.#sizes.push(size);
    this.#offsets.push(this.bytes + size);
  }
}
