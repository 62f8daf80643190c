import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AssembleError, type AssembleOp, Assembler } from "./assemble.ts";
import { CHUNK_MAX, type ChunkList, ChunkListBuilder, digest } from "./chunk.ts";
import type { ContentId } from "./entry.ts";
import { recipe } from "./recipe.ts";

const encoder = new TextEncoder();

/** A content of short chunks: the assembler does not care where they were cut. */
class Content {
  readonly parts: readonly Uint8Array[];
  readonly bytes: Uint8Array;
  readonly chunks: ChunkList;

  constructor(parts: readonly string[]) {
    this.parts = parts.map((part) => encoder.encode(part));
    this.bytes = encoder.encode(parts.join(""));
    const builder = new ChunkListBuilder();
    for (const part of this.parts) builder.add(digest(part), part.length);
    this.chunks = builder.build();
  }

  /** As a disk may: never more than three bytes at once. */
  read(into: Uint8Array, offset: number): number {
    return readShort(this.bytes, into, offset);
  }
}

function readShort(bytes: Uint8Array, into: Uint8Array, offset: number): number {
  const part = bytes.subarray(offset, offset + Math.min(3, into.length));
  into.set(part);
  return part.length;
}

/** What was appended, in memory. */
class Target {
  bytes = new Uint8Array(0);

  append(more: Uint8Array): void {
    const grown = new Uint8Array(this.bytes.length + more.length);
    grown.set(this.bytes);
    grown.set(more, this.bytes.length);
    this.bytes = grown;
  }

  read(into: Uint8Array, offset: number): number {
    return readShort(this.bytes, into, offset);
  }
}

interface Message {
  readonly ops: AssembleOp[];
  readonly bytes: Uint8Array;
}

/** The ops of the recipe as they go over the wire, each as a message of its own. */
function* messages(target: Content, base: Content | null, first = 0): Generator<Message> {
  for (const op of recipe(target.chunks, base?.chunks ?? null, first)) {
    if (op.op !== "new") yield { ops: [op], bytes: new Uint8Array(0) };
    else {
      const bytes = target.parts[op.index]!;
      yield { ops: [{ op: "new", id: target.chunks.idAt(op.index), size: bytes.length }], bytes };
    }
  }
}

const parts = fc.array(fc.string({ unit: fc.constantFrom(..."ab"), minLength: 1, maxLength: 3 }), {
  maxLength: 12,
});

Deno.test("assemble: the recipe of any content from any base builds it", () => {
  fc.assert(
    fc.property(parts, fc.option(parts), (of, from) => {
      const [content, base] = [new Content(of), from === null ? null : new Content(from)];
      const target = new Target();
      const assembler = new Assembler(target, base, content.bytes.length);
      for (const { ops, bytes } of messages(content, base)) assembler.accept(ops, bytes);
      assertEquals(assembler.finish(content.chunks.contentId()).bytes, content.chunks.bytes);
      assertEquals(target.bytes, content.bytes);
    }),
    { numRuns: 500 },
  );
});

Deno.test("assemble: a transfer that stops goes on at the next chunk, wherever it stopped", () => {
  const content = new Content(["aa", "b", "aa", "cc", "b", "dd", "aa"]);
  const base = new Content(["x", "b", "aa", "cc"]);
  for (let first = 0; first <= content.chunks.length; first++) {
    const target = new Target();
    const kept = new ChunkListBuilder();
    for (const part of content.parts.slice(0, first)) {
      kept.add(digest(part), part.length);
      target.append(part);
    }
    const assembler = new Assembler(target, base, content.bytes.length);
    assembler.resume(kept.build());
    assertEquals(assembler.chunks, first);
    assertEquals(assembler.bytes, target.bytes.length);
    assertEquals(assembler.prefix().toHex(), content.chunks.prefixDigest(first).toHex());
    for (const { ops, bytes } of messages(content, base, first)) assembler.accept(ops, bytes);
    assembler.finish(content.chunks.contentId());
    assertEquals(target.bytes, content.bytes);
  }
});

const BASE = new Content(["aaa", "bb", "c"]);
/** The announced content: `aaaNEWaaa`. */
const WANTED = new Content(["aaa", "NEW", "aaa"]);

function fresh(text: string, size = text.length): AssembleOp {
  return { op: "new", id: digest(encoder.encode(text)), size };
}

interface HostileCase {
  readonly name: string;
  readonly ops: readonly AssembleOp[];
  readonly bytes?: string;
  readonly base?: Content | null;
  readonly reason: string;
  /** What is there afterwards: the ops before the bad one. */
  readonly left?: string;
}

const HOSTILE: readonly HostileCase[] = [
  {
    name: "a base that was not named",
    ops: [{ op: "base", index: 0, count: 1 }],
    base: null,
    reason: "not named",
  },
  { name: "an index behind the base", ops: [{ op: "base", index: 3, count: 1 }], reason: "does not have" },
  { name: "a count behind the base", ops: [{ op: "base", index: 1, count: 3 }], reason: "does not have" },
  { name: "a negative index", ops: [{ op: "base", index: -1, count: 1 }], reason: "does not have" },
  { name: "no chunk", ops: [{ op: "base", index: 0, count: 0 }], reason: "does not have" },
  { name: "a negative count", ops: [{ op: "base", index: 2, count: -1 }], reason: "does not have" },
  { name: "a huge count", ops: [{ op: "base", index: 0, count: 2 ** 53 }], reason: "does not have" },
  { name: "an infinite count", ops: [{ op: "base", index: 0, count: Infinity }], reason: "does not have" },
  { name: "no number as index", ops: [{ op: "base", index: NaN, count: 1 }], reason: "does not have" },
  { name: "half an index", ops: [{ op: "base", index: 0.5, count: 1 }], reason: "does not have" },
  { name: "half a count", ops: [{ op: "base", index: 0, count: 1.5 }], reason: "does not have" },
  { name: "a repetition of what is not there", ops: [{ op: "self", index: 0 }], reason: "not there" },
  {
    name: "a negative repetition",
    ops: [{ op: "base", index: 0, count: 1 }, { op: "self", index: -1 }],
    reason: "not there",
    left: "aaa",
  },
  {
    name: "a repetition of itself",
    ops: [{ op: "base", index: 0, count: 1 }, { op: "self", index: 1 }],
    reason: "not there",
    left: "aaa",
  },
  { name: "a chunk of nothing", ops: [fresh("", 0)], reason: "does not fit its bytes" },
  {
    name: "a chunk of less than nothing",
    ops: [fresh("NEW", -3)],
    bytes: "NEW",
    reason: "does not fit its bytes",
  },
  {
    name: "a chunk beyond the greatest",
    ops: [fresh("NEW", CHUNK_MAX + 1)],
    bytes: "NEW",
    reason: "does not fit its bytes",
  },
  {
    name: "more than the bytes that came",
    ops: [fresh("NEW", 4)],
    bytes: "NEW",
    reason: "does not fit its bytes",
  },
  {
    name: "fewer than the bytes that came",
    ops: [fresh("NE")],
    bytes: "NEW",
    reason: "no chunk accounts for",
    left: "NE",
  },
  { name: "bytes without an op", ops: [], bytes: "NEW", reason: "no chunk accounts for" },
  { name: "other bytes", ops: [fresh("NEW")], bytes: "OLD", reason: "does not match its digest" },
  {
    name: "half a digest",
    ops: [{ op: "new", id: digest(encoder.encode("NEW")).subarray(16), size: 3 }],
    bytes: "NEW",
    reason: "does not match its digest",
  },
  {
    name: "more than announced, from the base",
    ops: [{ op: "base", index: 0, count: 3 }, { op: "base", index: 0, count: 2 }],
    reason: "longer than announced",
    left: "aaabbcaaa",
  },
  {
    name: "more than announced, by repetition",
    ops: [
      { op: "base", index: 0, count: 1 },
      ...Array.from({ length: 9 }, () => ({ op: "self" as const, index: 0 })),
    ],
    reason: "longer than announced",
    left: "aaaaaaaaa",
  },
  {
    name: "more than announced, new",
    ops: [fresh("0123456789")],
    bytes: "0123456789",
    reason: "longer than announced",
  },
];

for (const { name, ops, bytes = "", base = BASE, reason, left = "" } of HOSTILE) {
  Deno.test(`assemble: ${name} is refused`, () => {
    const target = new Target();
    const assembler = new Assembler(target, base, WANTED.bytes.length);
    assertThrows(() => assembler.accept(ops, encoder.encode(bytes)), AssembleError, reason);
    assertEquals(new TextDecoder().decode(target.bytes), left);
    assertEquals(assembler.bytes, left.length);
  });
}

Deno.test("assemble: a base that is shorter or other than its chunk list is noticed", () => {
  const lying = (bytes: string) => ({
    chunks: BASE.chunks,
    read: (into: Uint8Array, offset: number) => readShort(encoder.encode(bytes), into, offset),
  });
  const ops: AssembleOp[] = [{ op: "base", index: 0, count: 2 }];
  const none = new Uint8Array(0);
  const shorter = new Assembler(new Target(), lying("aaab"), 9);
  assertThrows(() => shorter.accept(ops, none), AssembleError, "shorter than its chunk list");
  const other = new Assembler(new Target(), lying("aaabX"), 9);
  assertThrows(() => other.accept(ops, none), AssembleError, "does not match its digest");
  assertEquals(other.bytes, 3);
});

Deno.test("assemble: it ends only with the announced content of the announced size", () => {
  const build = (size: number) => {
    const assembler = new Assembler(new Target(), BASE, size);
    assembler.accept(
      [{ op: "base", index: 0, count: 1 }, fresh("NEW"), { op: "self", index: 0 }],
      encoder.encode("NEW"),
    );
    return assembler;
  };
  const id = WANTED.chunks.contentId();
  assertEquals(build(9).finish(id).contentId(), id);
  assertThrows(() => build(10).finish(id), AssembleError, "9 bytes instead of 10");
  assertThrows(
    () => build(9).finish("0".repeat(64) as ContentId),
    AssembleError,
    "not those of the announced content",
  );
});

Deno.test("assemble: whatever a peer sends, only a refusal ends it, and what is there is verified", () => {
  const index = fc.oneof(fc.integer({ min: -2, max: 4 }), fc.double());
  const op: fc.Arbitrary<AssembleOp> = fc.oneof(
    fc.record({ op: fc.constant("base" as const), index, count: index }),
    fc.record({ op: fc.constant("self" as const), index }),
    fc.record({ text: fc.constantFrom("a", "NEW", ""), size: index }).map(({ text, size }) =>
      fresh(text, size)
    ),
    fc.constantFrom("a", "NEW").map((text) => fresh(text)),
  );
  fc.assert(
    fc.property(fc.array(op, { maxLength: 5 }), fc.constantFrom("", "a", "NEW", "aNEW"), (ops, bytes) => {
      const target = new Target();
      const assembler = new Assembler(target, BASE, 9);
      try {
        assembler.accept(ops, encoder.encode(bytes));
      } catch (error) {
        assert(error instanceof AssembleError, String(error));
      }
      assertEquals(assembler.bytes, target.bytes.length);
      assert(target.bytes.length <= 9);
    }),
    { numRuns: 1000 },
  );
});
