/**
 * The private area of a folder that the users of one Unix group share: `.fsync` is then a directory of the group, with
 * the set-gid bit and writable for it (`share_folder.ts` makes it so), and so is everything in it. Whoever of the group
 * runs a command writes there, under whatever umask, so bits are set and not left to the kernel.
 *
 * The members trust each other as far as the folder goes, and no further: no link that one of them put there is
 * followed.
 */
import { dirname } from "@std/path";
import { diskError } from "./errno.ts";
import { writeAll } from "./file_io.ts";
import { isGroupShared } from "./sharing.ts";
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY } from "./sys.ts";
import { systemCalls } from "./system_calls.ts";
import { mayBeMember } from "./unix_group.ts";

/** Of a directory of the area. */
export const AREA_DIR_MODE = 0o2770;
/** Of a file of the area. */
export const AREA_FILE_MODE = 0o660;
/** Of a secret that the group may read, in the area or elsewhere. */
export const GROUPS_SECRET_MODE = 0o640;

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
  // By descriptor: another member may put a link at the path meanwhile.
  const sys = systemCalls();
  const fd = sys.open(null, path, O_PATH | O_NOFOLLOW);
  const stat = fd < 0 ? fd : sys.fstat(fd);
  const owner = fd < 0 ? fd : sys.owner(fd);
  // Another member's is as that one has made it.
  if (typeof stat !== "number" && typeof owner !== "number" && owner.uid === Deno.uid()) {
    const mode = stat.kind === "dir" ? AREA_DIR_MODE : stat.kind === "file" ? AREA_FILE_MODE : stat.mode;
    if (mode !== stat.mode) sys.chmodAny(fd, mode);
  }
  if (fd >= 0) sys.close(fd);
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

/**
 * Replaces `path` in one step by a durable file that its owner may write and the group `gid` may read.
 * @throws {DiskError}
 */
export function writeGroupsSecret(path: string, text: string, gid: number): void {
  const sys = systemCalls();
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  const fd = sys.open(null, temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
  if (fd < 0) throw diskError(fd, "write", path);
  let result = writeAll(sys, fd, new TextEncoder().encode(text), 0);
  if (result === 0) result = sys.setGroupAny(fd, gid);
  if (result === 0) result = sys.chmod(fd, GROUPS_SECRET_MODE);
  if (result === 0) result = sys.fsyncNow(fd);
  sys.close(fd);
  if (result < 0) {
    Deno.removeSync(temporary);
    throw diskError(result, "write", path);
  }
  Deno.renameSync(temporary, path);
}

/** Whether a secret that the group may read is in order: the folder's group, and of somebody in it. */
export function isGroupsSecret(info: Deno.FileInfo, gid: number): boolean {
  if (info.gid !== gid || ((info.mode ?? 0) & ~GROUPS_SECRET_MODE & 0o777) !== 0 || info.uid === null) {
    return false;
  }
  return info.uid === 0 || info.uid === Deno.uid() || mayBeMember(info.uid, gid);
}
