/**
 * What this device adds to the ignore rules of a folder: `.fsync/exclude`, written like an ignore file, and in
 * `.fsync/ignore.json` whether the built-in rules and `.gitignore` files count.
 */
import type { IgnoreSettings } from "../client/rule_files.ts";
import { shareNew } from "../system/group_area.ts";
import type { Context, Flag } from "./_command.ts";
import { SetupError } from "./_exit.ts";

export const IGNORE_FLAGS: readonly Flag[] = [
  { name: "use-gitignore", help: "go by .gitignore files too; remembered for the folder" },
  { name: "no-default-ignores", help: "sync editors' temporary files too; remembered" },
];

/** Where the rules of this device stand, as a person knows it. */
export const EXCLUDES = ".fsync/exclude";
const CHOICES = ".fsync/ignore.json";

export interface IgnoreChoices {
  /** Whether the built-in rules count. */
  readonly builtin: boolean;
  /** Whether `.gitignore` files count. */
  readonly git: boolean;
}

const CHOICES_AT_FIRST: IgnoreChoices = { builtin: true, git: false };

function chosen(context: Context, before: IgnoreChoices): IgnoreChoices {
  return {
    builtin: before.builtin && !context.on("no-default-ignores"),
    git: before.git || context.on("use-gitignore"),
  };
}

/** The settings of the folder at `root` as the flags would make them; nothing is remembered. */
export function flaggedSettings(context: Context, root: string): () => IgnoreSettings {
  const settings = ignoreSettings(root);
  return () => {
    const now = settings();
    return { ...now, ...chosen(context, now) };
  };
}

/** Remembers for the folder at `root` what the flags say. @throws {SetupError} */
export function rememberIgnoreFlags(context: Context, root: string): void {
  const before = readChoices(root);
  const { builtin, git } = chosen(context, before);
  if (builtin !== before.builtin || git !== before.git) writeChoices(root, { builtin, git });
}

/** The settings of the folder at `root`, as they are at each call: a file is read again when it was replaced. */
export function ignoreSettings(root: string): () => IgnoreSettings {
  const excludes = new Reread(`${root}/${EXCLUDES}`);
  const choices = new Reread(`${root}/${CHOICES}`);
  return () => {
    const { builtin, git } = parseChoices(choices.text(), root);
    return { excludes: excludes.text() ?? "", excludesSource: EXCLUDES, builtin, git };
  };
}

/** A file whose text is read again only if its stat says so. */
class Reread {
  readonly #path: string;
  #seen = "";
  #text: string | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  text(): string | null {
    const now = stamp(this.#path);
    if (now !== this.#seen) this.#text = readOrNull(this.#path);
    this.#seen = now;
    return this.#text;
  }
}

function stamp(path: string): string {
  try {
    const { ino, size, mtime, ctime } = Deno.statSync(path);
    return `${ino} ${size} ${mtime?.getTime()} ${ctime?.getTime()}`;
  } catch {
    return "";
  }
}

/** @throws {SetupError} */
export function readExcludes(root: string): string {
  return readOrNull(`${root}/${EXCLUDES}`) ?? "";
}

/** Replaces the rules of this device. */
export function writeExcludes(root: string, text: string): void {
  replace(`${root}/${EXCLUDES}`, text);
}

/** @throws {SetupError} */
export function readChoices(root: string): IgnoreChoices {
  return parseChoices(readOrNull(`${root}/${CHOICES}`), root);
}

export function writeChoices(root: string, choices: IgnoreChoices): void {
  replace(`${root}/${CHOICES}`, `${JSON.stringify(choices)}\n`);
}

function parseChoices(text: string | null, root: string): IgnoreChoices {
  if (text === null) return CHOICES_AT_FIRST;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && "builtin" in value && "git" in value) {
      if (typeof value.builtin === "boolean" && typeof value.git === "boolean") {
        return { builtin: value.builtin, git: value.git };
      }
    }
  } catch {
    // Falls through to the same answer.
  }
  // Guessing would send what nobody wants sent.
  throw new SetupError(
    "state",
    `Cannot read "${root}/${CHOICES}": it is damaged`,
    "remove it, then set it anew: fsync exclude",
  );
}

function readOrNull(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    const reason = error instanceof Deno.errors.PermissionDenied
      ? "permission denied"
      : "it is no readable file";
    throw new SetupError("state", `Cannot read "${path}": ${reason}`);
  }
}

/** A reader sees the old text or the new one. */
function replace(path: string, text: string): void {
  const temporary = `${path}.new`;
  Deno.writeTextFileSync(temporary, text, { mode: 0o644 });
  shareNew(temporary);
  Deno.renameSync(temporary, path);
}
