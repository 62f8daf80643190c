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

/** Has freed memory go back to the system, for a program that runs long. Does nothing where the C library differs. */
export function returnFreedMemory(): void {
  const libc = loadLibc({ mallopt: { parameters: ["i32", "i32"], result: "i32" } });
  if (libc === null) return;
  libc.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
  libc.mallopt(M_TRIM_THRESHOLD, MAPPED_BYTES_MIN);
  libc.mallopt(M_ARENA_MAX, ARENAS_MAX);
}

type Collect = (options: { type: "minor" }) => void;

/** There with V8's flag `--expose-gc`. */
const collect: Collect | undefined = (globalThis as { gc?: Collect }).gc;
let unseen = 0;

/** Notes that buffers of `bytes` were used up; now and then frees what is dead of them. */
export function noteUsedUp(bytes: number): void {
  unseen += bytes;
  if (unseen < COLLECT_BYTES) return;
  unseen = 0;
  collect?.({ type: "minor" });
}
