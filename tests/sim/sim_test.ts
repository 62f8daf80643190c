/**
 * The random convergence test over production code in memory (RELIABILITY: invariants I1–I14). Another base seed:
 * `FSYNC_SIM_SEED=N deno task test`; one seed, shrunk: `deno task sim --seed N --count 1`.
 */
import { assertEquals } from "@std/assert";
import { generate } from "./generate.ts";
import { describeScheme, runScheme, runSeed } from "./run.ts";
import { shrink } from "./shrink.ts";

const BASE_SEED = BigInt(Deno.env.get("FSYNC_SIM_SEED") ?? "1");
const SEEDS = 500;
/** In one test, so that a failure is met early and the list stays short. */
const SEEDS_PER_TEST = 100;
async function mustHold(seed: bigint): Promise<void> {
  const outcome = await runSeed(seed);
  if (outcome.failure === null) return;
  const small = await shrink(outcome);
  throw new Error(`${small.failure?.message}\n${describeScheme(small.scheme)}`, { cause: outcome.failure });
}

for (let first = 0; first < SEEDS; first += SEEDS_PER_TEST) {
  const from = BASE_SEED + BigInt(first);
  Deno.test(`simulation: seeds ${from} to ${from + BigInt(SEEDS_PER_TEST - 1)} hold`, async () => {
    for (let i = 0; i < SEEDS_PER_TEST; i++) await mustHold(from + BigInt(i));
  });
}

Deno.test("simulation: the same seed gives the same run", async () => {
  const trace = async (seed: bigint) => {
    const lines: string[] = [];
    await runScheme(generate(seed), { log: (line) => lines.push(line) });
    return lines;
  };
  for (const seed of [3n, 17n, 148n]) assertEquals(await trace(seed), await trace(seed));
});
