import { assert, assertEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { packBlock, unpackBlock } from "./block.ts";
import { ProtocolError } from "./errors.ts";
import { BLOCK_RAW_BYTES_MAX } from "./limits.ts";

const encoder = new TextEncoder();

function prose(bytes: number): Uint8Array {
  let text = "";
  for (let line = 0; text.length < bytes; line++) text += `line ${line}: the quick brown fox jumps over it\n`;
  return encoder.encode(text).subarray(0, bytes);
}

/** Bytes that do not compress, the same on every run. */
function noise(bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 32) {
    const digest = createHash("sha256").update(`noise ${at}`).digest();
    out.set(digest.subarray(0, Math.min(32, bytes - at)), at);
  }
  return out;
}

function join(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

Deno.test("block: parts come back one after the other, compressed where it pays", () => {
  const cases: [name: string, parts: Uint8Array[], encoding: "raw" | "zstd"][] = [
    ["no parts", [], "raw"],
    ["an empty part", [new Uint8Array(0)], "raw"],
    ["a small text", [prose(511)], "raw"],
    ["a text of 512 bytes", [prose(512)], "zstd"],
    ["many small texts", Array(100).fill(prose(60)), "zstd"],
    ["small noise", [noise(4000)], "raw"],
    ["large noise", [noise(300_000)], "raw"],
    ["noise before text is taken for noise", [noise(16 * 1024), prose(100_000)], "raw"],
    ["text before so much noise that the whole hardly shrinks", [prose(16 * 1024), noise(500_000)], "raw"],
    ["text before noise", [prose(60_000), noise(60_000)], "zstd"],
    ["the largest block", [prose(BLOCK_RAW_BYTES_MAX)], "zstd"],
  ];
  for (const [name, parts, encoding] of cases) {
    const block = packBlock(parts);
    const whole = join(...parts);
    assertEquals(block.encoding, encoding, name);
    assertEquals(block.rawSize, whole.length, name);
    assertEquals(unpackBlock(block), whole, name);
  }
});

Deno.test("block: a raw block of one part is a view on it, and unpacks to a view", () => {
  const part = noise(1000);
  const block = packBlock([part]);
  assert(block.bytes === part);
  assert(unpackBlock(block) === part);
});

Deno.test("block: a text becomes much smaller", () => {
  const block = packBlock([prose(100_000)]);
  assert(block.bytes.length < 20_000, `${block.bytes.length} bytes`);
});

const packed = zstdCompressSync(prose(5000));
const flipped = Uint8Array.from(packed);
flipped[0]! ^= 0xff;
/** A frame of four bytes that asks for a window of 128 MiB. */
const wide = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x00, (27 - 10) << 3, 0x01, 0x00, 0x00]);

const bad: [name: string, encoding: "raw" | "zstd", rawSize: number, bytes: Uint8Array, problem: string][] = [
  ["raw bytes that are too few", "raw", 11, new Uint8Array(10), "its size is not as announced"],
  ["raw bytes that are too many", "raw", 9, new Uint8Array(10), "its size is not as announced"],
  ["more bytes than a block may have", "raw", BLOCK_RAW_BYTES_MAX + 1, new Uint8Array(1), "it is too large"],
  ["a bomb of one byte too many", "zstd", 4999, packed, "damaged or more than announced"],
  ["a bomb of 64 MiB", "zstd", 5000, zstdCompressSync(new Uint8Array(64 * 2 ** 20)), "more than announced"],
  ["fewer bytes than announced", "zstd", 5001, packed, "its size is not as announced"],
  [
    "compressed bytes that are cut short",
    "zstd",
    5000,
    packed.subarray(0, packed.length - 9),
    "its size is not",
  ],
  ["no bytes", "zstd", 10, new Uint8Array(0), "its size is not as announced"],
  ["nothing, compressed", "zstd", 0, zstdCompressSync(new Uint8Array(0)), "it is empty, yet compressed"],
  ["bytes of another kind", "zstd", 5000, flipped, "damaged"],
  ["bytes after the end", "zstd", 5000, join(packed, noise(9)), "damaged"],
  ["a window that takes too much memory", "zstd", 10, wide, "damaged"],
];

for (const [name, encoding, rawSize, bytes, problem] of bad) {
  Deno.test(`block: ${name} is refused`, () => {
    assertThrows(() => unpackBlock({ encoding, rawSize, bytes }), ProtocolError, problem);
  });
}
