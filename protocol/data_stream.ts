/** Turns a large content into the `data` messages that rebuild it on the other side. */
import type { ChunkList } from "../core/chunk.ts";
import { recipe } from "../core/recipe.ts";
import { packBlock } from "./block.ts";
import { BLOCK_BYTES_MAX, BLOCK_RAW_BYTES_MAX, OPS_MAX } from "./limits.ts";
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
 * The messages in order, the last of them marked. A message lies in memory that the next one takes: it must be encoded
 * before.
 *
 * @throws {ContentChanged} if the source is shorter than its chunk list
 */
export function* dataMessages(source: DataStreamSource): Generator<Data> {
  const { chunks } = source;
  const offsets = chunks.offsets();
  const raw = new Uint8Array(Math.min(chunks.totalSize(), BLOCK_RAW_BYTES_MAX));
  let ops: DataOp[] = [];
  let bytes = 0;
  const message = (last: boolean): Data => {
    const data: Data = { type: "data", ops, block: packBlock([raw.subarray(0, bytes)]), last };
    ops = [];
    bytes = 0;
    return data;
  };
  for (const op of recipe(chunks, source.base, source.first)) {
    if (op.op === "new") {
      const size = chunks.sizeAt(op.index);
      readFully(source, raw.subarray(bytes, bytes + size), offsets[op.index]!);
      bytes += size;
      ops.push({ op: "new", id: chunks.idAt(op.index), size });
    } else ops.push(op);
    if (bytes >= BLOCK_BYTES_MAX || ops.length >= OPS_MAX) yield message(false);
  }
  yield message(true);
}

function readFully(source: DataStreamSource, into: Uint8Array, offset: number): void {
  for (let filled = 0; filled < into.length;) {
    const n = source.read(into.subarray(filled), offset + filled);
    if (n === 0) throw new ContentChanged("the content is shorter than its chunk list");
    filled += n;
  }
}
