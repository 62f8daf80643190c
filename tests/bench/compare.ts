/** Lets the contenders do the same steps, in turns. */
import { mustRun } from "./process.ts";
import type { Measurement, Rig } from "./rig.ts";
import { measureTree, type TreeSize } from "./tree.ts";
import type { Place, Scenario, Sizes, Step } from "./workloads.ts";

/** The measurements of one workload; the same index in both lists means the same repeat. */
export interface Comparison {
  readonly name: string;
  readonly title: string;
  readonly fsync: Measurement[];
  /** Empty without a rival. */
  readonly rsync: Measurement[];
}

export interface CompareOptions {
  readonly dir: string;
  readonly sizes: Sizes;
  readonly repeats: number;
  /** Bounds how often a step is measured in one repeat. */
  readonly timesMax: number;
  readonly chosen: (name: string) => boolean;
  /** Starts a contender that keeps its things in a directory. */
  readonly starters: readonly ((dir: string) => Promise<Rig>)[];
  /** Hears what is going to be synced. */
  readonly onSource: (size: TreeSize) => void;
  readonly onProgress: (text: string) => void;
}

/** Measures the chosen steps of a scenario, and does those that they need. */
export async function compare(scenario: Scenario, options: CompareOptions): Promise<Comparison[]> {
  const steps = stepsToDo(scenario, options.chosen);
  const results = new Map<string, Comparison>(
    steps.map(({ name, title }) => [name, { name, title, fsync: [], rsync: [] }]),
  );
  if (steps.length === 0) return [];
  const source = `${options.dir}/source`;
  Deno.mkdirSync(source);
  await scenario.makeSource(source, options.sizes);
  options.onSource(measureTree(source));
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    const dir = `${options.dir}/repeat`;
    await repeatOnce({ dir, source, steps, odd: repeat % 2 === 1 }, options, results);
    Deno.removeSync(dir, { recursive: true });
  }
  Deno.removeSync(source, { recursive: true });
  return [...results.values()].filter(({ name }) => options.chosen(name));
}

/** Up to the last chosen one, without those that neither were chosen nor leave something that is needed. */
function stepsToDo({ steps }: Scenario, chosen: (name: string) => boolean): Step[] {
  const last = steps.findLastIndex(({ name }) => chosen(name));
  return steps.slice(0, last + 1).filter(({ name, needed }) => needed || chosen(name));
}

async function repeatOnce(
  work: { dir: string; source: string; steps: readonly Step[]; odd: boolean },
  { starters, timesMax, onProgress }: CompareOptions,
  results: ReadonlyMap<string, Comparison>,
): Promise<void> {
  await using rigs = new AsyncDisposableStack();
  const places: Place[] = [];
  for (const start of starters) {
    const dir = `${work.dir}/${places.length}`;
    const client = `${dir}/client`;
    Deno.mkdirSync(dir, { recursive: true });
    await mustRun("cp", "-a", work.source, client);
    places.push({ rig: rigs.use(await start(dir)), dir, client });
  }
  // Who is first finds the machine in another state; so they take turns.
  if (work.odd) places.reverse();
  for (const step of work.steps) {
    for (let time = 0; time < Math.min(step.times, timesMax); time++) {
      for (const place of places) {
        onProgress(`${step.name}: ${place.rig.name}`);
        results.get(step.name)?.[place.rig.name].push(await step.measure(place));
      }
    }
  }
}
