/**
 * Patterns over paths as git matches them: `*`, `?`, `[a-z]`, `[[:alpha:]]`, `\`, and `**` for any directories.
 *
 * All states of a match go forward together, so the time is the length of the pattern times that of the text at worst.
 * Patterns come from other users, and a matcher that goes back and tries again can be kept busy for days.
 */

type Token =
  | { readonly is: "char"; readonly code: number }
  /** One character that is no slash. */
  | { readonly is: "one"; readonly fits: (code: number) => boolean }
  /** Any number of characters that are no slash. */
  | { readonly is: "star" }
  /** Any number of any characters. */
  | { readonly is: "deep" }
  /** Any number of whole directories, each with its slash. */
  | { readonly is: "dirs" };

const SLASH = 0x2f;

/** What a pattern without anything special in it, or with one star, comes down to. */
export interface Affixes {
  readonly prefix: string;
  /** `null`: the text is `prefix` itself. */
  readonly suffix: string | null;
}

export class Glob {
  readonly #tokens: readonly Token[];

  private constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /**
   * @param pattern without what only an ignore file gives a meaning (`!`, a slash at either end)
   * @returns `null` if it is malformed: such a pattern matches nothing
   */
  static parse(pattern: string): Glob | null {
    const tokens = new Parser(pattern).parse();
    return tokens === null ? null : new Glob(tokens);
  }

  /** Whether all of `text` fits. */
  matches(text: string): boolean {
    const tokens = this.#tokens;
    let states: number[] = [];
    let marks = new Uint8Array(tokens.length + 1);
    const enter = (into: number[], marked: Uint8Array, state: number) => {
      for (; marked[state] === 0; state++) {
        marked[state] = 1;
        into.push(state);
        const is = tokens[state]?.is;
        if (is !== "star" && is !== "deep" && is !== "dirs") return;
      }
    };
    enter(states, marks, 0);
    for (const char of text) {
      const code = char.codePointAt(0)!;
      const next: number[] = [];
      const nextMarks = new Uint8Array(tokens.length + 1);
      for (const state of states) {
        const token = tokens[state];
        if (token === undefined) continue;
        if (token.is === "dirs") {
          stay(next, nextMarks, state);
          if (code === SLASH) enter(next, nextMarks, state + 1);
        } else if (token.is === "deep" || (token.is === "star" && code !== SLASH)) {
          enter(next, nextMarks, state);
        } else if (token.is === "char" ? token.code === code : token.is === "one" && token.fits(code)) {
          enter(next, nextMarks, state + 1);
        }
      }
      if (next.length === 0) return false;
      states = next;
      marks = nextMarks;
    }
    return marks[tokens.length] === 1;
  }

  /** What it comes down to, if it can be compared without stepping through it. */
  get affixes(): Affixes | null {
    const special = this.#tokens.findIndex((token) => token.is !== "char");
    if (special < 0) return { prefix: textOf(this.#tokens), suffix: null };
    const after = this.#tokens.slice(special + 1);
    if (this.#tokens[special]!.is !== "star" || after.some((token) => token.is !== "char")) return null;
    return { prefix: textOf(this.#tokens.slice(0, special)), suffix: textOf(after) };
  }

  /** What every text that fits begins with. */
  get prefix(): string {
    const special = this.#tokens.findIndex((token) => token.is !== "char");
    return textOf(special < 0 ? this.#tokens : this.#tokens.slice(0, special));
  }
}

/** Inside the directories that are skipped: the end of one does not let the next part begin by itself. */
function stay(into: number[], marked: Uint8Array, state: number): void {
  if (marked[state] === 1) return;
  marked[state] = 1;
  into.push(state);
}

function textOf(tokens: readonly Token[]): string {
  return tokens.map((token) => token.is === "char" ? String.fromCodePoint(token.code) : "").join("");
}

class Parser {
  readonly #chars: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    this.#chars = [...pattern];
  }

  parse(): Token[] | null {
    const tokens: Token[] = [];
    while (this.#at < this.#chars.length) {
      const token = this.#next();
      if (token === null) return null;
      tokens.push(token);
    }
    return tokens;
  }

  #next(): Token | null {
    const char = this.#chars[this.#at]!;
    if (char === "*") return this.#stars();
    if (char === "[") return this.#set();
    this.#at++;
    if (char === "?") return { is: "one", fits: (code) => code !== SLASH };
    if (char !== "\\") return charToken(char);
    const escaped = this.#chars[this.#at++];
    return escaped === undefined ? null : charToken(escaped);
  }

  /** Two stars or more mean directories only where they are a whole part of the path. */
  #stars(): Token {
    const from = this.#at;
    while (this.#chars[this.#at] === "*") this.#at++;
    const after = this.#chars[this.#at];
    const whole = (from === 0 || this.#chars[from - 1] === "/") && (after === undefined || after === "/");
    if (this.#at - from === 1 || !whole) return { is: "star" };
    if (after === undefined) return { is: "deep" };
    this.#at++;
    return { is: "dirs" };
  }

  #set(): Token | null {
    this.#at++;
    const negated = ["!", "^"].includes(this.#chars[this.#at] ?? "");
    if (negated) this.#at++;
    const parts: ((code: number) => boolean)[] = [];
    /** What a following `-` would begin a range with. */
    let before: number | null = null;
    for (let first = true;; first = false) {
      const char = this.#chars[this.#at];
      if (char === undefined) return null;
      if (char === "]" && !first) break;
      if (char === "-" && before !== null && ![undefined, "]"].includes(this.#chars[this.#at + 1])) {
        this.#at++;
        const end = this.#setChar();
        if (end === null) return null;
        const start: number = before;
        parts.push((code) => code >= start && code <= end);
        before = null;
      } else if (char === "[" && this.#chars[this.#at + 1] === ":") {
        const named = this.#named();
        if (named === "malformed") return null;
        if (named === null) {
          before = "[".codePointAt(0)!;
          parts.push(only(before));
          this.#at++;
        } else {
          before = null;
          parts.push(named);
        }
      } else {
        before = this.#setChar();
        if (before === null) return null;
        parts.push(only(before));
      }
    }
    this.#at++;
    return { is: "one", fits: (code) => code !== SLASH && parts.some((fits) => fits(code)) !== negated };
  }

  /** One character of a set, with what a backslash makes of it. */
  #setChar(): number | null {
    const char = this.#chars[this.#at++];
    const meant = char === "\\" ? this.#chars[this.#at++] : char;
    return meant?.codePointAt(0) ?? null;
  }

  /** `[:name:]`; `null` if it only looks like the beginning of one. */
  #named(): ((code: number) => boolean) | "malformed" | null {
    const end = this.#chars.indexOf("]", this.#at + 2);
    if (end < 0) return "malformed";
    if (end === this.#at + 2 || this.#chars[end - 1] !== ":") return null;
    const name = this.#chars.slice(this.#at + 2, end - 1).join("");
    this.#at = end + 1;
    return NAMED.get(name) ?? "malformed";
  }
}

function charToken(char: string): Token {
  return { is: "char", code: char.codePointAt(0)! };
}

function only(wanted: number): (code: number) => boolean {
  return (code) => code === wanted;
}

function ascii(pattern: RegExp): (code: number) => boolean {
  return (code) => code < 0x80 && pattern.test(String.fromCharCode(code));
}

const NAMED = new Map<string, (code: number) => boolean>([
  ["alnum", ascii(/[a-zA-Z0-9]/)],
  ["alpha", ascii(/[a-zA-Z]/)],
  ["blank", ascii(/[ \t]/)],
  // deno-lint-ignore no-control-regex
  ["cntrl", ascii(/[\x00-\x1f\x7f]/)],
  ["digit", ascii(/[0-9]/)],
  ["graph", ascii(/[!-~]/)],
  ["lower", ascii(/[a-z]/)],
  ["print", ascii(/[ -~]/)],
  ["punct", ascii(/[!-/:-@[-`{-~]/)],
  ["space", ascii(/[ \t\n\v\f\r]/)],
  ["upper", ascii(/[A-Z]/)],
  ["xdigit", ascii(/[0-9a-fA-F]/)],
]);
