import { existsSync } from "@std/fs";
import type { EngineStatus } from "../client/engine_status.ts";
import type { Stuck } from "../client/standstill.ts";
import { displayPath } from "../core/path.ts";
import { systemClock } from "../system/clock.ts";
import { askRunning, type LiveStatus } from "./_control.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, explain, type Outcome, outcomeOfStuck, SetupError } from "./_exit.ts";
import { onInterrupt } from "./_interrupt.ts";
import { formatTime, type Output, plural } from "./_output.ts";
import { describePlan, describeUnforeseen } from "./_plan_text.ts";
import { chosenDir, openReplica } from "./_replica.ts";
import { describeMembership } from "./_rights.ts";

export const status: Command = {
  name: "status",
  summary: "is it in sync, and if not, why",
  usage: "[DIR=./client_files] [--watch]",
  about: [
    "Says that a folder is in sync only if that was proved: by a complete look at the disk, by the server, and by a watcher in good health. Otherwise it says why not, and what is waiting. It asks the running watch or server, if there is one. Without DIR it is the synced folder around here, or ./client_files.",
  ],
  flags: [
    { name: "server", value: "HOST:PORT", help: "the server; remembered for this folder" },
    { name: "watch", help: "show every change of it, until stopped" },
  ],
  example: "fsync status ./client_files --json",
  words: { min: 0, max: 1 },
  run: runStatus,
};

async function runStatus(context: Context): Promise<number> {
  const dir = chosenDir(context);
  if (!existsSync(`${dir}/.fsync`)) {
    throw new SetupError(
      "failed",
      `Cannot tell the status of "${dir}": it was never synced`,
      `start with: fsync watch ${dir}`,
    );
  }
  const root = Deno.realPathSync(dir);
  if (context.on("watch")) return await watchStatus(context, root);
  const live = await askRunning(root, { ask: "status" });
  if (live !== null) return printLive(context, live);
  return await compare(context, root);
}

/** What a running `watch` or `server` knows. */
function printLive(context: Context, live: LiveStatus): number {
  const { output } = context;
  const { engine, watcher, server, unserved = [] } = live;
  const ownOutcome = outcomeOf(engine);
  const outcome = ownOutcome === "ok" && unserved.length > 0 ? "problems" : ownOutcome;
  if (output.json) output.document({ result: outcome, watched: true, server, ...engine, watcher, unserved });
  else for (const line of describeLive(output, live)) output.line(line);
  return EXIT[outcome];
}

function describeLive(output: Output, { engine, watcher, server, unserved = [] }: LiveStatus): string[] {
  const paint = engine.state === "in sync" ? output.green.bind(output) : output.yellow.bind(output);
  const lines = [`${paint(engine.state)}: ${plural(engine.files, "file")}, ${server}`];
  if (engine.user !== "") lines.push(`  ${describeMembership(engine)}`);
  if (engine.reason !== "") lines.push(`  ${displayPath(engine.reason)}`);
  if (engine.stuck) lines.push(...describeStuck(engine.stuck));
  const waiting = engine.pendingUp + engine.pendingDown;
  if (waiting > 0) lines.push(`  waiting: ${engine.pendingUp} up, ${engine.pendingDown} down`);
  if (engine.held !== null) {
    const { deletes, files, side } = engine.held;
    lines.push(
      `  held: ${deletes} of ${files} files were deleted ${side === "here" ? "here" : "on the server"}`,
      "  hint: run fsync sync-all --approve-deletes if this is meant",
    );
  }
  if (engine.conflicts > 0) lines.push(`  ${plural(engine.conflicts, "conflict")} open`);
  if (engine.ignored > 0) lines.push(`  ${plural(engine.ignored, "path")} of the server ignored here`);
  for (const { reason } of [...engine.problems, ...unserved]) {
    lines.push(`  ${output.red("problem")}: ${displayPath(reason)}`);
  }
  const directories = watcher.directories === 1 ? "directory" : "directories";
  lines.push(
    `  watching: ${watcher.watched} of ${
      watcher.directories.toLocaleString("en")
    } ${directories} (${watcher.mode})`,
  );
  if (watcher.reason !== null) lines.push(`  ${watcher.reason}`);
  if (watcher.advice !== null) lines.push(`  hint: ${watcher.advice}`);
  if (engine.lastFullLook > 0) lines.push(`  last full look: ${formatTime(engine.lastFullLook)}`);
  return lines;
}

function describeStuck({ hint }: Stuck): string[] {
  const lines = ["  nothing is lost; it goes on by itself when that has passed"];
  return hint === "" ? lines : [...lines, `  hint: ${hint}`];
}

/** How often a running program is asked anew, ms. */
const WATCH_MS = 500;

/** Shows the status whenever it changes, until stopped. */
async function watchStatus(context: Context, root: string): Promise<number> {
  const { output } = context;
  const interrupt = onInterrupt();
  let shown = "";
  try {
    while (!interrupt.signal.aborted) {
      const live = await askRunning(root, { ask: "status" });
      const text = live === null ? NOT_WATCHED : output.json
        ? JSON.stringify({
          result: outcomeOf(live.engine),
          watched: true,
          server: live.server,
          ...live.engine,
        })
        : describeLive(output, live).join("\n");
      if (text !== shown) {
        if (output.json) {
          output.line(live === null ? JSON.stringify({ result: "unknown", watched: false }) : text);
        } else output.screen(text);
      }
      shown = text;
      await systemClock.sleep(WATCH_MS, interrupt.signal);
    }
    return EXIT.ok;
  } finally {
    interrupt.end();
  }
}

const NOT_WATCHED = "unknown: nobody watches this folder";

/** Nobody watches: look, ask the server, compare; and change nothing. */
async function compare(context: Context, root: string): Promise<number> {
  const { output } = context;
  const interrupt = onInterrupt();
  const replica = openReplica(context, { root, role: "command", onEvent: () => {} });
  try {
    const { lastSync } = replica.engine.status();
    const preview = await replica.engine.preview(interrupt.signal);
    const { problems, conflicts, ...membership } = replica.engine.status();
    const { user, folder, rules } = membership;
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
        user,
        folder,
        rules,
        state,
        steps,
        unforeseen_rules: preview.unforeseen,
        problems,
        conflicts,
        lastSync,
      });
      return EXIT[outcome];
    }
    const paint = state === "in sync" ? output.green.bind(output) : output.yellow.bind(output);
    output.line(`${paint(state)}, not watched: ${replica.server}`);
    output.line(`  ${describeMembership(membership)}`);
    for (const step of steps.slice(0, 20)) output.line(`  to ${step.action}: ${displayPath(step.path)}`);
    if (steps.length > 20) output.line(`  … and ${steps.length - 20} more`);
    for (const line of describeUnforeseen(preview.unforeseen)) output.line(`  ${line}`);
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
  if (engine.stuck) return outcomeOfStuck(engine.stuck);
  if (engine.state === "unreachable") return "unreachable";
  if (engine.held !== null) return "held";
  if (engine.problems.length > 0) return "problems";
  if (engine.conflicts > 0) return "conflicts";
  return engine.state === "in sync" ? "ok" : "failed";
}
