/**
 * Which server a directory belongs to. A server's own directory has accounts and keys; a folder that was added to it has
 * a note in its `.fsync` that says where those are.
 */
import { makePrivateDir, readPrivateFile, writePrivateFile } from "../system/private_file.ts";
import { SetupError } from "./_exit.ts";
import { isClients, isServers, isThere, syncedAbove, syncedBelow } from "./_nesting.ts";

export interface FolderHome {
  /** Real path of the server's directory; `null`: it has let go of the folder. */
  readonly server: string | null;
  /** Name of the folder there. */
  readonly name: string;
}

/** The folder `name` of the server in the directory `server`. */
export interface Binding {
  readonly server: string;
  readonly name: string;
}

/** Raised when a change would mislead an older program. */
const FORMAT = 1;

/** What the note in the folder at `root` says; `null` if there is none. @throws {SetupError} if it cannot be understood */
export function readHome(root: string): FolderHome | null {
  const path = noteOf(root);
  const text = isThere(path) ? readPrivateFile(path) : null;
  if (text === null) return null;
  try {
    const { format, server, name } = JSON.parse(text) as Record<string, unknown>;
    const known = format === FORMAT && typeof name === "string";
    if (known && (server === null || typeof server === "string")) return { server, name };
  } catch {
    // Falls through to the same answer.
  }
  const hint = `remove it, and add the folder again: fsync folder add`;
  throw new SetupError("state", `Cannot use "${root}": "${path}" is damaged`, hint);
}

/** The directory of the server that serves `root`: `root` itself, unless it is an added folder. @throws {SetupError} */
export function serverOf(root: string): string {
  return readHome(root)?.server ?? root;
}

/**
 * Whether the directory at `root`, which need not be there yet, can become the folder `name` of the server at `server`.
 *
 * @throws {SetupError} if it is, holds, or lies in something that is synced otherwise
 */
export function checkPlace(root: string, { server, name }: Binding): void {
  const action = `Cannot add folder "${name}" at "${root}"`;
  const refuse = (reason: string, hint: string) => new SetupError("usage", `${action}: ${reason}`, hint);
  if (isClients(root)) {
    const hint = "share a directory that no client syncs, and let that one join";
    throw refuse("it is a folder that a client syncs", hint);
  }
  const above = syncedAbove(root);
  if (above !== null) {
    throw refuse(`it lies in "${above}", which is synced already`, "choose a directory outside of it");
  }
  const below = syncedBelow(root);
  if (below !== null) {
    throw refuse(`it holds "${below}", which is synced already`, "choose a directory without it");
  }
  const home = readHome(root);
  if (home === null && isServers(root)) {
    throw refuse("it is a server's own folder", "choose another directory");
  }
  if (home !== null && home.server !== null && home.server !== server && isServers(home.server)) {
    throw refuse(
      `it is the folder "${home.name}" of the server in "${home.server}"`,
      `let go of it there first: fsync folder remove ${home.name} --data ${home.server}`,
    );
  }
}

/** Notes whose folder the directory at `root` is. @returns what takes that back */
export function bindFolder(root: string, binding: Binding): () => void {
  const before = readHome(root);
  makePrivateDir(`${root}/.fsync`);
  writeHome(root, binding);
  return () => before === null ? Deno.removeSync(noteOf(root)) : writeHome(root, before);
}

/** Notes that the folder at `root`, as far as it is there, does not belong to the server at `server` any more. */
export function releaseFolder(root: string, server: string): void {
  try {
    const home = readHome(root);
    if (home?.server === server) writeHome(root, { ...home, server: null });
  } catch {
    // Not there, not ours or damaged: then there is nothing to let go of.
  }
}

/**
 * Makes sure that the directory at `root` still is the folder that was added, and not, say, the empty place where its disk
 * is mounted otherwise.
 *
 * @throws {SetupError}
 */
export function checkAdded(root: string, { server, name }: Binding): void {
  const action = `Cannot serve folder "${name}"`;
  const hint = "bring it back, or let go of it: fsync folder remove " + name;
  if (!isDirectory(root)) {
    throw new SetupError("failed", `${action}: its directory "${root}" is gone`, hint);
  }
  const home = readHome(root);
  if (home === null) {
    throw new SetupError("failed", `${action}: "${root}" is there, but its marker .fsync is gone`, hint);
  }
  // A server that was moved takes its folders with it; one that was copied does not take them from the other.
  const elsewhere = home.server !== null && home.server !== server && isServers(home.server);
  if (elsewhere) {
    const where = `the server in "${home.server}" has it, as "${home.name}"`;
    throw new SetupError("failed", `${action}: ${where}`, `let go of it there or here: fsync folder remove`);
  }
  if (home.server !== server || home.name !== name) writeHome(root, { server, name });
}

/** Makes sure that a server may be started on `root`. @throws {SetupError} if it is a folder of another one */
export function checkOwn(root: string): void {
  const home = isThere(noteOf(root)) ? readHome(root) : null;
  if (home === null) return;
  if (home.server !== null && isServers(home.server)) {
    throw new SetupError(
      "failed",
      `Cannot serve "${root}": it is the folder "${home.name}" of the server in "${home.server}"`,
      `start that one: fsync server ${home.server}`,
    );
  }
  Deno.removeSync(noteOf(root));
}

function noteOf(root: string): string {
  return `${root}/.fsync/server.json`;
}

/** Writes into a copy of an added folder that no server has it: any may add it. */
export function noteCopy(root: string, name: string): void {
  writeHome(root, { server: null, name });
}

function writeHome(root: string, home: FolderHome): void {
  writePrivateFile(noteOf(root), JSON.stringify({ format: FORMAT, ...home }, null, 2) + "\n");
}

function isDirectory(path: string): boolean {
  return isThere(path) && Deno.statSync(path).isDirectory;
}
