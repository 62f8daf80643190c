/**
 * The few system calls that the disk is made of, on raw descriptors and single names. `libc.ts` calls libc,
 * `deno_sys.ts` is the fallback on `node:fs`.
 *
 * Calls never throw: a result below zero is a negated error number (see `errno.ts`). Names are single parts of a path
 * unless said otherwise.
 */
import { NAME_BYTES_MAX, nameProblem, RESERVED_NAME } from "../core/path.ts";
import type { DirItem, FileKind, Stat } from "./disk.ts";

export interface Sys {
  readonly name: "libc" | "deno";
  /** Whether times come with the file system's own precision (else mtime is cut to ms, ctime to s). */
  readonly exactTimes: boolean;

  /** Opens `name` in `dirFd` (`null`: `name` is a path for the process). `O_CLOEXEC` is added. */
  open(dirFd: number | null, name: string, flags: number, mode?: number): number;
  /** Opens the relative path `path` below `dirFd`; a symbolic link anywhere in it is `-ELOOP`. Not for creating. */
  openBeneath(dirFd: number, path: string, flags: number): number;
  close(fd: number): void;
  /** What lstat tells. */
  stat(dirFd: number, name: string): Stat | number;
  fstat(fd: number): Stat | number;
  owner(fd: number): Owner | number;
  /** Every name in the directory, with its stat. `fd` must be open for reading and is read to its end. */
  list(fd: number): DirItem[] | number;
  /** Bytes read, 0 at the end. */
  read(fd: number, into: Uint8Array, offset: number): number;
  /** Bytes written; may be fewer than asked. */
  write(fd: number, bytes: Uint8Array, offset: number): number;
  truncate(fd: number, size: number): number;
  mkdir(dirFd: number, name: string, mode: number): number;
  symlink(target: string, dirFd: number, name: string): number;
  /** The bytes of a link's text. */
  readLink(dirFd: number, name: string): Uint8Array | number;
  /** Hard link; a symbolic link is linked itself. */
  link(fromFd: number, from: string, toFd: number, to: string): number;
  unlink(dirFd: number, name: string): number;
  rmdir(dirFd: number, name: string): number;
  /** `flags`: 0, {@link RENAME_NOREPLACE} or {@link RENAME_EXCHANGE}; `-EINVAL` if the flag cannot be had here. */
  rename(fromFd: number, from: string, toFd: number, to: string, flags: number): number;
  /** `fd` must be open for reading or writing. */
  chmod(fd: number, mode: number): number;
  /** Sets the modification time, ms since 1970. `fd` must be open for reading or writing. */
  setMtime(fd: number, mtime: number): number;
  /** As {@link chmod}, for any descriptor, `O_PATH` too (needs /proc). */
  chmodAny(fd: number, mode: number): number;
  setMtimeAny(fd: number, mtime: number): number;
  /** Gives the group `gid`; `fd` may be `O_PATH`. */
  setGroupAny(fd: number, gid: number): number;
  /** Copies up to `length` bytes inside the kernel; `-EINVAL` if that cannot be had here. */
  copyRange(fromFd: number, toFd: number, offset: number, length: number): number;
  statfs(fd: number): FileSystemInfo | number;
  fsyncNow(fd: number): number;
  /** fdatasync, or fsync for a directory, without blocking the thread. */
  fsync(fd: number): Promise<number>;
  /** Makes the whole file system of `fd` durable; `null` if that cannot be had here. */
  readonly syncfs: ((fd: number) => Promise<number>) | null;
}

/** What decides how a directory shares its files. */
export interface Owner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: number;
  /** Identity of the file system, as text. */
  readonly device: string;
  /** Whether any of its times has a fraction of a second. */
  readonly hasFraction: boolean;
}

export interface FileSystemInfo {
  /** Magic number, unsigned 32 bits. */
  readonly type: number;
  /** Bytes that an ordinary user can still write; `Infinity` where the file system does not tell. */
  readonly freeBytes: number;
}

const ARM = Deno.build.arch === "aarch64";
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const O_DIRECTORY = ARM ? 0o40000 : 0o200000;
export const O_NOFOLLOW = ARM ? 0o100000 : 0o400000;

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

/** Times beyond this (year 4253) cannot be read back to the millisecond as a number of microseconds. */
const TIME_MS_MAX = 2 ** 56 / 1000;

/** Brings a time into the range that the disk can keep. */
export function keepableMtime(ms: number): number {
  return Math.floor(Math.max(-TIME_MS_MAX, Math.min(TIME_MS_MAX, ms)));
}

export function kindOf(fullMode: number): FileKind {
  switch (fullMode & 0o170000) {
    case 0o100000:
      return "file";
    case 0o040000:
      return "dir";
    case 0o120000:
      return "link";
    default:
      return "other";
  }
}

const NOT_UTF8 = "its name is not UTF-8";

/** Makes the item of a name that was read as UTF-8. `bytes` is the name's length. */
export function namedItem(name: string, bytes: number, stat: Stat): DirItem {
  // The kernel vouches for the rest of what `nameProblem` checks.
  if (bytes <= NAME_BYTES_MAX && name !== RESERVED_NAME) return { name, stat };
  const problem = nameProblem(name);
  return problem === null ? { name, stat } : { name, problem };
}

export function unreadableName(lossy: string): DirItem {
  return { name: lossy, problem: NOT_UTF8 };
}
