/** How much of a large content lies in a staged file, after a pause, a crash or a power cut. */
import { CHUNK_MAX, chunkContent, ChunkList, cutPoint, type ReadAt } from "../../core/chunk.ts";

const RECORD_BYTES = 36;

/**
 * Cuts and hashes the first `length` bytes that `read` gives. Where they end is where writing stopped, not where the
 * content is cut, so the last chunk counts only if it would be cut there whatever follows.
 *
 * Yields now and then, so that other work can run.
 *
 * @param size bytes of the whole content
 */
export function* wholeChunks(read: ReadAt, length: number, size: number): Generator<void, ChunkList> {
  const bounded: ReadAt = (into, offset) => {
    const left = Math.min(into.length, length - offset);
    return left <= 0 ? 0 : read(into.subarray(0, left), offset);
  };
  const cutting = chunkContent(bounded);
  let step = cutting.next();
  while (!step.done) {
    yield;
    step = cutting.next();
  }
  const list = step.value;
  const covered = list.totalSize();
  if (list.length === 0 || covered === size || endsByItself(bounded, list, covered)) return list;
  return new ChunkList(list.bytes.subarray(0, (list.length - 1) * RECORD_BYTES));
}

function endsByItself(read: ReadAt, list: ChunkList, covered: number): boolean {
  const size = list.sizeAt(list.length - 1);
  const bytes = new Uint8Array(CHUNK_MAX + 1);
  let filled = 0;
  while (filled < size) {
    const count = read(bytes.subarray(filled, size), covered - size + filled);
    if (count === 0) return false;
    filled += count;
  }
  // With one byte more to choose from, the cut must stay where it is.
  return cutPoint(bytes, 0, size + 1, true) === size;
}
