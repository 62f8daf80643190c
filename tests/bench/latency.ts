/** How long after a save on one machine the file is complete on another, both being watched. */
import { SeededRandom } from "../fakes/seeded_random.ts";
import type { FsyncRig } from "./fsync_rig.ts";
import { generateTree } from "./generate.ts";
import { median, quantile } from "./stats.ts";
import { awaitTree, listTree } from "./tree.ts";

export interface Latency {
  readonly saves: number;
  /** Of each save, in order. */
  readonly timesMs: readonly number[];
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** Of both watchers, the larger one. */
  readonly clientPeakBytes: number;
  readonly serverPeakBytes: number;
}

export interface LatencyOptions {
  readonly dir: string;
  readonly saves: number;
  /** Files that lie in the folder besides the one that is saved. */
  readonly files: number;
  readonly seed: bigint;
}

/** Saves that are not measured: until both sides have seen all of the folder and run warm. */
const WARM_UP = 5;
/** Between two looks at the other side; a result is too long by half of it on average. */
const LOOK_MS = 1;
const ARRIVAL_MS_MAX = 30_000;
/** People, and their editors, pause between two saves. */
const PAUSE_MS = [20, 80] as const;

/** @throws {Error} if a save does not arrive, or the folders differ at the end */
export async function measureLatency(rig: FsyncRig, options: LatencyOptions): Promise<Latency> {
  const random = new SeededRandom(options.seed);
  const [a, b] = [`${options.dir}/a`, `${options.dir}/b`];
  generateTree(`${a}/tree`, options);
  Deno.mkdirSync(b);
  await using watchA = await rig.watch(a);
  await using watchB = await rig.watch(b);
  await awaitTree(b, listTree(a));
  const times: number[] = [];
  for (let i = 0; i < WARM_UP + options.saves; i++) {
    const text = `save ${i}: ${"x".repeat(random.between(0, 2000))}\n`;
    const ms = await save(`${a}/note.txt`, `${b}/note.txt`, text);
    if (i >= WARM_UP) times.push(ms);
    await new Promise((resolve) => setTimeout(resolve, random.between(...PAUSE_MS)));
  }
  await awaitTree(b, listTree(a));
  await awaitTree(rig.serverTree, listTree(a));
  return {
    saves: times.length,
    timesMs: times,
    medianMs: median(times),
    p99Ms: quantile(times, 0.99),
    worstMs: Math.max(...times),
    clientPeakBytes: Math.max(watchA.memory.bytes, watchB.memory.bytes),
    serverPeakBytes: rig.server.memory.bytes,
  };
}

/** Saves on one side; returns after how many milliseconds the other side has it. */
async function save(here: string, there: string, text: string): Promise<number> {
  const started = performance.now();
  Deno.writeTextFileSync(here, text);
  while (readText(there) !== text) {
    if (performance.now() - started > ARRIVAL_MS_MAX) {
      throw new Error(`Cannot measure: a save did not arrive within ${ARRIVAL_MS_MAX / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return performance.now() - started;
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
