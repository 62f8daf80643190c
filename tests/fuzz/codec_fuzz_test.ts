/**
 * Damaged frames: whatever comes, `decode` answers with a message that can be sent on, or with a `ProtocolError`, and
 * soon. `FSYNC_FUZZ_RUNS` sets how many, `FSYNC_SEED` which.
 */
import { assert, assertEquals, equal } from "@std/assert";
import fc from "fast-check";
import { decode, encode } from "../../protocol/codec.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import { anyEnvelope } from "../arbitrary/messages.ts";
import { seedForRun } from "../fakes/seeded_random.ts";
import { chanceOf, DAMAGES } from "./damage.ts";
import frames from "../vectors/frames.json" with { type: "json" };

const RUNS = Number(Deno.env.get("FSYNC_FUZZ_RUNS") ?? 20_000);
const SEED = Number(seedForRun());
/** Far above what a frame of a few KiB takes (~50 µs), far below what would hold up a server. */
const CASE_MS_MAX = 1000;

/** Whether the frame was a message. Anything but a message or a `ProtocolError` goes through. */
function survives(frame: Uint8Array): boolean {
  let envelope;
  try {
    envelope = decode(frame);
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
  assert(equal(decode(encode(envelope)), envelope), "a message did not come back as it went");
  return true;
}

Deno.test(`fuzz: a damaged frame is a message or a ProtocolError, nothing else (seed ${SEED})`, () => {
  const pool = [
    ...fc.sample(anyEnvelope, { seed: SEED, numRuns: 400 }).map(encode).filter((frame) =>
      frame.length < 20_000
    ),
    ...frames.map(({ frame }) => Uint8Array.fromHex(frame)),
  ];
  const chance = chanceOf(SEED);
  let understood = 0;
  for (let run = 0; run < RUNS; run++) {
    const whole = pool[chance(pool.length)]!;
    const frame = DAMAGES[run % DAMAGES.length]!(whole, chance, pool);
    const before = performance.now();
    try {
      if (survives(frame)) understood++;
    } catch (error) {
      throw new Error(`run ${run}, FSYNC_SEED=${SEED}, frame ${frame.toHex()}`, { cause: error });
    }
    const took = performance.now() - before;
    assert(took < CASE_MS_MAX, `${took} ms: run ${run}, FSYNC_SEED=${SEED}, frame ${frame.toHex()}`);
  }
  // If nearly all or nearly none were understood, the damage would not reach the rules.
  assert(understood > RUNS / 50 && understood < RUNS, `${understood} of ${RUNS}, FSYNC_SEED=${SEED}`);
});

Deno.test(`fuzz: random bytes behind any type are a message or a ProtocolError (seed ${SEED})`, () => {
  const chance = chanceOf(SEED + 1);
  const types = new Set<number>();
  for (let run = 0; run < RUNS / 4; run++) {
    const frame = Uint8Array.from({ length: 5 + chance(60) }, () => chance(chance(2) === 0 ? 8 : 256));
    frame[0] = run % 30;
    types.add(frame[0]);
    survives(frame);
  }
  assertEquals(types.size, 30);
});
