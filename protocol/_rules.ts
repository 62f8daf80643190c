/**
 * What makes the fields of a message fit together. Both sides hold these rules: the writer before it sends, the reader
 * before it believes. Each answers what is wrong, or `null`.
 */
import { CHUNK_MAX, CHUNK_MIN, digestHex, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import type { Entry } from "../core/entry.ts";
import { isAtOrBelow, type SyncPath } from "../core/path.ts";
import { BLOCK_RAW_BYTES_MAX } from "./limits.ts";
import type { Block, Contents, ContentSource, Data, Stage, UploadItem } from "./messages.ts";

/** Identity of the content without bytes. */
const EMPTY_CONTENT = digestHex(new Uint8Array(0));

export function targetProblem(target: string): string | null {
  if (target === "") return "the link target is empty";
  return target.includes("\0") ? "the link target contains a NUL character" : null;
}

export function sourceProblem(entry: Entry, source: ContentSource | null): string | null {
  if (entry.kind !== "file") return source === null ? null : "something other than a file has a source";
  if (source === null) return "a file has no source";
  if (source.from === "staged" && entry.size <= SINGLE_CHUNK_MAX) return "a small file is staged";
  if (source.from === "inline" && entry.size > SINGLE_CHUNK_MAX) return "a large file is inline";
  if (entry.size > 0 || entry.content === EMPTY_CONTENT) return null;
  return "an empty file has another content than nothing";
}

export function renameProblem(from: SyncPath, to: SyncPath): string | null {
  return isAtOrBelow(to, from) ? "a path is renamed to itself or below itself" : null;
}

export function blockProblem(block: Block): string | null {
  if (block.rawSize > BLOCK_RAW_BYTES_MAX) return "the block is too large";
  if (block.encoding === "raw") {
    return block.bytes.length === block.rawSize ? null : "the block's size is not that of its raw bytes";
  }
  return block.bytes.length < block.rawSize ? null : "the compressed block is not smaller than its raw bytes";
}

export function inlineProblem(items: readonly UploadItem[], block: Block): string | null {
  let sum = 0;
  for (const item of items) {
    if (item.op === "put" && item.entry.kind === "file" && item.source?.from === "inline") {
      sum += item.entry.size;
    }
  }
  return sum === block.rawSize ? null : "the inline sizes do not add up to the block";
}

export function contentsProblem({ sizes, block }: Contents): string | null {
  let sum = 0;
  for (const size of sizes) if (size > 0) sum += size;
  return sum === block.rawSize ? null : "the sizes do not add up to the block";
}

export function dataProblem({ ops, block }: Data): string | null {
  let sum = 0;
  for (const op of ops) if (op.op === "new") sum += op.size;
  return sum === block.rawSize ? null : "the sizes of the new chunks do not add up to the block";
}

/** A chunk is never longer than `CHUNK_MAX`, and only the last one may be as short as `CHUNK_MIN`. */
export function stageProblem({ size, chunks }: Stage): string | null {
  if (size <= SINGLE_CHUNK_MAX) return "a small content is staged";
  const fits = chunks >= Math.ceil(size / CHUNK_MAX) && chunks <= Math.ceil(size / CHUNK_MIN);
  return fits ? null : "the count of chunks does not fit the size";
}

/** The digest of a list of chunks is there exactly if the list is not empty. */
export function prefixProblem(chunks: number, prefix: Uint8Array): string | null {
  return prefix.length === (chunks > 0 ? 32 : 0) ? null : "the prefix does not fit the count of chunks";
}
