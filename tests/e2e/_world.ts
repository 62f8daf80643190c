/**
 * A server, folders and the real program, in a temporary place of their own. Everything that was started is ended and
 * removed, whatever happens; a test that fails prints what the processes had said.
 */
import { PATIENCE_MS, type Place, Program, type Result, type RunOptions, runProgram } from "./_program.ts";
import { differences, readTree, type Tree } from "./_tree.ts";
import { type Conflicts, readConflicts, readVersions, type VersionRow } from "./_records.ts";

export interface WorldOptions {
  /** Passed to the server, e.g. `--no-tls`. */
  readonly server?: readonly string[];
}

export class World implements AsyncDisposable, Place {
  readonly cwd: string;
  readonly env: { readonly [name: string]: string };
  readonly programs: Program[] = [];
  readonly #serverFlags: readonly string[];
  #server: Program | null = null;
  #port = 0;

  constructor(options: WorldOptions = {}) {
    this.cwd = Deno.makeTempDirSync({ prefix: "fsync-e2e-" });
    this.#serverFlags = options.server ?? [];
    this.env = { ...outerEnvironment(), FSYNC_STATE_DIR: `${this.cwd}/state`, USER: "ann", NO_COLOR: "1" };
  }

  /** `localhost:port`. */
  get address(): string {
    return `localhost:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get server(): Program {
    if (this.#server === null) throw new Error("no server was started");
    return this.#server;
  }

  get serverDir(): string {
    return this.path("server_files");
  }

  path(name: string): string {
    return `${this.cwd}/${name}`;
  }

  /** Starts the server; again on the same port after it ended. */
  async startServer(options: RunOptions = {}): Promise<Program> {
    const flags = ["--host", "127.0.0.1", "--port", String(this.#port), ...this.#serverFlags];
    const server = this.start("server", ["server", "./server_files", ...flags], options);
    const ready = await server.line("Server listening on ");
    this.#port = Number(ready.slice(ready.lastIndexOf(":") + 1));
    return this.#server = server;
  }

  /** Starts `watch` on a folder. */
  async startWatch(name: string, options: RunOptions = {}): Promise<Program> {
    const watch = this.start(name, ["watch", name, "--server", this.address], options);
    await watch.line(`Watching: ${name}`);
    return watch;
  }

  start(name: string, args: readonly string[], options: RunOptions = {}): Program {
    const program = new Program(name, this, args, options);
    this.programs.push(program);
    return program;
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return runProgram(this, args, options);
  }

  /** One pass over a folder. */
  syncAll(name: string, ...flags: readonly string[]): Promise<Result> {
    return this.run(["sync-all", name, "--server", this.address, ...flags]);
  }

  tree(name: string): Tree {
    return readTree(this.path(name));
  }

  /** Waits until these folders, and the server's, hold the same; returns what that is. */
  async equal(...names: readonly string[]): Promise<Tree> {
    const deadline = performance.now() + PATIENCE_MS;
    for (let pause = 10;; pause = Math.min(pause * 1.5, 200)) {
      // Contents are compared only when all else is the same.
      const different = this.#compare(names, false) ?? this.#compare(names, true);
      if (different === null) return this.tree("server_files");
      if (performance.now() > deadline) throw new Error(`The folders stay different\n${different}`);
      await sleep(pause);
    }
  }

  /** How these folders differ from the server's, `null` if they do not. */
  #compare(names: readonly string[], contents: boolean): string | null {
    const server = readTree(this.serverDir, contents);
    const lines = names.map((name) => ({
      name,
      lines: differences(server, readTree(this.path(name), contents)),
    }));
    const wrong = lines.filter(({ lines }) => lines.length > 0);
    if (wrong.length === 0) return null;
    return wrong.map(({ name, lines }) => `server | ${name}:\n  ${lines.join("\n  ")}`).join("\n");
  }

  /** Waits until these watched folders, by their own status, are in sync, and equal; returns what they hold. */
  async inSync(...names: readonly string[]): Promise<Tree> {
    const deadline = performance.now() + PATIENCE_MS;
    await this.equal(...names);
    for (const name of ["server_files", ...names]) {
      for (;;) {
        const { stdout } = await this.run(["status", name, "--json"]);
        const status = JSON.parse(stdout) as { state: string };
        if (status.state === "in sync") break;
        if (performance.now() > deadline) throw new Error(`${name} does not get in sync: ${stdout}`);
      }
    }
    return await this.equal(...names);
  }

  /** All versions that the server knows, oldest first. */
  versions(): VersionRow[] {
    return readVersions(this.serverDir);
  }

  conflicts(): Conflicts {
    return readConflicts(this.serverDir);
  }

  /** What the processes said, for a failed test. */
  dump(): string {
    return this.programs.map(({ name, code, stdout, stderr }) =>
      [
        `--- ${name} (${code === null ? "running" : `ended with ${code}`})`,
        ...stdout.slice(-40),
        ...stderr.slice(-40),
      ]
        .join("\n")
    ).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.programs) await program.kill();
    Deno.removeSync(this.cwd, { recursive: true });
  }
}

/** A test in a world of its own. */
export function worldTest(
  name: string,
  body: (world: World, t: Deno.TestContext) => Promise<void>,
  options: WorldOptions = {},
): void {
  Deno.test(`e2e: ${name}`, async (t) => {
    await using world = new World(options);
    try {
      await body(world, t);
    } catch (error) {
      console.error(world.dump());
      throw error;
    }
  });
}

/** Waits until `holds`; for states that can only be polled. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (let pause = 5;; pause = Math.min(pause * 1.5, 200)) {
    if (await holds()) return;
    if (performance.now() > deadline) throw new Error(`It never came to this: ${what}`);
    await sleep(pause);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs a shell command, e.g. to make names that are not UTF-8. */
export async function shell(line: string, cwd: string): Promise<void> {
  const { code, stderr } = await new Deno.Command("sh", { args: ["-ec", line], cwd, stdin: "null" }).output();
  if (code !== 0) throw new Error(`"${line}" ended with ${code}: ${new TextDecoder().decode(stderr)}`);
}

/** What the program needs to start, and nothing that would change what it does. */
function outerEnvironment(): { [name: string]: string } {
  const kept = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR", "LD_LIBRARY_PATH"];
  return Object.fromEntries(kept.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

/** Bytes that do not compress. */
export function fresh(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65_536, size)));
  }
  return bytes;
}

/**
 * What to put before a command so that permissions bind it: nothing for a user, without privileges for root;
 * `null` if those cannot be dropped.
 */
export function unprivileged(): readonly string[] | null {
  if (Deno.uid() !== 0) return [];
  const wrapper = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
  try {
    const [file, ...rest] = wrapper;
    return new Deno.Command(file!, { args: [...rest, "true"] }).outputSync().success ? wrapper : null;
  } catch {
    return null;
  }
}

/** What to put before a command so that `dir` is a disk of its own of so many MiB for it; `null` if that cannot be had. */
export function onSmallDisk(dir: string, mebibytes: number): readonly string[] | null {
  const script = `mkdir -p "$0" && mount -t tmpfs -o size=${mebibytes}m tmpfs "$0" && exec "$@"`;
  const wrapper = ["unshare", ...(Deno.uid() === 0 ? ["-m"] : ["-rm"]), "sh", "-c", script, dir];
  try {
    const [file, ...rest] = wrapper;
    return new Deno.Command(file!, { args: [...rest, "true"] }).outputSync().success ? wrapper : null;
  } catch {
    return null;
  }
}
