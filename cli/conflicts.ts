import { displayPath } from "../core/path.ts";
import type { PastConflict, PastVersion } from "../protocol/history.ts";
import type { Command, Context } from "./_command.ts";
import { chooseKeep, isNumber, someMatching } from "./_conflict_choice.ts";
import { EXIT, UsageError } from "./_exit.ts";
import { findPlace, type OpenHistory, openHistory, type Place, PLACE_FLAGS } from "./_history.ts";
import { onInterrupt } from "./_interrupt.ts";
import { formatBytes, type Output, plural } from "./_output.ts";
import { nameOf, readVersion } from "./_past_content.ts";
import { tableLines } from "./_table.ts";
import { textDiff } from "./_text_diff.ts";
import { paint } from "./versions.ts";
import { shortTime } from "./_when.ts";

export const conflicts: Command = {
  name: "conflicts",
  summary: "edits that met: list them, look at both sides, settle them",
  usage: "[list | show PATH|ID | resolve PATH|GLOB|ID --keep mine|theirs|both|N]",
  about: [
    "When two people change a file at the same time the later change has the name, and the other one is kept as a version until somebody decides. A conflict is listed until it is resolved.",
  ],
  flags: [
    { name: "keep", value: "WHICH", help: "mine, theirs, both (the other beside it), or a version" },
    { name: "all", help: "list those that are resolved, too" },
    ...PLACE_FLAGS,
    { name: "server", value: "HOST:PORT", help: "the server, if not the folder's own" },
  ],
  example: "fsync conflicts\n" +
    "fsync conflicts show notes.txt\n" +
    "fsync conflicts resolve notes.txt --keep mine",
  words: { min: 0, max: 2 },
  run: runConflicts,
};

/** A text that is shown whole. */
const SHOWN_BYTES_MAX = 2 ** 24;

async function runConflicts(context: Context): Promise<number> {
  const [verb = "list", word] = context.words;
  const run = new Map([["list", list], ["show", show], ["resolve", resolve]]).get(verb);
  if (run === undefined) {
    throw new UsageError(
      `Cannot run conflicts: there is no "${verb}"`,
      `usage: fsync conflicts ${conflicts.usage}`,
    );
  }
  if (verb !== "list" && word === undefined) {
    throw new UsageError(`Cannot ${verb} a conflict: name its path or number`);
  }
  if (verb === "resolve" && context.value("keep") === undefined) {
    throw new UsageError(
      "Cannot resolve a conflict: --keep is missing",
      "--keep mine, theirs, both or a version",
    );
  }
  const place = findPlace(context, word !== undefined && isNumber(word) ? undefined : word);
  const interrupt = onInterrupt();
  try {
    const open = await openHistory(context, place, interrupt.signal);
    try {
      return await run({ context, open, place, word: word ?? "." });
    } finally {
      await open.close();
    }
  } finally {
    interrupt.end();
  }
}

interface Job {
  readonly context: Context;
  readonly open: OpenHistory;
  readonly place: Place;
  readonly word: string;
}

async function list({ context, open, place, word }: Job): Promise<number> {
  const { output } = context;
  const all = await open.history.conflicts({ open: !context.on("all") });
  const found = place.path === null ? all : someMatching(all, word, place.path);
  if (output.json) {
    output.document({ result: "ok", conflicts: found });
    return EXIT.ok;
  }
  if (found.length === 0) {
    output.info("No conflicts.");
    return EXIT.ok;
  }
  const columns = [{ title: "ID", right: true }, { title: "PATH" }, { title: "KEPT" }, { title: "OTHER" }, {
    title: "WHY",
  }];
  const rows = found.map((conflict) => [
    String(conflict.id),
    conflict.path,
    briefly(conflict.winner),
    briefly(conflict.loser),
    `${conflict.reason}${conflict.resolved ? " (resolved)" : ""}`,
  ]);
  for (const line of tableLines(columns, rows)) output.line(line);
  output.info("");
  output.info(
    "Look: fsync conflicts show ID    Settle: fsync conflicts resolve PATH --keep mine|theirs|both|N",
  );
  return EXIT.ok;
}

function briefly(version: PastVersion | null): string {
  return version === null ? "gone" : `${version.revision} ${version.author.user}@${version.author.device}`;
}

async function show({ context, open, place, word }: Job): Promise<number> {
  const { output } = context;
  const found = someMatching(await open.history.conflicts({ open: false }), word, place.path);
  for (const [i, conflict] of found.entries()) {
    if (i > 0) output.info("");
    const diff = await compare(open, conflict);
    if (output.json) output.document({ result: "ok", ...conflict, diff });
    else print(output, conflict, diff);
  }
  return EXIT.ok;
}

function print(output: Output, conflict: PastConflict, diff: readonly string[]): void {
  const { id, path, reason, time, winner, loser, base, resolved } = conflict;
  output.line(`${output.bold(`Conflict ${id}: ${displayPath(path)}`)} (${resolved ? "resolved" : "open"})`);
  output.line(`  why    ${displayPath(reason)}`);
  output.line(`  found  ${shortTime(time)}`);
  output.line(`  kept   ${inWords(winner, path)}`);
  output.line(`  other  ${inWords(loser, path)}`);
  output.line(`  base   ${inWords(base, path)}`);
  output.line("");
  for (const line of diff) output.line(paint(output, line));
}

function inWords(version: PastVersion | null, path: string): string {
  if (version === null) return "none";
  const { revision, author, entry, clockOffset } = version;
  const parts = [`version ${revision} by ${displayPath(author.user)}@${displayPath(author.device)}`];
  if (entry?.kind === "file") {
    parts.push(formatBytes(entry.size), `edited ${shortTime(entry.mtime - clockOffset)}`);
  } else parts.push(entry === null ? "deleted" : entry.kind);
  if (Math.abs(clockOffset) >= 1000) {
    parts.push(
      `its clock ${Math.abs(clockOffset / 1000).toFixed(0)} s ${clockOffset > 0 ? "ahead" : "behind"}`,
    );
  }
  if (version.path !== path) parts.push(`stands as ${displayPath(version.path)}`);
  return parts.join(", ");
}

async function compare({ history }: OpenHistory, { winner, loser }: PastConflict): Promise<string[]> {
  if (winner?.entry?.kind !== "file" || loser?.entry?.kind !== "file") return [];
  if (Math.max(winner.entry.size, loser.entry.size) > SHOWN_BYTES_MAX) {
    return ["The contents are too large to compare."];
  }
  const sides = [];
  for (const version of [winner, loser]) {
    sides.push({ name: nameOf(version), bytes: await readVersion(history, version) });
  }
  return await textDiff(sides[0]!, sides[1]!);
}

async function resolve({ context, open, place, word }: Job): Promise<number> {
  const { output } = context;
  const keepWord = context.value("keep")!;
  const found = someMatching(await open.history.conflicts({ open: true }), word, place.path);
  if (isNumber(keepWord) && new Set(found.map(({ path }) => path)).size > 1) {
    throw new UsageError(
      "Cannot keep one version of several paths",
      "name one path, or --keep mine|theirs|both",
    );
  }
  // All of them are understood before the first is touched.
  const choices = found.map((conflict) => ({ conflict, keep: chooseKeep(conflict, open, keepWord) }));
  await open.settle();
  const done: { readonly id: number; readonly path: string; readonly beside: string | null }[] = [];
  for (const { conflict, keep } of choices) {
    const { path, beside } = await open.history.resolve(conflict.id, keep);
    done.push({ id: conflict.id, path, beside });
    const kept = keep.kind === "head"
      ? "kept as it is"
      : keep.kind === "both"
      ? `kept both, the other as ${displayPath(beside!)}`
      : `kept version ${keep.revision}`;
    output.info(`Resolved ${displayPath(path)}: ${kept}`);
  }
  await open.settle();
  if (output.json) output.document({ result: "ok", resolved: done });
  else if (done.length > 1) output.info(`${plural(done.length, "conflict")} resolved.`);
  return EXIT.ok;
}
