/** Puts a folder on disk, its state, its lock and a connection together into an engine. */
import { existsSync } from "@std/fs";
import { basename, dirname, join, normalize, relative, resolve } from "@std/path";
import { Engine, type EngineOptions } from "../client/engine.ts";
import { type Credential, listCredentials } from "../client/credentials.ts";
import { findCredential } from "../client/group_credential.ts";
import type { EngineEvent } from "../client/events.ts";
import { UnreachableError } from "../client/errors.ts";
import type { IgnoreSettings } from "../client/rule_files.ts";
import { openState } from "../client/sqlite_state.ts";
import type { State, Where } from "../client/state.ts";
import { talk, type WireRemote } from "../client/wire_remote.ts";
import { parsePath, type SyncPath } from "../core/path.ts";
import type { Connector } from "../protocol/remote.ts";
import { parseAddress } from "../system/address.ts";
import { systemClock } from "../system/clock.ts";
import { controlSocketPath } from "../system/control_socket.ts";
import type { Disk } from "../system/disk.ts";
import { type FolderLock, isLocked, lockFolder, type LockRole } from "../system/folder_lock.ts";
import { AreaError } from "../system/group_area.ts";
import { serverNameOf } from "../system/identity.ts";
import { systemRandom } from "../system/random.ts";
import { openDisk } from "../system/real_disk.ts";
import { ConnectError, connectTcp } from "../system/tcp_link.ts";
import type { LineLimits } from "../system/throttle.ts";
import { chooseWhere } from "./_binding.ts";
import type { Context } from "./_command.ts";
import { LockedError, SetupError } from "./_exit.ts";
import { ignoreSettings } from "./_ignore.ts";
import { lineOf } from "./_line.ts";
import { checkClientPlace, isClients, realPathOf, syncedAround } from "./_nesting.ts";
import { SOFTWARE } from "./_software.ts";

export const DEFAULT_CLIENT_DIR = "./client_files";

export interface OpenReplica {
  readonly root: string;
  readonly disk: Disk;
  readonly state: State;
  readonly engine: Engine;
  readonly server: string;
  readonly where: Where;
  readonly line: LineLimits;
  /** Bytes on the wire so far, without what TLS adds. */
  traffic(): Traffic;
  close(): void;
}

export interface Traffic {
  readonly sent: number;
  readonly received: number;
}

/** The folder cannot be had, because another process works on it. */
export class FolderBusy extends LockedError {
  override name = "FolderBusy";
  readonly role: LockRole | null;
  constructor(root: string, role: LockRole | null) {
    const lasting = role === "watch" || role === "server";
    super(
      `Cannot use "${root}": ${role === null ? "another run" : `a running ${role}`} holds it`,
      lasting ? `see what it does: fsync status ${root}` : "try again when it has ended",
    );
    this.role = role;
  }
}

export interface ReplicaOptions {
  readonly root: string;
  readonly role: LockRole;
  readonly onEvent: (event: EngineEvent) => void;
  readonly onLooked?: EngineOptions["onLooked"];
  /** In place of what the folder remembers. */
  readonly ignore?: () => IgnoreSettings;
  /** A conversation with the server has begun. */
  readonly onTalk?: (remote: WireRemote) => void;
}

/**
 * Opens the folder at `root` for syncing.
 *
 * @throws {FolderBusy | SetupError | StateError | CredentialError}
 */
export function openReplica(context: Context, options: ReplicaOptions): OpenReplica {
  const { root } = options;
  const lock = takeLock(root, options.role);
  try {
    const state = openState(`${root}/.fsync/state.db`, systemRandom);
    const where = chooseWhere(context, root, state);
    const { server, folderName } = where;
    const disk = openDisk(root);
    const traffic = new TrafficCount();
    const line = lineOf(context);
    const engine = new Engine({
      disk,
      state,
      clock: systemClock,
      random: systemRandom,
      onEvent: options.onEvent,
      ...(options.onLooked === undefined ? {} : { onLooked: options.onLooked }),
      connector: wireConnector(server, (remote) => {
        traffic.add(remote);
        where.reached(remote.welcome.folder);
        options.onTalk?.(remote);
      }, { limits: line, root, key: where.credential }),
      folder: folderName,
      rootProblem: rootWatch(root),
      guard: "on",
      ignore: options.ignore ?? ignoreSettings(root),
    });
    const close = () => {
      disk.close();
      state.close();
      lock.release();
    };
    return { root, disk, state, engine, server, where, line, traffic: () => traffic.now(), close };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Counts what all connections of a replica have moved, and keeps none that has ended. */
class TrafficCount {
  readonly #open = new Set<WireRemote>();
  #sent = 0;
  #received = 0;

  add(remote: WireRemote): void {
    this.#open.add(remote);
    void remote.closed.then(() => {
      this.#open.delete(remote);
      this.#sent += remote.traffic.sent;
      this.#received += remote.traffic.received;
    });
  }

  now(): Traffic {
    let [sent, received] = [this.#sent, this.#received];
    for (const { traffic } of this.#open) {
      sent += traffic.sent;
      received += traffic.received;
    }
    return { sent, received };
  }
}

/** The lock on the folder at `root`. @throws {FolderBusy | SetupError} */
export function takeLock(root: string, role: LockRole): FolderLock {
  let lock;
  try {
    lock = lockFolder(root, role);
  } catch (error) {
    if (error instanceof AreaError) throw error;
    throw unusable(root, error);
  }
  if (isLocked(lock)) return lock;
  throw new FolderBusy(root, lock.heldBy);
}

function unusable(dir: string, error: unknown): Error {
  if (error instanceof Deno.errors.NotCapable) return error;
  if (error instanceof Deno.errors.PermissionDenied) {
    const hint =
      "choose a folder that you may write to, or have its owner share it: fsync watch --init-group";
    return new SetupError("failed", `Cannot use "${dir}": permission denied`, hint);
  }
  const message = error instanceof Error ? error.message : String(error);
  // "Read-only file system (os error 30): mkdir '…'"
  const reason = message.replace(/ \(os error \d+\).*$/s, "");
  return new SetupError("failed", `Cannot use "${dir}": ${reason.charAt(0).toLowerCase()}${reason.slice(1)}`);
}

/**
 * Connects over TCP with the stored credential, read anew each time: it may come, or be renewed, while we wait.
 *
 * @param options.root the folder that is synced: its group's credential goes before the user's own
 * @param options.key which of the user's own it remembers; empty: the one for the address
 */
export function wireConnector(
  server: string,
  onTalk: (remote: WireRemote) => void,
  { limits, root = null, key = "" }: {
    readonly limits?: LineLimits;
    readonly root?: string | null;
    readonly key?: string;
  } = {},
): Connector {
  return {
    async connect({ replica, folder }, signal) {
      const credential = findCredential(server, root, key);
      if (credential === null) throw noCredential(server);
      const { host, port } = parseAddress(server);
      const tls = pinOf(credential);
      const link = await connectTcp(host, port, { tls, signal, limits }).catch(everyday);
      const token = Uint8Array.from(atob(fromBase64Url(credential.token)), (char) => char.charCodeAt(0));
      const remote = await talk(
        link,
        { software: SOFTWARE, folder, replica, device: credential.device, token },
        systemClock,
      );
      onTalk(remote);
      return remote;
    },
  };
}

/** A server that is down is an everyday matter; one with another certificate is not. */
export function everyday(error: unknown): never {
  if (error instanceof ConnectError && error.code !== "tls") {
    throw new UnreachableError(error.message, error.hint);
  }
  throw error;
}

function pinOf(credential: Credential): { caPem: string; serverName: string } | null {
  if (credential.tls === null) return null;
  return { caPem: credential.tls.caPem, serverName: serverNameOf(credential.tls.caPem) };
}

function fromBase64Url(text: string): string {
  return text.replaceAll("-", "+").replaceAll("_", "/");
}

/** What somebody can do who has no credential: perhaps there is one, for another server than the usual. */
export function credentialHint(): string {
  const known = listCredentials().flatMap((one) => "credential" in one ? one.credential.server : []);
  const few = [...new Set(known)].slice(0, 3);
  return few.length > 0
    ? `there is one for ${few.join(", ")}: name the server with --server`
    : "start the server on this machine first (it leaves one for its own user), or ask its owner for an invitation";
}

function noCredential(server: string): Error {
  return new UnreachableError(
    `Cannot connect to ${server}: there is no credential for it here`,
    credentialHint(),
  );
}

/** Notices a root that vanished, was replaced or is no longer mounted. */
export function rootWatch(root: string): () => string | null {
  const first = Deno.statSync(root);
  return () => {
    try {
      const now = Deno.statSync(root);
      if (now.ino !== first.ino || now.dev !== first.dev) {
        return `Cannot sync "${root}": another directory stands at its place`;
      }
      Deno.statSync(`${root}/.fsync`);
      return null;
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) return `Cannot sync "${root}": permission denied`;
      return `Cannot sync "${root}": the folder, or its marker .fsync, is gone`;
    }
  };
}

/** The folder that holds `path` and is synced, found by walking up; and the path inside it. @throws {SetupError} */
export function findFolder(
  context: Context,
  path: string,
): { readonly root: string; readonly path: SyncPath } {
  const dir = context.value("dir");
  if (dir !== undefined) return { root: prepareClientRoot(dir), path: parsePath(normalize(path)) };
  // The parent is resolved, the last name is not: a link is synced as a link.
  const full = resolve(path);
  const parent = realPathOf(dirname(full));
  if (isClients(join(parent, basename(full))) && !Deno.lstatSync(full).isSymlink) {
    throw new SetupError(
      "usage",
      `Cannot ${context.command.name} "${path}": it is the synced folder itself`,
      `all of it: fsync sync-all ${path}`,
    );
  }
  for (let root = parent; root !== "/"; root = dirname(root)) {
    if (!existsSync(`${root}/.fsync`)) continue;
    return { root, path: parsePath(relative(root, join(parent, basename(full)))) };
  }
  throw new SetupError(
    "usage",
    `Cannot sync "${path}": it is not in a synced folder`,
    "start with: fsync watch DIR",
  );
}

/** The folder that a command works on: the one that is named, or the one around the current directory, or the usual. */
export function chosenDir({ words: [dir] }: Context): string {
  if (dir !== undefined) return dir;
  const around = syncedAround(realPathOf("."));
  return around === null || existsSync(DEFAULT_CLIENT_DIR) ? DEFAULT_CLIENT_DIR : around;
}

/** Of a folder that the server makes: what its users share is not for other users of its machine. */
export const SERVED_MODE = 0o700;

/** The folder's real path; a missing one is made. @param mode of one that is made @throws {SetupError} */
export function prepareRoot(dir: string, mode = 0o777): string {
  try {
    Deno.mkdirSync(dirname(dir), { recursive: true });
    Deno.mkdirSync(dir, { recursive: true, mode });
    return Deno.realPathSync(dir);
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.AlreadyExists) {
      const hint = "name a directory, or a path at which there is nothing yet";
      throw new SetupError("failed", `Cannot use "${dir}": it is not a directory`, hint);
    }
    throw unusable(dir, error);
  }
}

/** As {@link prepareRoot}, for a folder that a client syncs. @throws {SetupError} */
export function prepareClientRoot(dir: string): string {
  checkClientPlace(dir);
  return prepareRoot(dir);
}

/** The socket on which the process that holds `root` answers. */
export function socketOf(root: string): string {
  return controlSocketPath(root);
}
