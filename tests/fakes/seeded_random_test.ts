import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { SeededRandom } from "./seeded_random.ts";

Deno.test("equal seeds give equal streams, others do not, and forks are independent", () => {
  const draw = (random: SeededRandom) => [...random.bytes(20), random.int(1000), random.fraction()];
  assertEquals(draw(new SeededRandom(7n)), draw(new SeededRandom(7)));
  assertNotEquals(draw(new SeededRandom(7)), draw(new SeededRandom(8)));
  const parent = new SeededRandom(7);
  assertNotEquals(draw(parent.fork()), draw(parent.fork()));
});

Deno.test("the stream is the published algorithm's for a known seed, so that old seeds keep their meaning", () => {
  const random = new SeededRandom(0);
  const first = Array.from({ length: 4 }, () => random.uint32());
  assertEquals(first, xoshiroByTheBook(0n, 4));
});

Deno.test("numbers stay in their bounds and fill them evenly", () => {
  const random = new SeededRandom(3);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[random.int(10)]!++;
  for (const count of counts) assert(count > 850 && count < 1150, `${counts}`);
  for (let i = 0; i < 1000; i++) {
    const n = random.between(-2, 2);
    assert(n >= -2 && n <= 2 && Number.isInteger(n));
    const f = random.fraction();
    assert(f >= 0 && f < 1);
  }
});

Deno.test("a shuffle keeps every item, a weight of nothing is never chosen", () => {
  const random = new SeededRandom(4);
  const items = Array.from({ length: 50 }, (_, i) => i);
  const mixed = random.shuffle(items);
  assertNotEquals(mixed, items);
  assertEquals(mixed.toSorted((a, b) => a - b), items);
  const counts = new Map<string, number>();
  for (let i = 0; i < 4000; i++) {
    const choice = random.weighted([["often", 3], ["never", 0], ["seldom", 1]]);
    counts.set(choice, (counts.get(choice) ?? 0) + 1);
  }
  assertEquals(counts.has("never"), false);
  assert(counts.get("often")! > 2800 && counts.get("often")! < 3200, `${[...counts]}`);
  assert(items.includes(random.pick(items)));
});

/** xoshiro128** and splitmix64 again, all in 64-bit integers. */
function xoshiroByTheBook(seed: bigint, count: number): number[] {
  const low = 0xffff_ffffn;
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & low;
  const words: bigint[] = [];
  for (let i = 1n; i <= 2n; i++) {
    let z = BigInt.asUintN(64, seed + i * 0x9e37_79b9_7f4a_7c15n);
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
    z ^= z >> 31n;
    words.push(z & low, z >> 32n);
  }
  let [a, b, c, d] = words as [bigint, bigint, bigint, bigint];
  return Array.from({ length: count }, () => {
    const result = (rotate((b * 5n) & low, 7n) * 9n) & low;
    const t = (b << 9n) & low;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11n);
    return Number(result);
  });
}
