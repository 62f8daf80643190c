/** Programs that are measured: those that run to their end, and those that serve. */
import { PeakMemory, SAMPLE_MS } from "./peak_memory.ts";

/** No single run may take longer; whatever hangs becomes a failure. Milliseconds. */
const RUN_MS_MAX = 30 * 60_000;
const READY_MS_MAX = 20_000;
const STOP_MS_MAX = 20_000;
/** What is kept of a service's output for an error message, characters. */
const OUTPUT_KEPT = 4096;

const running = new Set<Deno.ChildProcess>();

/** For an interrupted benchmark: ends whatever runs, at once. */
export function killAll(): void {
  for (const child of running) kill(child, "SIGKILL");
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It ended by itself.
  }
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** From before it was started to its end. */
  readonly ms: number;
  readonly peakBytes: number;
}

/** Runs a program to its end. */
export async function runToEnd(program: Program): Promise<Run> {
  const started = performance.now();
  const child = new Deno.Command(program.command, {
    args: [...program.args],
    env: program.env ?? {},
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(RUN_MS_MAX),
  }).spawn();
  running.add(child);
  const memory = new PeakMemory(child.pid);
  memory.sample();
  const sampling = setInterval(() => memory.sample(), SAMPLE_MS);
  try {
    const { code, stdout, stderr } = await child.output();
    const ms = performance.now() - started;
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr), ms, peakBytes: memory.bytes };
  } finally {
    clearInterval(sampling);
    running.delete(child);
  }
}

/** Runs a program that is no part of what is measured. @throws {Error} if it fails */
export async function mustRun(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await runToEnd({ command, args });
  if (code !== 0) throw new Error(`Cannot run ${command}: exit code ${code}: ${stderr.trim()}`);
}

/** A program that runs until it is stopped. */
export class Service implements AsyncDisposable {
  readonly pid: number;
  readonly memory: PeakMemory;
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>[];
  readonly #sampling: ReturnType<typeof setInterval>;
  #output = "";
  #ended = false;
  #changed = Promise.withResolvers<void>();

  constructor(name: string, program: Program) {
    this.#name = name;
    this.#child = new Deno.Command(program.command, {
      args: [...program.args],
      env: program.env ?? {},
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.memory = new PeakMemory(this.pid);
    this.#sampling = setInterval(() => this.memory.sample(), SAMPLE_MS);
    this.#read = [this.#keep(this.#child.stdout), this.#keep(this.#child.stderr)];
    void this.#child.status.then(() => {
      this.#ended = true;
      this.#wake();
    });
    running.add(this.#child);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Waits for a line that matches. @throws {Error} if it does not come */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    const timeout = setTimeout(() => kill(this.#child, "SIGKILL"), READY_MS_MAX);
    try {
      for (;;) {
        const found = pattern.exec(this.#output);
        if (found !== null) return found;
        if (this.#ended) throw this.failure("did not start");
        await this.#changed.promise;
      }
    } finally {
      clearTimeout(timeout);
    }
  }

  failure(what: string): Error {
    return new Error(`Cannot measure: ${this.#name} ${what}: ${this.#output.trim() || "it said nothing"}`);
  }

  /** Asks it to end, and waits. @returns its exit code */
  async stop(): Promise<number> {
    const timeout = setTimeout(() => kill(this.#child, "SIGKILL"), STOP_MS_MAX);
    kill(this.#child, "SIGTERM");
    const { code } = await this.#child.status;
    clearTimeout(timeout);
    clearInterval(this.#sampling);
    running.delete(this.#child);
    await Promise.all(this.#read);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #keep(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (
      const text of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    ) {
      this.#output = (this.#output + text).slice(-OUTPUT_KEPT);
      this.#wake();
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
