import type { IgnoreSettings } from "../client/rule_files.ts";
import { RuleSet } from "../core/ignore_rules.ts";
import { displayPath } from "../core/path.ts";
import { askRunning } from "./_control.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, SetupError, UsageError } from "./_exit.ts";
import { foresee, tellForeseen } from "./_foresee.ts";
import { findPlace } from "./_history.ts";
import { EXCLUDES, readChoices, readExcludes, writeChoices, writeExcludes } from "./_ignore.ts";
import { chooseVerb } from "./_verb.ts";

export const exclude: Command = {
  name: "exclude",
  summary: "what this device leaves out of sync",
  usage: "list | add PATTERN | remove PATTERN | gitignore on|off | defaults on|off",
  about: [
    "Patterns are those of gitignore. They hold for this device alone and stand in .fsync/exclude of the folder; what " +
    "everybody is to leave out belongs into a file .fsyncignore, which is synced itself.",
    "What is excluded is not sent, not fetched and not removed, here or anywhere: nothing is deleted by a rule. What is " +
    "no longer excluded is looked at anew; where both sides differ then, both versions are kept.",
    "`defaults off` syncs the temporary files of editors too, `gitignore on` goes by .gitignore files as well.",
  ],
  flags: [
    { name: "dir", value: "DIR", help: "the synced folder (default: the one around here)" },
    { name: "dry-run", help: "only say what would change" },
  ],
  example: "fsync exclude add '*.iso' --dir ./client_files",
  words: { min: 0, max: 2 },
  run: (context) =>
    chooseVerb(context, "list", {
      list: { words: 0, run: list },
      add: { words: 1, run: add },
      remove: { words: 1, run: remove },
      gitignore: { words: 1, run: (context, word) => choose(context, "git", word!) },
      defaults: { words: 1, run: (context, word) => choose(context, "builtin", word!) },
    }),
};

/** The folder, which must be a client's: a server keeps everything. @throws {SetupError} */
function folderOf(context: Context): string {
  const { root, server } = findPlace(context, undefined);
  if (!server) return root;
  throw new SetupError("failed", `Cannot exclude in "${root}": a server keeps everything that clients send`);
}

function patterns(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

function list(context: Context): Promise<number> {
  const { output } = context;
  const root = folderOf(context);
  const { builtin, git } = readChoices(root);
  const excluded = patterns(readExcludes(root));
  if (output.json) output.document({ result: "ok", patterns: excluded, defaults: builtin, gitignore: git });
  else {
    for (const pattern of excluded) output.line(pattern);
    if (excluded.length === 0) output.info("Nothing is excluded on this device.");
    output.info(`Built-in rules: ${builtin ? "on" : "off"}. .gitignore files: ${git ? "on" : "off"}.`);
  }
  return Promise.resolve(EXIT.ok);
}

async function add(context: Context, pattern?: string): Promise<number> {
  const root = folderOf(context);
  const wanted = checkPattern(pattern!);
  const before = readExcludes(root);
  const known = patterns(before).includes(wanted);
  const text = known ? before : `${before}${before === "" || before.endsWith("\n") ? "" : "\n"}${wanted}\n`;
  if (known) context.output.info(`"${displayPath(wanted)}" is excluded already.`);
  return await change(context, root, { excludes: text }, { pattern: wanted, known }, () => {
    if (!known) writeExcludes(root, text);
  });
}

/** Says what `settings` change, and carries it out, if this is no trial. */
async function change(
  context: Context,
  root: string,
  settings: Partial<IgnoreSettings>,
  told: { readonly [name: string]: unknown },
  carryOut: () => void,
): Promise<number> {
  const { output } = context;
  const dryRun = context.on("dry-run");
  const foreseen = foresee(root, settings);
  if (!dryRun) {
    carryOut();
    await lookAgain(root);
  }
  if (output.json) output.document({ result: "ok", ...told, dryRun, ...foreseen });
  else tellForeseen(output, foreseen, dryRun);
  return EXIT.ok;
}

function checkPattern(pattern: string): string {
  const wanted = pattern.trimEnd();
  const wrong = wanted === "" || wanted.startsWith("#") || /[\n\0]/.test(wanted);
  if (!wrong && !new RuleSet(EXCLUDES, wanted, null).isEmpty) return wanted;
  throw new UsageError(
    `Cannot exclude "${displayPath(pattern)}": it is no pattern`,
    "write it like a line of .gitignore",
  );
}

async function remove(context: Context, pattern?: string): Promise<number> {
  const root = folderOf(context);
  const lines = readExcludes(root).split("\n");
  const left = lines.filter((line) => line.trim() !== pattern!.trim());
  if (left.length === lines.length) {
    throw new SetupError(
      "failed",
      `Cannot remove "${displayPath(pattern!)}": it is not excluded`,
      "see: fsync exclude list",
    );
  }
  const excludes = left.join("\n");
  return await change(context, root, { excludes }, { pattern }, () => writeExcludes(root, excludes));
}

async function choose(context: Context, what: "git" | "builtin", word: string): Promise<number> {
  if (word !== "on" && word !== "off") {
    throw new UsageError(`Cannot run exclude: "${word}" is neither on nor off`);
  }
  const root = folderOf(context);
  const choices = { ...readChoices(root), [what]: word === "on" };
  const told = { defaults: choices.builtin, gitignore: choices.git };
  return await change(context, root, choices, told, () => writeChoices(root, choices));
}

/** Lets a running watcher take it up at once. */
async function lookAgain(root: string): Promise<void> {
  await askRunning(root, { ask: "sync", paths: [] });
}
