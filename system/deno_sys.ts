/**
 * {@link Sys} without libc: `node:fs` on real descriptors, reaching a name in an open directory through
 * `/proc/self/fd/N/name`, which the kernel resolves as openat does. Slower and with coarse times.
 */
import fs from "node:fs";
import type { DirItem, Stat } from "./disk.ts";
import { EACCES, EINVAL, EIO, ENAMETOOLONG, ENOENT, EROFS } from "./errno.ts";
import { openByParts } from "./open_by_parts.ts";
import {
  type FileSystemInfo,
  keepableMtime,
  kindOf,
  namedItem,
  O_CLOEXEC,
  type Owner,
  type Sys,
  unreadableName,
} from "./sys.ts";
import { utf8Length } from "../core/path.ts";

const encoder = new TextEncoder();
const NAME_MAX = 255;

export class DenoSys implements Sys {
  readonly name = "deno";
  readonly exactTimes = false;
  readonly syncfs = null;

  open(dirFd: number | null, name: string, flags: number, mode = 0): number {
    return attempt(() => {
      return fs.openSync(dirFd === null ? name : at(dirFd, name), flags | O_CLOEXEC, mode);
    });
  }

  openBeneath(dirFd: number, path: string, flags: number): number {
    return openByParts(this, dirFd, path, flags);
  }

  close(fd: number): void {
    attempt(() => fs.closeSync(fd));
  }

  stat(dirFd: number, name: string): Stat | number {
    return attempt(() => statOf(fs.lstatSync(at(dirFd, name), { bigint: true })));
  }

  fstat(fd: number): Stat | number {
    return attempt(() => statOf(fs.fstatSync(fd, { bigint: true })));
  }

  owner(fd: number): Owner | number {
    return attempt(() => {
      const raw = fs.fstatSync(fd, { bigint: true });
      return {
        mode: Number(raw.mode) & 0o7777,
        uid: Number(raw.uid),
        gid: Number(raw.gid),
        ino: Number(BigInt.asUintN(53, raw.ino)),
        device: String(raw.dev),
        hasFraction: raw.mtimeNs % 1_000_000_000n !== 0n,
      };
    });
  }

  list(fd: number): DirItem[] | number {
    return attempt(() => {
      const items: DirItem[] = [];
      const seen = new Set<string>();
      for (const name of fs.readdirSync(`/proc/self/fd/${fd}`)) {
        const item = this.#item(fd, name, seen);
        if (item !== null) items.push(item);
      }
      return items;
    });
  }

  /** Names that are not UTF-8 arrive with U+FFFD in them; at most one of several equal ones is genuine. */
  #item(fd: number, name: string, seen: Set<string>): DirItem | null {
    const doubtful = name.includes("\ufffd");
    if (doubtful && seen.has(name)) return unreadableName(name);
    if (doubtful) seen.add(name);
    const stat = this.stat(fd, name);
    if (typeof stat !== "number") return namedItem(name, utf8Length(name), stat);
    if (doubtful) return unreadableName(name);
    return stat === -ENOENT ? null : { name, problem: "it cannot be looked at" };
  }

  read(fd: number, into: Uint8Array, offset: number): number {
    if (into.length === 0) return 0;
    return attempt(() => fs.readSync(fd, into, 0, into.length, offset));
  }

  write(fd: number, bytes: Uint8Array, offset: number): number {
    if (bytes.length === 0) return 0;
    return attempt(() => fs.writeSync(fd, bytes, 0, bytes.length, offset));
  }

  truncate(fd: number, size: number): number {
    return done(() => fs.ftruncateSync(fd, size));
  }

  mkdir(dirFd: number, name: string, mode: number): number {
    return done(() => fs.mkdirSync(at(dirFd, name), { mode }));
  }

  symlink(target: string, dirFd: number, name: string): number {
    if (target.includes("\0") || !target.isWellFormed()) return -EINVAL;
    return done(() => fs.symlinkSync(target, at(dirFd, name)));
  }

  readLink(dirFd: number, name: string): Uint8Array | number {
    return attempt(() => {
      const text = fs.readlinkSync(at(dirFd, name));
      // What was not UTF-8 arrives as U+FFFD: better refuse a genuine one than invent a text.
      return text.includes("\ufffd") ? new Uint8Array([0xff]) : encoder.encode(text);
    });
  }

  link(fromFd: number, from: string, toFd: number, to: string): number {
    return done(() => fs.linkSync(at(fromFd, from), at(toFd, to)));
  }

  unlink(dirFd: number, name: string): number {
    return done(() => fs.unlinkSync(at(dirFd, name)));
  }

  rmdir(dirFd: number, name: string): number {
    return done(() => fs.rmdirSync(at(dirFd, name)));
  }

  rename(fromFd: number, from: string, toFd: number, to: string, flags: number): number {
    if (flags !== 0) return -EINVAL;
    return done(() => fs.renameSync(at(fromFd, from), at(toFd, to)));
  }

  chmod(fd: number, mode: number): number {
    return done(() => fs.fchmodSync(fd, mode));
  }

  setMtime(fd: number, mtime: number): number {
    // The calls of `node:fs` round some milliseconds away, and one fails before 1970.
    return this.setMtimeAny(fd, mtime);
  }

  chmodAny(fd: number, mode: number): number {
    return done(() => fs.chmodSync(`/proc/self/fd/${fd}`, mode));
  }

  setMtimeAny(fd: number, mtime: number): number {
    return done(() => Deno.utimeSync(`/proc/self/fd/${fd}`, new Date(), new Date(keepableMtime(mtime))));
  }

  setGroupAny(fd: number, gid: number): number {
    return done(() => {
      const { uid } = fs.fstatSync(fd);
      fs.chownSync(`/proc/self/fd/${fd}`, uid, gid);
    });
  }

  copyRange(): number {
    return -EINVAL;
  }

  statfs(fd: number): FileSystemInfo | number {
    return attempt(() => {
      const { type, blocks, bavail, bsize } = fs.statfsSync(`/proc/self/fd/${fd}`);
      return { type: type >>> 0, freeBytes: blocks === 0 ? Infinity : bavail * bsize };
    });
  }

  fsyncNow(fd: number): number {
    return done(() => fs.fsyncSync(fd));
  }

  fsync(fd: number): Promise<number> {
    return new Promise((resolve) => fs.fsync(fd, (error) => resolve(error ? errnoOf(error) : 0)));
  }
}

function at(dirFd: number, name: string): string {
  // Deno answers a name that is too long for the kernel, or holds NUL, in its own ways.
  if (name.includes("\0")) throw failure(EINVAL);
  if (name.length > NAME_MAX || utf8Length(name) > NAME_MAX) throw failure(ENAMETOOLONG);
  return `/proc/self/fd/${dirFd}/${name}`;
}

function failure(errno: number): Error {
  return Object.assign(new Error(`error number ${errno}`), { errno: -errno });
}

function statOf(raw: fs.BigIntStats): Stat {
  const mode = Number(raw.mode);
  return {
    kind: kindOf(mode),
    size: Number(raw.size),
    mtimeUs: Number(raw.mtimeMs) * 1000,
    ctimeUs: Number(raw.ctimeMs) * 1000,
    ino: Number(BigInt.asUintN(53, raw.ino)),
    mode: mode & 0o7777,
    nlink: Number(raw.nlink),
  };
}

function attempt<T>(call: () => T): T | number {
  try {
    return call();
  } catch (error) {
    return errnoOf(error);
  }
}

/** As `attempt`, for calls that return nothing. */
function done(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    return errnoOf(error);
  }
}

function errnoOf(error: unknown): number {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number" && error.errno !== 0) {
    return -Math.abs(error.errno);
  }
  if (error instanceof Deno.errors.NotFound) return -ENOENT;
  if (error instanceof Deno.errors.PermissionDenied) return -EACCES;
  if (error instanceof Error && "code" in error && error.code === "EROFS") return -EROFS;
  return -EIO;
}
