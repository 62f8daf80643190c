/** What an installation did, or would do, in words. */
import { dirname } from "@std/path";
import { displayPath } from "../../core/path.ts";
import { changes } from "./carry.ts";
import type { FileStep } from "./plan.ts";
import { type Output, plural } from "../_output.ts";

const WORDS: { readonly [action in FileStep["action"]]: string } = {
  make: "make",
  replace: "replace",
  keep: "keep",
  beside: "beside",
  remove: "remove",
  leave: "leave",
  forget: "gone",
};

/** A step as a row of `--json`. */
export function stepRow(step: FileStep): { action: string; path: string; what: string } {
  return { action: WORDS[step.action], path: step.path, what: whatOf(step) };
}

/** Prints the steps: many of one kind in one line, unless `all` are asked for. */
export function printSteps(output: Output, steps: readonly FileStep[], all: boolean): void {
  const shown = steps.filter((step) => changes(step));
  const groups = Map.groupBy(shown, (step) => `${step.action} ${whatOf(step)} ${dirname(step.path)}`);
  for (const group of groups.values()) {
    if (all || group.length === 1) { for (const step of group) printOne(output, step); }
    else {
      const [first] = group;
      const where = displayPath(dirname(first!.path));
      output.info(`${WORDS[first!.action].padEnd(8)} ${plural(group.length, whatOf(first!))} in ${where}`);
    }
  }
  for (const step of steps) printKept(output, step);
}

function printOne(output: Output, step: FileStep): void {
  output.info(`${WORDS[step.action].padEnd(8)} ${displayPath(step.path)} (${whatOf(step)})`);
}

/** What somebody changed is not touched, and that is said each time. */
function printKept(output: Output, step: FileStep): void {
  if (step.action === "leave") {
    output.warn(`fsync: left as it is, since it was changed: ${displayPath(step.path)}`);
  } else if ("thing" in step && step.path !== step.thing.path) {
    const path = displayPath(step.thing.path);
    output.warn(`fsync: not replaced, since it was changed or is not ours: ${path}`);
    output.warn(`hint: the new one is ${displayPath(step.path)}; --force replaces`);
  }
}

function whatOf(step: FileStep): string {
  return "thing" in step ? step.thing.what : step.made.what;
}
