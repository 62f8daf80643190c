import type { ExplainedState, Explanation } from "../client/explain.ts";
import { displayPath, type SyncPath } from "../core/path.ts";
import { askExplanation } from "./_control.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, explain as explainError, type Outcome, UsageError } from "./_exit.ts";
import { findPlace, openHistory, type Place, PLACE_FLAGS } from "./_history.ts";
import { onInterrupt } from "./_interrupt.ts";
import { formatTime } from "./_output.ts";
import { openReplica } from "./_replica.ts";

export const explain: Command = {
  name: "explain",
  summary: "why a path is, or is not, synced",
  usage: "PATH",
  about: [
    "Says which rule leaves a path out (file, line and pattern), what the user may do there, what is wrong with it, " +
    "whether the guard holds it, whether a conflict is open, since when a change waits, or which version both sides hold.",
    "A running watcher is asked; without one the folder is looked at and the server is asked, and nothing is changed.",
  ],
  flags: PLACE_FLAGS,
  example: "fsync explain ./client_files/build/out.o",
  words: { min: 1, max: 1 },
  run: runExplain,
};

const OUTCOMES: { readonly [S in ExplainedState]: Outcome } = {
  "in sync": "ok",
  ignored: "ok",
  pending: "failed",
  problem: "problems",
  held: "held",
  unknown: "failed",
};

async function runExplain(context: Context): Promise<number> {
  const { output } = context;
  const place = findPlace(context, context.words[0]);
  const { path } = place;
  if (path === null) {
    throw new UsageError(
      `Cannot explain "${context.words[0]}": it is the folder itself`,
      "see: fsync status",
    );
  }
  const interrupt = onInterrupt();
  try {
    const explanation = await askExplanation(place.root, path) ??
      await lookAnew(context, place, path, interrupt.signal);
    const conflict = await openConflict(context, place, path, interrupt.signal);
    const outcome = conflict !== null && explanation.state === "in sync"
      ? "conflicts"
      : OUTCOMES[explanation.state];
    if (output.json) output.document({ result: outcome, ...explanation, conflict });
    else for (const line of lines(explanation, conflict)) output.line(line);
    return EXIT[outcome];
  } finally {
    interrupt.end();
  }
}

/** Nobody watches: looks, and asks the server. */
async function lookAnew(
  context: Context,
  { root }: Place,
  path: SyncPath,
  signal: AbortSignal,
): Promise<Explanation> {
  const replica = openReplica(context, { root, role: "command", onEvent: () => {} });
  try {
    await replica.engine.preview(signal);
    return replica.engine.explain(path);
  } finally {
    replica.close();
  }
}

/** Number of the open conflict at `path`, `null` if there is none or nobody can be asked. */
async function openConflict(
  context: Context,
  place: Place,
  path: SyncPath,
  signal: AbortSignal,
): Promise<number | null> {
  try {
    const opened = await openHistory(context, place, signal);
    try {
      return (await opened.history.conflicts({ open: true })).find((one) => one.path === path)?.id ?? null;
    } finally {
      await opened.close();
    }
  } catch (error) {
    if (explainError(error) === null) throw error;
    return null;
  }
}

function lines(
  { path, state, reasons, access, kind, pendingSince }: Explanation,
  conflict: number | null,
): string[] {
  const said = [`${displayPath(path)}: ${state}`, ...reasons.map((reason) => `  ${displayPath(reason)}`)];
  if (state === "pending" && pendingSince !== null) said.push(`  changed here: ${formatTime(pendingSince)}`);
  if (kind !== null && access === "read") {
    said.push("  you may only read it: what is changed here stays here");
  }
  if (conflict !== null) said.push(`  conflict ${conflict} is open: fsync conflicts show ${conflict}`);
  return said;
}
