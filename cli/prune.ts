import { displayPath } from "../core/path.ts";
import { KEEP_EVERYTHING, keepsEverything } from "../core/retention.ts";
import { NO_RETENTION, type Retention } from "../server/upkeep/prune.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, UsageError } from "./_exit.ts";
import { formatBytes, formatTime, plural } from "./_output.ts";
import { type PruneAnswer, pruneAt, serverRoot } from "./_upkeep.ts";

export const prune: Command = {
  name: "prune",
  summary: "let old versions go by rules, and free their space",
  usage: "[--data ./server_files] [--keep-last N ...] [--dry-run]",
  about: [
    "Nothing is let go unless a rule says so. The rules are remembered, and each later fsync prune goes by them. A version stays if any rule keeps it; those of open conflicts always stay.",
  ],
  flags: [
    { name: "data", value: "DIR", help: "the server's directory (default ./server_files)" },
    { name: "keep-last", value: "N", help: "keep the newest N versions of each file" },
    { name: "keep-all-days", value: "N", help: "keep everything of the last N days" },
    { name: "keep-daily", value: "N", help: "keep the last version of each of N days" },
    { name: "keep-weekly", value: "N", help: "keep the last version of each of N weeks" },
    { name: "keep-monthly", value: "N", help: "keep the last version of each of N months" },
    { name: "max-size", value: "MB", help: "let the oldest go when the history is larger" },
    { name: "keep-everything", help: "forget all rules" },
    { name: "dry-run", help: "only say what would go" },
  ],
  example: "fsync prune --data ./server_files --keep-all-days 30 --keep-monthly 12",
  words: { min: 0, max: 0 },
  run: runPrune,
};

const MB = 1_000_000;
const COUNT = { min: 0, max: 1_000_000 };

async function runPrune(context: Context): Promise<number> {
  const root = serverRoot(context, "./server_files");
  const dryRun = context.on("dry-run");
  const answer = await pruneAt(root, { do: "prune", retention: readRules(context), dryRun });
  const { output } = context;
  const result = answer.damaged > 0 ? "failed" : "ok";
  if (output.json) output.document({ result, dryRun, ...answer });
  else tell(context, answer, dryRun);
  return EXIT[result];
}

/** The rules that were given, `null` if none were. They are remembered. */
function readRules(context: Context): Retention | null {
  const number = (name: string) => context.number(name, 0, COUNT);
  const rules = {
    ...KEEP_EVERYTHING,
    last: number("keep-last"),
    allDays: number("keep-all-days"),
    daily: number("keep-daily"),
    weekly: number("keep-weekly"),
    monthly: number("keep-monthly"),
  };
  const sizeMax = number("max-size") * MB;
  const given = !keepsEverything(rules) || sizeMax > 0;
  if (!context.on("keep-everything")) return given ? { rules, sizeMax } : null;
  if (given) throw new UsageError("Cannot run prune: --keep-everything goes with no other rule");
  return NO_RETENTION;
}

function tell(context: Context, answer: PruneAnswer, dryRun: boolean): void {
  const { output } = context;
  const { retention, versions, sample, contents, bytes, freed, damaged } = answer;
  if (dryRun) {
    for (const { path, revision, time, size } of sample) {
      output.line(
        `${formatTime(time)}  ${formatBytes(size).padStart(7)}  ${displayPath(path)} (${revision})`,
      );
    }
    if (versions > sample.length) output.line(`… and ${versions - sample.length} more`);
    output.info(`${plural(versions, "version")} would go.`);
  } else {
    output.info(
      `${plural(versions, "version")} went, ${plural(contents, "content")} (${
        formatBytes(bytes)
      }) with them. ` +
        `The store is ${formatBytes(freed)} smaller.`,
    );
  }
  if (keepsEverything(retention.rules) && retention.sizeMax === 0) {
    output.info("No rule is set: every version is kept.");
  }
  if (damaged > 0) {
    output.error(
      `${plural(damaged, "content")} in the store cannot be read and was left where it is`,
      "run fsync check",
    );
  }
}
