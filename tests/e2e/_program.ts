/** The real program as a process: started, listened to, asked, killed. */
import { RUN_FLAGS } from "../../scripts/run_flags.ts";
import { fromFileUrl } from "@std/path";

const MAIN = fromFileUrl(new URL("../../main.ts", import.meta.url));

/** How long a state may take to come before a test gives up on it, ms. Far beyond what it takes. */
export const PATIENCE_MS = 30_000;

/** The program with its arguments: the checkout, or the binary that `FSYNC_BIN` names. */
export function programLine(args: readonly string[]): readonly [string, readonly string[]] {
  const binary = Deno.env.get("FSYNC_BIN");
  return binary ? [binary, args] : [Deno.execPath(), ["run", ...RUN_FLAGS, MAIN, ...args]];
}

export interface Place {
  readonly cwd: string;
  readonly env: { readonly [name: string]: string };
}

export interface RunOptions {
  /** Written before the command, e.g. `setpriv`. */
  readonly wrapper?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  /** This file instead of the checkout. */
  readonly program?: string;
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

function command(
  place: Place,
  args: readonly string[],
  options: RunOptions,
): { readonly file: string; readonly options: Deno.CommandOptions } {
  const [program, words] = options.program ? [options.program, args] : programLine(args);
  const [file, ...rest] = [...(options.wrapper ?? []), program, ...words];
  return {
    file: file!,
    options: {
      args: rest,
      cwd: place.cwd,
      clearEnv: true,
      env: { ...place.env, ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    },
  };
}

/** Runs a command of the program to its end. */
export async function runProgram(
  place: Place,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  const { file, options: spawn } = command(place, args, options);
  const began = performance.now();
  const child = new Deno.Command(file, spawn).spawn();
  const patience = setTimeout(() => child.kill("SIGKILL"), 2 * PATIENCE_MS);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(patience);
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
    ms: performance.now() - began,
  };
}

interface Waiter {
  readonly match: (line: string) => boolean;
  readonly resolve: (line: string) => void;
}

/** A process that stays: its lines as they come, and the time at which each came. */
export class Program {
  readonly name: string;
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  /** `performance.now()` of each line of stdout. */
  readonly times: number[] = [];
  readonly exited: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #waiters = new Set<Waiter>();
  #code: number | null = null;

  constructor(name: string, place: Place, args: readonly string[], options: RunOptions = {}) {
    this.name = name;
    const { file, options: spawn } = command(place, args, options);
    this.#child = new Deno.Command(file, spawn).spawn();
    const read = [
      this.#read(this.#child.stdout, this.stdout, this.times),
      this.#read(this.#child.stderr, this.stderr, []),
    ];
    this.exited = Promise.all([this.#child.status, ...read]).then(([{ code }]) => this.#code = code);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Exit code, `null` while it runs. */
  get code(): number | null {
    return this.#code;
  }

  /** The first line of stdout or stderr, come or to come, that matches. */
  async line(match: string | RegExp, patienceMs = PATIENCE_MS): Promise<string> {
    const fits = (line: string) => typeof match === "string" ? line.includes(match) : match.test(line);
    const known = [...this.stdout, ...this.stderr].find(fits);
    if (known !== undefined) return known;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiter = { match: fits, resolve };
    this.#waiters.add(waiter);
    const patience = setTimeout(() => reject(new Error(`${this.name} never said ${match}`)), patienceMs);
    void this.exited.then((code) =>
      reject(new Error(`${this.name} ended with ${code} before it said ${match}`))
    );
    try {
      return await promise;
    } finally {
      clearTimeout(patience);
      this.#waiters.delete(waiter);
    }
  }

  /** Lines of stdout that hold `text`. */
  count(text: string): number {
    return this.stdout.filter((line) => line.includes(text)).length;
  }

  signal(name: Deno.Signal): void {
    if (this.#code === null) this.#child.kill(name);
  }

  /** Kills it at once and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited;
  }

  /** Asks it to end. @returns its exit code and how long it took, ms */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<{ readonly code: number; readonly ms: number }> {
    const began = performance.now();
    const patience = setTimeout(() => this.signal("SIGKILL"), PATIENCE_MS);
    this.signal(signal);
    const code = await this.exited;
    clearTimeout(patience);
    return { code, ms: performance.now() - began };
  }

  async #read(stream: ReadableStream<Uint8Array>, lines: string[], times: number[]): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      for (const line of parts) this.#note(line, lines, times);
    }
    if (rest !== "") this.#note(rest, lines, times);
  }

  #note(line: string, lines: string[], times: number[]): void {
    lines.push(line);
    times.push(performance.now());
    for (const waiter of this.#waiters) if (waiter.match(line)) waiter.resolve(line);
  }
}
