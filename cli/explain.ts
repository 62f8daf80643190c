import type { ExplainedState, Explanation } from "../client/explain.ts";
import { displayPath, PathError, RESERVED_NAME, type SyncPath } from "../core/path.ts";
import { RemoteError } from "../protocol/errors.ts";
import type { History, PastVersion } from "../protocol/history.ts";
import { askExplanation } from "./_control.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, explain as explainError, type Outcome, SetupError, UsageError } from "./_exit.ts";
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
  const place = placeOf(context);
  const { path } = place;
  if (path === null) {
    throw new UsageError(
      `Cannot explain "${context.words[0]}": it is the folder itself`,
      "see: fsync status",
    );
  }
  const interrupt = onInterrupt();
  try {
    const explanation: Explained = await askExplanation(place.root, path) ??
      await lookAnew(context, place, path, interrupt.signal);
    const past = await pastOf(context, place, explanation, interrupt.signal);
    const outcome = past.conflict !== null && explanation.state === "in sync"
      ? "conflicts"
      : OUTCOMES[explanation.state];
    if (output.json) output.document({ result: outcome, ...explanation, ...past });
    else for (const line of lines(explanation, past)) output.line(line);
    return EXIT[outcome];
  } finally {
    interrupt.end();
  }
}

/** @throws {UsageError | SetupError} */
function placeOf(context: Context): Place {
  try {
    return findPlace(context, context.words[0]);
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    // Such a name is never synced, so there is the explanation already.
    throw new UsageError(
      `Cannot explain "${context.words[0]}": ${error.message}`,
      `no such path is ever synced; what is in ${RESERVED_NAME} belongs to fsync itself`,
    );
  }
}

/** With what could not be found out. */
type Explained = Explanation & { readonly note?: string };

/** Nobody watches: looks, and asks the server if it can be reached. */
async function lookAnew(
  context: Context,
  { root, server }: Place,
  path: SyncPath,
  signal: AbortSignal,
): Promise<Explained> {
  if (server) {
    throw new SetupError(
      "failed",
      `Cannot explain "${path}": the server does not run`,
      "start it; its own tree goes by no rules, and follows what clients send",
    );
  }
  const replica = openReplica(context, { root, role: "command", onEvent: () => {} });
  try {
    await replica.engine.preview(signal);
    return replica.engine.explain(path);
  } catch (error) {
    const explained = explainError(error);
    if (explained?.outcome !== "unreachable") throw error;
    await replica.engine.lookHere(signal);
    return { ...replica.engine.explain(path), note: `The server was not asked: ${explained.message}` };
  } finally {
    replica.close();
  }
}

/** What the server's history says of a path. */
interface Past {
  /** The open conflict, `null` if there is none or nobody can be asked. */
  readonly conflict: number | null;
  /** When the version was made that both sides hold, or that this side does not have, ms; and by whom. */
  readonly since: number | null;
  readonly by: string | null;
}

async function pastOf(
  context: Context,
  place: Place,
  { path, news, revision }: Explained,
  signal: AbortSignal,
): Promise<Past> {
  try {
    const { history, close } = await openHistory(context, place, signal);
    try {
      const conflicts = await history.conflicts({ open: true });
      const conflict = conflicts.find((one) => one.path === path)?.id ?? null;
      const version = await versionOf(history, path, news ?? revision);
      const by = version === null ? null : `${version.author.user}@${version.author.device}`;
      return { conflict, since: version?.time ?? null, by };
    } finally {
      await close();
    }
  } catch (error) {
    if (explainError(error) === null) throw error;
    return { conflict: null, since: null, by: null };
  }
}

/** `null` also for who may not see the past. */
async function versionOf(
  history: History,
  path: SyncPath,
  revision: number | null,
): Promise<PastVersion | null> {
  if (revision === null) return null;
  try {
    return (await history.versions(path)).find((version) => version.revision === revision) ?? null;
  } catch (error) {
    if (error instanceof RemoteError) return null;
    throw error;
  }
}

function lines(explanation: Explained, { conflict, since, by }: Past): string[] {
  const { path, state, reasons, access, kind, pendingSince, note } = explanation;
  const said = [`${displayPath(path)}: ${state}`, ...reasons.map((reason) => `  ${displayPath(reason)}`)];
  if (state === "pending" && pendingSince !== null) said.push(`  changed here: ${formatTime(pendingSince)}`);
  if (since !== null) {
    const what = state === "in sync" ? "since" : "that version is of";
    said.push(`  ${what}: ${formatTime(since)}, by ${displayPath(by ?? "")}`);
  }
  if (kind !== null && access === "read") {
    said.push("  you may only read it: what is changed here stays here");
  }
  if (conflict !== null) said.push(`  conflict ${conflict} is open: fsync conflicts show ${conflict}`);
  if (note !== undefined) said.push(`  ${displayPath(note)}`);
  return said;
}
