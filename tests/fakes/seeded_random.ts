/** Chance that a seed decides: xoshiro128** (Blackman, Vigna), its state filled by splitmix64 from the seed. */
import { invariant } from "../../core/invariant.ts";
import type { Random } from "../../system/random.ts";

const MASK_64 = (1n << 64n) - 1n;

export class SeededRandom implements Random {
  /** What the run can be repeated with. */
  readonly seed: bigint;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: bigint | number) {
    this.seed = BigInt(seed) & MASK_64;
    const first = splitmix(this.seed);
    const second = splitmix(first.state);
    [this.#a, this.#b] = halves(first.value);
    [this.#c, this.#d] = halves(second.value);
  }

  /** 32 random bits, as a number from 0 to 2^32 - 1. */
  uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /** A number in [0, 1), of 53 random bits. */
  fraction(): number {
    return ((this.uint32() >>> 5) * 0x400_0000 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at += 4) {
      const word = this.uint32();
      for (let i = 0; i < 4 && at + i < count; i++) bytes[at + i] = word >>> (8 * i);
    }
    return bytes;
  }

  /** A whole number in [0, n). */
  int(n: number): number {
    invariant(n >= 1 && Number.isInteger(n), `no whole number lies below ${n}`);
    return Math.floor(this.fraction() * n);
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.int(high - low + 1);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    invariant(items.length > 0, "nothing to pick from");
    return items[this.int(items.length)]!;
  }

  /** The items in another order; `items` stays as it is. */
  shuffle<T>(items: readonly T[]): T[] {
    const mixed = [...items];
    for (let i = mixed.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
    }
    return mixed;
  }

  /** One of the choices, each as likely as its weight says. */
  weighted<T>(choices: readonly (readonly [choice: T, weight: number])[]): T {
    const total = choices.reduce((sum, [, weight]) => sum + weight, 0);
    invariant(total > 0, "no choice has a weight");
    let left = this.fraction() * total;
    for (const [choice, weight] of choices) {
      left -= weight;
      if (left < 0) return choice;
    }
    return choices.findLast(([, weight]) => weight > 0)![0];
  }

  /** An independent stream, so that more draws in one part of a run do not change another. */
  fork(): SeededRandom {
    return new SeededRandom((BigInt(this.uint32()) << 32n) | BigInt(this.uint32()));
  }
}

/**
 * The seed of a random test: always the same, so that what passed once passes again; another one by the environment
 * variable `FSYNC_SEED`, and a fresh one by `FSYNC_SEED=random`. Print it when a test fails.
 */
export function seedForRun(): bigint {
  const given = Deno.env.get("FSYNC_SEED") ?? "1";
  return given === "random" ? BigInt(crypto.getRandomValues(new Uint32Array(1))[0]!) : BigInt(given);
}

function splitmix(state: bigint): { state: bigint; value: bigint } {
  const next = (state + 0x9e37_79b9_7f4a_7c15n) & MASK_64;
  let z = next;
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK_64;
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK_64;
  return { state: next, value: z ^ (z >> 31n) };
}

function halves(value: bigint): [number, number] {
  return [Number(value & 0xffff_ffffn) | 0, Number(value >> 32n) | 0];
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}
