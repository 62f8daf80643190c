/**
 * One question, one answer, between the commands of one user on one machine: how `fsync status` talks to a running
 * `fsync watch`. A Unix socket that only the user can reach, and in a folder that a Unix group shares, its members;
 * each side sends one line of JSON.
 */
import { hash } from "node:crypto";
import { basename, dirname, resolve } from "@std/path";
import { groupOfDir, groupOfFolder } from "./group_area.ts";
import { makePrivateDir } from "./private_file.ts";
import { runtimeDir, runtimeDirs } from "./state_dirs.ts";

/** Nobody listens, or the exchange failed. */
export class ControlError extends Error {
  override name = "ControlError";
  readonly code: "not_running" | "in_use" | "timeout" | "broken" | "refused";
  constructor(code: ControlError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export interface ControlServer {
  /** Ends it and removes the socket. Questions under way get no answer. */
  close(): void;
}

/** Answers one request; what it throws becomes the error that the asker sees. */
export type ControlHandler = (request: unknown) => unknown;

/** Requests are commands with a few arguments. */
const REQUEST_BYTES_MAX = 64 * 1024;
/** A status with tens of thousands of problems fits. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Enough for a user's scripts; the others wait in the kernel's queue. */
const CONNECTIONS_MAX = 16;
const REQUEST_MS_MAX = 5_000;
const ASK_MS_MAX = 10_000;
const ACCEPT_RETRY_MS = 100;
/** `sun_path` holds 108 bytes, the last of them zero. */
const PATH_BYTES_MAX = 107;
/** Modes of a socket. */
const OWNER_ONLY = 0o600;
const GROUP_TOO = 0o660;

/** The socket for `folder`, named after its real path, in `dir`; in the folder, if a Unix group shares it. */
export function controlSocketPath(folder: string, dir: string = runtimeDir()): string {
  if (groupOfFolder(folder) !== null) return `${Deno.realPathSync(folder)}/.fsync/control.sock`;
  return `${dir}/${hash("sha256", Deno.realPathSync(folder), "hex").slice(0, 32)}.sock`;
}

/**
 * Answers requests at `path`. A socket that a killed process has left there is replaced.
 * @throws {ControlError} in_use, if a living process listens there or something else stands there
 */
export async function serveControl(path: string, handler: ControlHandler): Promise<ControlServer> {
  makePrivateDir(dirname(path));
  await expectFree(path);
  const server = new SocketServer(bind(path), path, handler);
  server.run();
  return server;
}

/**
 * Sends `request` and returns the answer.
 * @throws {ControlError} not_running; timeout; refused (the message is the handler's); broken
 */
export async function askControl(path: string, request: unknown, timeoutMs = ASK_MS_MAX): Promise<unknown> {
  const conn = await connect(path);
  const { promise: late, timer } = timeout(timeoutMs);
  try {
    return await Promise.race([exchange(conn, request), late]);
  } finally {
    clearTimeout(timer);
    conn.close();
  }
}

/**
 * Asks whoever works on `folder`, wherever among `dirs` it listens: in the session of this user, or as a service.
 * @throws {ControlError} as {@link askControl}; not_running if nobody listens anywhere
 */
export async function askFolder(
  folder: string,
  request: unknown,
  timeoutMs = ASK_MS_MAX,
  dirs: readonly string[] = runtimeDirs(),
): Promise<unknown> {
  for (const dir of dirs) {
    try {
      return await askControl(controlSocketPath(folder, dir), request, timeoutMs);
    } catch (error) {
      if (!(error instanceof ControlError && error.code === "not_running")) throw error;
    }
  }
  throw new ControlError("not_running", `Nothing runs on "${folder}"`);
}

class SocketServer implements ControlServer {
  readonly #listener: Deno.UnixListener;
  readonly #path: string;
  readonly #inode: number | null;
  readonly #handler: ControlHandler;
  readonly #open = new Set<Deno.UnixConn>();
  #onRoom: (() => void) | null = null;
  #closed = false;

  constructor(listener: Deno.UnixListener, path: string, handler: ControlHandler) {
    this.#listener = listener;
    this.#path = path;
    this.#inode = Deno.lstatSync(path).ino;
    this.#handler = handler;
  }

  async run(): Promise<void> {
    while (!this.#closed) {
      const conn = await this.#accept();
      if (conn === null) continue;
      this.#open.add(conn);
      this.#answer(conn).finally(() => this.#drop(conn));
      if (this.#open.size >= CONNECTIONS_MAX) await new Promise<void>((resolve) => this.#onRoom = resolve);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const conn of [...this.#open]) this.#drop(conn);
    // Somebody else's socket may stand there by now.
    if (inodeOf(this.#path) === this.#inode) Deno.removeSync(this.#path);
  }

  /** `null` if that failed; then only after a while, so that a lasting failure does not spin. */
  async #accept(): Promise<Deno.UnixConn | null> {
    try {
      return await this.#listener.accept();
    } catch {
      if (!this.#closed) await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      return null;
    }
  }

  async #answer(conn: Deno.UnixConn): Promise<void> {
    const patience = setTimeout(() => this.#drop(conn), REQUEST_MS_MAX);
    try {
      const request = await readLine(conn, REQUEST_BYTES_MAX).finally(() => clearTimeout(patience));
      await writeLine(conn, await this.#outcome(request));
    } catch {
      // The asker went away, or sent no line: nobody is left to tell.
    }
  }

  async #outcome(request: string): Promise<unknown> {
    try {
      return { answer: await this.#handler(JSON.parse(request)) ?? null };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  #drop(conn: Deno.UnixConn): void {
    if (!this.#open.delete(conn)) return;
    conn.close();
    this.#onRoom?.();
    this.#onRoom = null;
  }
}

/** Throws unless nothing, or a socket that nobody listens on, stands at `path`. */
async function expectFree(path: string): Promise<void> {
  const stat = lstatOrNull(path);
  if (stat === null) return;
  if (!stat.isSocket) throw new ControlError("in_use", `Cannot listen at "${path}": something else is there`);
  try {
    (await connect(path)).close();
  } catch {
    return;
  }
  throw new ControlError("in_use", `Cannot listen at "${path}": another process does`);
}

/** Binds in a directory of its own and renames, so that there is no moment without a socket or with an open one. */
function bind(path: string): Deno.UnixListener {
  const temporary = Deno.makeTempDirSync({ dir: dirname(path), prefix: ".new-" });
  try {
    const socket = `${temporary}/socket`;
    const listener = withShortPath(socket, (short) => Deno.listen({ transport: "unix", path: short }));
    try {
      Deno.chmodSync(socket, groupOfDir(dirname(path)) === null ? OWNER_ONLY : GROUP_TOO);
      Deno.renameSync(socket, path);
    } catch (error) {
      listener.close();
      throw error;
    }
    return listener;
  } finally {
    Deno.removeSync(temporary, { recursive: true });
  }
}

async function connect(path: string): Promise<Deno.UnixConn> {
  try {
    return await withShortPath(path, (short) => Deno.connect({ transport: "unix", path: short }));
  } catch (error) {
    const nobody = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ControlError(nobody ? "not_running" : "broken", `Cannot reach "${path}": ${reason}`);
  }
}

/**
 * Calls `use` with a path that fits into a socket address: if need be through a link to its directory. (Through
 * `/proc/self/fd` it would be simpler, but Deno leaves that to programs that may do everything.)
 */
function withShortPath<T>(path: string, use: (path: string) => T): T {
  if (new TextEncoder().encode(path).length <= PATH_BYTES_MAX) return use(path);
  const temporary = Deno.makeTempDirSync({ prefix: "fsync-" });
  const remove = () => Deno.removeSync(temporary, { recursive: true });
  try {
    Deno.symlinkSync(resolve(dirname(path)), `${temporary}/d`);
    const result = use(`${temporary}/d/${basename(path)}`);
    if (result instanceof Promise) return result.finally(remove) as T;
    remove();
    return result;
  } catch (error) {
    remove();
    throw error;
  }
}

async function exchange(conn: Deno.UnixConn, request: unknown): Promise<unknown> {
  const outcome = parseOutcome(await send(conn, request));
  if (outcome === null) {
    throw new ControlError("broken", "The running process gave no answer that makes sense");
  }
  if ("error" in outcome) throw new ControlError("refused", String(outcome.error));
  return outcome.answer;
}

async function send(conn: Deno.UnixConn, request: unknown): Promise<string> {
  try {
    await writeLine(conn, request);
    return await readLine(conn, ANSWER_BYTES_MAX);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ControlError("broken", `The running process gave no answer: ${reason}`);
  }
}

function parseOutcome(line: string): { answer: unknown } | { error: unknown } | null {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null) return null;
    if ("answer" in value) return { answer: value.answer };
    return "error" in value ? { error: value.error } : null;
  } catch {
    return null;
  }
}

function timeout(ms: number): { promise: Promise<never>; timer: ReturnType<typeof setTimeout> } {
  const { promise, reject } = Promise.withResolvers<never>();
  const message = `The running process gave no answer within ${ms / 1000} s`;
  return { promise, timer: setTimeout(() => reject(new ControlError("timeout", message)), ms) };
}

async function writeLine(conn: Deno.UnixConn, value: unknown): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(value) + "\n");
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Reads up to the first newline, at most `max` bytes. */
async function readLine(conn: Deno.UnixConn, max: number): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16 * 1024);
  let text = "";
  let total = 0;
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error("it ended in the middle of a line");
    const end = buffer.subarray(0, count).indexOf(0x0a);
    total += end < 0 ? count : end;
    if (total > max) throw new Error(`its line is longer than ${max} bytes`);
    if (end >= 0) return text + decoder.decode(buffer.subarray(0, end));
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
}

function inodeOf(path: string): number | null {
  return lstatOrNull(path)?.ino ?? null;
}

function lstatOrNull(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
