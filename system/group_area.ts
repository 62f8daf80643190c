/**
 * The private area of a folder that the users of one Unix group share: `.fsync` is then a directory of the group, with
 * the set-gid bit and writable for it (`share_folder.ts` makes it so), and so is everything in it. Whoever of the group
 * runs a command writes there, under whatever umask, so bits are set and not left to the kernel.
 *
 * The members trust each other as far as the folder goes, and no further: no link that one of them put there is
 * followed.
 */
import { dirname } from "@std/path";
import { isGroupShared } from "./sharing.ts";
import { mayBeMember } from "./unix_group.ts";

/** Of a directory of the area. */
export const AREA_DIR_MODE = 0o2770;
/** Of a file of the area. */
export const AREA_FILE_MODE = 0o660;

/** A file of the area, or the area itself, is not what it must be. */
export class AreaError extends Error {
  override name = "AreaError";
  readonly hint = "somebody has put it there: look at it, and remove it";
  constructor(path: string, what: string) {
    super(`Cannot use "${path}": ${what}`);
  }
}

/** The group that shares the directory `dir`, `null` if it belongs to one user. */
export function groupOfDir(dir: string): number | null {
  const { isDirectory, mode, gid } = Deno.lstatSync(dir);
  return isDirectory && isGroupShared(mode ?? 0) ? gid : null;
}

/** The group that shares the private area of the folder at `root`, `null` if there is none. */
export function groupOfFolder(root: string): number | null {
  try {
    return groupOfDir(`${root}/.fsync`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Gives something that was just made in a private area the bits that it needs there. */
export function shareNew(path: string): void {
  if (groupOfDir(dirname(path)) === null) return;
  const { isDirectory, isFile, uid } = Deno.lstatSync(path);
  // Another member's is as that one has made it.
  if (uid !== Deno.uid()) return;
  if (isDirectory) Deno.chmodSync(path, AREA_DIR_MODE);
  else if (isFile) Deno.chmodSync(path, AREA_FILE_MODE);
}

/**
 * Throws if something else than a regular file stands at `path`: a link would be followed.
 * @throws {AreaError}
 */
export function expectFile(path: string): void {
  try {
    if (!Deno.lstatSync(path).isFile) throw new AreaError(path, "it is not a regular file");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Opens a file of a private area; one that is created is for the area's users alone.
 * @throws {AreaError}
 */
export function openAreaFile(path: string, options: Deno.OpenOptions): Deno.FsFile {
  expectFile(path);
  const file = Deno.openSync(path, { ...options, mode: 0o600 });
  const [opened, there] = [file.statSync(), Deno.lstatSync(path)];
  if (opened.ino !== there.ino || opened.dev !== there.dev) {
    file.close();
    throw new AreaError(path, "it is another file than a moment ago");
  }
  if (opened.size === 0) shareNew(path);
  return file;
}

/** Whether a secret that the group may read is in order: the folder's group, and of somebody in it. */
export function isGroupsSecret(info: Deno.FileInfo, gid: number): boolean {
  if (info.gid !== gid || ((info.mode ?? 0) & 0o007) !== 0 || info.uid === null) return false;
  return info.uid === 0 || info.uid === Deno.uid() || mayBeMember(info.uid, gid);
}
