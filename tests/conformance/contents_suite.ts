/** What every {@link Contents} does. Run on the real ones and on the twin by `contents_test.ts`. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { CHUNK_MIN, chunkContent, ChunkList, digest, digestHex } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import { recipe } from "../../core/recipe.ts";
import { packBlock, unpackBlock } from "../../protocol/block.ts";
import type { Block, DataOp } from "../../protocol/messages.ts";
import { restoreLarge } from "../../server/restore_large.ts";
import { type Contents, ContentsError, type Incoming, type Location } from "../../server/store/contents.ts";

export interface ContentsPlace {
  /** Opens the contents; the same ones after `close()`. Packs are full at 64 KiB. */
  open(): Contents;
  /** Awaited by each sync; may be replaced to wait or fail. */
  onSync: () => Promise<void>;
  /** Flips a bit of a stored block. */
  damage(location: Location): void;
  /** The bytes of the staged file of `id`, or `null`. */
  part(id: ContentId): Uint8Array | null;
  setPart(id: ContentId, bytes: Uint8Array): void;
  /** What the opened contents find chunks of archived contents by; empty at first. */
  readonly index: {
    readonly lists: Map<ContentId, Uint8Array>;
    readonly locations: Map<ContentId, Location>;
  };
  /** Replaces the file of a large content. */
  setLarge(id: ContentId, bytes: Uint8Array): void;
  remove(): void;
}

/** A large content with everything that is known of it. */
export interface Large {
  readonly bytes: Uint8Array;
  readonly chunks: ChunkList;
  readonly id: ContentId;
}

/** Bytes that look random and are the same each time. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

export function large(bytes: Uint8Array): Large {
  const cutting = chunkContent((into, offset) => {
    const part = bytes.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  });
  let step = cutting.next();
  while (!step.done) step = cutting.next();
  return { bytes, chunks: step.value, id: step.value.contentId() };
}

/** Ops and bytes that build `target` from chunk `first` on. */
export function delivery(
  target: Large,
  base: Large | null,
  first = 0,
): { ops: DataOp[]; bytes: Uint8Array }[] {
  const offsets = target.chunks.offsets();
  return [...recipe(target.chunks, base?.chunks ?? null, first)].map((op) => {
    if (op.op !== "new") return { ops: [op], bytes: new Uint8Array(0) };
    const bytes = target.bytes.slice(offsets[op.index], offsets[op.index + 1]);
    return { ops: [{ op: "new", id: target.chunks.idAt(op.index).slice(), size: bytes.length }], bytes };
  });
}

async function send(incoming: Incoming, target: Large, base: Large | null = null): Promise<ChunkList> {
  for (const { ops, bytes } of delivery(target, base, incoming.chunks)) await incoming.accept(ops, bytes);
  return await incoming.finish();
}

export async function store(contents: Contents, target: Large, base: Large | null = null): Promise<void> {
  await send(await contents.receive(target.id, target.bytes.length, base), target, base);
}

export function readAll(contents: Contents, { id, bytes }: Large): Uint8Array {
  const read = new Uint8Array(bytes.length + 1);
  return read.slice(0, contents.readLarge(id, read, 0));
}

/** Appends small contents as one block; their places. */
export function append(
  contents: Contents,
  parts: Uint8Array[],
  block: Block = packBlock(parts),
): [ContentId, Location][] {
  const place = contents.append(block);
  let innerOffset = 0;
  return parts.map((part) => {
    const location = { ...place, innerOffset, size: part.length };
    innerOffset += part.length;
    return [digestHex(part) as ContentId, location];
  });
}

function appendChunks(contents: Contents, { bytes, chunks }: Large): [ContentId, Location][] {
  const offsets = chunks.offsets();
  return append(
    contents,
    Array.from({ length: chunks.length }, (_, i) => bytes.slice(offsets[i], offsets[i + 1])),
  );
}

function prefixOf(chunks: ChunkList, count: number): Uint8Array {
  return count === 0 ? new Uint8Array(0) : digest(chunks.bytes.subarray(0, count * 36));
}

/** A valid zstd frame of up to 255 bytes with a block of its own for each byte: four times as long as what it holds. */
function wastefulFrame(raw: Uint8Array): Uint8Array {
  const blocks = [...raw].flatMap((byte, i) => [8 | (i === raw.length - 1 ? 1 : 0), 0, 0, byte]);
  return new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x20, raw.length, ...blocks]);
}

const text = (value: string) => new TextEncoder().encode(value);
const A = large(noise(700_000, 1));
/** A with bytes inserted near the start, and its own start repeated at the end. */
const B = large(
  new Uint8Array([...A.bytes.subarray(0, 1000), 1, 2, 3, ...A.bytes.subarray(1000), ...A.bytes]),
);
const isCorrupt = (error: unknown) => assertEquals((error as ContentsError).code, "corrupt");

/** Registers the suite under `name`. */
export function contentsSuite(name: string, make: () => ContentsPlace): void {
  type Body = (contents: Contents, place: ContentsPlace, reopen: () => Contents) => Promise<void> | void;
  const test = (title: string, body: Body) =>
    Deno.test(`${name}: ${title}`, async () => {
      const place = make();
      let contents = place.open();
      const reopen = () => {
        contents.close();
        return contents = place.open();
      };
      try {
        await body(contents, place, reopen);
      } finally {
        contents.close();
        place.remove();
      }
    });

  test("contents of one block come back one by one, also after closing", async (contents, _place, reopen) => {
    const parts = [text("hello "), text(""), text("x".repeat(5000)), noise(3000, 4)];
    const stored = append(contents, parts);
    await contents.sync();
    for (const [i, [id, location]] of stored.entries()) assertEquals(contents.read(id, location), parts[i]);
    const again = reopen();
    for (const [i, [id, location]] of stored.entries()) assertEquals(again.read(id, location), parts[i]);
  });

  test("a block of nothing is a block", async (contents) => {
    const [[id, location]] = append(contents, [new Uint8Array(0)]) as [[ContentId, Location]];
    await contents.sync();
    assertEquals(contents.read(id, location), new Uint8Array(0));
  });

  test("what is appended can be read before it is durable", (contents) => {
    const [[id, location]] = append(contents, [text("soon")]) as [[ContentId, Location]];
    assertEquals(contents.read(id, location), text("soon"));
  });

  test("a block whose compressed bytes are longer than its raw ones is stored all the same", async (contents) => {
    const raw = text("a".repeat(200));
    const block: Block = { encoding: "zstd", rawSize: raw.length, bytes: wastefulFrame(raw) };
    assert(block.bytes.length > raw.length && unpackBlock(block).length === raw.length);
    const [[id, location]] = append(contents, [raw], block) as [[ContentId, Location]];
    await contents.sync();
    assertEquals(contents.read(id, location), raw);
  });

  test("packs rotate, and all of them are read", async (contents, _place, reopen) => {
    const stored: [ContentId, Location, Uint8Array][] = [];
    for (let i = 0; i < 12; i++) {
      const part = noise(20_000, i + 1);
      const [[id, location]] = append(contents, [part]) as [[ContentId, Location]];
      stored.push([id, location, part]);
      if (i === 5) await contents.sync();
    }
    await contents.sync();
    assert(new Set(stored.map(([, { pack }]) => pack)).size >= 4);
    const again = reopen();
    for (const [id, location, part] of stored) assertEquals(again.read(id, location), part);
  });

  test("a damaged block is found", async (contents, place, reopen) => {
    const stored = append(contents, [noise(2000, 9)]);
    await contents.sync();
    place.damage(stored[0]![1]);
    const again = reopen();
    isCorrupt(assertThrows(() => again.read(...stored[0]!), ContentsError));
  });

  test("what a location names must be the content", async (contents) => {
    const [[id, location], [other]] = append(contents, [text("one"), text("two")]) as [
      [ContentId, Location],
      [ContentId, Location],
    ];
    await contents.sync();
    isCorrupt(assertThrows(() => contents.read(other, location), ContentsError));
    isCorrupt(assertThrows(() => contents.read(id, { ...location, size: 2 ** 40 }), ContentsError));
    isCorrupt(assertThrows(() => contents.read(id, { ...location, innerOffset: 1 }), ContentsError));
  });

  test("a large content without a file is read through its chunks", async (contents, place) => {
    await store(contents, A);
    place.index.lists.set(A.id, A.chunks.bytes);
    for (const [id, location] of appendChunks(contents, A)) place.index.locations.set(id, location);
    await contents.sync();
    assert(contents.hasLargeFile(A.id));
    contents.dropLarge(A.id);
    assertEquals([contents.hasLargeFile(A.id), contents.hasLarge(A.id)], [false, true]);
    assertEquals(readAll(contents, A), A.bytes);
    for (const [from, length] of [[0, 1], [99_999, 200_000], [A.bytes.length - 1, 9], [A.bytes.length, 9]]) {
      const into = new Uint8Array(length!);
      const count = contents.readLarge(A.id, into, from!);
      assertEquals(into.subarray(0, count), A.bytes.subarray(from!, from! + length!));
    }
    await store(contents, B, A);
    assertEquals(readAll(contents, B), B.bytes);
  });

  test("an archived content that lacks a chunk is not there", async (contents, place) => {
    place.index.lists.set(A.id, A.chunks.bytes);
    const [first] = appendChunks(contents, A);
    await contents.sync();
    place.index.locations.set(...first!);
    assertEquals(contents.hasLarge(A.id), false);
    const read = () => contents.readLarge(A.id, new Uint8Array(9), A.chunks.sizeAt(0));
    assertEquals((assertThrows(read, ContentsError) as ContentsError).code, "missing");
  });

  test("an archived content gets its file back, verified", async (contents, place) => {
    place.index.lists.set(A.id, A.chunks.bytes);
    for (const [id, location] of appendChunks(contents, A)) place.index.locations.set(id, location);
    await contents.sync();
    await restoreLarge(contents, A.id, A.chunks);
    assert(contents.hasLargeFile(A.id));
    place.index.locations.clear();
    assertEquals(readAll(contents, A), A.bytes);
  });

  test("a pack that is not there is missing", (contents) => {
    const location = { pack: 99, offset: 0, length: 30, innerOffset: 0, size: 10 };
    const error = assertThrows(() => contents.read(A.id, location), ContentsError) as ContentsError;
    assertEquals(error.code, "missing");
  });

  test("syncing nothing, twice at once, is fine", async (contents) => {
    await Promise.all([contents.sync(), contents.sync()]);
    append(contents, [text("x")]);
    await Promise.all([contents.sync(), contents.sync(), contents.sync()]);
  });

  test(
    "after a failed sync the same content is appended again, elsewhere",
    async (contents, place, reopen) => {
      const kept = append(contents, [text("kept")]);
      await contents.sync();
      const lost = append(contents, [text("lost")]);
      place.onSync = () => Promise.reject(new Error("input/output error"));
      await assertRejects(() => contents.sync(), ContentsError, "durable");
      place.onSync = () => Promise.resolve();
      const again = append(contents, [text("lost")]);
      await contents.sync();
      assertNotEquals(again[0]![1].pack, lost[0]![1].pack);
      const reopened = reopen();
      assertEquals(reopened.read(...kept[0]!), text("kept"));
      assertEquals(reopened.read(...again[0]!), text("lost"));
    },
  );

  test("what was appended while a sync failed is lost too, and said to be", async (contents, place) => {
    append(contents, [text("first")]);
    const gate = Promise.withResolvers<void>();
    place.onSync = () => gate.promise;
    const failing = assertRejects(() => contents.sync(), ContentsError);
    append(contents, [text("second")]);
    gate.reject(new Error("input/output error"));
    await failing;
    place.onSync = () => Promise.resolve();
    await assertRejects(() => contents.sync(), ContentsError);
    const third = append(contents, [text("third")]);
    await contents.sync();
    assertEquals(contents.read(...third[0]!), text("third"));
  });

  test("whoever waits for a sync that fails is told", async (contents, place) => {
    append(contents, [text("first")]);
    const gate = Promise.withResolvers<void>();
    place.onSync = () => gate.promise;
    const both = [contents.sync(), contents.sync()];
    gate.reject(new Error("input/output error"));
    assertEquals((await Promise.allSettled(both)).map(({ status }) => status), ["rejected", "rejected"]);
    place.onSync = () => Promise.resolve();
    await contents.sync();
  });

  test("a block appended during a sync is durable after the next", async (contents, place, reopen) => {
    const first = append(contents, [text("first")]);
    const gate = Promise.withResolvers<void>();
    place.onSync = () => gate.promise;
    const syncing = contents.sync();
    const second = append(contents, [text("second")]);
    place.onSync = () => Promise.resolve();
    gate.resolve();
    await syncing;
    await contents.sync();
    const again = reopen();
    assertEquals(again.read(...first[0]!), text("first"));
    assertEquals(again.read(...second[0]!), text("second"));
  });

  test("a large content arrives and is read", async (contents, _place, reopen) => {
    assert(A.chunks.length > 5);
    assertEquals(contents.hasLarge(A.id), false);
    const incoming = await contents.receive(A.id, A.bytes.length, null);
    assertEquals(incoming.chunks, 0);
    assertEquals(incoming.prefix(), new Uint8Array(0));
    assertEquals((await send(incoming, A)).bytes, A.chunks.bytes);
    assertEquals(contents.hasLarge(A.id), true);
    assertEquals(contents.largeName(A.id), `large/${A.id}`);
    assertEquals(readAll(reopen(), A), A.bytes);
  });

  test("reading a large content at an offset stops at its end", async (contents) => {
    await store(contents, A);
    const into = new Uint8Array(100);
    assertEquals(contents.readLarge(A.id, into, A.bytes.length - 30), 30);
    assertEquals(into.subarray(0, 30), A.bytes.subarray(-30));
    assertEquals(contents.readLarge(A.id, into, A.bytes.length), 0);
  });

  test("a large content is built from a base and from itself", async (contents) => {
    await store(contents, A);
    const deliveries = delivery(B, A);
    const kinds = new Set(deliveries.flatMap(({ ops }) => ops.map(({ op }) => op)));
    assert(kinds.has("base") && kinds.has("new"));
    assert(deliveries.reduce((sum, { bytes }) => sum + bytes.length, 0) < 400_000);
    await store(contents, B, A);
    assertEquals(readAll(contents, B), B.bytes);
    assertEquals(readAll(contents, A), A.bytes);
  });

  test("repeated chunks are taken from what has arrived", async (contents) => {
    const deliveries = delivery(B, null);
    assert(deliveries.some(({ ops }) => ops[0]!.op === "self"));
    await store(contents, B);
    assertEquals(readAll(contents, B), B.bytes);
  });

  test("all ops may come in one call", async (contents) => {
    await store(contents, A);
    const deliveries = delivery(B, A);
    const bytes = new Uint8Array(deliveries.flatMap(({ bytes }) => [...bytes]));
    const incoming = await contents.receive(B.id, B.bytes.length, A);
    await incoming.accept(deliveries.flatMap(({ ops }) => ops), bytes);
    await incoming.finish();
    assertEquals(readAll(contents, B), B.bytes);
  });

  test("calls that do not wait for each other are taken in order", async (contents) => {
    const incoming = await contents.receive(A.id, A.bytes.length, null);
    const accepting = delivery(A, null).map(({ ops, bytes }) => incoming.accept(ops, bytes));
    const finishing = incoming.finish();
    await Promise.all(accepting);
    assertEquals((await finishing).contentId(), A.id);
  });

  test("a transfer that is cut after any op goes on where it stopped", async (contents, _place, reopen) => {
    const deliveries = delivery(A, null);
    for (let cut = 0; cut <= deliveries.length; cut++) {
      const first = await contents.receive(A.id, A.bytes.length, null);
      for (const { ops, bytes } of deliveries.slice(0, cut)) await first.accept(ops, bytes);
      first.pause();
      const again = cut % 2 === 0 ? reopen() : contents;
      contents = again;
      const second = await contents.receive(A.id, A.bytes.length, null);
      assertEquals(second.chunks, cut, `cut after ${cut}`);
      assertEquals(second.prefix(), prefixOf(A.chunks, cut));
      await send(second, A);
      assertEquals(readAll(contents, A), A.bytes);
      contents.dropLarge(A.id);
    }
  });

  test("a staged file of any length is cut to whole chunks", async (contents, place) => {
    const offsets = [...A.chunks.offsets()];
    const lengths = offsets.flatMap((end) => [end - 1, end, end + 1, end + 20_000]);
    for (const length of lengths.filter((length) => length >= 0 && length <= A.bytes.length)) {
      place.setPart(A.id, A.bytes.slice(0, length));
      const incoming = await contents.receive(A.id, A.bytes.length, null);
      const whole = offsets.filter((end) => end > 0 && end <= length).length;
      assertEquals(incoming.chunks, whole, `length ${length}`);
      assertEquals(incoming.prefix(), prefixOf(A.chunks, whole));
      await send(incoming, A);
      contents.dropLarge(A.id);
    }
  });

  test("a staged file into which a power cut put zeros is not taken for good", async (contents, place) => {
    const bytes = A.bytes.slice(0, 400_000);
    bytes.fill(0, 30_000, 60_000);
    place.setPart(A.id, bytes);
    const incoming = await contents.receive(A.id, A.bytes.length, null);
    assertNotEquals(incoming.prefix(), prefixOf(A.chunks, incoming.chunks));
    isCorrupt(await assertRejects(() => send(incoming, A), ContentsError));
    await store(contents, A);
    assertEquals(readAll(contents, A), A.bytes);
  });

  test("a staged file that is longer than the content is thrown away", async (contents, place) => {
    place.setPart(A.id, new Uint8Array(A.bytes.length + 1));
    const incoming = await contents.receive(A.id, A.bytes.length, null);
    assertEquals(incoming.chunks, 0);
    await send(incoming, A);
  });

  test(
    "what one user staged is there for nobody else, also after a restart",
    async (contents, _place, reopen) => {
      const [piece] = delivery(A, null);
      for (const owner of ["ann", "../ben", ""]) {
        const incoming = await contents.receive(A.id, A.bytes.length, null, owner);
        assertEquals(incoming.chunks, 0, owner);
        await incoming.accept(piece!.ops, piece!.bytes);
        incoming.pause();
      }
      const again = reopen();
      for (const [owner, chunks] of [["ann", 1], ["../ben", 1], ["", 1], ["cy", 0]] as const) {
        const incoming = await again.receive(A.id, A.bytes.length, null, owner);
        assertEquals(incoming.chunks, chunks, owner);
        incoming.pause();
      }
    },
  );

  test("bytes of what a user staged are known, announced and paused", async (contents, _place, reopen) => {
    const [piece] = delivery(A, null);
    const incoming = await contents.receive(A.id, A.bytes.length, null, "ann");
    const other = await contents.receive(B.id, B.bytes.length, null, "ann");
    assertEquals(contents.stagedBytes("ann", null), A.bytes.length + B.bytes.length);
    assertEquals(contents.stagedBytes("ann", A.id), A.bytes.length + B.bytes.length, "both are in use");
    assertEquals([contents.stagedBytes("ben", null), contents.stagedBytes("", null)], [0, 0]);
    await incoming.accept(piece!.ops, piece!.bytes);
    incoming.pause();
    other.pause();
    const again = reopen();
    assertEquals(again.stagedBytes("ann", null), piece!.bytes.length);
    assertEquals(again.stagedBytes("ann", A.id), 0);
    await send(await again.receive(A.id, A.bytes.length, null, "ann"), A);
    assertEquals(again.stagedBytes("ann", null), 0);
  });

  test("a user's parts are bounded: the oldest paused one gives way, those in use do not", async (contents) => {
    const small = Array.from({ length: 34 }, (_, n) => large(noise(140_000, 1000 + n)));
    const begin = async (n: number, owner = "ann") => {
      const incoming = await contents.receive(small[n]!.id, 140_000, null, owner);
      const { chunks } = incoming;
      const [piece] = delivery(small[n]!, null, chunks);
      await incoming.accept(piece!.ops, piece!.bytes);
      return { incoming, chunks };
    };
    for (let n = 0; n < 33; n++) (await begin(n)).incoming.pause();
    const held = [await begin(1), await begin(0)];
    assertEquals(held.map(({ chunks }) => chunks), [1, 0], "the first gave way to the last");
    for (let n = 3; n < 33; n++) held.push(await begin(n));
    const error = await assertRejects(() => begin(33), ContentsError);
    assertEquals(error.code, "limit");
    held.push(await begin(33, "ben"));
    for (const { incoming } of held) incoming.pause();
  });

  const [first, second] = delivery(A, null) as [
    { ops: DataOp[]; bytes: Uint8Array },
    { ops: DataOp[]; bytes: Uint8Array },
  ];
  const size = first.bytes.length;
  const id = A.chunks.idAt(0).slice();
  const none = new Uint8Array(0);
  const refused: readonly (readonly [string, DataOp, Uint8Array])[] = [
    ["a chunk under a wrong digest", { op: "new", id: digest(none), size }, first.bytes],
    ["a digest that is too short", { op: "new", id: id.subarray(0, 31), size }, first.bytes],
    ["a chunk of no bytes", { op: "new", id: digest(none), size: 0 }, none],
    ["a chunk of fewer bytes than it says", { op: "new", id, size }, first.bytes.subarray(1)],
    ["a chunk of more bytes than it says", { op: "new", id, size: size - 1 }, first.bytes],
    ["a chunk of a negative size", { op: "new", id, size: -1 }, first.bytes],
    ["a chunk that is too large", { op: "new", id, size: 2 ** 31 }, first.bytes],
    ["bytes that no op names", { op: "base", index: 0, count: 1 }, first.bytes],
    ["a base chunk that is not there", { op: "base", index: B.chunks.length, count: 1 }, none],
    ["a base range that is too long", { op: "base", index: 1, count: 2 ** 32 - 1 }, none],
    ["a base range of nothing", { op: "base", index: 0, count: 0 }, none],
    ["a base chunk before the first", { op: "base", index: -1, count: 1 }, none],
    ["an own chunk that has not come", { op: "self", index: 1 }, none],
    ["an own chunk before the first", { op: "self", index: -1 }, none],
  ];
  for (const [title, op, bytes] of refused) {
    test(`${title} is refused, and what came before stays`, async (contents) => {
      await store(contents, B);
      const incoming = await contents.receive(A.id, A.bytes.length, B);
      await incoming.accept(first.ops, first.bytes);
      isCorrupt(await assertRejects(() => incoming.accept([op], bytes), ContentsError));
      assert(incoming.chunks >= 1);
      incoming.pause();
      const again = await contents.receive(A.id, A.bytes.length, null);
      assert(again.chunks >= 1);
      again.pause();
    });
  }

  test("a base op without a base is refused", async (contents) => {
    const incoming = await contents.receive(A.id, A.bytes.length, null);
    isCorrupt(
      await assertRejects(() => incoming.accept([{ op: "base", index: 0, count: 1 }], none), ContentsError),
    );
    incoming.pause();
  });

  test("a base that was overwritten in place is found out", async (contents, place) => {
    await store(contents, A);
    place.setLarge(A.id, noise(A.bytes.length, 77));
    const incoming = await contents.receive(B.id, B.bytes.length, A);
    isCorrupt(
      await assertRejects(() => incoming.accept([{ op: "base", index: 1, count: 1 }], none), ContentsError),
    );
    incoming.pause();
  });

  test("a base that was cut short is found out", async (contents, place) => {
    await store(contents, A);
    place.setLarge(A.id, A.bytes.slice(0, 10));
    const incoming = await contents.receive(B.id, B.bytes.length, A);
    isCorrupt(
      await assertRejects(() => incoming.accept([{ op: "base", index: 1, count: 1 }], none), ContentsError),
    );
    incoming.pause();
  });

  test("more bytes than announced are refused", async (contents) => {
    const incoming = await contents.receive(A.id, size + 1, null);
    await incoming.accept(first.ops, first.bytes);
    isCorrupt(await assertRejects(() => incoming.accept(second.ops, second.bytes), ContentsError));
    incoming.pause();
  });

  test("chunks that are far too small are refused", async (contents) => {
    const incoming = await contents.receive(A.id, 10 * CHUNK_MIN, null);
    const ops: DataOp[] = Array.from({ length: 50 }, () => ({ op: "new", id: digest(text("x")), size: 1 }));
    isCorrupt(await assertRejects(() => incoming.accept(ops, text("x".repeat(50))), ContentsError));
    assert(incoming.chunks < 20);
    incoming.pause();
  });

  const unfinished: readonly (readonly [string, { ops: DataOp[]; bytes: Uint8Array }[]])[] = [
    ["too short", [first]],
    ["in another order", [second, first, ...delivery(A, null).slice(2)]],
    ["nothing", []],
  ];
  for (const [title, deliveries] of unfinished) {
    test(`a content that is ${title} at the end is refused and forgotten`, async (contents, place) => {
      const incoming = await contents.receive(A.id, A.bytes.length, null);
      for (const { ops, bytes } of deliveries) await incoming.accept(ops, bytes);
      isCorrupt(await assertRejects(() => incoming.finish(), ContentsError));
      assertEquals(place.part(A.id), null);
      assertEquals(contents.hasLarge(A.id), false);
      await store(contents, A);
      assertEquals(readAll(contents, A), A.bytes);
    });
  }

  test("a content that was let go takes nothing more", async (contents) => {
    const incoming = await contents.receive(A.id, A.bytes.length, null);
    await incoming.accept(first.ops, first.bytes);
    incoming.pause();
    incoming.pause();
    await assertRejects(() => incoming.accept(second.ops, second.bytes), ContentsError);
    await assertRejects(() => incoming.finish(), ContentsError);
  });

  test("letting go while ops are being taken keeps whole chunks", async (contents) => {
    const incoming = await contents.receive(A.id, A.bytes.length, null);
    const accepting = delivery(A, null).map(({ ops, bytes }) => incoming.accept(ops, bytes));
    incoming.pause();
    const results = await Promise.allSettled(accepting);
    assert(results.some(({ status }) => status === "rejected"));
    const again = await contents.receive(A.id, A.bytes.length, null);
    assertEquals(again.prefix(), prefixOf(A.chunks, again.chunks));
    await send(again, A);
    assertEquals(readAll(contents, A), A.bytes);
  });

  test("nothing is kept of a content of which nothing came", async (contents, place) => {
    (await contents.receive(A.id, A.bytes.length, null)).pause();
    assertEquals(place.part(A.id), null);
  });

  test("two may send the same content at the same time", async (contents) => {
    const one = await contents.receive(A.id, A.bytes.length, null);
    const two = await contents.receive(A.id, A.bytes.length, null);
    const deliveries = delivery(A, null);
    for (const { ops, bytes } of deliveries) {
      await one.accept(ops, bytes);
      await two.accept(ops, bytes);
    }
    await one.finish();
    await two.finish();
    assertEquals(readAll(contents, A), A.bytes);
  });

  test("a dropped content is gone, and can come again", async (contents, place) => {
    await store(contents, A);
    place.setLarge(A.id, text("overwritten"));
    contents.dropLarge(A.id);
    contents.dropLarge(A.id);
    assertEquals(contents.hasLarge(A.id), false);
    const error = assertThrows(
      () => contents.readLarge(A.id, new Uint8Array(1), 0),
      ContentsError,
    ) as ContentsError;
    assertEquals(error.code, "missing");
    await store(contents, A);
    assertEquals(readAll(contents, A), A.bytes);
  });

  test("a content that came once more takes the place of a damaged file", async (contents, place) => {
    await store(contents, A);
    readAll(contents, A);
    place.setLarge(A.id, text("overwritten"));
    await store(contents, A);
    assertEquals(readAll(contents, A), A.bytes);
  });
}
