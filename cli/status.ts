import { existsSync } from "@std/fs";
import type { EngineStatus } from "../client/engine.ts";
import { displayPath } from "../core/path.ts";
import type { WatcherHealth } from "../watcher/watcher.ts";
import { askRunning } from "./_control.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, explain, type Outcome, SetupError } from "./_exit.ts";
import { onInterrupt } from "./_interrupt.ts";
import { formatTime, plural } from "./_output.ts";
import { describePlan } from "./_plan_text.ts";
import { DEFAULT_CLIENT_DIR, openReplica } from "./_replica.ts";

export const status: Command = {
  name: "status",
  summary: "is it in sync, and if not, why",
  usage: "[DIR=./client_files]",
  flags: [{ name: "server", value: "HOST:PORT", help: "the server; remembered for this folder" }],
  example: "fsync status ./client_files --json",
  words: { min: 0, max: 1 },
  run: runStatus,
};

async function runStatus(context: Context): Promise<number> {
  const dir = context.words[0] ?? DEFAULT_CLIENT_DIR;
  if (!existsSync(`${dir}/.fsync`)) {
    throw new SetupError(
      "failed",
      `Cannot tell the status of "${dir}": it was never synced`,
      `start with: fsync watch ${dir}`,
    );
  }
  const root = Deno.realPathSync(dir);
  const live = await askRunning(root, { ask: "status" });
  if (live !== null) return printLive(context, live.engine, live.watcher, live.server);
  return await compare(context, root);
}

/** What a running `watch` or `server` knows. */
function printLive(context: Context, engine: EngineStatus, watcher: WatcherHealth, server: string): number {
  const { output } = context;
  const outcome = outcomeOf(engine);
  if (output.json) {
    output.document({ result: outcome, watched: true, server, ...engine, watcher });
    return EXIT[outcome];
  }
  const paint = engine.state === "in sync" ? output.green.bind(output) : output.yellow.bind(output);
  output.line(`${paint(engine.state)}: ${plural(engine.files, "file")}, ${server}`);
  if (engine.reason !== "") output.line(`  ${engine.reason}`);
  const waiting = engine.pendingUp + engine.pendingDown;
  if (waiting > 0) output.line(`  waiting: ${engine.pendingUp} up, ${engine.pendingDown} down`);
  if (engine.held !== null) {
    const { deletes, files, side } = engine.held;
    output.line(
      `  held: ${deletes} of ${files} files were deleted ${side === "here" ? "here" : "on the server"}`,
    );
    output.line("  hint: run fsync sync-all --approve-deletes if this is meant");
  }
  if (engine.conflicts > 0) output.line(`  ${plural(engine.conflicts, "conflict")} open`);
  for (const { reason } of engine.problems) output.line(`  ${output.red("problem")}: ${displayPath(reason)}`);
  output.line(
    `  watching: ${watcher.watched} of ${plural(watcher.directories, "director")}`.replace(
      /director(s?)$/,
      (_, s) => s === "s" ? "directories" : "directory",
    ) + ` (${watcher.mode})`,
  );
  if (watcher.reason !== null) output.line(`  ${watcher.reason}`);
  if (watcher.advice !== null) output.line(`  hint: ${watcher.advice}`);
  if (engine.lastFullLook > 0) output.line(`  last full look: ${formatTime(engine.lastFullLook)}`);
  return EXIT[outcome];
}

/** Nobody watches: look, ask the server, compare; and change nothing. */
async function compare(context: Context, root: string): Promise<number> {
  const { output } = context;
  const interrupt = onInterrupt();
  const replica = openReplica(context, { root, role: "command", onEvent: () => {} });
  try {
    const { lastSync } = replica.engine.status();
    const preview = await replica.engine.preview(interrupt.signal);
    const { problems, conflicts } = replica.engine.status();
    const steps = describePlan(preview);
    const outcome: Outcome = problems.length > 0
      ? "problems"
      : steps.length > 0
      ? "failed"
      : conflicts > 0
      ? "conflicts"
      : "ok";
    const state = steps.length > 0 ? "out of sync" : problems.length > 0 ? "problems" : "in sync";
    if (output.json) {
      output.document({
        result: outcome,
        watched: false,
        server: replica.server,
        state,
        steps,
        problems,
        conflicts,
        lastSync,
      });
      return EXIT[outcome];
    }
    const paint = state === "in sync" ? output.green.bind(output) : output.yellow.bind(output);
    output.line(`${paint(state)}, not watched: ${replica.server}`);
    for (const step of steps.slice(0, 20)) output.line(`  to ${step.action}: ${displayPath(step.path)}`);
    if (steps.length > 20) output.line(`  … and ${steps.length - 20} more`);
    for (const { reason } of problems) output.line(`  ${output.red("problem")}: ${displayPath(reason)}`);
    if (conflicts > 0) output.line(`  ${plural(conflicts, "conflict")} open`);
    output.line(lastSync === 0 ? "  never in sync yet" : `  last in sync: ${formatTime(lastSync)}`);
    return EXIT[outcome];
  } catch (error) {
    return unknown(context, error);
  } finally {
    interrupt.end();
    replica.close();
  }
}

/** Without the server nothing can be said. */
function unknown(context: Context, error: unknown): number {
  const explained = explain(error);
  if (explained === null || explained.outcome !== "unreachable") throw error;
  const { output } = context;
  if (output.json) {
    output.document({
      result: explained.outcome,
      watched: false,
      state: "unknown",
      reason: explained.message,
    });
  } else {
    output.line(`${output.yellow("unknown")}: ${explained.message}`);
    if (explained.hint !== "") output.line(`  hint: ${explained.hint}`);
  }
  return EXIT.unreachable;
}

function outcomeOf(engine: EngineStatus): Outcome {
  if (engine.state === "unreachable") return "unreachable";
  if (engine.held !== null) return "held";
  if (engine.problems.length > 0) return "problems";
  if (engine.conflicts > 0) return "conflicts";
  return engine.state === "in sync" ? "ok" : "failed";
}
