import { existsSync } from "@std/fs";
import type { EngineStatus } from "../client/engine_status.ts";
import type { EngineEvent } from "../client/events.ts";
import { displayPath } from "../core/path.ts";
import { askRunning } from "./_control.ts";
import { FOLDER_FLAG } from "./_binding.ts";
import type { Command, Context } from "./_command.ts";
import { ConflictCopies, ON_CONFLICT_FLAG } from "./_conflict_copies.ts";
import { EXIT, type Outcome, outcomeOfStuck, SetupError } from "./_exit.ts";
import { openHistory } from "./_history.ts";
import { onInterrupt } from "./_interrupt.ts";
import { flaggedSettings, IGNORE_FLAGS, rememberIgnoreFlags } from "./_ignore.ts";
import { LIMIT_FLAGS } from "./_line.ts";
import { Journal } from "./_journal.ts";
import { DEBUG_FLAG, journalOptions } from "./_logging.ts";
import { formatBytes, type Output, plural } from "./_output.ts";
import {
  chosenDir,
  FolderBusy,
  type OpenReplica,
  openReplica,
  prepareClientRoot,
  type Traffic,
} from "./_replica.ts";
import { isServers, realPathOf } from "./_nesting.ts";
import { describePlan, describeUnforeseen } from "./_plan_text.ts";
import { Progress } from "./_progress.ts";

export const syncAll: Command = {
  name: "sync-all",
  summary: "one pass, then end: for cron",
  usage: "[DIR=./client_files] [--server HOST:PORT] [--folder NAME] [--dry-run]",
  about: [
    "One look at DIR (without it: the synced folder around here, or ./client_files) and at the server, and what follows from it. Without a terminal it prints nothing if all is well, and one line on stderr for each problem.",
    "Two runs on a folder never overlap: the second ends with 9. Where a watch keeps the folder in sync it ends with 0 at once. A run that was interrupted needs no repair. If the server ends its session, e.g. when rights change, it connects again, up to three times.",
  ],
  flags: [
    { name: "server", value: "HOST:PORT", help: "the server; remembered for this folder" },
    FOLDER_FLAG,
    ON_CONFLICT_FLAG,
    ...IGNORE_FLAGS,
    ...LIMIT_FLAGS,
    { name: "dry-run", help: "only say what would be done" },
    { name: "approve-deletes", help: "let a mass delete that was held pass" },
    { name: "accept-server", help: "the server was replaced: merge with it, delete nothing" },
    DEBUG_FLAG,
  ],
  example: "*/10 * * * *  $HOME/.local/bin/fsync sync-all $HOME/docs   # in crontab -e",
  words: { min: 0, max: 1 },
  run: runSyncAll,
};

async function runSyncAll(context: Context): Promise<number> {
  const dir = context.words[0];
  if (dir !== undefined && !existsSync(dir)) {
    throw new SetupError(
      "failed",
      `Cannot sync "${dir}": there is no such folder`,
      "create it, or mount it, first",
    );
  }
  const root = await rootOf(chosenDir(context));
  const interrupt = onInterrupt();
  try {
    return await passOver(context, root, interrupt.signal);
  } catch (error) {
    if (error instanceof FolderBusy) return await busy(context, root, error);
    throw error;
  } finally {
    interrupt.end();
  }
}

/** The server keeps its own tree, and takes what is said to this command, if it runs. @throws {SetupError} */
async function rootOf(dir: string): Promise<string> {
  const root = realPathOf(dir);
  if (isServers(root) && await askRunning(root, { ask: "status" }) !== null) return root;
  return prepareClientRoot(dir);
}

/** A running `watch` keeps the folder in sync already; another pass must not be waited for. */
async function busy(context: Context, root: string, error: FolderBusy): Promise<number> {
  const { output } = context;
  if (error.role !== "watch" && error.role !== "server") throw error;
  if (context.on("approve-deletes")) {
    const live = await askRunning(root, { ask: "approve-deletes" });
    if (live === null) throw error;
    return report(context, live.engine, null);
  }
  if (output.json) output.document({ result: "ok", watched: true });
  else if (output.interactive) output.info(`A running ${error.role} keeps this folder in sync.`);
  return EXIT.ok;
}

async function passOver(context: Context, root: string, signal: AbortSignal): Promise<number> {
  const { output } = context;
  const counts = new Counts();
  const progress = new Progress(output);
  const journal = new Journal(`${root}/.fsync`, quietly(output), journalOptions(context));
  const onlySay = context.on("dry-run");
  const replica = openReplica(context, {
    root,
    role: "sync-all",
    ...(onlySay && { ignore: flaggedSettings(context, root) }),
    onEvent: (event) => {
      counts.note(event);
      journal.note(event);
      progress.note(event);
    },
  });
  if (!onlySay) rememberIgnoreFlags(context, root);
  progress.begin({ work: () => replica.engine.work(), traffic: () => replica.traffic() });
  try {
    if (context.on("accept-server")) replica.engine.acceptServer();
    if (context.on("approve-deletes")) replica.engine.approveDeletes();
    if (onlySay) return await dryRun(context, replica, signal);
    const copies = ConflictCopies.open(context, root);
    let status = await replica.engine.pass(signal);
    if (signal.aborted) return EXIT.interrupted;
    if (copies !== null && status.conflicts > 0 && await copyLosers(context, copies, root, signal) > 0) {
      status = await replica.engine.pass(signal);
    }
    return report(context, status, { counts, traffic: replica.traffic() });
  } finally {
    progress.end();
    replica.close();
    journal.close();
  }
}

/** Writes the other versions of open conflicts beside; returns how many. */
async function copyLosers(
  context: Context,
  copies: ConflictCopies,
  root: string,
  signal: AbortSignal,
): Promise<number> {
  const open = await openHistory(context, { root, server: false, path: null }, signal);
  try {
    return await copies.take(open.history, await open.history.conflicts({ open: true }));
  } finally {
    await open.close();
  }
}

async function dryRun(context: Context, replica: OpenReplica, signal: AbortSignal): Promise<number> {
  const { output } = context;
  const preview = await replica.engine.preview(signal);
  const steps = describePlan(preview);
  const { unforeseen } = preview;
  if (output.json) output.document({ result: "ok", steps, unforeseen_rules: unforeseen });
  else {
    for (const { action, path, detail } of steps) {
      output.line(`${action.padEnd(9)} ${displayPath(path)}${detail === "" ? "" : `  (${detail})`}`);
    }
    for (const line of describeUnforeseen(unforeseen)) output.info(line);
    output.info(
      steps.length === 0 ? "Nothing to do." : `${plural(steps.length, "change")}, none of them made.`,
    );
  }
  return EXIT.ok;
}

/** What a pass did. */
interface Done {
  readonly counts: Counts;
  readonly traffic: Traffic;
}

function summary({ counts, traffic }: Done): Record<string, number> {
  return { ...counts.summary(), bytes_sent: traffic.sent, bytes_received: traffic.received };
}

/** Prints what a pass came to. @returns the exit code */
function report(context: Context, status: EngineStatus, done: Done | null): number {
  const { output } = context;
  const outcome = outcomeOf(status);
  output.endProgress();
  if (output.json) {
    output.document({ result: outcome, ...(done === null ? {} : summary(done)), status });
    return EXIT[outcome];
  }
  if (status.stuck) output.error(status.stuck.reason, status.stuck.hint);
  for (const problem of status.problems) output.error(problem.reason);
  if (status.held !== null) {
    const { deletes, files, side } = status.held;
    const where = side === "here" ? "here" : "on the server";
    output.error(
      `${deletes} of ${files} files were deleted ${where}; nothing of that was passed on`,
      "run sync-all --approve-deletes if this is meant",
    );
  }
  if (outcome === "conflicts") {
    output.error(`${plural(status.conflicts, "conflict")} open; both versions are kept on the server`);
  }
  if (output.interactive && outcome === "ok") {
    output.info(done === null ? "In sync." : `In sync. ${done.counts.sentence()}`);
  }
  return EXIT[outcome];
}

function outcomeOf(status: EngineStatus): Outcome {
  if (status.stuck) return outcomeOfStuck(status.stuck);
  if (status.held !== null) return "held";
  if (status.problems.some(({ noSpace }) => noSpace)) return "no_space";
  if (status.problems.length > 0) return "problems";
  if (status.conflicts > 0) return "conflicts";
  return status.state === "in sync" ? "ok" : "failed";
}

/** The journal of a pass goes to its file; on a terminal the summary is enough. */
function quietly(output: Output): Output {
  return output.verbose ? output : Object.assign(Object.create(output) as Output, {
    line: () => {},
    info: () => {},
    warn: () => {},
    document: () => {},
    detail: () => {},
  });
}

/** What a pass did, counted. */
class Counts {
  #up = 0;
  #down = 0;
  #upBytes = 0;
  #downBytes = 0;
  #other = 0;

  note(event: EngineEvent): void {
    if (event.type === "uploaded") {
      this.#up++;
      this.#upBytes += event.bytes;
    } else if (event.type === "downloaded") {
      this.#down++;
      this.#downBytes += event.bytes;
    } else if (["renamed", "moved", "removed"].includes(event.type)) this.#other++;
  }

  summary(): { uploaded: number; downloaded: number; moved_or_removed: number } {
    return { uploaded: this.#up, downloaded: this.#down, moved_or_removed: this.#other };
  }

  progress(): string {
    return `${this.#up} up (${formatBytes(this.#upBytes)}), ${this.#down} down (${
      formatBytes(this.#downBytes)
    })`;
  }

  sentence(): string {
    if (this.#up + this.#down + this.#other === 0) return "Nothing had changed.";
    return `${this.progress()}, ${this.#other} moved or removed.`;
  }
}
