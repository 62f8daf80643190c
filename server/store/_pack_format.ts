/**
 * A pack is a row of blocks, each with a header, so that a pack can be walked and checked without the records:
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 4 | magic `FSB1` |
 * | 4 | 1 | encoding: 0 raw, 1 zstd |
 * | 5 | 3 | zero |
 * | 8 | 4 | bytes after decompression, little endian |
 * | 12 | 4 | stored bytes that follow the header, little endian |
 * | 16 | 4 | CRC-32 of the 16 bytes before and of the stored bytes, little endian |
 *
 * The checksum finds torn tails and damaged blocks; what makes a content trusted is its SHA-256.
 */
import { crc32 } from "node:zlib";
import { invariant } from "../../core/invariant.ts";
import { unpackBlock } from "../../protocol/block.ts";
import { BLOCK_RAW_BYTES_MAX } from "../../protocol/limits.ts";
import type { Block } from "../../protocol/messages.ts";

export const HEADER_BYTES = 20;

const MAGIC = 0x46534231;
const ENCODINGS = ["raw", "zstd"] as const;

export interface BlockHeader {
  readonly encoding: Block["encoding"];
  readonly rawSize: number;
  readonly storedSize: number;
  readonly checksum: number;
}

/**
 * The block as it is stored: raw if its compressed bytes are more than the raw ones, as a hostile peer can make them.
 * So no stored block is longer than the longest raw one.
 */
export function storable(block: Block): Block {
  invariant(block.rawSize <= BLOCK_RAW_BYTES_MAX, "a block that is too large was let in");
  if (block.bytes.length <= block.rawSize) return block;
  return { encoding: "raw", rawSize: block.rawSize, bytes: unpackBlock(block) };
}

/** The header for a block. */
export function encodeHeader(block: Block): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, MAGIC);
  view.setUint8(4, ENCODINGS.indexOf(block.encoding));
  view.setUint32(8, block.rawSize, true);
  view.setUint32(12, block.bytes.length, true);
  view.setUint32(16, checksumOf(header, block.bytes), true);
  return header;
}

/** What the header at the start of `bytes` says, or `null` if none stands there. */
export function decodeHeader(bytes: Uint8Array): BlockHeader | null {
  if (bytes.length < HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const encoding = ENCODINGS[view.getUint8(4)];
  if (view.getUint32(0) !== MAGIC || encoding === undefined) return null;
  const rawSize = view.getUint32(8, true);
  const storedSize = view.getUint32(12, true);
  if (rawSize > BLOCK_RAW_BYTES_MAX || storedSize > rawSize) return null;
  return { encoding, rawSize, storedSize, checksum: view.getUint32(16, true) };
}

/** The block in `bytes`, header included, or `null` if it is not whole and undamaged. */
export function decodeBlock(bytes: Uint8Array): Block | null {
  const header = decodeHeader(bytes);
  if (header === null || bytes.length !== HEADER_BYTES + header.storedSize) return null;
  const stored = bytes.subarray(HEADER_BYTES);
  if (checksumOf(bytes, stored) !== header.checksum) return null;
  return { encoding: header.encoding, rawSize: header.rawSize, bytes: stored };
}

function checksumOf(header: Uint8Array, stored: Uint8Array): number {
  return crc32(stored, crc32(header.subarray(0, 16)));
}
