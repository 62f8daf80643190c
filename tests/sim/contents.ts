/** What the users of a simulated world write: contents that can be told from each other and from garbage. */
import { chunkContent, digestHex, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";

/** Larger contents repeat parts of this, so that they share chunks. */
const POOL = new SeededRandom(20250101n).bytes(1536 * 1024);

/** A content of `size` bytes (or its header, if that is longer) that nobody wrote before. */
export function token(author: string, sequence: number, size: number): Uint8Array {
  const header = new TextEncoder().encode(`token ${author} ${sequence}\n`);
  const bytes = new Uint8Array(Math.max(size, header.length));
  const from = (sequence * 4099) % (POOL.length - 1024 * 1024 - 16);
  bytes.set(POOL.subarray(from, from + bytes.length));
  bytes.set(header);
  return bytes;
}

/** The identity under which `bytes` are synced. */
export function contentIdOf(bytes: Uint8Array): ContentId {
  if (bytes.length <= SINGLE_CHUNK_MAX) return digestHex(bytes) as ContentId;
  const read = (into: Uint8Array, offset: number) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  };
  const cutter = chunkContent(read);
  for (;;) {
    const step = cutter.next();
    if (step.done) return step.value.contentId();
  }
}
