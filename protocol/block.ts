/** Many contents as one run of bytes, compressed where that pays. */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { ProtocolError } from "./errors.ts";
import { BLOCK_RAW_BYTES_MAX } from "./limits.ts";
import type { Block } from "./messages.ts";

/**
 * Compression level. On 8 MiB of source text (Perl's library, blocks of 1 MiB) level 1 left 27.5 % at 265 MB/s, level 3
 * left 24.9 % at 170 MB/s. A tenth fewer bytes are not worth half as much time again, which no other session gets.
 */
const LEVEL = 1;
/** Below this a frame header and a call (~50 µs) cost more than the bytes saved. */
const COMPRESSED_BYTES_MIN = 512;
/** What is tried first (50 µs), so that a MiB of photographs does not cost 4 ms for nothing. */
const SAMPLE_BYTES = 16 * 1024;
/** A sample must shrink below this part of itself, since a block that hardly shrinks is not worth unpacking. */
const SAMPLE_RATIO_MAX = 0.9;
const BLOCK_RATIO_MAX = 0.95;
/** Output steps of the compressor; the default of 16 KiB is a quarter slower. */
const STEP_BYTES = 128 * 1024;
/** A frame may make the reader keep 2^21 bytes for its window, and no more: a block is smaller than that. */
const WINDOW_LOG_MAX = 21;

const COMPRESS_OPTIONS = {
  chunkSize: STEP_BYTES,
  params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
};

/**
 * The bytes of `parts`, one after the other, as a block. A raw block of one part is a view on it.
 *
 * @param parts up to `BLOCK_RAW_BYTES_MAX` bytes together
 */
export function packBlock(parts: readonly Uint8Array[]): Block {
  const raw = parts.length === 1 ? parts[0]! : concatenate(parts);
  const packed = shrink(raw);
  return packed === null
    ? { encoding: "raw", rawSize: raw.length, bytes: raw }
    : { encoding: "zstd", rawSize: raw.length, bytes: packed };
}

/**
 * The bytes of a block from the other side; a view on it if it is raw.
 *
 * @throws {ProtocolError} if they are not exactly `rawSize` bytes, or cannot be decompressed
 */
export function unpackBlock(block: Block): Uint8Array {
  const { encoding, rawSize, bytes } = block;
  if (rawSize > BLOCK_RAW_BYTES_MAX) throw new ProtocolError("Cannot unpack a block: it is too large");
  const raw = encoding === "raw" ? bytes : decompress(bytes, rawSize);
  if (raw.length !== rawSize) throw new ProtocolError("Cannot unpack a block: its size is not as announced");
  return raw;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The compressed bytes, or `null` if compressing does not pay. */
function shrink(raw: Uint8Array): Uint8Array | null {
  if (raw.length < COMPRESSED_BYTES_MIN) return null;
  if (raw.length > SAMPLE_BYTES) {
    const sample = zstdCompressSync(raw.subarray(0, SAMPLE_BYTES), COMPRESS_OPTIONS);
    if (sample.length >= SAMPLE_BYTES * SAMPLE_RATIO_MAX) return null;
  }
  const packed = zstdCompressSync(raw, COMPRESS_OPTIONS);
  if (packed.length >= raw.length * BLOCK_RATIO_MAX) return null;
  return plainView(packed);
}

function decompress(bytes: Uint8Array, rawSize: number): Uint8Array {
  // Nothing is smaller than an empty block, and the decompressor takes no limit of 0.
  if (rawSize === 0) throw new ProtocolError("Cannot unpack a block: it is empty, yet compressed");
  try {
    return plainView(zstdDecompressSync(bytes, {
      chunkSize: Math.max(64, rawSize),
      maxOutputLength: rawSize,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    }));
  } catch {
    // Whatever the decompressor says of bytes from the other side, the bytes are at fault.
    throw new ProtocolError("Cannot unpack a block: its bytes are damaged or more than announced");
  }
}

function plainView(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
