import { invariant } from "../core/invariant.ts";
import type { Meta, Staged, StageFile, Stat } from "./disk.ts";
import { diskError } from "./errno.ts";
import { writeAll } from "./file_io.ts";
import { OpenFile } from "./open_file.ts";
import type { Sys } from "./sys.ts";

/** A large file that grows in the staging area. */
export class LargeStage implements StageFile {
  readonly #sys: Sys;
  readonly #fd: number;
  readonly #path: string;
  readonly #finish: (meta: Meta) => Staged;
  readonly #file: OpenFile;
  #size: number;

  constructor(sys: Sys, fd: number, path: string, size: number, finish: (meta: Meta) => Staged) {
    this.#sys = sys;
    this.#fd = fd;
    this.#path = path;
    this.#size = size;
    this.#finish = finish;
    this.#file = new OpenFile(sys, fd, path);
  }

  get size(): number {
    return this.#size;
  }

  stat(): Stat {
    return this.#file.stat();
  }

  read(into: Uint8Array, offset: number): number {
    return this.#file.read(into, offset);
  }

  append(bytes: Uint8Array): void {
    invariant(!this.#file.closed, "a closed staged file is written to");
    const result = writeAll(this.#sys, this.#fd, bytes, this.#size);
    if (result < 0) {
      this.#sys.truncate(this.#fd, this.#size);
      throw diskError(result, "write", this.#path);
    }
    this.#size += bytes.length;
  }

  truncate(size: number): void {
    invariant(!this.#file.closed, "a closed staged file is cut");
    invariant(size <= this.#size, "a staged file is cut to more than it has");
    const result = this.#sys.truncate(this.#fd, size);
    if (result < 0) throw diskError(result, "shorten", this.#path);
    this.#size = size;
  }

  seal(meta: Meta): Staged {
    invariant(!this.#file.closed, "a closed staged file is sealed");
    const staged = this.#finish(meta);
    this.close();
    return staged;
  }

  close(): void {
    this.#file.close();
  }
}
