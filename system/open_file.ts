import { invariant } from "../core/invariant.ts";
import type { ReadHandle, Stat } from "./disk.ts";
import { diskError } from "./errno.ts";
import type { Sys } from "./sys.ts";

/** An open regular file, for reading. */
export class OpenFile implements ReadHandle {
  readonly #sys: Sys;
  readonly #path: string;
  #fd: number;

  constructor(sys: Sys, fd: number, path: string) {
    this.#sys = sys;
    this.#fd = fd;
    this.#path = path;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  stat(): Stat {
    invariant(this.#fd >= 0, "a closed file is looked at");
    const stat = this.#sys.fstat(this.#fd);
    if (typeof stat === "number") throw diskError(stat, "look at", this.#path);
    return stat;
  }

  read(into: Uint8Array, offset: number): number {
    invariant(this.#fd >= 0, "a closed file is read");
    const count = this.#sys.read(this.#fd, into, offset);
    if (count < 0) throw diskError(count, "read", this.#path);
    return count;
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#sys.close(this.#fd);
    this.#fd = -1;
  }
}
