/** fsync as its users run it: a server process and a process for each pass. */
import { RUN_FLAGS } from "../../scripts/run_flags.ts";
import { comeToRest } from "./peak_memory.ts";
import { type Program, type Run, runToEnd, Service } from "./process.ts";
import type { Measurement, Rig } from "./rig.ts";
import { awaitTree, listTree } from "./tree.ts";

export interface FsyncOptions {
  readonly tls: boolean;
  /** A compiled program; `null` for the sources, run by this Deno. */
  readonly program: string | null;
}

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

export class FsyncRig implements Rig {
  readonly name = "fsync";
  readonly serverTree: string;
  readonly #options: FsyncOptions;
  readonly #env: Readonly<Record<string, string>>;
  readonly #server: Service;
  readonly #address: string;

  private constructor(
    parts: { serverTree: string; env: Readonly<Record<string, string>>; server: Service; address: string },
    options: FsyncOptions,
  ) {
    this.serverTree = parts.serverTree;
    this.#env = parts.env;
    this.#server = parts.server;
    this.#address = parts.address;
    this.#options = options;
  }

  /** Starts a server that keeps everything in `dir`. @throws {Error} if it does not start */
  static async start(dir: string, options: FsyncOptions): Promise<FsyncRig> {
    const serverTree = `${dir}/server_files`;
    const env = { FSYNC_STATE_DIR: `${dir}/state`, NO_COLOR: "1" };
    const args = ["server", serverTree, "--host", "127.0.0.1", "--port", "0", "--quiet"];
    const server = new Service(
      "the fsync server",
      fsync(options, env, options.tls ? args : [...args, "--no-tls"]),
    );
    const [, port] = await server.line(/^Server listening on \S+:(\d+)$/m);
    return new FsyncRig({ serverTree, env, server, address: `localhost:${port}` }, options);
  }

  /** The server's memory, for measurements that last. */
  get server(): Service {
    return this.#server;
  }

  async rest(): Promise<void> {
    await comeToRest(this.#server.pid);
  }

  async up(root: string): Promise<Measurement> {
    const expected = listTree(root);
    this.#server.memory.reset();
    const startedAt = Date.now();
    const started = performance.now();
    const run = await this.#syncAll(root);
    const changedAt = await awaitTree(this.serverTree, expected);
    // The clock of ctimes ticks in steps, and anything done to a file later renews it: never more than was seen here.
    const settledMs = Math.min(changedAt - startedAt, performance.now() - started);
    return this.#measurement(run, Math.max(run.ms, settledMs));
  }

  async down(root: string): Promise<Measurement> {
    this.#server.memory.reset();
    const run = await this.#syncAll(root);
    return this.#measurement(run, run.ms);
  }

  /** Starts to watch `root`. */
  async watch(root: string): Promise<Service> {
    const args = ["watch", root, "--server", this.#address, "--quiet"];
    const service = new Service(`fsync watch ${root}`, fsync(this.#options, this.#env, args));
    await service.line(/^Watching: /m);
    return service;
  }

  async #syncAll(root: string): Promise<Run> {
    const args = ["sync-all", root, "--server", this.#address, "--json"];
    const run = await runToEnd(fsync(this.#options, this.#env, args));
    if (run.code !== 0) {
      throw new Error(
        `Cannot sync "${root}": fsync ended with code ${run.code}: ${run.stderr.trim()} ${run.stdout.trim()}`,
      );
    }
    return run;
  }

  #measurement(run: Run, ms: number): Measurement {
    this.#server.memory.sample();
    return {
      seconds: ms / 1000,
      wireBytes: wireBytes(run.stdout),
      clientPeakBytes: run.peakBytes,
      serverPeakBytes: this.#server.memory.bytes,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const code = await this.#server.stop();
    if (code !== 0) throw this.#server.failure(`ended with code ${code}`);
  }
}

function wireBytes(json: string): number | null {
  const summary = new Map<string, unknown>(Object.entries(JSON.parse(json)));
  const sent = summary.get("bytes_sent");
  const received = summary.get("bytes_received");
  return typeof sent === "number" && typeof received === "number" ? sent + received : null;
}

function fsync({ program }: FsyncOptions, env: Readonly<Record<string, string>>, args: string[]): Program {
  if (program !== null) return { command: program, args, env };
  return { command: Deno.execPath(), args: ["run", "--quiet", ...RUN_FLAGS, MAIN, ...args], env };
}
