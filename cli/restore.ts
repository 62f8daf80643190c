import { displayPath, type SyncPath } from "../core/path.ts";
import type { History, RestoreGoal, RestoreStep } from "../protocol/history.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, type Outcome, SetupError, UsageError } from "./_exit.ts";
import { findPlace, type OpenHistory, openHistory, type Place, PLACE_FLAGS } from "./_history.ts";
import { onInterrupt } from "./_interrupt.ts";
import { formatBytes, plural } from "./_output.ts";
import { exportVersion, fileOf } from "./_past_content.ts";
import { parseWhenInclusive } from "./_when.ts";

export const restore: Command = {
  name: "restore",
  summary: "bring back an old version, a deleted file, a whole directory",
  usage: "PATH [--version N [--to FILE] | --at TIME] [--dry-run]",
  about: [
    "An old version comes back as a new one, on top of what is there now, so nothing is lost by it and it can be undone the same way. A directory is brought back as it was at a time, step by step; --dry-run lists the steps.",
  ],
  flags: [
    { name: "version", value: "N", help: "as fsync versions shows it; without it, undelete" },
    { name: "to", value: "FILE", help: "only write that version to FILE" },
    { name: "at", value: "TIME", help: "the file or directory as it was then" },
    { name: "dry-run", help: "only say what would be done" },
    ...PLACE_FLAGS,
    { name: "server", value: "HOST:PORT", help: "the server, if not the folder's own" },
  ],
  example: "fsync restore notes.txt --version 3\n" +
    'fsync restore ./client_files/photos --at "2025-04-07 13:11"',
  words: { min: 0, max: 1 },
  run: runRestore,
};

async function runRestore(context: Context): Promise<number> {
  const goal = readGoal(context);
  if (
    context.words.length === 0 && context.value("data") === undefined && context.value("dir") === undefined
  ) {
    throw new UsageError("Cannot run restore: no path is named", `usage: fsync restore ${restore.usage}`);
  }
  const place = findPlace(context, context.words[0]);
  if (place.path === null && goal.kind !== "time") {
    throw new UsageError(
      "Cannot restore the whole folder without a time",
      'say when: --at "2025-04-07 13:11"',
    );
  }
  const interrupt = onInterrupt();
  try {
    const open = await openHistory(context, place, interrupt.signal);
    try {
      const to = context.value("to");
      return to === undefined
        ? await bringBack(context, open, place, goal)
        : await handOut(context, open, place, to);
    } finally {
      await open.close();
    }
  } finally {
    interrupt.end();
  }
}

function readGoal(context: Context): RestoreGoal {
  const [version, at] = [context.value("version"), context.value("at")];
  if (version !== undefined && at !== undefined) {
    throw new UsageError("Cannot run restore: --version and --at exclude each other");
  }
  if (context.value("to") !== undefined && version === undefined) {
    throw new UsageError("Cannot run restore: --to needs --version N", "see fsync versions PATH");
  }
  if (at !== undefined) return { kind: "time", time: parseWhenInclusive("at", at, Date.now()) };
  if (version === undefined) return { kind: "undelete" };
  return {
    kind: "version",
    revision: context.number("version", 0, { min: 1, max: Number.MAX_SAFE_INTEGER }),
  };
}

/** Writes a version to a file outside, for somebody who asked for it. */
async function handOut(
  context: Context,
  { history }: OpenHistory,
  place: Place,
  to: string,
): Promise<number> {
  const revision = Number(context.value("version"));
  const version = await findVersion(history, place.path!, revision);
  await exportVersion(history, version, to);
  const { output } = context;
  const { size } = fileOf(version);
  if (output.json) output.document({ result: "ok", path: place.path, version: revision, to, size });
  else {output.info(
      `Version ${revision} of ${displayPath(place.path!)} written to ${displayPath(to)} (${
        formatBytes(size)
      })`,
    );}
  return EXIT.ok;
}

async function findVersion(history: History, path: SyncPath, revision: number) {
  const found = (await history.versions(path)).find((version) => version.revision === revision);
  if (found !== undefined) return found;
  throw new SetupError(
    "failed",
    `Cannot restore version ${revision} of "${path}": there is no such version`,
    `see fsync versions ${path}`,
  );
}

async function bringBack(
  context: Context,
  open: OpenHistory,
  place: Place,
  goal: RestoreGoal,
): Promise<number> {
  const dryRun = context.on("dry-run");
  if (!dryRun) await open.settle();
  const steps = await open.history.restore(place.path, goal, dryRun);
  if (!dryRun) await open.settle();
  return report(context, place.path, steps, dryRun);
}

const WORDS: { readonly [A in RestoreStep["action"]]: string } = {
  create: "create",
  change: "change",
  delete: "delete",
  blocked: "BLOCKED",
  missing: "MISSING",
};

function report(
  context: Context,
  path: SyncPath | null,
  steps: readonly RestoreStep[],
  dryRun: boolean,
): number {
  const { output } = context;
  const failed = steps.filter(({ action }) => action === "blocked" || action === "missing");
  const outcome: Outcome = failed.length > 0 ? "problems" : "ok";
  if (output.json) {
    output.document({ result: outcome, path, dryRun, steps });
    return EXIT[outcome];
  }
  const shown = dryRun || output.verbose ? steps : [];
  for (const { action, path, version } of shown) {
    const as = version === 0 ? "it was not there" : `as version ${version}`;
    output.line(`${WORDS[action].padEnd(7)} ${displayPath(path)}  (${as})`);
  }
  for (const { action, path } of failed) {
    const why = action === "blocked" ? "something stands in its way" : "its content is not in the store";
    output.error(`Cannot restore "${path}": ${why}`);
  }
  const done = steps.length - failed.length;
  if (steps.length === 0) output.info("Nothing to restore: it is as it was.");
  else if (dryRun) output.info(`${plural(done, "change")}, none of them made.`);
  else if (done > 0) output.info(summary(path, steps, done));
  return EXIT[outcome];
}

function summary(path: SyncPath | null, steps: readonly RestoreStep[], done: number): string {
  const [step] = steps;
  if (steps.length === 1 && step!.path === path) {
    return `Restored ${displayPath(path)}, as it was in version ${step!.version}`;
  }
  const count = (action: RestoreStep["action"]) => steps.filter((step) => step.action === action).length;
  const name = path === null ? "the folder" : displayPath(path);
  return `Restored ${name}: ${plural(done, "change")} ` +
    `(${count("create")} created, ${count("change")} changed, ${count("delete")} deleted)`;
}
