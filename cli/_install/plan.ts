/** What has to be done so that what is wanted is there, and what was made and is not wanted any more is gone. */
import type { Made } from "./record.ts";
import { foundPrint, type Thing, wantedPrint } from "./things.ts";

export type FileStep =
  /** Nothing stands there yet. */
  | { readonly action: "make"; readonly path: string; readonly thing: Thing; readonly print: string }
  /** What stands there is ours, or is to go. */
  | { readonly action: "replace"; readonly path: string; readonly thing: Thing; readonly print: string }
  | { readonly action: "keep"; readonly path: string; readonly thing: Thing; readonly print: string }
  /** Somebody changed it, or it was never ours: `path` is a `.new` beside it. */
  | { readonly action: "beside"; readonly path: string; readonly thing: Thing; readonly print: string }
  | { readonly action: "remove"; readonly path: string; readonly made: Made }
  /** It was made once and changed since. */
  | { readonly action: "leave"; readonly path: string; readonly made: Made }
  /** It was made once and is gone. */
  | { readonly action: "forget"; readonly path: string; readonly made: Made };

export interface PlanOptions {
  /** Replace also what is not as it was made. */
  readonly force: boolean;
  /** Which of the things that were made are to go if nobody wants them. */
  readonly inScope: (made: Made) => boolean;
}

/** Compares what is wanted, what was made, and what is there. Changes nothing. */
export function planFiles(
  wanted: readonly Thing[],
  made: ReadonlyMap<string, Made>,
  { force, inScope }: PlanOptions,
): FileStep[] {
  const steps = wanted.map((thing) => stepFor(thing, made, force));
  const paths = new Set([...steps, ...wanted].map(({ path }) => path));
  for (const [path, one] of made) {
    if (!paths.has(path) && inScope(one)) steps.push(removal(path, one, force));
  }
  return steps;
}

function stepFor(thing: Thing, made: ReadonlyMap<string, Made>, force: boolean): FileStep {
  const { path } = thing;
  const print = wantedPrint(thing.content);
  const found = foundPrint(path);
  if (found === null) return { action: "make", path, thing, print };
  if (found === print) return { action: "keep", path, thing, print };
  const before = made.get(path);
  // A program is not edited: another one at our place is an older or newer one of ours.
  const ours = before !== undefined && (before.print === found || thing.content.kind === "program");
  if (force || ours) return { action: "replace", path, thing, print };
  const beside = `${path}.new`;
  return { action: foundPrint(beside) === print ? "keep" : "beside", path: beside, thing, print };
}

function removal(path: string, made: Made, force: boolean): FileStep {
  const found = foundPrint(path);
  if (found === null) return { action: "forget", path, made };
  return { action: found === made.print || force ? "remove" : "leave", path, made };
}
