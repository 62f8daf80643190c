import { sameContent } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { History, PastVersion } from "../protocol/history.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, SetupError, UsageError } from "./_exit.ts";
import { findPlace, openHistory, PLACE_FLAGS } from "./_history.ts";
import { onInterrupt } from "./_interrupt.ts";
import { formatBytes } from "./_output.ts";
import { nameOf, readVersion } from "./_past_content.ts";
import { tableLines } from "./_table.ts";
import { textDiff } from "./_text_diff.ts";
import { shortTime } from "./_when.ts";

export const versions: Command = {
  name: "versions",
  summary: "every version of a file: when, by whom, what",
  usage: "PATH [--diff N [M]]",
  about: [
    "Lists what the server keeps of a file, the newest last: each version with its time, who made it and where, and what was done. Renames are followed both ways.",
  ],
  flags: [
    { name: "diff", value: "N M", help: "compare versions N and M (M: the newest) of a text" },
    ...PLACE_FLAGS,
    { name: "server", value: "HOST:PORT", help: "the server, if not the folder's own" },
  ],
  example: "fsync versions ./client_files/notes.txt\n" +
    "fsync versions notes.txt --diff 3 5 --data ./server_files",
  words: { min: 1, max: 2 },
  run: runVersions,
};

async function runVersions(context: Context): Promise<number> {
  const { word, diff } = readWords(context);
  const place = findPlace(context, word);
  if (place.path === null) {
    throw new UsageError("Cannot show versions of the whole folder: name a path in it");
  }
  const interrupt = onInterrupt();
  try {
    const open = await openHistory(context, place, interrupt.signal);
    try {
      const all = await open.history.versions(place.path);
      if (all.length === 0) {
        throw new SetupError("failed", `Cannot show versions of "${place.path}": the server never had it`);
      }
      if (diff === null) return print(context, place.path, all);
      return await compare(context, open.history, all, diff);
    } finally {
      await open.close();
    }
  } finally {
    interrupt.end();
  }
}

interface Sides {
  readonly from: number;
  /** `null`: the newest. */
  readonly to: number | null;
}

/** `--diff 3 5` leaves the 5 among the words, on either side of the path. */
function readWords(context: Context): { readonly word: string; readonly diff: Sides | null } {
  const given = context.value("diff");
  const words = [...context.words];
  if (given === undefined) {
    if (words.length > 1) throw new UsageError(`Cannot run versions: "${words[1]}" is one word too many`);
    return { word: words[0]!, diff: null };
  }
  const isNumber = (text: string | undefined) => text !== undefined && /^\d+$/.test(text);
  const at = words.length < 2 ? -1 : isNumber(words[1]) ? 1 : 0;
  const to = at < 0 ? undefined : words.splice(at, 1)[0];
  if (!isNumber(given) || (to !== undefined && !isNumber(to))) {
    throw new UsageError(
      "Cannot run versions: --diff takes one or two numbers of versions",
      "like --diff 3 5",
    );
  }
  return { word: words[0]!, diff: { from: Number(given), to: to === undefined ? null : Number(to) } };
}

function print(context: Context, path: SyncPath, all: readonly PastVersion[]): number {
  const { output } = context;
  if (output.json) {
    output.document({ result: "ok", path, versions: all });
    return EXIT.ok;
  }
  const columns = [
    { title: "VERSION", right: true },
    { title: "WHEN" },
    { title: "WHO" },
    { title: "SIZE", right: true },
    { title: "WHAT" },
  ];
  for (const line of tableLines(columns, all.map((version) => rowOf(version, all, path)))) output.line(line);
  return EXIT.ok;
}

function rowOf(version: PastVersion, all: readonly PastVersion[], path: SyncPath): string[] {
  const { revision, time, author, entry } = version;
  const size = entry === null ? "" : entry.kind === "file" ? formatBytes(entry.size) : entry.kind;
  const where = version.path === path || version.operation === "renamed" ? "" : ` (as ${version.path})`;
  const what = `${describe(version, all)}${where}${version.head && entry !== null ? ", now" : ""}`;
  return [String(revision), shortTime(time), `${author.user}@${author.device}`, size, what];
}

/** What happened, in words. */
function describe(version: PastVersion, all: readonly PastVersion[]): string {
  const { operation, entry, from, path } = version;
  if (operation === "renamed") return from === null ? "renamed away" : `renamed from ${from} to ${path}`;
  if (operation === "conflict") return from === null ? "conflict, not kept as head" : "conflict, put beside";
  if (operation === "deleted" || entry === null) return "deleted";
  const before = all.filter((other) => other.revision < version.revision);
  const same = before.findLast((other) => other.entry !== null && sameContent(other.entry, entry));
  const last = before.findLast((other) => other.operation !== "conflict" || other.from !== null);
  return same !== undefined && same !== last && entry.kind === "file"
    ? `${operation}, same as ${same.revision}`
    : operation;
}

async function compare(
  context: Context,
  history: History,
  all: readonly PastVersion[],
  { from, to }: Sides,
): Promise<number> {
  const { output } = context;
  const find = (revision: number) => {
    const found = all.find((version) => version.revision === revision);
    if (found !== undefined) return found;
    throw new SetupError(
      "failed",
      `Cannot compare: there is no version ${revision}`,
      "see fsync versions PATH",
    );
  };
  const newest = () => all.findLast(({ head }) => head) ?? all.at(-1)!;
  const sides = [find(from), to === null ? newest() : find(to)];
  const [before, after] = await Promise.all(
    sides.map(async (version) => ({
      name: nameOf(version),
      bytes: await readVersion(history, version, 2 ** 24),
    })),
  );
  const lines = await textDiff(before!, after!);
  if (output.json) output.document({ result: "ok", from: sides[0], to: sides[1], diff: lines });
  else for (const line of lines) output.line(paint(output, line));
  return EXIT.ok;
}

/** Colours a line of a unified diff. */
export function paint(output: Context["output"], line: string): string {
  if (line.startsWith("+++") || line.startsWith("---")) return output.bold(line);
  return line.startsWith("+") ? output.green(line) : line.startsWith("-") ? output.red(line) : line;
}
