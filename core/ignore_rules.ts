/** The rules of one ignore file: its lines, and the last one of them that speaks of a path. */
import { type Affixes, Glob } from "./glob.ts";
import type { SyncPath } from "./path.ts";

/** One line of an ignore file. */
export interface IgnoreRule {
  /** The file as a person knows it: `docs/.fsyncignore`, `.fsync/exclude`, `built-in`. */
  readonly source: string;
  /** Counted from 1. */
  readonly line: number;
  /** As it is written, without blanks at its end. */
  readonly text: string;
  /** It begins with `!`: what it matches is synced. */
  readonly negated: boolean;
}

/** More rules in one file are a mistake, or somebody who wants to keep others busy. */
export const RULES_MAX = 4000;
/** Bytes of an ignore file. */
export const RULES_BYTES_MAX = 128 * 1024;

interface Compiled extends IgnoreRule {
  /** Place in the file: the last rule that matches wins. */
  readonly order: number;
  readonly dirOnly: boolean;
  readonly fits: (text: string) => boolean;
}

export class RuleSet {
  readonly source: string;
  /** They stand in a file of git's. */
  readonly isGits: boolean;
  /** Paths are matched from here on: the length of the directory with its slash. */
  readonly #from: number;
  readonly #count: number;
  /** Rules about a name: by its first character or its last one, where they say it; else in `#names`. */
  readonly #byFirst = new Map<number, Compiled[]>();
  readonly #byLast = new Map<number, Compiled[]>();
  readonly #names: Compiled[] = [];
  /** Rules about a path from the directory on: by its first character, or in `#paths`. */
  readonly #pathsByFirst = new Map<number, Compiled[]>();
  readonly #paths: Compiled[] = [];

  /**
   * @param source see {@link IgnoreRule}
   * @param text of the file
   * @param dir the directory that the rules are for; `null`: the root
   */
  constructor(source: string, text: string, dir: SyncPath | null, isGits = false) {
    this.source = source;
    this.isGits = isGits;
    this.#from = dir === null ? 0 : dir.length + 1;
    const rules = parseRules(source, text);
    this.#count = rules.length;
    // The last one first: the first that fits is the one that counts.
    for (const rule of rules.reverse()) this.#file(rule);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /**
   * The last rule that matches the thing at `path` itself; directories above it are not asked about.
   *
   * @param path below the directory of the rules
   * @param name its last part
   */
  match(path: SyncPath, name: string, isDir: boolean): IgnoreRule | null {
    // By single characters only: to look up a name that was never seen costs as much as all the rest.
    let best = latest(null, this.#byFirst.get(name.charCodeAt(0)), name, isDir);
    best = latest(best, this.#byLast.get(name.charCodeAt(name.length - 1)), name, isDir);
    best = latest(best, this.#names, name, isDir);
    const byFirst = this.#pathsByFirst.get(path.charCodeAt(this.#from));
    if (byFirst === undefined && this.#paths.length === 0) return best;
    const inside = path.slice(this.#from);
    return latest(latest(best, byFirst, inside, isDir), this.#paths, inside, isDir);
  }

  #file({ anchored, glob, ...rest }: Parsed): void {
    const { affixes, ends } = glob;
    const rule = { ...rest, fits: affixes === null ? slowly(glob) : quickly(affixes) };
    if (ends.prefix !== "") {
      add(anchored ? this.#pathsByFirst : this.#byFirst, ends.prefix.charCodeAt(0), rule);
    } else if (anchored) this.#paths.push(rule);
    else if (ends.suffix !== "") add(this.#byLast, ends.suffix.charCodeAt(ends.suffix.length - 1), rule);
    else this.#names.push(rule);
  }
}

function latest(
  best: Compiled | null,
  rules: readonly Compiled[] | undefined,
  text: string,
  isDir: boolean,
): Compiled | null {
  if (rules === undefined) return best;
  for (const rule of rules) {
    if (best !== null && rule.order < best.order) return best;
    if ((isDir || !rule.dirOnly) && rule.fits(text)) return rule;
  }
  return best;
}

function add(lists: Map<number, Compiled[]>, key: number, rule: Compiled): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [rule]);
  else list.push(rule);
}

function quickly({ prefix, suffix }: Affixes): (text: string) => boolean {
  if (suffix === null) return (text) => text === prefix;
  const length = prefix.length + suffix.length;
  return (text) =>
    text.length >= length && text.startsWith(prefix) && text.endsWith(suffix) &&
    !text.slice(prefix.length, text.length - suffix.length).includes("/");
}

function slowly(glob: Glob): (text: string) => boolean {
  const { prefix, suffix } = glob.ends;
  return (text) => text.startsWith(prefix) && text.endsWith(suffix) && glob.matches(text);
}

interface Parsed extends Omit<Compiled, "fits"> {
  readonly glob: Glob;
  /** It has a slash: it is about the path from the directory on, not about a name anywhere below. */
  readonly anchored: boolean;
}

/** Rules in their order. What is malformed matches nothing and is left out. */
function parseRules(source: string, text: string): Parsed[] {
  const rules: Parsed[] = [];
  const lines = text.replace(/^\ufeff/, "").split("\n");
  for (const [at, raw] of lines.entries()) {
    if (rules.length === RULES_MAX) break;
    const rule = parseLine(raw.replace(/\r$/, ""));
    if (rule !== null) rules.push({ source, line: at + 1, order: at, ...rule });
  }
  return rules;
}

function parseLine(raw: string): Omit<Parsed, "source" | "line" | "order"> | null {
  const text = trimBlanks(raw);
  if (text === "" || text.startsWith("#")) return null;
  const negated = text.startsWith("!");
  let pattern = negated ? text.slice(1) : text;
  const dirOnly = pattern.endsWith("/");
  if (dirOnly) pattern = pattern.slice(0, -1);
  const anchored = pattern.includes("/");
  if (pattern.startsWith("/")) pattern = pattern.slice(1);
  const glob = pattern === "" ? null : Glob.parse(pattern);
  return glob === null ? null : { text, negated, dirOnly, anchored, glob };
}

/** Without the blanks at the end, except one that a backslash stands before. */
function trimBlanks(line: string): string {
  let end = 0;
  for (let i = 0; i < line.length; i++) {
    if (line[i] === "\\") {
      i++;
      end = Math.min(i + 1, line.length);
    } else if (line[i] !== " ") end = i + 1;
  }
  return line.slice(0, end);
}

/** Lines of `text` that hold a rule. */
export function countRules(text: string): number {
  return text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#")).length;
}
