/** A plan in words, for `--dry-run`. */
import { describeEntry } from "../core/entry.ts";
import { displayPath } from "../core/path.ts";
import type { Plan } from "../core/plan.ts";
import type { Rename } from "../core/renames.ts";

export interface PlanLine {
  readonly action: "upload" | "download" | "delete" | "remove" | "rename" | "conflict";
  readonly path: string;
  readonly detail: string;
}

/** Adopted paths are left out: nothing moves for them. */
export function describePlan({ plan, renames }: { plan: Plan; renames: readonly Rename[] }): PlanLine[] {
  return [
    ...renames.map(({ from, to }) => ({
      action: "rename" as const,
      path: from,
      detail: `to ${to}, on the server`,
    })),
    ...plan.push.map((step): PlanLine =>
      step.do === "delete" ? { action: "delete", path: step.path, detail: "on the server" } : {
        action: step.conflict ? "conflict" : "upload",
        path: step.path,
        detail: describeEntry(step.entry),
      }
    ),
    ...plan.download.map((step) => ({
      action: "download" as const,
      path: step.path,
      detail: describeEntry(step.entry),
    })),
    ...plan.remove.map((step) => ({ action: "remove" as const, path: step.path, detail: "here" })),
  ];
}

/** What is left open by ignore files whose fate a preview cannot tell. */
export function describeUnforeseen(paths: readonly string[]): string[] {
  return paths.map((path) =>
    `Newer rules wait on the server, so more or less may be synced: ${displayPath(path)}`
  );
}
