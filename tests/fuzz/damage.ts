/** Ways to damage a frame, by seed: bits, lengths, cuts, splices of two frames, another type. */

/** Whole numbers from 0 to below `bound`, by seed. */
export type Chance = (bound: number) => number;

export function chanceOf(seed: number): Chance {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % bound;
  };
}

export type Damage = (frame: Uint8Array, chance: Chance, pool: readonly Uint8Array[]) => Uint8Array;

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff];

/** A place in the frame, more often among the first fields, where counts and kinds stand. */
function place(frame: Uint8Array, chance: Chance): number {
  return chance(Math.max(1, chance(2) === 0 ? Math.min(40, frame.length) : frame.length));
}

export const DAMAGES: readonly Damage[] = [
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
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
