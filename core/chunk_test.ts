import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import contents from "../tests/vectors/contents.json" with { type: "json" };
import {
  CHUNK_MAX,
  CHUNK_MIN,
  CHUNK_TARGET,
  chunkContent,
  ChunkList,
  ChunkListBuilder,
  cutPoint,
  digest,
  digestHex,
  keyOf,
  SINGLE_CHUNK_MAX,
  singleChunkId,
  SLICE_BYTES,
} from "./chunk.ts";
import { Bug } from "./invariant.ts";

const MIB = 1024 * 1024;

/** Bytes that look random, decided by `seed` (xorshift). */
function noise(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let x = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, size);
}

/** Reads at most `most` bytes at once. */
function readerOf(bytes: Uint8Array, most = Infinity): (into: Uint8Array, offset: number) => number {
  return (into, offset) => {
    const part = bytes.subarray(offset, offset + Math.min(into.length, most));
    into.set(part);
    return part.length;
  };
}

function chunksOf(bytes: Uint8Array, most = Infinity): ChunkList {
  const cutter = chunkContent(readerOf(bytes, most));
  for (;;) {
    const step = cutter.next();
    if (step.done) return step.value;
  }
}

function sizesOf(list: ChunkList): number[] {
  return Array.from({ length: list.length }, (_, i) => list.sizeAt(i));
}

function keysOf(list: ChunkList): Set<string> {
  return new Set(Array.from({ length: list.length }, (_, i) => list.keyAt(i)));
}

/** Chunks of `after` that are not in `before`. */
function changed(before: ChunkList, after: ChunkList): number {
  return keysOf(after).difference(keysOf(before)).size;
}

/** The cuts as the whole content in one buffer has them. */
function wholeCuts(bytes: Uint8Array): number[] {
  const sizes: number[] = [];
  for (let at = 0; at < bytes.length; at += sizes.at(-1)!) {
    sizes.push(cutPoint(bytes, at, bytes.length, true));
  }
  return sizes;
}

Deno.test("chunk: sizes keep their bounds and come near the target", () => {
  const sizes = sizesOf(chunksOf(noise(16 * MIB)));
  assertEquals(sizes.reduce((sum, size) => sum + size), 16 * MIB);
  for (const size of sizes.slice(0, -1)) assert(size > CHUNK_MIN && size <= CHUNK_MAX);
  assert(sizes.at(-1)! <= CHUNK_MAX);
  const average = (16 * MIB) / sizes.length;
  assert(average > CHUNK_TARGET / 2 && average < CHUNK_TARGET * 2, `the average is ${average}`);
});

Deno.test("chunk: slices and short reads give the same cuts as the whole", () => {
  const bytes = noise(SLICE_BYTES * 2 + 3 * CHUNK_MAX + 17);
  const whole = wholeCuts(bytes);
  for (const most of [Infinity, 1_000_003, CHUNK_MAX, 65_537]) {
    assertEquals(sizesOf(chunksOf(bytes, most)), whole);
  }
});

for (const size of [0, 1, CHUNK_MIN, CHUNK_MIN + 1, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + CHUNK_MAX]) {
  Deno.test(`chunk: a content of ${size} bytes is covered exactly`, () => {
    const bytes = noise(size, 3);
    const list = chunksOf(bytes);
    assertEquals(sizesOf(list), wholeCuts(bytes));
    assertEquals(list.totalSize(), size);
    const offsets = list.offsets();
    for (let i = 0; i < list.length; i++) {
      assert(list.matches(i, bytes.subarray(offsets[i]!, offsets[i + 1]!)));
    }
  });
}

Deno.test("chunk: the vectors are cut from their slices as from the whole", () => {
  for (const { size, chunks, id } of contents) {
    if (size <= SINGLE_CHUNK_MAX) continue;
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 32) {
      const part = digest(new TextEncoder().encode(`fsync vector ${at / 32}`));
      bytes.set(part.subarray(0, size - at), at);
    }
    const list = chunksOf(bytes, 10_007);
    assertEquals({ chunks: sizesOf(list), id: list.contentId() as string }, { chunks, id });
    assertEquals(wholeCuts(bytes), chunks);
  }
});

const EDITS: readonly { name: string; edit: (bytes: Uint8Array) => Uint8Array; most: number }[] = [
  { name: "a byte inserted at the front", edit: (b) => concat(Uint8Array.of(7), b), most: 3 },
  { name: "100 bytes inserted near the front", edit: (b) => splice(b, 5000, 0, noise(100, 9)), most: 3 },
  { name: "1 kB cut out of the middle", edit: (b) => splice(b, 4 * MIB, 1024, new Uint8Array(0)), most: 10 },
  { name: "a byte flipped in the middle", edit: (b) => b.with(4 * MIB, b[4 * MIB]! ^ 1), most: 3 },
  { name: "a byte added at the end", edit: (b) => splice(b, b.length, 0, Uint8Array.of(7)), most: 2 },
];

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function splice(bytes: Uint8Array, at: number, cut: number, insert: Uint8Array): Uint8Array {
  return concat(bytes.subarray(0, at), insert, bytes.subarray(at + cut));
}

for (const { name, edit, most } of EDITS) {
  Deno.test(`chunk: ${name} changes at most ${most} chunks of 8 MiB`, () => {
    for (const seed of [1, 2, 3]) {
      const bytes = noise(8 * MIB, seed);
      const count = changed(chunksOf(bytes), chunksOf(edit(bytes)));
      assert(count >= 1 && count <= most, `${count} chunks changed`);
    }
  });
}

Deno.test("chunk: zeros between two texts are few different chunks (L03)", () => {
  const text = (words: string) => new TextEncoder().encode(words);
  const list = chunksOf(concat(text("Start"), new Uint8Array(8 * MIB), text("End")));
  assert(keysOf(list).size <= 3, `${keysOf(list).size} different chunks`);
  for (const size of sizesOf(list).slice(0, -1)) assertEquals(size, CHUNK_MAX);
});

Deno.test("chunk: a cut needs as many bytes as a chunk can have, unless it is the last", () => {
  const bytes = noise(CHUNK_MAX);
  assertEquals(cutPoint(bytes, 0, CHUNK_MAX - 1, false), 0);
  assert(cutPoint(bytes, 0, CHUNK_MAX, false) > CHUNK_MIN);
  assertEquals(cutPoint(bytes, 0, CHUNK_MIN, true), CHUNK_MIN);
  assertEquals(cutPoint(bytes, 10, 15, true), 5);
});

Deno.test("chunk: a single chunk is named by its bytes alone", () => {
  const bytes = noise(SINGLE_CHUNK_MAX);
  assertEquals(singleChunkId(bytes) as string, digestHex(bytes));
  assertEquals(
    digestHex(new Uint8Array(0)),
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
  assertThrows(() => singleChunkId(noise(SINGLE_CHUNK_MAX + 1)), Bug, "too large");
});

Deno.test("chunk list: what is added is read back", () => {
  const size = fc.oneof(
    fc.constantFrom(1, 255, 256, 65_535, 65_536, CHUNK_MAX),
    fc.integer({ min: 1, max: CHUNK_MAX }),
  );
  const record = fc.record({ id: fc.uint8Array({ minLength: 32, maxLength: 32 }), size });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 200 }), (records) => {
      const builder = new ChunkListBuilder();
      for (const { id, size } of records) builder.add(id, size);
      const list = new ChunkList(builder.build().bytes.slice());
      assertEquals([list.length, builder.length], [records.length, records.length]);
      let total = 0;
      for (const [i, { id, size }] of records.entries()) {
        assertEquals([list.sizeAt(i), list.offsets()[i]], [size, total]);
        assertEquals([list.keyAt(i), keyOf(builder.idAt(i)), keyOf(list.idAt(i))], [
          keyOf(id),
          keyOf(id),
          keyOf(id),
        ]);
        total += size;
      }
      assertEquals([list.totalSize(), list.offsets().at(-1)], [total, total]);
    }),
    { numRuns: 50 },
  );
});

function recordOf(size: number): Uint8Array {
  const bytes = new Uint8Array(36);
  new DataView(bytes.buffer).setUint32(32, size, true);
  return bytes;
}

const BAD_LISTS: readonly { name: string; bytes: Uint8Array }[] = [
  { name: "half a record", bytes: new Uint8Array(18) },
  { name: "a record and a byte", bytes: concat(recordOf(1), new Uint8Array(1)) },
  { name: "a size of 0", bytes: recordOf(0) },
  { name: "a size beyond the greatest", bytes: recordOf(CHUNK_MAX + 1) },
  { name: "a size of 2^31", bytes: recordOf(2 ** 31) },
  { name: "a size of 2^32 - 1", bytes: recordOf(2 ** 32 - 1) },
  { name: "a bad size after a good one", bytes: concat(recordOf(CHUNK_MAX), recordOf(0)) },
];

for (const { name, bytes } of BAD_LISTS) {
  Deno.test(`chunk list: ${name} is refused`, () => {
    assertThrows(() => new ChunkList(bytes), RangeError, "Cannot read a chunk list");
  });
}

Deno.test("chunk list: nothing out of bounds is built", () => {
  const builder = new ChunkListBuilder();
  const id = digest(new Uint8Array(1));
  for (const size of [0, -1, CHUNK_MAX + 1]) assertThrows(() => builder.add(id, size), Bug, "out of bounds");
  assertThrows(() => builder.add(id.subarray(1), 1), Bug, "out of bounds");
  assertThrows(() => builder.idAt(0), Bug, "out of bounds");
});

Deno.test("chunk list: bytes match a chunk only whole", () => {
  const bytes = noise(100);
  const builder = new ChunkListBuilder();
  builder.add(digest(bytes), bytes.length);
  const list = builder.build();
  assert(list.matches(0, bytes));
  assert(!list.matches(0, bytes.subarray(1)));
  assert(!list.matches(0, bytes.with(50, bytes[50]! ^ 1)));
});

Deno.test("chunk list: two sides compare what they share by the digest of its records", () => {
  const list = chunksOf(noise(MIB));
  assertEquals(list.prefixDigest(0), new Uint8Array(0));
  assertEquals(keyOf(list.prefixDigest(list.length)), keyOf(digest(list.bytes)));
  assertEquals(keyOf(list.prefixDigest(2)), keyOf(digest(list.bytes.subarray(0, 72))));
});

Deno.test("chunk list: its content is named by all its records, in order", () => {
  const [a, b] = [chunksOf(noise(MIB, 1)), chunksOf(noise(MIB, 2))];
  const joined = (x: ChunkList, y: ChunkList) =>
    new ChunkList(concat(x.bytes, y.bytes)).contentId() as string;
  assertEquals(new Set([a.contentId(), b.contentId(), joined(a, b), joined(b, a)].map(String)).size, 4);
  assertEquals(joined(a, b), joined(a, b));
});
