/** Whole reads, writes and copies over {@link Sys}, whose calls may do only a part. */
import { MODE_MASK } from "../core/entry.ts";
import type { Meta } from "./disk.ts";
import { EINVAL, EIO, ENOSYS, EOPNOTSUPP, EXDEV } from "./errno.ts";
import type { Sys } from "./sys.ts";

/** Writes all of `bytes` at `offset`. Returns 0 or a negated error number. */
export function writeAll(sys: Sys, fd: number, bytes: Uint8Array, offset: number): number {
  let written = 0;
  while (written < bytes.length) {
    const count = sys.write(fd, written === 0 ? bytes : bytes.subarray(written), offset + written);
    if (count < 0) return count;
    if (count === 0) return -EIO;
    written += count;
  }
  return 0;
}

/** Sets the bits and time of an open file. Bits last, so that the others are still allowed. */
export function applyMeta(sys: Sys, fd: number, meta: Meta): number {
  const timed = sys.setMtime(fd, meta.mtime);
  return timed < 0 ? timed : sys.chmod(fd, meta.mode & MODE_MASK);
}

const COPY_BUFFER = 1024 * 1024;

/** Copies one open file into another (empty) one. Returns 0 or a negated error number. */
export function copyAll(sys: Sys, from: number, to: number, size: number): number {
  let offset = 0;
  while (offset < size) {
    const count = sys.copyRange(from, to, offset, size - offset);
    if (count === -EINVAL || count === -EXDEV || count === -ENOSYS || count === -EOPNOTSUPP) break;
    if (count < 0) return count;
    if (count === 0) break;
    offset += count;
  }
  // Also after a last answer of 0: some file systems say so of files whose size they do not know.
  const buffer = new Uint8Array(Math.min(COPY_BUFFER, Math.max(1, size - offset)));
  for (;;) {
    const count = sys.read(from, buffer, offset);
    if (count <= 0) return count;
    const written = writeAll(sys, to, buffer.subarray(0, count), offset);
    if (written < 0) return written;
    offset += count;
  }
}
