/** What a command is, and how its line is read: flag > environment `FSYNC_<FLAG>` > configuration file > default. */
import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text";
import { UsageError } from "./_exit.ts";
import { Output } from "./_output.ts";

export interface Flag {
  readonly name: string;
  /** Placeholder of its value; a flag without one is on or off. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** What follows the name, e.g. `[DIR=./client_files]`; completion reads it too, see `_usage.ts`. */
  readonly usage: string;
  /** What the manual says beyond the help page, in paragraphs. */
  readonly about?: readonly string[];
  readonly flags: readonly Flag[];
  readonly example: string;
  /** How many words may follow. */
  readonly words: { readonly min: number; readonly max: number };
  readonly run: (context: Context) => Promise<number>;
}

export interface Context {
  readonly command: Command;
  readonly words: readonly string[];
  readonly output: Output;
  /** Value of a flag that takes one. */
  value(name: string): string | undefined;
  /** The same without the configuration file: for what a folder remembers, which goes before the file. */
  given(name: string): string | undefined;
  /** Whether an on-off flag is on. */
  on(name: string): boolean;
  /** A flag's value as a whole number. @throws {UsageError} */
  number(name: string, fallback: number, range: { min: number; max: number }): number;
  /** The same arguments with the configuration file as it is now. @throws {SetupError} */
  again(): Promise<Context>;
}

/** Flags that every command has. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: "json", help: "one JSON document; in streams one object a line" },
  { name: "quiet", help: "print only what was asked for, and errors" },
  { name: "verbose", help: "print more" },
  { name: "help", help: "show this page" },
];

/** What the configuration file says for a flag of a command. */
export interface FileSettings {
  find(command: string, flag: string): { readonly value: string | boolean } | null;
}

const NO_FILE: FileSettings = { find: () => null };

/** Reads the words after a command's name. @throws {UsageError} */
export function readArguments(
  command: Command,
  args: readonly string[],
  settings: FileSettings = NO_FILE,
  reload: () => Promise<FileSettings | undefined> = () => Promise.resolve(undefined),
): Context {
  const flags = [...command.flags, ...COMMON_FLAGS];
  const booleans = flags.filter((flag) => flag.value === undefined).map((flag) => flag.name);
  const strings = flags.filter((flag) => flag.value !== undefined).map((flag) => flag.name);
  const parsed: { [name: string]: unknown; _: (string | number)[] } = parseArgs([...args], {
    boolean: booleans,
    string: [...strings, "_"],
    alias: { h: "help", q: "quiet", v: "verbose" },
    unknown: (arg: string, key?: string) => {
      if (key === undefined || !arg.startsWith("-") || arg === "-") return true;
      throw unknownFlag(command, arg, flags);
    },
  });
  for (const flag of flags) {
    if (flag.value !== undefined && parsed[flag.name] === "") {
      throw new UsageError(`Cannot run ${command.name}: --${flag.name} needs a value (${flag.value})`);
    }
  }
  const words = parsed._.map(String);
  const fromFile = (name: string) => settings.find(command.name, name)?.value;
  const on = (name: string) => {
    if (parsed[name] === true) return true;
    if (args.includes(`--${name}=false`)) return false;
    const environment = fromEnvironment(name);
    return environment === undefined ? fromFile(name) === true : isTrue(environment);
  };
  const output = new Output({ json: on("json"), quiet: on("quiet"), verbose: on("verbose") });
  const given = (name: string) => {
    const text = parsed[name];
    return typeof text === "string" ? text : fromEnvironment(name);
  };
  const value = (name: string) => {
    const text = given(name) ?? fromFile(name);
    return typeof text === "string" ? text : undefined;
  };
  if (!on("help")) checkWords(command, words);
  return {
    command,
    words,
    output,
    value,
    given,
    on,
    number: (name, fallback, range) => readNumber(command, name, value(name), fallback, range),
    again: async () => readArguments(command, args, await reload(), reload),
  };
}

/** What the environment says for a flag; an empty text is nothing. */
export function fromEnvironment(flag: string): string | undefined {
  const text = Deno.env.get(`FSYNC_${flag.toUpperCase().replaceAll("-", "_")}`);
  return text === "" ? undefined : text;
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && !["0", "false", "no", "off"].includes(text.toLowerCase());
}

function checkWords(command: Command, words: readonly string[]): void {
  // The current directory would be taken for what nobody named.
  if (words.includes("")) {
    throw new UsageError(`Cannot run ${command.name}: a word is empty`, "is a variable of the shell unset?");
  }
  const { min, max } = command.words;
  if (words.length < min) {
    throw new UsageError(
      `Cannot run ${command.name}: something is missing`,
      `usage: fsync ${command.name} ${command.usage}`,
    );
  }
  if (words.length > max) {
    throw new UsageError(
      `Cannot run ${command.name}: "${words[max]}" is one word too many`,
      `usage: fsync ${command.name} ${command.usage}`,
    );
  }
}

function unknownFlag(command: Command, arg: string, flags: readonly Flag[]): UsageError {
  const name = arg.replace(/^-+/, "").replace(/=.*$/, "");
  return new UsageError(
    `Cannot run ${command.name}: there is no flag ${arg.replace(/=.*$/, "")}`,
    nearest(name, flags.map((flag) => flag.name), "--") ?? `see fsync ${command.name} --help`,
  );
}

/** `did you mean …?`, if anything is near enough. */
export function nearest(word: string, known: readonly string[], prefix = ""): string | null {
  if (word === "" || known.length === 0) return null;
  const best = known.find((name) => name.startsWith(word)) ?? closestString(word, [...known]);
  const common = [...best].filter((char) => word.includes(char)).length;
  return common * 2 >= best.length ? `did you mean ${prefix}${best}?` : null;
}

function readNumber(
  command: Command,
  name: string,
  text: string | undefined,
  fallback: number,
  { min, max }: { min: number; max: number },
): number {
  if (text === undefined) return fallback;
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new UsageError(
    `Cannot run ${command.name}: --${name} takes a whole number from ${min} to ${max}, not "${text}"`,
  );
}
