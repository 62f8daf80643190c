/**
 * inotify, called directly. `Deno.watchFs` opens every path that it reports, so one named pipe in the folder stops it
 * for ever without a word; it throws away what links out of the folder, throws on a name that is not UTF-8, and says
 * nothing of directories that it came too late for. Here a caller sees each event as the kernel wrote it.
 */
import { ENAMETOOLONG } from "./errno.ts";
import { loadLibc } from "./libc.ts";

const EBADF = 9;

export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_CLOSE_WRITE = 0x8;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_UNMOUNT = 0x2000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_ISDIR = 0x40000000;

const IN_ONLYDIR = 0x1000000;
const IN_DONT_FOLLOW = 0x2000000;
/** No events of files that have lost their last name here. */
const IN_EXCL_UNLINK = 0x4000000;
const WATCHED = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE |
  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;
const IN_CLOEXEC = 0x80000;

/** About two thousand events a read. */
const BUFFER_BYTES = 64 * 1024;
const HEADER_BYTES = 16;
/** Longest path handed over, with its NUL: `PATH_MAX`. */
const PATH_MAX = 4096;
/** A read may be interrupted by a signal; so many in a row are no signals. */
const FAILED_READS_MAX = 16;

const SYMBOLS = {
  errnoLocation: { name: "__errno_location", parameters: [], result: "pointer" },
  init: { name: "inotify_init1", parameters: ["i32"], result: "i32" },
  add: { name: "inotify_add_watch", parameters: ["i32", "buffer", "u32"], result: "i32" },
  remove: { name: "inotify_rm_watch", parameters: ["i32", "i32"], result: "i32" },
  readLater: { name: "read", parameters: ["i32", "buffer", "usize"], result: "i32", nonblocking: true },
  close: { parameters: ["i32"], result: "i32" },
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** One event of the kernel. */
export interface RawEvent {
  /** The watch that it belongs to; -1 for an overflow. */
  readonly wd: number;
  readonly mask: number;
  /** Joins the two halves of a rename. */
  readonly cookie: number;
  /** The name inside the watched directory; "" if the directory itself is meant, `null` if it is not UTF-8. */
  readonly name: string | null;
}

let library: Library | null = null;

/** The kernel refused a queue; `errno` says why (24: too many queues of this user). */
export class InotifyError extends Error {
  override name = "InotifyError";
  readonly errno: number;
  constructor(errno: number) {
    super(`Cannot watch files: inotify is refused (error number ${errno})`);
    this.errno = errno;
  }
}

/**
 * Opens an event queue, or returns `null` where libc cannot be called.
 * @throws {InotifyError} if the kernel refuses
 */
export function openInotify(): Inotify | null {
  const c = library ??= loadLibc(SYMBOLS);
  if (c === null) return null;
  const fd = c.init(IN_CLOEXEC);
  if (fd < 0) throw new InotifyError(errnoOf(c));
  return new Inotify(c, fd);
}

function errnoOf(c: Library): number {
  const location = c.errnoLocation();
  return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
}

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An event queue. */
export class Inotify {
  readonly fd: number;
  /** The watch that only exists to end a waiting read. */
  readonly wakeWd: number;
  readonly #c: Library;
  readonly #path = new Uint8Array(PATH_MAX);
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #reading = false;
  #closed = false;
  #failedReads = 0;
  readonly #released = Promise.withResolvers<void>();

  constructor(c: Library, fd: number) {
    this.#c = c;
    this.fd = fd;
    this.wakeWd = this.#add("/proc", IN_DELETE_SELF | IN_ONLYDIR);
    if (this.wakeWd >= 0) return;
    c.close(fd);
    throw new InotifyError(-this.wakeWd);
  }

  /** Watches the directory at the absolute `path`. Returns its watch, or a negated error number. */
  add(path: string): number {
    return this.#add(path, WATCHED);
  }

  #add(path: string, mask: number): number {
    // The number may stand for another file by now.
    if (this.#closed) return -EBADF;
    const { read, written } = encoder.encodeInto(path, this.#path);
    if (read < path.length || written >= PATH_MAX) return -ENAMETOOLONG;
    this.#path[written] = 0;
    const wd = this.#c.add(this.fd, this.#path, mask);
    return wd < 0 ? -errnoOf(this.#c) : wd;
  }

  /** Ends a watch; one that has ended already does no harm. */
  remove(wd: number): void {
    if (!this.#closed) this.#c.remove(this.fd, wd);
  }

  /**
   * Waits for events. One call at a time. `null` after {@link close}.
   * @throws {Error} if the queue cannot be read
   */
  async read(): Promise<RawEvent[] | null> {
    while (!this.#closed) {
      this.#reading = true;
      const filled = await this.#c.readLater(this.fd, this.#buffer, BigInt(BUFFER_BYTES));
      this.#reading = false;
      if (this.#closed) break;
      if (filled >= HEADER_BYTES) {
        this.#failedReads = 0;
        return parseEvents(this.#buffer.subarray(0, filled));
      }
      if (++this.#failedReads > FAILED_READS_MAX) {
        throw new Error("Cannot read file events: the queue is broken");
      }
    }
    this.#release();
    return null;
  }

  /** Ends a waiting {@link read} and gives the queue back. */
  close(): Promise<void> {
    if (!this.#closed) {
      // The end of a watch is an event, and an event ends the read.
      this.remove(this.wakeWd);
      this.#closed = true;
      if (!this.#reading) this.#release();
    }
    return this.#released.promise;
  }

  #isReleased = false;
  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#c.close(this.fd);
    this.#released.resolve();
  }
}

/** The events in what one read returned. */
export function parseEvents(bytes: Uint8Array): RawEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const events: RawEvent[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const nameBytes = view.getUint32(at + 12, true);
    const start = at + HEADER_BYTES;
    events.push({
      wd: view.getInt32(at, true),
      mask: view.getUint32(at + 4, true),
      cookie: view.getUint32(at + 8, true),
      name: decodeName(bytes.subarray(start, start + nameBytes)),
    });
    at = start + nameBytes;
  }
  return events;
}

function decodeName(padded: Uint8Array): string | null {
  const end = padded.indexOf(0);
  try {
    return strict.decode(end < 0 ? padded : padded.subarray(0, end));
  } catch {
    return null;
  }
}
