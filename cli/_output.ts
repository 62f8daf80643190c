/** What commands print: data on stdout, diagnostics on stderr, colour and progress only on a terminal. */
import { displayPath } from "../core/path.ts";

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

const CLEAR_SCREEN = "\x1b[H\x1b[J";
const CLEAR_LINE = "\r\x1b[K";

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** stdout is read by a person. */
  readonly interactive: boolean;
  readonly #color: boolean;
  readonly #progress: boolean;
  #progressShown = false;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.quiet = options.quiet;
    this.verbose = options.verbose;
    this.interactive = Deno.stdout.isTerminal();
    this.#color = this.interactive && !Deno.env.get("NO_COLOR");
    this.#progress = Deno.stderr.isTerminal() && !options.quiet && !options.json;
  }

  /** A line of data. */
  line(text: string): void {
    this.#clearProgress();
    console.log(text);
  }

  /** One JSON document (or, in a stream, one object a line). */
  document(value: unknown): void {
    this.#clearProgress();
    console.log(JSON.stringify(value));
  }

  /** A line for a person, left out under `--quiet` and `--json`. */
  info(text: string): void {
    if (!this.quiet && !this.json) this.line(text);
  }

  /** A line for a person who wants to know more. */
  detail(text: string): void {
    if (this.verbose && !this.json) this.line(text);
  }

  /** A diagnostic. */
  warn(text: string): void {
    this.#clearProgress();
    console.error(text);
  }

  /** An error with its hint, in the form all commands share. */
  error(message: string, hint = ""): void {
    this.warn(`fsync: ${displayPath(message)}`);
    if (hint !== "") this.warn(`hint: ${displayPath(hint)}`);
  }

  /** Shows `text` in place of what the terminal showed; without a terminal, below it. */
  screen(text: string): void {
    this.line(this.interactive ? `${CLEAR_SCREEN}${text}` : text);
  }

  /** Whether {@link progress} shows anything. */
  get showsProgress(): boolean {
    return this.#progress;
  }

  /** Shows a line that the next one replaces. */
  progress(text: string): void {
    if (!this.#progress) return;
    this.#progressShown = true;
    Deno.stderr.writeSync(new TextEncoder().encode(CLEAR_LINE + text.slice(0, terminalColumns() - 1)));
  }

  /** Removes the progress line. */
  endProgress(): void {
    this.#clearProgress();
  }

  #clearProgress(): void {
    if (!this.#progressShown) return;
    this.#progressShown = false;
    Deno.stderr.writeSync(new TextEncoder().encode(CLEAR_LINE));
  }

  bold(text: string): string {
    return this.#paint("1", text);
  }
  green(text: string): string {
    return this.#paint("32", text);
  }
  yellow(text: string): string {
    return this.#paint("33", text);
  }
  red(text: string): string {
    return this.#paint("31", text);
  }
  #paint(code: string, text: string): string {
    return this.#color ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

/** The same, and nothing is printed: what a command writes into a log it tells in its own words. */
export function silent(output: Output): Output {
  const nothing = () => {};
  return Object.assign(Object.create(output) as Output, {
    line: nothing,
    info: nothing,
    warn: nothing,
    document: nothing,
    detail: nothing,
  });
}

/** A line that is longer would not be removed as a whole. */
function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}

/** `1.5 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

let lastTime = { second: NaN, text: "" };

/** `Mon Apr 7 13:11:05 2025`, local time. */
export function formatTime(ms: number): string {
  const second = Math.floor(ms / 1000);
  // A line for each of thousands of files, and the calendar is slow.
  if (second !== lastTime.second) lastTime = { second, text: calendarTime(ms) };
  return lastTime.text;
}

function calendarTime(ms: number): string {
  const date = new Date(ms);
  const [day, month, dayOfMonth, year] = date.toDateString().split(" ");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, "0"))
    .join(":");
  return `${day} ${month} ${Number(dayOfMonth)} ${time} ${year}`;
}

/** `1 file`, `2 files`. */
export function plural(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
