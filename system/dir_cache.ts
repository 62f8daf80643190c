/**
 * Opens directories below a root without following a link, and keeps the last few open for as long as one burst of
 * synchronous work lasts: a directory that was moved away meanwhile must not be written to.
 */
import type { SyncPath } from "../core/path.ts";
import { diskError } from "./errno.ts";
import { type Sharing, sharingOf } from "./sharing.ts";
import { O_DIRECTORY, O_PATH, type Sys } from "./sys.ts";

/** Enough for a batch that goes back and forth between a few directories, and few enough for any descriptor limit. */
const OPEN_MAX = 16;
/** Also inside a burst a descriptor is not trusted for longer, ms. */
const AGE_MAX = 5;

/** An open directory that holds something we work on. */
export interface Parent extends Sharing {
  readonly fd: number;
}

export class DirCache {
  readonly #sys: Sys;
  readonly #rootFd: number;
  readonly #open = new Map<string, Parent>();
  #since = 0;
  #scheduled = false;

  constructor(sys: Sys, rootFd: number) {
    this.#sys = sys;
    this.#rootFd = rootFd;
  }

  /**
   * The open directory at `path` (`null`: the root), valid until the caller lets other work run. Below zero: a negated
   * error number.
   */
  find(path: SyncPath | null): Parent | number {
    this.#forgetStale();
    return this.#find(path ?? "");
  }

  /** Two at once: finding the second alone could close the first. */
  findBoth(one: SyncPath | null, two: SyncPath | null): readonly [Parent | number, Parent | number] {
    this.#forgetStale();
    return [this.#find(one ?? ""), this.#find(two ?? "")];
  }

  #forgetStale(): void {
    if (this.#open.size > 0 && performance.now() - this.#since > AGE_MAX) this.clear();
  }

  #find(key: string): Parent | number {
    const parent = this.#open.get(key);
    if (parent === undefined) return this.#add(key);
    this.#open.delete(key);
    this.#open.set(key, parent);
    return parent;
  }

  /** As {@link find}. @throws {DiskError} naming `action` and `path` */
  get(dir: SyncPath | null, action: string, path: string): Parent {
    const parent = this.find(dir);
    if (typeof parent === "number") throw diskError(parent, action, path);
    return parent;
  }

  #add(key: string): Parent | number {
    const fd = key === "" ? this.#rootFd : this.#sys.openBeneath(this.#rootFd, key, O_PATH | O_DIRECTORY);
    if (fd < 0) return fd;
    const owner = this.#sys.owner(fd);
    if (typeof owner === "number") {
      this.#release(fd);
      return owner;
    }
    const root = key === "" ? owner : this.#sys.owner(this.#rootFd);
    const parent = { fd, ...sharingOf(owner, typeof root === "number" ? null : root) };
    if (this.#open.size === 0) this.#since = performance.now();
    if (this.#open.size >= OPEN_MAX) this.#dropOldest();
    this.#open.set(key, parent);
    this.#clearAfterBurst();
    return parent;
  }

  #dropOldest(): void {
    for (const [key, parent] of this.#open) {
      this.#open.delete(key);
      this.#release(parent.fd);
      return;
    }
  }

  #clearAfterBurst(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.clear();
    });
  }

  /** Closes all of them. To be called whenever a directory moved or went. */
  clear(): void {
    for (const parent of this.#open.values()) this.#release(parent.fd);
    this.#open.clear();
  }

  #release(fd: number): void {
    if (fd !== this.#rootFd) this.#sys.close(fd);
  }
}
