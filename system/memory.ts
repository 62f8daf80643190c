/**
 * Keeps the process small. V8 does not see the bytes of buffers as urgent: up to 64 MiB of dead ones wait for their
 * collection. And glibc keeps freed memory for later: once it has freed a large block, it no longer gives the like back
 * to the system.
 */
import { loadLibc } from "./libc.ts";

/** Parameters of mallopt(3). */
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
const M_ARENA_MAX = -8;
/** Blocks from this size on are mapped by themselves, and unmapped when they are freed. */
const MAPPED_BYTES_MIN = 128 * 1024;
const ARENAS_MAX = 2;
/** Bytes of buffers between two collections of the young: less is not worth a millisecond. */
const COLLECT_BYTES = 8 * 1024 * 1024;
/** After so many bytes, what outlived those collections and is dead by now is collected, too, once there is quiet. */
const TIDY_BYTES = 64 * 1024 * 1024;
/** ms */
const QUIET_MS = 1000;

/** Has freed memory go back to the system, for a program that runs long. Does nothing where the C library differs. */
export function returnFreedMemory(): void {
  const libc = loadLibc({ mallopt: { parameters: ["i32", "i32"], result: "i32" } });
  if (libc === null) return;
  libc.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
  libc.mallopt(M_TRIM_THRESHOLD, MAPPED_BYTES_MIN);
  libc.mallopt(M_ARENA_MAX, ARENAS_MAX);
}

type Collect = (options: { type: "minor" | "major" }) => void;

/** Notes how much was used up, and collects now and then. */
export class Tidier {
  readonly #collect: Collect;
  readonly #quietMs: number;
  /** Since the last collection of the young, and of everything. */
  #young = 0;
  #all = 0;
  #waiting = false;

  /** @param quietMs how long nothing must be used up before everything is collected */
  constructor(collect: Collect, quietMs = QUIET_MS) {
    this.#collect = collect;
    this.#quietMs = quietMs;
  }

  note(bytes: number): void {
    this.#young += bytes;
    this.#all += bytes;
    if (this.#young >= COLLECT_BYTES) {
      this.#young = 0;
      this.#collect({ type: "minor" });
    }
    if (this.#all >= TIDY_BYTES && !this.#waiting) this.#awaitQuiet();
  }

  #awaitQuiet(): void {
    const before = this.#all;
    this.#waiting = true;
    const timer = setTimeout(() => {
      this.#waiting = false;
      if (this.#all !== before) return this.#awaitQuiet();
      this.#young = this.#all = 0;
      this.#collect({ type: "major" });
    }, this.#quietMs);
    // Nothing waits for this.
    Deno.unrefTimer(timer);
  }
}

/** There with V8's flag `--expose-gc`. */
const { gc } = globalThis as { gc?: Collect };
const tidier = gc === undefined ? null : new Tidier(gc);

/** Notes that buffers of `bytes` were used up; now and then frees what is dead of them. */
export function noteUsedUp(bytes: number): void {
  tidier?.note(bytes);
}
