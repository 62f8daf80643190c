/**
 * Which directories are synced, and around what. One synced folder in another would be sent as a part of it; and where
 * one holds its own server's, without end.
 */
import { basename, dirname, join, resolve } from "@std/path";
import { SetupError } from "./_exit.ts";

/** Whether the directory at `root` is a server's own folder, or was. */
export function isServers(root: string): boolean {
  return isThere(`${root}/.fsync/server.db`) || isThere(`${root}/.fsync/accounts.db`);
}

/** Whether a client syncs the directory at `root`, or did. */
export function isClients(root: string): boolean {
  return isThere(`${root}/.fsync/state.db`);
}

/** The nearest directory that is `dir` (a real path) or above it, and is synced. */
export function syncedAround(dir: string): string | null {
  return isClients(dir) || isServers(dir) ? dir : syncedAbove(dir);
}

/** The nearest directory above `root` that is synced. */
export function syncedAbove(root: string): string | null {
  for (let dir = dirname(root); dir !== dirname(dir); dir = dirname(dir)) {
    if (isClients(dir) || isServers(dir)) return dir;
  }
  return null;
}

/** A look at the first levels is enough to catch a mistake; a whole disk is not searched. */
const LEVELS_BELOW = 3;
const ENTRIES_BELOW_MAX = 20_000;

/** A directory not far below `root` that is synced. */
export function syncedBelow(root: string): string | null {
  let dirs = [root];
  let seen = 0;
  for (let level = 0; level < LEVELS_BELOW; level++) {
    const next: string[] = [];
    for (const dir of dirs) {
      for (const name of directoriesIn(dir)) {
        if (++seen > ENTRIES_BELOW_MAX) return null;
        const child = dir === "/" ? `/${name}` : `${dir}/${name}`;
        if (isClients(child) || isServers(child)) return child;
        next.push(child);
      }
    }
    dirs = next;
  }
  return null;
}

/**
 * Makes sure that a client may begin to sync `dir`, which need not be there yet. One that it synced before passes.
 *
 * @throws {SetupError} if it is a server's, holds something that is synced already, or lies in it
 */
export function checkClientPlace(dir: string): void {
  const root = realPathOf(dir);
  // Also while the server does not run: it is the server that keeps this tree.
  if (isServers(root)) {
    const hint = "choose another directory, beside it";
    throw new SetupError("failed", `Cannot sync "${dir}": it is the directory of a server`, hint);
  }
  if (!isClients(root)) checkAlone(`Cannot sync "${dir}"`, root);
}

/** As {@link checkClientPlace}, for a server. @throws {SetupError} */
export function checkServerPlace(dir: string): void {
  const root = realPathOf(dir);
  if (isServers(root)) return;
  const action = `Cannot serve "${dir}"`;
  if (isClients(root)) {
    const hint = "serve a new directory, and let this one join";
    throw new SetupError("usage", `${action}: it is a folder that a client syncs`, hint);
  }
  checkAlone(action, root);
}

function checkAlone(action: string, root: string): void {
  const above = syncedAbove(root);
  if (above !== null) {
    const hint = `choose a directory outside of it, or use that one: ${above}`;
    throw new SetupError("usage", `${action}: it lies in "${above}", which is synced already`, hint);
  }
  const below = syncedBelow(root);
  if (below !== null) {
    const hint = "choose a directory without it";
    throw new SetupError("usage", `${action}: it holds "${below}", which is synced already`, hint);
  }
}

/** The real path of `path`, of which the last parts need not be there. */
export function realPathOf(path: string): string {
  return realParent(resolve(path));
}

function realParent(dir: string): string {
  try {
    return Deno.realPathSync(dir);
  } catch {
    // Not there (yet): its own parent decides.
    return dir === "/" ? dir : join(realParent(dirname(dir)), basename(dir));
  }
}

/** As far as it can be told: what may not be looked at is not there. */
export function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function directoriesIn(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].filter(({ name, isDirectory }) => isDirectory && name !== ".fsync")
      .map(({ name }) => name);
  } catch {
    // What cannot be read cannot be synced either.
    return [];
  }
}
