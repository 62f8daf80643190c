/**
 * What a usage line says, as a structure: the help, the manual pages and the completions follow from the one line that
 * people read, so that none of them can say something else.
 *
 * The grammar: `UPPER` stands for a word, `lower|case` for words to choose from, `--flag VALUE` for a flag; `…|…` of
 * lower-case words at the start are what the command can do (`list | show PATH`); brackets and `=default` are for people.
 */
import { type Command, COMMON_FLAGS, type Flag } from "./_command.ts";

/** What a shell can offer for a word. */
export interface Slot {
  readonly kind: "file" | "dir" | "text";
  /** As written, e.g. `PATH|ID`. */
  readonly label: string;
  /** Words to choose from. */
  readonly choices: readonly string[];
  /** Any number of them may follow. */
  readonly many: boolean;
}

/** One way to call a command. */
export interface Form {
  /** The word that chooses it (`resolve`), `null` in a command that does one thing. */
  readonly verb: string | null;
  readonly slots: readonly Slot[];
}

export interface FlagUsage extends Flag {
  /** `null` for a flag that is on or off. */
  readonly slot: Slot | null;
}

export interface Usage {
  readonly forms: readonly Form[];
  readonly flags: readonly FlagUsage[];
}

/** A placeholder of a directory, and of a file (or directory). */
const DIR = /^(DIR|BIN)$/;
const FILE = /^(PATH|FILE|GLOB)$/;
const CHOICE = /^[a-z][a-z0-9-]*$/;

/** Reads the usage line of `command`. */
export function usageOf(command: Command): Usage {
  const flags = [...command.flags, ...COMMON_FLAGS];
  const reader = new UsageReader(new Map(flags.map((flag) => [`--${flag.name}`, flag])));
  for (const word of command.usage.split(/\s+/)) reader.take(word.replaceAll(/[[\]()]/g, ""));
  const named = reader.forms.filter(({ verb }) => verb !== null);
  const plain = reader.forms.filter(({ verb }) => verb === null);
  return {
    forms: [...named, ...(plain.length === 0 ? [] : [merge(plain)])],
    flags: flags.map((flag) => ({ ...flag, slot: slotOf(flag, reader.values.get(flag.name) ?? []) })),
  };
}

/** The ways to call a command that no word tells apart, as one. */
function merge(forms: readonly Form[]): Form {
  const length = Math.max(...forms.map(({ slots }) => slots.length));
  const slots = Array.from({ length }, (_, at) => {
    const here = forms.flatMap(({ slots }) => slots[at] ?? []);
    return { ...here[0]!, choices: [...new Set(here.flatMap(({ choices }) => choices))] };
  });
  return { verb: null, slots };
}

class UsageReader {
  readonly forms: { verb: string | null; slots: Slot[] }[] = [{ verb: null, slots: [] }];
  /** What the line says about the values of flags. */
  readonly values = new Map<string, string[]>();
  readonly #flags: ReadonlyMap<string, Flag>;
  /** How many of the last forms share the words that come. */
  #open = 1;
  #atStart = true;
  #wanted: readonly string[] = [];

  constructor(flags: ReadonlyMap<string, Flag>) {
    this.#flags = flags;
  }

  take(word: string): void {
    if (word === "") return;
    if (word === "|") {
      this.#atStart = true;
      this.#wanted = [];
    } else if (word.startsWith("--")) this.#takeFlags(word.split("|"));
    else if (this.#wanted.length > 0) this.#takeValue(word);
    else if (this.#atStart && word.split("|").every((part) => CHOICE.test(part))) {
      this.#takeVerbs(word.split("|"));
    } else this.#takeSlot(word);
  }

  #takeFlags(names: readonly string[]): void {
    this.#atStart = false;
    this.#wanted = names.filter((name) => this.#flags.get(name)?.value !== undefined)
      .map((name) => name.slice(2));
  }

  #takeValue(word: string): void {
    for (const name of this.#wanted) this.values.set(name, word.split("|"));
    this.#wanted = [];
  }

  #takeVerbs(verbs: readonly string[]): void {
    this.#atStart = false;
    if (this.forms.length === 1 && this.forms[0]!.verb === null && this.forms[0]!.slots.length === 0) {
      this.forms.pop();
    }
    for (const verb of verbs) this.forms.push({ verb, slots: [] });
    this.#open = verbs.length;
  }

  #takeSlot(word: string): void {
    if (/^\.+$/.test(word)) return;
    // After a bar, a word of another way to call it.
    if (this.#atStart && (this.forms.length > 1 || this.forms[0]?.verb !== null)) {
      this.forms.push({ verb: null, slots: [] });
      this.#open = 1;
    }
    this.#atStart = false;
    for (const form of this.forms.slice(-this.#open)) form.slots.push(readSlot(word));
  }
}

function slotOf(flag: Flag, fromLine: readonly string[]): Slot | null {
  if (flag.value === undefined) return null;
  const slot = readSlot(flag.value);
  const choices = [...new Set([...slot.choices, ...fromLine.filter((part) => CHOICE.test(part))])];
  return { ...slot, choices };
}

function readSlot(word: string): Slot {
  const many = word.endsWith("...");
  const label = word.replace(/\.\.\.$/, "").replace(/=.*$/, "");
  const parts = label.split("|");
  const kind = parts.some((part) => FILE.test(part))
    ? "file"
    : parts.some((part) => DIR.test(part))
    ? "dir"
    : "text";
  return { kind, label, many, choices: parts.filter((part) => CHOICE.test(part)) };
}
