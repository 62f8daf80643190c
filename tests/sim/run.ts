/** Runs one scheme: production code against whatever its steps do to it. */
import { displayPath } from "../../core/path.ts";
import { type Action, generate, type Scheme, type SimStep, skewOf } from "./generate.ts";
import { operate } from "./operations.ts";
import type { Ports } from "./ports.ts";
import { S, type World, world } from "./world.ts";

export interface RunOptions {
  readonly ports?: Partial<Ports>;
  readonly log?: ((line: string) => void) | undefined;
  /** Kinds of steps, see `generate`. */
  readonly only?: readonly string[];
}

export interface Outcome {
  readonly scheme: Scheme;
  /** `null` if everything held. */
  readonly failure: Error | null;
}

export async function runSeed(seed: bigint, options: RunOptions = {}): Promise<Outcome> {
  return await runScheme(generate(seed, options.only), options);
}

/** Never rejects. */
export async function runScheme(scheme: Scheme, options: RunOptions = {}): Promise<Outcome> {
  try {
    await using w = await world({ ...scheme, ...options });
    for (const [n, phase] of scheme.phases.entries()) {
      for (const step of phase) {
        options.log?.(`  ${describeStep(step)}`);
        await carryOut(w, step);
        await w.pause(step.pause);
      }
      options.log?.(`  == end of phase ${n + 1}`);
      await w.settle();
    }
    if (scheme.fresh) {
      options.log?.("  == a fresh client joins");
      w.join();
      await w.settle();
    }
    return { scheme, failure: null };
  } catch (error) {
    return { scheme, failure: error instanceof Error ? error : new Error(String(error)) };
  }
}

async function carryOut(w: World, step: SimStep): Promise<void> {
  const action = ACT[step.do as Action];
  if (action === undefined) operate(w, step);
  else await action(w, step);
}

const CLIENTS_MAX = 5;
/** Often just before the answer to a pass's first upload. */
const FRAMES = [0, 1, 2, 2, 2, 3, 4, 9];

const ACT: Partial<Record<SimStep["do"], (w: World, step: SimStep) => void | Promise<void>>> = {
  sync: (w, { actor }) => {
    if (actor !== S && !w.client(actor).watching) w.beginPass(actor);
  },
  syncToEnd: async (w, { actor }) => {
    if (actor !== S && !w.client(actor).watching) await w.pass(actor);
  },
  wait: (w, { n }) => w.pause(n * 3),
  cut: (w, { actor }) => w.hangUp(actor),
  partition: (w, { actor }) => w.cut(actor),
  blackHole: (w, { actor }) => w.blackHole(actor),
  heal: (w) => w.heal(),
  cutAfterFrames: (w, { n }) => w.cutAfterFrames(n % 2 === 0 ? "a" : "b", FRAMES[(n >> 1) % FRAMES.length]!),
  kill: (w, { actor }) => w.kill(actor),
  killAfter: (w, { actor, n }) => w.killAfter(actor, n % 90),
  powerCut: (w, { actor }) => w.powerCut(actor),
  powerCutAfter: (w, { actor, n }) => w.powerCutAfter(actor, n % 90),
  restart: (w, { actor }) => w.restart(actor),
  loseState: (w, { actor }) => {
    if (actor !== S) w.loseState(actor);
  },
  exclude: (w, { actor, to }) => {
    if (actor !== S) w.exclude(actor, to);
  },
  skew: (w, { actor, n }) => w.skew(actor, skewOf(n)),
  fillDisk: (w, { actor, n }) => {
    const { disk } = w.machine(actor);
    disk.capacity = disk.inodes.used + n * 5;
    disk.hidesFree = n % 2 === 1;
  },
  freeDisk: (w, { actor }) => {
    w.machine(actor).disk.capacity = 2 ** 40;
  },
  join: (w) => {
    if (w.clients.length < CLIENTS_MAX) w.join();
  },
};

const MACHINES = ["S", "A", "B", "C", "D", "E"];

export function describeStep({ do: what, actor, path, to, n, pause }: SimStep): string {
  const at = JSON.stringify(displayPath(path)).slice(0, 40);
  const second = JSON.stringify(displayPath(to)).slice(0, 40);
  return `${MACHINES[actor + 1]} ${what} ${at} ${second} ${n}${pause > 0 ? `, ${pause} ms pass` : ""}`;
}

export function describeScheme(scheme: Scheme): string {
  const { seed, clients, mode, granularityUs, lostHints, groupShared, fresh } = scheme;
  const head =
    `seed ${seed}: ${clients} clients, ${mode}, times of ${granularityUs} µs, ${lostHints} of the hints lost` +
    (groupShared.length > 0
      ? `, folders of a group: ${groupShared.map((actor) => MACHINES[actor + 1])}`
      : "");
  const phases = scheme.phases.map((steps, n) =>
    [`  phase ${n + 1}`, ...steps.map((step) => `    ${describeStep(step)}`)].join("\n")
  );
  return [head, ...phases, ...fresh ? ["  a fresh client joins"] : []].join("\n");
}
