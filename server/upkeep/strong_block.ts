/** Blocks for contents that are kept for long and read seldom: packed slower than on the wire, and smaller. */
import { constants, zstdCompressSync } from "node:zlib";
import type { Block } from "../../protocol/messages.ts";

/** Measured on packages with 20 releases, blocks of 1 MiB: `docs/store.md`, section 8. */
const LEVEL = 9;
/** What a reader of blocks allows for (`protocol/block.ts`). */
const WINDOW_LOG = 21;
/** A block that hardly shrinks is not worth unpacking. */
const RATIO_MAX = 0.95;
const STEP_BYTES = 256 * 1024;

/** @param parts up to `BLOCK_BYTES_MAX` bytes together, similar ones side by side */
export function packStrongly(parts: readonly Uint8Array[]): Block {
  const raw = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    raw.set(part, at);
    at += part.length;
  }
  const packed = zstdCompressSync(raw, {
    chunkSize: STEP_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_windowLog]: WINDOW_LOG },
  });
  if (packed.length >= raw.length * RATIO_MAX) return { encoding: "raw", rawSize: raw.length, bytes: raw };
  const bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
  return { encoding: "zstd", rawSize: raw.length, bytes };
}
