/**
 * The one door to libc. A listing with its stats is several times faster here than through `Deno.lstat`, times come in
 * nanoseconds, a name arrives as its raw bytes, and a rename can refuse to replace.
 */
import { Buffer } from "node:buffer";
import type { DirItem, Stat } from "./disk.ts";
import { EINTR, EINVAL, EIO, ENAMETOOLONG, ENOENT, ENOSYS, EPERM } from "./errno.ts";
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

const SYMBOLS = {
  errnoLocation: { name: "__errno_location", parameters: [], result: "pointer" },
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  openat2: { name: "syscall", parameters: ["i32", "i32", "buffer", "buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  getdents64: { name: "syscall", parameters: ["i32", "i32", "buffer", "i32"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  symlinkat: { parameters: ["buffer", "i32", "buffer"], result: "i32" },
  readlinkat: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i32" },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  renameat2: { name: "syscall", parameters: ["i32", "i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  fchmodat: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  fchownat: { parameters: ["i32", "buffer", "i32", "i32", "i32"], result: "i32" },
  copyFileRange: {
    name: "copy_file_range",
    parameters: ["i32", "buffer", "i32", "buffer", "usize", "u32"],
    result: "i32",
  },
  fstatfs: { parameters: ["i32", "buffer"], result: "i32" },
  fsync: { parameters: ["i32"], result: "i32" },
  fsyncLater: { name: "fsync", parameters: ["i32"], result: "i32", nonblocking: true },
  syncfsLater: { name: "syncfs", parameters: ["i32"], result: "i32", nonblocking: true },
} as const;

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"];

interface CallNumbers {
  readonly getdents64: number;
  readonly renameat2: number;
  readonly openat2: number;
}
const CALLS = new Map<string, CallNumbers>([
  ["x86_64", { getdents64: 217, renameat2: 316, openat2: 437 }],
  ["aarch64", { getdents64: 61, renameat2: 276, openat2: 437 }],
]);

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_NO_AUTOMOUNT = 0x800;
const AT_EMPTY_PATH = 0x1000;
/** Type, mode, links, owner, group, times, inode, size. */
const STATX_WANTED = 0x3df;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const UTIME_OMIT = 0x3ffffffe;
/** Longest string handed over, with its NUL: `PATH_MAX`. */
const STRING_MAX = 4096;
/** Room for about a thousand names a call; larger brings nothing. */
const DIR_BUFFER = 64 * 1024;
/** The kernel moves at most this much a call. */
const TRANSFER_MAX = 0x7ffff000;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Opens libc, or returns `null` where that is not allowed, not there, or not known for this machine. */
export function openLibc(): Sys | null {
  const calls = CALLS.get(Deno.build.arch);
  if (calls === undefined) return null;
  const library = loadLibc(SYMBOLS);
  return library === null ? null : new LibcSys(library, calls);
}

/** The functions named in `symbols`, or `null` where libc may not be called or is not there. */
export function loadLibc<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S>["symbols"] | null {
  if (Deno.build.os !== "linux") return null;
  for (const library of LIBRARIES) {
    try {
      return Deno.dlopen(library, symbols).symbols;
    } catch {
      continue;
    }
  }
  return null;
}

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

/** A reused C string. */
class Text {
  readonly bytes = new Uint8Array(STRING_MAX);

  /** Writes `text` with its NUL. Returns 0, or a negated error number. */
  put(text: string): number {
    const { bytes } = this;
    const { length } = text;
    if (length >= STRING_MAX) return -ENAMETOOLONG;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit === 0) return -EINVAL;
      if (unit >= 0x80) return this.#putUnicode(text);
      bytes[i] = unit;
    }
    bytes[length] = 0;
    return 0;
  }

  #putUnicode(text: string): number {
    if (text.includes("\0") || !text.isWellFormed()) return -EINVAL;
    const { read, written } = encoder.encodeInto(text, this.bytes);
    if (read < text.length || written >= STRING_MAX) return -ENAMETOOLONG;
    this.bytes[written] = 0;
    return 0;
  }
}

class LibcSys implements Sys {
  readonly name = "libc";
  readonly exactTimes = true;
  readonly #c: Library;
  readonly #calls: CallNumbers;
  readonly #errno: Int32Array;
  readonly #a = new Text();
  readonly #b = new Text();
  readonly #empty = new Uint8Array(1);
  readonly #statx = new ArrayBuffer(256);
  readonly #statxBytes = new Uint8Array(this.#statx);
  readonly #statx16 = new Uint16Array(this.#statx);
  readonly #statx32 = new Uint32Array(this.#statx);
  readonly #statxSigned = new Int32Array(this.#statx);
  readonly #dir = new Uint8Array(DIR_BUFFER);
  readonly #dirText = Buffer.from(this.#dir.buffer);
  readonly #how = new BigUint64Array(3);
  readonly #times = new BigInt64Array(4);
  readonly #offset = new BigInt64Array(2);
  #hasOpenat2 = true;

  constructor(library: Library, calls: CallNumbers) {
    this.#c = library;
    this.#calls = calls;
    const location = library.errnoLocation();
    if (location === null) throw new Error("Cannot find errno");
    this.#errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
    this.#times[0] = 0n;
    this.#times[1] = BigInt(UTIME_OMIT);
  }

  #result(value: number): number {
    return value < 0 ? -this.#errno[0]! : value;
  }

  open(dirFd: number | null, name: string, flags: number, mode = 0): number {
    const bad = this.#a.put(name);
    if (bad !== 0) return bad;
    for (;;) {
      const fd = this.#result(this.#c.openat(dirFd ?? AT_FDCWD, this.#a.bytes, flags | O_CLOEXEC, mode));
      if (fd !== -EINTR) return fd;
    }
  }

  openBeneath(dirFd: number, path: string, flags: number): number {
    if (!this.#hasOpenat2) return openByParts(this, dirFd, path, flags);
    const bad = this.#a.put(path);
    if (bad !== 0) return bad;
    this.#how[0] = BigInt(flags | O_CLOEXEC);
    this.#how[2] = BigInt(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    for (;;) {
      const fd = this.#result(this.#c.openat2(this.#calls.openat2, dirFd, this.#a.bytes, this.#how, 24));
      if (fd === -EINTR) continue;
      // EPERM is how old container sandboxes answer a call that they do not know.
      if (fd !== -ENOSYS && fd !== -EPERM) return fd;
      const instead = openByParts(this, dirFd, path, flags);
      if (fd === -ENOSYS || instead >= 0) this.#hasOpenat2 = false;
      return instead;
    }
  }

  close(fd: number): void {
    this.#c.close(fd);
  }

  stat(dirFd: number, name: string): Stat | number {
    const bad = this.#a.put(name);
    if (bad !== 0) return bad;
    return this.#look(dirFd, this.#a.bytes, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
  }

  fstat(fd: number): Stat | number {
    return this.#look(fd, this.#empty, AT_EMPTY_PATH);
  }

  #look(dirFd: number, name: Uint8Array<ArrayBuffer>, flags: number): Stat | number {
    const result = this.#c.statx(dirFd, name, flags, STATX_WANTED, this.#statxBytes);
    if (result < 0) return -this.#errno[0]!;
    return this.#readStat();
  }

  #readStat(): Stat {
    const u32 = this.#statx32;
    const mode = this.#statx16[14]!;
    return {
      kind: kindOf(mode),
      size: u32[11]! * 2 ** 32 + u32[10]!,
      mtimeUs: this.#micros(28),
      ctimeUs: this.#micros(24),
      // The low 53 bits, which is all that a number holds.
      ino: (u32[9]! & 0x1fffff) * 2 ** 32 + u32[8]!,
      mode: mode & 0o7777,
      nlink: u32[4]!,
    };
  }

  #micros(at: number): number {
    const u32 = this.#statx32;
    const seconds = this.#statxSigned[at + 1]! * 2 ** 32 + u32[at]!;
    return seconds * 1e6 + Math.floor(u32[at + 2]! / 1000);
  }

  owner(fd: number): Owner | number {
    const stat = this.fstat(fd);
    if (typeof stat === "number") return stat;
    const u32 = this.#statx32;
    return {
      mode: stat.mode,
      ino: stat.ino,
      uid: u32[5]!,
      gid: u32[6]!,
      device: `${u32[34]}:${u32[35]}`,
      hasFraction: u32[18] !== 0 || u32[26] !== 0 || u32[30] !== 0,
    };
  }

  list(fd: number): DirItem[] | number {
    const items: DirItem[] = [];
    for (;;) {
      const filled = this.#result(this.#c.getdents64(this.#calls.getdents64, fd, this.#dir, DIR_BUFFER));
      if (filled === 0) return items;
      if (filled < 0) return filled;
      this.#addItems(fd, filled, items);
    }
  }

  #addItems(fd: number, filled: number, items: DirItem[]): void {
    const bytes = this.#dir;
    for (let at = 0; at < filled;) {
      const start = at + 19;
      at += bytes[at + 16]! | (bytes[at + 17]! << 8);
      let end = start, high = 0;
      for (; bytes[end] !== 0; end++) high |= bytes[end]!;
      if (bytes[start] === 0x2e && (end === start + 1 || (end === start + 2 && bytes[start + 1] === 0x2e))) {
        continue;
      }
      const item = this.#item(fd, start, end, high < 0x80);
      if (item !== null) items.push(item);
    }
  }

  /** The item whose name lies in the directory buffer; `null` if it has vanished. */
  #item(fd: number, start: number, end: number, ascii: boolean): DirItem | null {
    const raw = this.#dir.subarray(start, end + 1);
    const stat = this.#look(fd, raw, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
    if (stat === -ENOENT) return null;
    const name = ascii ? this.#dirText.toString("latin1", start, end) : decode(raw.subarray(0, -1));
    if (name === null) return unreadableName(lossy.decode(raw.subarray(0, -1)));
    if (typeof stat === "number") return { name, problem: "it cannot be looked at" };
    return namedItem(name, end - start, stat);
  }

  read(fd: number, into: Uint8Array, offset: number): number {
    if (into.length === 0) return 0;
    for (;;) {
      const length = BigInt(Math.min(into.length, TRANSFER_MAX));
      const count = this.#result(
        this.#c.pread(fd, into as Uint8Array<ArrayBuffer>, length, BigInt(offset)),
      );
      if (count !== -EINTR) return count;
    }
  }

  write(fd: number, bytes: Uint8Array, offset: number): number {
    if (bytes.length === 0) return 0;
    for (;;) {
      const length = BigInt(Math.min(bytes.length, TRANSFER_MAX));
      const count = this.#result(
        this.#c.pwrite(fd, bytes as Uint8Array<ArrayBuffer>, length, BigInt(offset)),
      );
      if (count !== -EINTR) return count;
    }
  }

  truncate(fd: number, size: number): number {
    return this.#result(this.#c.ftruncate(fd, BigInt(size)));
  }

  mkdir(dirFd: number, name: string, mode: number): number {
    return this.#a.put(name) || this.#result(this.#c.mkdirat(dirFd, this.#a.bytes, mode));
  }

  symlink(target: string, dirFd: number, name: string): number {
    return this.#a.put(target) || this.#b.put(name) ||
      this.#result(this.#c.symlinkat(this.#a.bytes, dirFd, this.#b.bytes));
  }

  readLink(dirFd: number, name: string): Uint8Array | number {
    const bad = this.#a.put(name);
    if (bad !== 0) return bad;
    const length = this.#result(this.#c.readlinkat(dirFd, this.#a.bytes, this.#b.bytes, BigInt(STRING_MAX)));
    return length < 0 ? length : this.#b.bytes.slice(0, length);
  }

  link(fromFd: number, from: string, toFd: number, to: string): number {
    return this.#a.put(from) || this.#b.put(to) ||
      this.#result(this.#c.linkat(fromFd, this.#a.bytes, toFd, this.#b.bytes, 0));
  }

  unlink(dirFd: number, name: string): number {
    return this.#a.put(name) || this.#result(this.#c.unlinkat(dirFd, this.#a.bytes, 0));
  }

  rmdir(dirFd: number, name: string): number {
    return this.#a.put(name) || this.#result(this.#c.unlinkat(dirFd, this.#a.bytes, AT_REMOVEDIR));
  }

  rename(fromFd: number, from: string, toFd: number, to: string, flags: number): number {
    return this.#a.put(from) || this.#b.put(to) || this.#result(
      this.#c.renameat2(this.#calls.renameat2, fromFd, this.#a.bytes, toFd, this.#b.bytes, flags),
    );
  }

  chmod(fd: number, mode: number): number {
    return this.#result(this.#c.fchmod(fd, mode));
  }

  setMtime(fd: number, mtime: number): number {
    this.#putMtime(mtime);
    return this.#result(this.#c.futimens(fd, this.#times));
  }

  #putMtime(mtime: number): void {
    const ms = keepableMtime(mtime);
    const seconds = Math.floor(ms / 1000);
    this.#times[2] = BigInt(seconds);
    this.#times[3] = BigInt((ms - seconds * 1000) * 1e6);
  }

  chmodAny(fd: number, mode: number): number {
    this.#a.put(`/proc/self/fd/${fd}`);
    return this.#result(this.#c.fchmodat(AT_FDCWD, this.#a.bytes, mode, 0));
  }

  setMtimeAny(fd: number, mtime: number): number {
    this.#a.put(`/proc/self/fd/${fd}`);
    this.#putMtime(mtime);
    return this.#result(this.#c.utimensat(AT_FDCWD, this.#a.bytes, this.#times, 0));
  }

  setGroupAny(fd: number, gid: number): number {
    return this.#result(this.#c.fchownat(fd, this.#empty, -1, gid, AT_EMPTY_PATH));
  }

  copyRange(fromFd: number, toFd: number, offset: number, length: number): number {
    const from = this.#offset.subarray(0, 1), to = this.#offset.subarray(1, 2);
    from[0] = to[0] = BigInt(offset);
    const size = BigInt(Math.min(length, TRANSFER_MAX));
    return this.#result(this.#c.copyFileRange(fromFd, from, toFd, to, size, 0));
  }

  statfs(fd: number): FileSystemInfo | number {
    const answer = new BigInt64Array(32);
    const result = this.#result(this.#c.fstatfs(fd, answer));
    if (result < 0) return result;
    return {
      type: Number(BigInt.asUintN(32, answer[0]!)),
      freeBytes: answer[2] === 0n ? Infinity : Number(answer[4]!) * Number(answer[1]!),
    };
  }

  fsyncNow(fd: number): number {
    return this.#result(this.#c.fsync(fd));
  }

  // The error number of a call on another thread stays on that thread.
  async fsync(fd: number): Promise<number> {
    return await this.#c.fsyncLater(fd) < 0 ? -EIO : 0;
  }

  readonly syncfs = async (fd: number): Promise<number> => {
    return await this.#c.syncfsLater(fd) < 0 ? -EIO : 0;
  };
}

function decode(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}
