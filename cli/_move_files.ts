/** What `upload` and `download` share: single paths, one direction, the same rules as everywhere. */
import type { EngineStatus } from "../client/engine_status.ts";
import type { EngineEvent } from "../client/events.ts";
import type { Explanation } from "../client/explain.ts";
import type { Problem } from "../client/trees.ts";
import { displayPath, isAtOrBelow, type SyncPath } from "../core/path.ts";
import { askExplanation, askRunning } from "./_control.ts";
import type { Context } from "./_command.ts";
import { EXIT, type Outcome, outcomeOfStuck, UsageError } from "./_exit.ts";
import { onInterrupt } from "./_interrupt.ts";
import { findFolder, FolderBusy, openReplica } from "./_replica.ts";

export async function moveFiles(context: Context, direction: "up" | "down"): Promise<number> {
  const found = context.words.map((word) => findFolder(context, word));
  const root = found[0]!.root;
  if (found.some((one) => one.root !== root)) {
    throw new UsageError(`Cannot run ${context.command.name}: the paths lie in different folders`);
  }
  const paths = found.map(({ path }) => path);
  const events: EngineEvent[] = [];
  const interrupt = onInterrupt();
  try {
    const replica = openReplica(context, { root, role: "command", onEvent: (event) => events.push(event) });
    try {
      const status = await replica.engine.pass(interrupt.signal, { paths, direction });
      const explained = paths.map((path) => replica.engine.explain(path));
      const isNowhere = (one: Explanation) =>
        status.connected && one.state === "unknown" && !events.some((event) => concerns(event, one.path));
      return report(context, explained, events, status, isNowhere);
    } finally {
      replica.close();
    }
  } catch (error) {
    if (!(error instanceof FolderBusy) || error.role !== "watch") throw error;
    return await throughWatch(context, root, paths);
  } finally {
    interrupt.end();
  }
}

/** A running `watch` moves them; here we only wait until it has. */
async function throughWatch(context: Context, root: string, paths: readonly SyncPath[]): Promise<number> {
  const before = await Promise.all(paths.map((path) => askExplanation(root, path)));
  const live = await askRunning(root, { ask: "sync", paths }, 10 * 60_000);
  if (live === null) throw new FolderBusy(root, "watch");
  const explained = await Promise.all(paths.map((path) => askExplanation(root, path)));
  if (explained.includes(null)) throw new FolderBusy(root, "watch");
  const known = (at: number) => before[at]?.state !== "unknown" || explained[at]?.state !== "unknown";
  return report(context, explained as Explanation[], [], live.engine, (_, at) => !known(at));
}

function report(
  context: Context,
  explained: readonly Explanation[],
  events: readonly EngineEvent[],
  status: EngineStatus,
  isNowhere: (one: Explanation, at: number) => boolean,
): number {
  const { output } = context;
  const paths = explained.map(({ path }) => path);
  const met: readonly Problem[] = status.problems.filter(({ path }) =>
    paths.some((wanted) => isAtOrBelow(path as SyncPath, wanted))
  );
  const problems = [
    ...met,
    ...explained.flatMap((one) => ignoredProblem(context, one)),
    ...explained.filter(isNowhere).map((one) => nowhereProblem(context, one)),
  ];
  const conflict = events.some((event) => event.type === "conflict");
  const outcome: Outcome = status.stuck
    ? outcomeOfStuck(status.stuck)
    : !status.connected && status.state === "unreachable"
    ? "unreachable"
    : problems.some(({ noSpace }) => noSpace)
    ? "no_space"
    : problems.length > 0
    ? "problems"
    : conflict
    ? "conflicts"
    : "ok";
  const lines = paths.map((path) => ({
    path,
    result: status.stuck ? "ERROR" : resultOf(path, events, problems.map((one) => one.path)),
  }));
  if (output.json) output.document({ result: outcome, paths: lines });
  else {
    for (const { path, result } of lines) output.info(`${result.padEnd(8)} ${displayPath(path)}`);
    if (status.stuck) output.error(status.stuck.reason, status.stuck.hint);
    for (const { reason } of problems) output.error(reason);
    for (const event of events) if (event.type === "conflict") output.error(`${event.path}: ${event.reason}`);
  }
  return EXIT[outcome];
}

/** Who names a path wants it moved; a rule that forbids that must not look like success. */
function ignoredProblem({ command }: Context, { path, state, reasons }: Explanation): Problem[] {
  if (state !== "ignored") return [];
  const why = reasons[0]!.charAt(0).toLowerCase() + reasons[0]!.slice(1);
  return [{ path, reason: `Cannot ${command.name} "${path}": ${why}`, at: "look" }];
}

/** A misspelt name must not look like something that is current already. */
function nowhereProblem({ command }: Context, { path }: Explanation): Problem {
  const reason = `Cannot ${command.name} "${path}": neither this device nor the server has it`;
  return { path, reason, at: "look" };
}

function concerns(event: EngineEvent, path: SyncPath): boolean {
  return "path" in event && isAtOrBelow(event.path as SyncPath, path);
}

/** The answer of the wire for one path: `OK`, `SKIP` (it was current already), `CONFLICT`, `ERROR`. */
function resultOf(path: SyncPath, events: readonly EngineEvent[], problems: readonly string[]): string {
  if (problems.some((other) => isAtOrBelow(other as SyncPath, path))) return "ERROR";
  const own = events.filter((event) => concerns(event, path));
  if (own.some((event) => event.type === "conflict")) return "CONFLICT";
  if (own.some((event) => event.type === "detected" && event.change === "deleted")) return "OK";
  const moved = ["uploaded", "downloaded", "removed", "moved", "renamed"];
  return own.some((event) => moved.includes(event.type)) ? "OK" : "SKIP";
}
