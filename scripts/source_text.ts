/**
 * Just enough of TypeScript's lexical grammar to know what in a file is code: comments, texts and regular expressions
 * are blanked, so that a rule about `console` does not stumble over the word in a sentence.
 */

export interface SourceText {
  /** As long as the source, line for line; comments and the insides of texts are spaces. */
  readonly code: string;
  /** Texts in quotes by the offset of their opening quote, as written (escapes are kept). */
  readonly literals: ReadonlyMap<number, string>;
}

export interface Import {
  readonly specifier: string;
  /** Offset in the source. */
  readonly offset: number;
  /** Gone when the program runs: `import type`, or nothing but `type` names. */
  readonly typeOnly: boolean;
  /** `import(…)`: happens later, so it closes no cycle. */
  readonly dynamic: boolean;
}

export function readSource(source: string): SourceText {
  return new Reader(source).read();
}

/** Every import and re-export of a file, in order, and every file it names by `new URL("./x.ts", import.meta.url)`. */
export function importsOf(text: SourceText): Import[] {
  const found: Import[] = [];
  for (const match of text.code.matchAll(CLAUSE_IMPORT)) {
    add(found, text, match, { typeOnly: isTypeOnly(match[1] ?? ""), dynamic: false });
  }
  for (const match of text.code.matchAll(/\bimport\s*(?=["'])/g)) {
    add(found, text, match, { typeOnly: false, dynamic: false });
  }
  for (const match of text.code.matchAll(/\bimport\s*\(\s*(?=["'`])/g)) {
    add(found, text, match, { typeOnly: false, dynamic: true });
  }
  // A worker is loaded this way.
  for (const match of text.code.matchAll(/\bnew\s+URL\s*\(\s*(?=["'`])/g)) {
    const literal = text.literals.get(match.index + match[0].length);
    if (literal?.match(/^\.{1,2}\/.*\.[jt]s$/)) add(found, text, match, { typeOnly: false, dynamic: true });
  }
  return found.sort((a, b) => a.offset - b.offset);
}

/** `import … from` or `export … from`, up to the quote; the clause holds no second `import` or `export`. */
const CLAUSE_IMPORT = /\b(?:import|export)\b((?:(?!\b(?:import|export)\b)[^;"'`=])*?)\bfrom\s*(?=["'])/g;

/** Line number of an offset, from 1. */
export function lineOf(text: SourceText, offset: number): number {
  let line = 1;
  for (let i = text.code.indexOf("\n"); i >= 0 && i < offset; i = text.code.indexOf("\n", i + 1)) line++;
  return line;
}

function add(
  found: Import[],
  text: SourceText,
  match: RegExpExecArray,
  kind: Pick<Import, "typeOnly" | "dynamic">,
): void {
  const specifier = text.literals.get(match.index + match[0].length);
  if (specifier !== undefined) found.push({ specifier, offset: match.index, ...kind });
}

function isTypeOnly(clause: string): boolean {
  if (/^\s*type\b(?!\s*,)/.test(clause)) return true;
  const names = clause.match(/^\s*\{([^}]*)\}\s*$/)?.[1]?.split(",").map((name) => name.trim()).filter(
    Boolean,
  );
  return names !== undefined && names.length > 0 && names.every((name) => name.startsWith("type "));
}

/** A slash after one of these begins a regular expression, after anything else it divides. */
const REGEX_AFTER =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|delete|void|throw|else|do|await|yield))\s*$/;
/** How far back {@link REGEX_AFTER} has to look: the longest word and some white space. */
const LOOK_BACK = 200;

class Reader {
  readonly #source: string;
  readonly #literals = new Map<number, string>();
  #code = "";
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  read(): SourceText {
    this.#readCode();
    // A closing brace too many ends the code early: what follows is code all the same.
    while (this.#at < this.#source.length) {
      this.#keep(1);
      this.#readCode();
    }
    return { code: this.#code, literals: this.#literals };
  }

  /** Reads up to the brace that closes this level, or the end. */
  #readCode(): void {
    let depth = 0;
    while (this.#at < this.#source.length) {
      const char = this.#source[this.#at];
      if (char === "}" && depth === 0) return;
      if (char === "{") depth++;
      if (char === "}") depth--;
      this.#readToken(char);
    }
  }

  #readToken(char: string | undefined): void {
    if (char === '"' || char === "'") return this.#readQuoted(char);
    if (char === "`") return this.#readTemplate();
    if (char !== "/") return this.#keep(1);
    const next = this.#source[this.#at + 1];
    if (next === "/") return this.#blank(this.#lengthTo("\n", 0));
    if (next === "*") return this.#blank(this.#lengthTo("*/", 2));
    const length = REGEX_AFTER.test(this.#code.slice(-LOOK_BACK)) ? this.#regexLength() : 0;
    if (length === 0) return this.#keep(1);
    this.#keep(1);
    this.#blank(length - 2);
    this.#keep(1);
  }

  #readQuoted(quote: string): void {
    const start = this.#at;
    let end = start + 1;
    while (end < this.#source.length && this.#source[end] !== quote && this.#source[end] !== "\n") {
      end += this.#source[end] === "\\" ? 2 : 1;
    }
    this.#literals.set(start, this.#source.slice(start + 1, end));
    this.#keep(1);
    this.#blank(end - start - 1);
    this.#keep(1);
  }

  #readTemplate(): void {
    const start = this.#at;
    this.#keep(1);
    while (this.#at < this.#source.length && this.#source[this.#at] !== "`") {
      if (this.#source[this.#at] === "\\") this.#blank(2);
      else if (this.#source.startsWith("${", this.#at)) this.#readHole();
      else this.#blank(1);
    }
    this.#literals.set(start, this.#source.slice(start + 1, this.#at));
    this.#keep(1);
  }

  #readHole(): void {
    this.#keep(2);
    this.#readCode();
    this.#keep(1);
  }

  /** Length of the regular expression that starts here, without flags; 0 if there is none. */
  #regexLength(): number {
    let inClass = false;
    for (let i = this.#at + 1; i < this.#source.length; i++) {
      const char = this.#source[i];
      if (char === "\n") return 0;
      if (char === "\\") i++;
      else if (char === "[") inClass = true;
      else if (char === "]") inClass = false;
      else if (char === "/" && !inClass) return i + 1 - this.#at;
    }
    return 0;
  }

  #lengthTo(mark: string, markLength: number): number {
    const end = this.#source.indexOf(mark, this.#at + markLength);
    return (end < 0 ? this.#source.length : end + markLength) - this.#at;
  }

  #keep(length: number): void {
    this.#code += this.#source.slice(this.#at, this.#at + length);
    this.#at += length;
  }

  #blank(length: number): void {
    this.#code += this.#source.slice(this.#at, this.#at + length).replace(/[^\n]/g, " ");
    this.#at += length;
  }
}
