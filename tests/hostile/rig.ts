/**
 * A real client (engine, disk, state, TCP) in a folder of its own, beside canaries that nobody may touch, and a server
 * that a test makes hostile.
 */
import { assert, assertEquals } from "@std/assert";
import { Engine } from "../../client/engine.ts";
import type { EngineStatus } from "../../client/engine_status.ts";
import type { EngineEvent } from "../../client/events.ts";
import { openState } from "../../client/sqlite_state.ts";
import { talk } from "../../client/wire_remote.ts";
import type { Connector } from "../../protocol/remote.ts";
import { systemClock } from "../../system/clock.ts";
import type { Disk } from "../../system/disk.ts";
import { systemRandom } from "../../system/random.ts";
import { openDisk } from "../../system/real_disk.ts";
import { connectTcp, type PinnedServer } from "../../system/tcp_link.ts";
import type { State } from "../../client/state.ts";
import { HostileServer } from "./hostile_server.ts";

/** A secret that must not be seen by anybody who is not the server. */
export const TOKEN = new TextEncoder().encode("0123456789abcdefSECRETSECRETSECR");

export interface RigOptions {
  readonly tls?: PinnedServer | null;
  readonly headsBytesMax?: number;
  /** Whether ignore files count. */
  readonly ignores?: boolean;
}

export type PassEnd = { readonly status: EngineStatus } | { readonly error: Error };

export class Rig implements AsyncDisposable {
  readonly base = Deno.makeTempDirSync({ prefix: "fsync-hostile-" });
  readonly root = `${this.base}/root`;
  readonly canary = `${this.base}/canary`;
  readonly events: EngineEvent[] = [];
  server = new HostileServer();
  readonly #options: RigOptions;
  readonly #untouched: string;
  #state: State;
  #disk: Disk;

  constructor(options: RigOptions = {}) {
    this.#options = options;
    Deno.mkdirSync(`${this.root}/.fsync`, { recursive: true, mode: 0o700 });
    Deno.mkdirSync(`${this.canary}/below`, { recursive: true });
    for (const name of ["secret", "x", "below/deep"]) {
      Deno.writeTextFileSync(`${this.canary}/${name}`, `canary ${name}`);
    }
    Deno.writeTextFileSync(`${this.base}/beside`, "canary beside");
    this.#untouched = this.#outside();
    this.#state = openState(`${this.root}/.fsync/state.db`, systemRandom);
    this.#disk = openDisk(this.root);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.#disk.close();
    this.#state.close();
    Deno.removeSync(this.base, { recursive: true });
  }

  get binding() {
    return this.#state.binding();
  }

  at(path: string): string {
    return `${this.root}/${path}`;
  }

  connector(): Connector {
    const { tls = null } = this.#options;
    return {
      connect: async (hello, signal) => {
        const link = await connectTcp("127.0.0.1", this.server.port, { tls, signal });
        const fields = { ...hello, software: "rig", device: "d".repeat(32), token: TOKEN };
        return await talk(link, fields, systemClock);
      },
    };
  }

  engine(): Engine {
    const { headsBytesMax, ignores = false } = this.#options;
    const ignore = () => ({ excludes: "", excludesSource: "here", builtin: false, git: true });
    return new Engine({
      disk: this.#disk,
      state: this.#state,
      clock: systemClock,
      random: systemRandom,
      onEvent: (event) => void this.events.push(event),
      connector: this.connector(),
      folder: "",
      rootProblem: () => null,
      guard: "on",
      ...(headsBytesMax === undefined ? {} : { headsBytesMax }),
      ...(ignores ? { ignore } : {}),
    });
  }

  /** One pass, whatever comes of it. */
  async pass(prepare: (engine: Engine) => void = () => {}): Promise<PassEnd> {
    const engine = this.engine();
    prepare(engine);
    try {
      return { status: await engine.pass(new AbortController().signal) };
    } catch (error) {
      assert(error instanceof Error, `${error}`);
      return { error };
    }
  }

  /** A pass that ends by itself. */
  async status(prepare: (engine: Engine) => void = () => {}): Promise<EngineStatus> {
    const end = await this.pass(prepare);
    if ("error" in end) throw end.error;
    return end.status;
  }

  /** A pass that is given up. @returns its error */
  async refusal(): Promise<Error> {
    const end = await this.pass();
    if ("status" in end) throw new Error(`the client saw nothing wrong: ${JSON.stringify(end.status)}`);
    return end.error;
  }

  /** Watches while `work` goes on. */
  async watch(work: (engine: Engine) => Promise<void>): Promise<void> {
    const engine = this.engine();
    const stop = new AbortController();
    const running = engine.run(stop.signal);
    try {
      await Promise.race([work(engine), running]);
    } finally {
      stop.abort();
      await running;
    }
  }

  /** Files (with their text), directories (with a slash) and links of the folder. */
  files(): string[] {
    const lines: string[] = [];
    walk(this.root, "", (path, info) => {
      if (path === ".fsync" || path.startsWith(".fsync/")) return;
      if (info.isSymlink) lines.push(`${path} -> ${Deno.readLinkSync(this.at(path))}`);
      else lines.push(info.isFile ? `${path}=${Deno.readTextFileSync(this.at(path))}` : `${path}/`);
    });
    return lines.sort();
  }

  /** Nothing outside the folder was touched, nothing strange lies in `.fsync`, and no file has special bits. */
  checkUntouched(): void {
    assertEquals(this.#outside(), this.#untouched);
    for (const { name } of Deno.readDirSync(this.at(".fsync"))) {
      assert(["state.db", "state.db-wal", "state.db-shm", "stage"].includes(name), `.fsync/${name}`);
    }
    walk(this.root, "", (path, { mode, isFile, isDirectory, isSymlink }) => {
      assert(isFile || isDirectory || isSymlink, `"${path}" is something special`);
      assertEquals(isSymlink ? 0 : mode! & 0o7000, 0, `"${path}" has special bits`);
    });
  }

  /** Afterwards an honest server, the same one as before, still syncs the folder. */
  async checkHonest(expected: Readonly<Record<string, string>>): Promise<void> {
    this.checkUntouched();
    this.server.on = {};
    this.server.welcome = {};
    // What the hostile one told has used up revisions.
    this.server.revision += 10_000;
    for (const [path, { entry, bytes }] of [...this.server.heads]) this.server.setHead(path, entry, bytes);
    for (const [path, text] of Object.entries(expected)) this.server.put(path, text);
    this.server.put("honest", "again");
    const status = await this.status();
    assertEquals(status.problems, []);
    assertEquals(status.state, "in sync");
    assertEquals(Deno.readTextFileSync(this.at("honest")), "again");
    for (const [path, text] of Object.entries(expected)) {
      assertEquals(Deno.readTextFileSync(this.at(path)), text, path);
    }
    this.checkUntouched();
  }

  /** Everything beside the folder, with its times and contents. */
  #outside(): string {
    const lines: string[] = [];
    walk(this.base, "", (path, { mtime, mode, ino, isFile }) => {
      if (path === "root" || path.startsWith("root/")) return;
      const text = isFile ? Deno.readTextFileSync(`${this.base}/${path}`) : "";
      lines.push(`${path} ${ino} ${mode} ${mtime?.getTime()} ${text}`);
    });
    return lines.sort().join("\n");
  }
}

function walk(dir: string, prefix: string, meet: (path: string, info: Deno.FileInfo) => void): void {
  for (const { name } of Deno.readDirSync(dir)) {
    const info = Deno.lstatSync(`${dir}/${name}`);
    meet(prefix + name, info);
    if (info.isDirectory) walk(`${dir}/${name}`, `${prefix}${name}/`, meet);
  }
}

/** A test named for its row, with a rig of its own. */
export function hostileTest(name: string, body: (rig: Rig) => Promise<void>, options: RigOptions = {}): void {
  Deno.test(`hostile server: ${name}`, async () => {
    await using rig = new Rig(options);
    await body(rig);
  });
}
