/** Turns a large content into the `data` messages that rebuild it on the other side. */
import type { ChunkList } from "../core/chunk.ts";
import { recipe } from "../core/recipe.ts";
import { packBlock } from "./block.ts";
import { BLOCK_BYTES_MAX, OPS_MAX } from "./limits.ts";
import type { Data, DataOp } from "./messages.ts";

export interface DataStreamSource {
  readonly chunks: ChunkList;
  /** Chunks of the version that the receiver has. */
  readonly base: ChunkList | null;
  /** First chunk that the receiver does not hold. */
  readonly first: number;
  /** Fills `into` from `offset`; returns the bytes read. */
  read(into: Uint8Array, offset: number): number;
}

/** The content could not be read as its chunk list says (it changed, or is damaged). */
export class ContentChanged extends Error {
  override name = "ContentChanged";
}

/**
 * The messages in order, the last of them marked.
 *
 * @throws {ContentChanged} if the source is shorter than its chunk list
 */
export function* dataMessages(source: DataStreamSource): Generator<Data> {
  const offsets = source.chunks.offsets();
  let ops: DataOp[] = [];
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const message = (last: boolean): Data => {
    const data: Data = { type: "data", ops, block: packBlock(parts), last };
    ops = [];
    parts = [];
    bytes = 0;
    return data;
  };
  for (const op of recipe(source.chunks, source.base, source.first)) {
    if (op.op === "new") {
      const size = source.chunks.sizeAt(op.index);
      parts.push(readFully(source, offsets[op.index]!, size));
      bytes += size;
      ops.push({ op: "new", id: source.chunks.idAt(op.index), size });
    } else ops.push(op);
    if (bytes >= BLOCK_BYTES_MAX || ops.length >= OPS_MAX) yield message(false);
  }
  yield message(true);
}

function readFully(source: DataStreamSource, offset: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const n = source.read(bytes.subarray(filled), offset + filled);
    if (n === 0) throw new ContentChanged("the content is shorter than its chunk list");
    filled += n;
  }
  return bytes;
}
