/**
 * Test vectors of content identity: `contents.json` holds, for contents of several sizes, where they are cut and what
 * they are called. A content is the first `size` bytes of SHA-256("fsync vector 0"), SHA-256("fsync vector 1"), …
 */
import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { chunkContent, SINGLE_CHUNK_MAX, singleChunkId } from "../../core/chunk.ts";
import contents from "./contents.json" with { type: "json" };

function contentOf(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 32) {
    const part = createHash("sha256").update(`fsync vector ${at / 32}`).digest();
    bytes.set(part.subarray(0, size - at), at);
  }
  return bytes;
}

function identify(bytes: Uint8Array): { chunks: number[]; id: string } {
  if (bytes.length <= SINGLE_CHUNK_MAX) return { chunks: [bytes.length], id: singleChunkId(bytes) };
  const cutter = chunkContent((into, offset) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  });
  let step = cutter.next();
  while (!step.done) step = cutter.next();
  const list = step.value;
  return { chunks: Array.from({ length: list.length }, (_, i) => list.sizeAt(i)), id: list.contentId() };
}

for (const { size, chunks, id } of contents) {
  Deno.test(`vector: a content of ${size} bytes is cut and named as ever`, () => {
    assertEquals(identify(contentOf(size)), { chunks, id });
  });
}
