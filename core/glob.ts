/**
 * Patterns over paths as git matches them: `*`, `?`, `[a-z]`, `[[:alpha:]]`, `\`, and `**` for any directories.
 *
 * The time is the length of the pattern times that of the text at worst. Patterns come from other users, and a matcher
 * that goes back and tries all ways can be kept busy for days.
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
  /** It can be matched part by part of the path, and each part with one look back at most. */
  readonly #isFlat: boolean;

  private constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
    this.#isFlat = tokens.every(({ is }) => is !== "deep" && is !== "dirs");
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
    return this.#endFits(text) && (this.#isFlat ? this.#matchesFlat(text) : this.#matchesDeep(text));
  }

  /** What follows the last star takes one character each: most texts differ there already. */
  #endFits(text: string): boolean {
    let at = text.length;
    for (let i = this.#tokens.length - 1; i >= 0; i--) {
      const token = this.#tokens[i]!;
      if (token.is !== "char" && token.is !== "one") return true;
      const code = lastCode(text, at);
      if (code === undefined || !fits(token, code)) return false;
      at -= width(code);
    }
    return at === 0;
  }

  /** Only the last star that was passed can take in more: what stood before it fits already. */
  #matchesFlat(text: string): boolean {
    const tokens = this.#tokens;
    let [at, token] = [0, 0];
    let [starText, starToken] = [-1, -1];
    while (at < text.length || token < tokens.length) {
      const wanted = tokens[token];
      if (wanted?.is === "star") {
        starToken = ++token;
        starText = at;
        continue;
      }
      const code = text.codePointAt(at);
      if (code !== undefined && wanted !== undefined && fits(wanted, code)) {
        token++;
        at += width(code);
        continue;
      }
      const taken = starToken < 0 ? undefined : text.codePointAt(starText);
      if (taken === undefined || taken === SLASH) return false;
      starText += width(taken);
      at = starText;
      token = starToken;
    }
    return true;
  }

  /** All states of the match go forward together. */
  #matchesDeep(text: string): boolean {
    let states = new States(this.#tokens);
    let next = new States(this.#tokens);
    states.enter(0);
    for (let at = 0; at < text.length;) {
      const code = text.codePointAt(at)!;
      at += width(code);
      next.clear();
      states.step(code, next);
      if (next.isEmpty) return false;
      [states, next] = [next, states];
    }
    return states.isAtEnd;
  }

  /** What it comes down to, if it can be compared without stepping through it. */
  get affixes(): Affixes | null {
    const special = this.#tokens.findIndex((token) => token.is !== "char");
    if (special < 0) return { prefix: textOf(this.#tokens), suffix: null };
    const after = this.#tokens.slice(special + 1);
    if (this.#tokens[special]!.is !== "star" || after.some((token) => token.is !== "char")) return null;
    return { prefix: textOf(this.#tokens.slice(0, special)), suffix: textOf(after) };
  }

  /** What every text that fits begins and ends with. */
  get ends(): { readonly prefix: string; readonly suffix: string } {
    const first = this.#tokens.findIndex((token) => token.is !== "char");
    const last = this.#tokens.findLastIndex((token) => token.is !== "char");
    return {
      prefix: textOf(first < 0 ? this.#tokens : this.#tokens.slice(0, first)),
      suffix: textOf(this.#tokens.slice(last + 1)),
    };
  }
}

/** Where in a pattern a match may be. */
class States {
  readonly #tokens: readonly Token[];
  readonly #marks: Uint8Array;
  readonly #list: number[] = [];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
    this.#marks = new Uint8Array(tokens.length + 1);
  }

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  get isAtEnd(): boolean {
    return this.#marks[this.#tokens.length] === 1;
  }

  clear(): void {
    for (const state of this.#list) this.#marks[state] = 0;
    this.#list.length = 0;
  }

  /** Adds `state`, and those that follow without a character. */
  enter(state: number): void {
    for (let at = state; this.#add(at); at++) {
      const is = this.#tokens[at]?.is;
      if (is !== "star" && is !== "deep" && is !== "dirs") return;
    }
  }

  #add(state: number): boolean {
    if (this.#marks[state] === 1) return false;
    this.#marks[state] = 1;
    this.#list.push(state);
    return true;
  }

  /** What `code` leads to goes into `next`. */
  step(code: number, next: States): void {
    for (const state of this.#list) {
      const token = this.#tokens[state];
      if (token === undefined) continue;
      if (token.is === "dirs") {
        // Inside the directories that are skipped only the end of one lets what follows begin.
        next.#add(state);
        if (code === SLASH) next.enter(state + 1);
      } else if (token.is === "deep" || (token.is === "star" && code !== SLASH)) next.enter(state);
      else if (fits(token, code)) next.enter(state + 1);
    }
  }
}

function fits(token: Token, code: number): boolean {
  return token.is === "char" ? token.code === code : token.is === "one" && token.fits(code);
}

/** The character that ends at `end`. */
function lastCode(text: string, end: number): number | undefined {
  if (end === 0) return undefined;
  const code = text.charCodeAt(end - 1);
  return code >= 0xdc00 && code <= 0xdfff && end > 1 ? text.codePointAt(end - 2) : code;
}

/** Units of a character. */
function width(code: number): number {
  return code > 0xffff ? 2 : 1;
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
