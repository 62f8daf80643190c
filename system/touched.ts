/** Remembers what must be synced one by one where the whole file system cannot be synced at once. */
import type { SyncPath } from "../core/path.ts";
import { parentOf } from "../core/path.ts";
import { diskError, EACCES, ELOOP, ENOENT, ENOTDIR, ENXIO } from "./errno.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, type Sys } from "./sys.ts";

/** How many fsyncs run at once: enough that the file system groups them. */
const PARALLEL = 8;

export class Touched {
  readonly #sys: Sys;
  readonly #rootFd: number;
  /** Below the root, `.fsync` included; `true` for a directory. */
  #paths = new Map<string, boolean>();

  constructor(sys: Sys, rootFd: number) {
    this.#sys = sys;
    this.#rootFd = rootFd;
  }

  /** `path` has new content or bits. */
  content(path: string): void {
    if (!this.#paths.has(path)) this.#paths.set(path, false);
  }

  /** A name was added to or taken from the directory of `path`. */
  names(path: SyncPath): void {
    this.#paths.set(parentOf(path) ?? ".", true);
  }

  directory(path: string): void {
    this.#paths.set(path, true);
  }

  /** @throws {DiskError}; what was not synced is remembered no longer, it must be written again */
  async sync(): Promise<void> {
    const paths = [...this.#paths];
    this.#paths = new Map();
    const next = paths.values();
    const worker = async () => {
      for (const [path, isDir] of next) await this.#one(path, isDir);
    };
    const results = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #one(path: string, isDir: boolean): Promise<void> {
    const sys = this.#sys;
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | (isDir ? O_DIRECTORY : 0);
    const fd = sys.openBeneath(this.#rootFd, path, flags);
    // Gone, replaced, or with bits that forbid it: then it was synced while it was still open.
    if ([-ENOENT, -ENOTDIR, -ELOOP, -ENXIO, -EACCES].includes(fd)) return;
    if (fd < 0) throw diskError(fd, "open", path);
    const result = await sys.fsync(fd);
    sys.close(fd);
    if (result < 0) throw diskError(result, "make durable", path);
  }
}
