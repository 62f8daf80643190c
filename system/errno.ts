/** Error numbers of Linux (the same on x86-64 and ARM64) and what they mean to sync. */
import { DiskError, type DiskErrorCode } from "./disk.ts";

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EACCES = 13;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const EROFS = 30;
export const EMLINK = 31;
export const ENAMETOOLONG = 36;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const EOPNOTSUPP = 95;

const MEANING = new Map<number, readonly [DiskErrorCode, string]>([
  [EPERM, ["permission", "operation not permitted"]],
  [ENOENT, ["not_found", "no such file or directory"]],
  [EIO, ["io", "the device reports an error"]],
  [ENXIO, ["not_a_file", "it is a socket, a device or a named pipe"]],
  [EACCES, ["permission", "permission denied"]],
  [16, ["io", "it is in use (a mount point?)"]],
  [EEXIST, ["exists", "it exists already"]],
  [EXDEV, ["io", "it lies on another file system"]],
  [ENOTDIR, ["not_a_directory", "a part of the path is not a directory"]],
  [EISDIR, ["is_a_directory", "it is a directory"]],
  [EINVAL, ["io", "the file system refuses it"]],
  [23, ["too_many_files", "too many open files on this machine"]],
  [24, ["too_many_files", "too many open files"]],
  [26, ["io", "it is being executed"]],
  [27, ["no_space", "the file is larger than the file system allows"]],
  [28, ["no_space", "no space left on the device"]],
  [EROFS, ["read_only", "the file system is read-only"]],
  [EMLINK, ["io", "too many hard links"]],
  [ENAMETOOLONG, ["name_too_long", "the name is too long"]],
  [ENOTEMPTY, ["not_empty", "the directory is not empty"]],
  [ELOOP, ["link_in_path", "a part of the path is a symbolic link"]],
  [116, ["io", "the network file system lost it (stale handle)"]],
  [122, ["no_space", "the disk quota is used up"]],
]);

/** The {@link DiskError} for a negative result of a {@link Sys} call. */
export function diskError(result: number, action: string, path: string): DiskError {
  const meaning = MEANING.get(-result);
  if (meaning === undefined) return new DiskError("io", action, path, `error number ${-result}`);
  return new DiskError(meaning[0], action, path, meaning[1]);
}
