/**
 * Damaged frames: whatever comes, `decode` answers with a message that can be sent on, or with a `ProtocolError`, and
 * soon. `FSYNC_FUZZ_RUNS` sets how many, `FSYNC_FUZZ_SEED` which.
 */
import { assert, assertEquals, equal } from "@std/assert";
import fc from "fast-check";
import { decode, encode } from "../../protocol/codec.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import { anyEnvelope } from "../arbitrary/messages.ts";
import frames from "../vectors/frames.json" with { type: "json" };

const RUNS = Number(Deno.env.get("FSYNC_FUZZ_RUNS") ?? 20_000);
const SEED = Number(Deno.env.get("FSYNC_FUZZ_SEED") ?? Date.now() % 2 ** 31);
/** Far above what a frame of a few KiB takes (~50 µs), far below what would hold up a server. */
const CASE_MS_MAX = 1000;

/** Whole numbers from 0 to below `bound`, by seed. */
type Chance = (bound: number) => number;

function chanceOf(seed: number): Chance {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % bound;
  };
}

type Damage = (frame: Uint8Array, chance: Chance, pool: readonly Uint8Array[]) => Uint8Array;

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff];

/** A place in the frame, more often among the first fields, where counts and kinds stand. */
function place(frame: Uint8Array, chance: Chance): number {
  return chance(Math.max(1, chance(2) === 0 ? Math.min(40, frame.length) : frame.length));
}

const DAMAGES: readonly Damage[] = [
  function flipBits(frame, chance) {
    const damaged = frame.slice();
    for (let left = 1 + chance(4); left > 0; left--) damaged[place(frame, chance)]! ^= 1 << chance(8);
    return damaged;
  },
  function setBytes(frame, chance) {
    const damaged = frame.slice();
    for (let left = 1 + chance(3); left > 0; left--) {
      damaged[place(frame, chance)] = EXTREMES[chance(EXTREMES.length)]!;
    }
    return damaged;
  },
  function truncate(frame, chance) {
    return frame.slice(0, chance(frame.length + 1));
  },
  function remove(frame, chance) {
    const from = place(frame, chance);
    return join(frame.subarray(0, from), frame.subarray(from + 1 + chance(8)));
  },
  function insert(frame, chance) {
    const at = place(frame, chance);
    const added = Uint8Array.from({ length: 1 + chance(12) }, () => chance(256));
    return join(frame.subarray(0, at), added, frame.subarray(at));
  },
  function splice(frame, chance, pool) {
    const other = pool[chance(pool.length)]!;
    return join(frame.subarray(0, place(frame, chance)), other.subarray(place(other, chance)));
  },
  function retype(frame, chance) {
    const damaged = frame.slice();
    damaged[0] = chance(30);
    return damaged;
  },
];

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

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
      throw new Error(`run ${run}, FSYNC_FUZZ_SEED=${SEED}, frame ${frame.toHex()}`, { cause: error });
    }
    const took = performance.now() - before;
    assert(took < CASE_MS_MAX, `${took} ms: run ${run}, FSYNC_FUZZ_SEED=${SEED}, frame ${frame.toHex()}`);
  }
  // If nearly all or nearly none were understood, the damage would not reach the rules.
  assert(understood > RUNS / 50 && understood < RUNS, `${understood} of ${RUNS}, FSYNC_FUZZ_SEED=${SEED}`);
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
