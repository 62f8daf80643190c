/**
 * The test vectors of `docs/protocol.md`, spelled by hand, for every implementation: `frames.json` are frames and the
 * messages they carry; `bad_frames.json` are frames with one fault each, and what this implementation says of it.
 * In a message, bytes are written as `{ "bytes": "<hex digits>" }`.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { decode, encode } from "../../protocol/codec.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Message } from "../../protocol/messages.ts";
import badFrames from "./bad_frames.json" with { type: "json" };
import frames from "./frames.json" with { type: "json" };

/** Puts bytes where the JSON says so. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]![0] === "bytes") return Uint8Array.fromHex(entries[0]![1]);
  return Object.fromEntries(entries.map(([key, inner]) => [key, revive(inner)]));
}

for (const { name, frame, id, message } of frames) {
  Deno.test(`vector: ${name}`, () => {
    const envelope = { id, message: revive(message) as Message };
    assertEquals(decode(Uint8Array.fromHex(frame)), envelope);
    assertEquals(encode(envelope).toHex(), frame);
  });
}

for (const { name, frame, error } of badFrames) {
  Deno.test(`vector: bad frame, ${name}`, () => {
    const thrown = assertThrows(() => decode(Uint8Array.fromHex(frame)), ProtocolError);
    assertEquals(thrown.message, error);
  });
}

Deno.test("vector: every type of message has a frame", () => {
  const types = new Set(frames.map(({ message }) => message.type));
  assertEquals(types.size, 29);
});

Deno.test("vector: every good frame that is cut short is refused", () => {
  for (const { frame } of frames) {
    const bytes = Uint8Array.fromHex(frame);
    for (let size = 0; size < bytes.length; size++) {
      assertThrows(() => decode(bytes.subarray(0, size)), ProtocolError);
    }
  }
});
