/** Makes a failing scheme smaller: steps are left out, half of them first, for as long as it still fails. */
import type { Scheme, SimStep } from "./generate.ts";
import { type Outcome, type RunOptions, runScheme } from "./run.ts";

/** Runs that shrinking may cost. */
const RUNS_MAX = 600;

export async function shrink(failing: Outcome, options: RunOptions = {}): Promise<Outcome> {
  let best = failing;
  let runs = 0;
  const attempt = async (scheme: Scheme): Promise<boolean> => {
    if (runs++ >= RUNS_MAX) return false;
    const outcome = await runScheme(scheme, options);
    if (outcome.failure === null || !alike(outcome.failure, failing.failure!)) return false;
    best = outcome;
    return true;
  };
  await attempt({ ...best.scheme, fresh: false });
  await attempt({ ...best.scheme, phases: best.scheme.phases.slice(0, -1) });
  await attempt({ ...best.scheme, granularityUs: 1 });
  await attempt({ ...best.scheme, lostHints: 0 });
  await attempt({ ...best.scheme, groupShared: [] });
  for (let size = Math.ceil(count(best.scheme) / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < count(best.scheme);) {
      if (!await attempt(without(best.scheme, at, size))) at += size;
    }
  }
  return best;
}

/** The same kind of failure: what begins alike. */
function alike(a: Error, b: Error): boolean {
  return a.name === b.name && a.message.slice(0, 3) === b.message.slice(0, 3);
}

function count(scheme: Scheme): number {
  return scheme.phases.reduce((sum, steps) => sum + steps.length, 0);
}

/** Leaves out `size` steps from the one numbered `at` on; phases that become empty stay. */
function without(scheme: Scheme, at: number, size: number): Scheme {
  let number = 0;
  const keep = (_step: SimStep) => {
    const here = number++;
    return here < at || here >= at + size;
  };
  return {
    ...scheme,
    phases: scheme.phases.map((steps) => steps.filter(keep)).filter((steps) => steps.length > 0),
  };
}
