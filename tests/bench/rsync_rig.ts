/** The rival: an rsync daemon on loopback, and a process for each pass. */
import { comeToRest } from "./peak_memory.ts";
import { type Run, runToEnd, Service } from "./process.ts";
import type { Measurement, Rig } from "./rig.ts";

export interface RsyncOptions {
  /** Has rsync make each file durable too; by default it leaves that to the kernel. */
  readonly durable: boolean;
}

/**
 * The same work as `fsync sync-all`: everything about a file, what is gone goes, and of a file that changed only the
 * difference.
 */
const ARGS = ["-a", "--delete", "--no-whole-file", "--stats"];
const START_MS_MAX = 10_000;

export class RsyncRig implements Rig {
  readonly name = "rsync";
  readonly serverTree: string;
  readonly #daemon: Service;
  readonly #url: string;
  readonly #args: readonly string[];

  private constructor(serverTree: string, daemon: Service, url: string, options: RsyncOptions) {
    this.serverTree = serverTree;
    this.#daemon = daemon;
    this.#url = url;
    this.#args = options.durable ? [...ARGS, "--fsync"] : ARGS;
  }

  /** Starts a daemon that keeps everything in `dir`. @throws {Error} if it does not start */
  static async start(dir: string, options: RsyncOptions): Promise<RsyncRig> {
    const serverTree = `${dir}/server_files`;
    const config = `${dir}/rsyncd.conf`;
    Deno.mkdirSync(serverTree, { recursive: true });
    Deno.writeTextFileSync(config, configuration(serverTree));
    const port = freePort();
    const args = ["--daemon", "--no-detach", `--config=${config}`, "--address=127.0.0.1", `--port=${port}`];
    const daemon = new Service("the rsync daemon", { command: "rsync", args });
    await untilItAnswers(daemon, port);
    return new RsyncRig(serverTree, daemon, `rsync://127.0.0.1:${port}/tree/`, options);
  }

  async rest(): Promise<void> {
    await comeToRest(this.#daemon.pid);
  }

  async up(root: string): Promise<Measurement> {
    return await this.#run(`${root}/`, this.#url);
  }

  async down(root: string): Promise<Measurement> {
    return await this.#run(this.#url, `${root}/`);
  }

  async #run(from: string, to: string): Promise<Measurement> {
    this.#daemon.memory.reset();
    const run = await runToEnd({ command: "rsync", args: [...this.#args, from, to] });
    if (run.code !== 0) {
      throw new Error(
        `Cannot sync "${from}" to "${to}": rsync ended with code ${run.code}: ${run.stderr.trim()}`,
      );
    }
    this.#daemon.memory.sample();
    return {
      seconds: run.ms / 1000,
      wireBytes: wireBytes(run),
      clientPeakBytes: run.peakBytes,
      serverPeakBytes: this.#daemon.memory.bytes,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.stop();
  }
}

/** Whether there is an rsync to measure against. */
export async function hasRsync(): Promise<boolean> {
  try {
    return (await runToEnd({ command: "rsync", args: ["--version"] })).code === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Links are carried as they are, by the user who measures. */
function configuration(tree: string): string {
  return [
    `uid = ${Deno.uid()}`,
    `gid = ${Deno.gid()}`,
    "use chroot = no",
    "munge symlinks = no",
    "reverse lookup = no",
    "[tree]",
    `path = ${tree}`,
    "read only = no",
    "",
  ].join("\n");
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function untilItAnswers(daemon: Service, port: number): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (!daemon.ended && performance.now() < deadline) {
    try {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      if ((await connection.read(new Uint8Array(8))) === 8) return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  const failure = daemon.failure("did not start");
  await daemon.stop();
  throw failure;
}

function wireBytes({ stdout }: Run): number {
  return [...stdout.matchAll(/^Total bytes (?:sent|received): ([\d.,]+)$/gm)]
    .reduce((sum, [, count]) => sum + Number(count!.replaceAll(/\D/g, "")), 0);
}
