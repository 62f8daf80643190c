/** Finds the folder that a command about the past means, and asks whoever can answer: its server, or its own stores. */
import { existsSync } from "@std/fs";
import { basename, dirname, join, normalize, relative, resolve } from "@std/path";
import { credentialKey } from "../client/credentials.ts";
import { openState } from "../client/sqlite_state.ts";
import { WireHistory } from "../client/wire_history.ts";
import type { WireRemote } from "../client/wire_remote.ts";
import { parsePath, type SyncPath } from "../core/path.ts";
import type { History } from "../protocol/history.ts";
import type { Id } from "../protocol/messages.ts";
import { DEFAULT_PORT, formatAddress, parseAddress } from "../system/address.ts";
import { systemRandom } from "../system/random.ts";
import { askRunning, type LiveStatus } from "./_control.ts";
import type { Context, Flag } from "./_command.ts";
import { SetupError } from "./_exit.ts";
import { realPathOf } from "./_nesting.ts";
import { openOffline } from "./_offline.ts";
import { DEFAULT_CLIENT_DIR, wireConnector } from "./_replica.ts";
import { DEFAULT_SERVER_DIR } from "./server.ts";

/** Flags of the commands that work on a client's folder and on a server's. */
export const PLACE_FLAGS: readonly Flag[] = [
  { name: "dir", value: "DIR", help: "the synced folder; PATH is relative to it" },
  { name: "data", value: "DIR", help: "the server's folder, with the server running or not" },
];

export interface Place {
  readonly root: string;
  /** Whether it is the folder of a server. */
  readonly server: boolean;
  /** `null` is the folder itself. */
  readonly path: SyncPath | null;
}

/** The folder that `word` (a path on disk) lies in, or the default one. @throws {SetupError | PathError} */
export function findPlace(context: Context, word: string | undefined): Place {
  const data = context.value("data");
  const dir = data ?? context.value("dir");
  if (dir !== undefined) return placeAt(context, dir, word === undefined ? "." : normalize(word));
  if (word === undefined) {
    const around = folderAround(Deno.realPathSync("."));
    const known = around ?? [DEFAULT_CLIENT_DIR, DEFAULT_SERVER_DIR].find(isFolder);
    if (known !== undefined) return placeAt(context, known, ".");
    throw new SetupError(
      "usage",
      `Cannot run ${context.command.name}: no folder is named`,
      "name it: --dir DIR",
    );
  }
  return walkUp(word);
}

function placeAt(context: Context, dir: string, path: string): Place {
  if (!isFolder(dir)) {
    throw new SetupError("failed", `Cannot run ${context.command.name}: "${dir}" was never synced`);
  }
  const root = Deno.realPathSync(dir);
  return { root, server: isServer(root), path: path === "." ? null : parsePath(path.replace(/\/$/, "")) };
}

function walkUp(word: string): Place {
  const full = resolve(word);
  if (isFolder(full)) {
    const root = Deno.realPathSync(full);
    return { root, server: isServer(root), path: null };
  }
  // The parent is resolved, the last name is not: a link is synced as a link. Either may be deleted.
  const parent = realPathOf(dirname(full));
  const root = folderAround(parent);
  if (root !== null) {
    return { root, server: isServer(root), path: parsePath(relative(root, join(parent, basename(full)))) };
  }
  throw new SetupError(
    "usage",
    `Cannot use "${word}": it is not in a synced folder`,
    "name the folder: --dir DIR",
  );
}

/** The nearest synced folder that is `dir` or holds it. */
function folderAround(dir: string): string | null {
  for (let root = dir; root !== "/"; root = dirname(root)) if (isFolder(root)) return root;
  return null;
}

/** Whether `dir` is a directory that is, or was, synced. */
function isFolder(dir: string): boolean {
  try {
    return Deno.statSync(`${dir}/.fsync`).isDirectory;
  } catch {
    return false;
  }
}

function isServer(root: string): boolean {
  return existsSync(`${root}/.fsync/server.db`);
}

export interface OpenHistory {
  readonly history: History;
  /** Who asks. */
  readonly user: string;
  readonly device: string;
  /** Before and after something is changed: lets the plain tree of a server that does not run follow. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the past of the folder at `place`. */
export async function openHistory(context: Context, place: Place, signal: AbortSignal): Promise<OpenHistory> {
  const running = await askRunning(place.root, { ask: "status" });
  if (!place.server) return await overWire(clientServer(context, place.root, running?.server), signal);
  if (running !== null) {
    return await overWire(ownServer(running), signal);
  }
  const offline = openOffline(place.root, context.output);
  return {
    history: offline.history,
    user: offline.user,
    device: offline.device,
    settle: () => offline.settle(signal),
    close: () => offline.close(),
  };
}

interface Target {
  readonly server: string;
  /** The client's folder that was asked about. */
  readonly root: string | null;
  /** What the folder was synced with; another one must not be taken for it. */
  readonly folder: Id | null;
  /** Its name on the server; empty: the main one. */
  readonly name: string;
  /** The credential that the folder remembers; empty: the one for the address. */
  readonly key: string;
}

/** Where a server of this machine is reached, with the credential that it left for its own user. */
function ownServer({ server, folder: name = "" }: LiveStatus): Target {
  const { host, port } = parseAddress(server);
  const key = credentialKey({ host: "localhost", port });
  return { server: formatAddress(dialled(host), port), root: null, folder: null, name, key };
}

function dialled(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

function clientServer(context: Context, root: string, running: string | undefined): Target {
  const state = openState(`${root}/.fsync/state.db`, systemRandom);
  try {
    const { server, folder, folderName, credential } = state.binding();
    const known = running ?? (server === "" ? `localhost:${DEFAULT_PORT}` : server);
    return { server: context.value("server") ?? known, root, folder, name: folderName, key: credential };
  } finally {
    state.close();
  }
}

async function overWire(target: Target, signal: AbortSignal): Promise<OpenHistory> {
  let remote: WireRemote | null = null;
  const { server, root, key } = target;
  const connector = wireConnector(server, (connected) => remote = connected, { root, key });
  // A replica of its own: the folder's real one has to be told of what is changed here.
  const replica = systemRandom.bytes(16).toHex();
  const { welcome } = await connector.connect({ replica, folder: target.name }, signal);
  const connected = remote! as WireRemote;
  if (target.folder !== null && welcome.folder !== target.folder) {
    connected.close();
    throw new SetupError("failed", `Cannot use ${target.server}: it serves another folder than this one`);
  }
  return {
    history: new WireHistory(connected),
    user: welcome.user,
    device: welcome.deviceName,
    settle: () => Promise.resolve(),
    close: () => Promise.resolve(connected.close()),
  };
}
