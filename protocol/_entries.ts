/** The parts that several messages share: entries, references to versions, prefixes of chunk lists, blocks. */
import { type ContentId, type Entry, MODE_MASK } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Reader } from "./_reader.ts";
import { blockProblem, prefixProblem, targetProblem } from "./_rules.ts";
import type { Writer } from "./_writer.ts";
import { BLOCK_RAW_BYTES_MAX, CHUNKS_MAX, FILE_BYTES_MAX, LINK_TARGET_BYTES_MAX } from "./limits.ts";
import type { Block, Revision } from "./messages.ts";

const ABSENT = 0, FILE = 1, DIR = 2, LINK = 3;
const RAW = 0, ZSTD = 1;
export const DIGEST_BYTES = 32;

export function writeEntry(w: Writer, entry: Entry | null): void {
  if (entry === null) return w.u8(ABSENT);
  switch (entry.kind) {
    case "file":
      w.u8(FILE);
      w.uint("the size of the file", entry.size, FILE_BYTES_MAX);
      w.time("the modification time", entry.mtime);
      w.uint("the mode", entry.mode, MODE_MASK);
      return w.hex("the content", entry.content, DIGEST_BYTES);
    case "dir":
      w.u8(DIR);
      return w.uint("the mode", entry.mode, MODE_MASK);
    case "link":
      w.check(targetProblem(entry.target));
      w.u8(LINK);
      return w.countedText("the link target", entry.target, LINK_TARGET_BYTES_MAX);
  }
}

/** An entry, or `null` for absence. */
export function readEntryOrNone(r: Reader): Entry | null {
  const kind = r.u8();
  if (kind === FILE) {
    const size = r.uint("the size of the file", FILE_BYTES_MAX);
    const mtime = r.time("the modification time");
    const mode = r.uint("the mode", MODE_MASK);
    return { kind: "file", size, mtime, mode, content: r.hex(DIGEST_BYTES) as ContentId };
  }
  if (kind === DIR) return { kind: "dir", mode: r.uint("the mode", MODE_MASK) };
  if (kind === ABSENT) return null;
  if (kind !== LINK) return r.fail("the kind of an entry is unknown");
  const target = r.countedText("the link target", LINK_TARGET_BYTES_MAX);
  r.check(targetProblem(target));
  return { kind: "link", target };
}

export function readEntry(r: Reader): Entry {
  return readEntryOrNone(r) ?? r.fail("an entry is absent");
}

export interface VersionRef {
  readonly path: SyncPath;
  readonly revision: Revision;
}

export function writeVersionRef(w: Writer, ref: VersionRef): void {
  w.path(ref.path);
  w.uint("the revision", ref.revision);
}

export function readVersionRef(r: Reader): VersionRef {
  return { path: r.path(), revision: r.uint("the revision") };
}

/** The base of a delta: whether there is one, then which. */
export function writeBase(w: Writer, base: VersionRef | null): void {
  w.bool(base !== null);
  if (base !== null) writeVersionRef(w, base);
}

export function readBase(r: Reader): VersionRef | null {
  return r.bool("whether there is a base") ? readVersionRef(r) : null;
}

/** How many chunks are there, and the digest of their list if there are any. */
export function writeHeld(w: Writer, chunks: number, prefix: Uint8Array): void {
  w.check(prefixProblem(chunks, prefix));
  w.uint("the count of chunks", chunks, CHUNKS_MAX);
  w.raw(prefix);
}

export function readHeld(r: Reader): { chunks: number; prefix: Uint8Array } {
  const chunks = r.uint("the count of chunks", CHUNKS_MAX);
  return { chunks, prefix: r.raw(chunks > 0 ? DIGEST_BYTES : 0) };
}

/** Always the last field of a message. */
export function writeBlock(w: Writer, block: Block): void {
  w.check(blockProblem(block));
  w.u8(block.encoding === "raw" ? RAW : ZSTD);
  w.uint("the size of the block", block.rawSize, BLOCK_RAW_BYTES_MAX);
  w.uint("the length of the block", block.bytes.length, BLOCK_RAW_BYTES_MAX);
  w.tail(block.bytes);
}

export function readBlock(r: Reader): Block {
  const encoding = r.u8();
  if (encoding > ZSTD) r.fail("the encoding of the block is unknown");
  const rawSize = r.uint("the size of the block", BLOCK_RAW_BYTES_MAX);
  const bytes = r.raw(r.uint("the length of the block", BLOCK_RAW_BYTES_MAX));
  const block: Block = { encoding: encoding === RAW ? "raw" : "zstd", rawSize, bytes };
  r.check(blockProblem(block));
  return block;
}
