/** The bytes of any version that is kept. */
import { SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { FileEntry } from "../../core/entry.ts";
import { BLOCK_BYTES_MAX } from "../../protocol/limits.ts";
import type { Folder } from "../folder.ts";
import { ContentsError } from "../store/contents.ts";

/** Whether the store holds the content, as far as its records say. */
export function isKept(folder: Folder, entry: FileEntry): boolean {
  return entry.size > SINGLE_CHUNK_MAX
    ? folder.contents.hasLarge(entry.content) && folder.chunkList(entry.content) !== null
    : folder.records.location(entry.content) !== null;
}

/**
 * The content in pieces of about {@link BLOCK_BYTES_MAX}, each verified.
 *
 * @throws {ContentsError} if it is missing or damaged
 */
export function* pastContent(folder: Folder, entry: FileEntry): Generator<Uint8Array> {
  if (entry.size <= SINGLE_CHUNK_MAX) return yield folder.smallContent(entry);
  const chunks = folder.chunkList(entry.content);
  if (chunks === null || !folder.contents.hasLarge(entry.content)) {
    throw new ContentsError("missing", "Cannot read a content: it is not in the store");
  }
  const offsets = chunks.offsets();
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for (let i = 0; i < chunks.length; i++) {
    const part = new Uint8Array(chunks.sizeAt(i));
    const read = folder.contents.readLarge(entry.content, part, offsets[i]!);
    if (read !== part.length || !chunks.matches(i, part)) {
      throw new ContentsError("corrupt", "Cannot read a content: it is damaged");
    }
    parts.push(part);
    bytes += part.length;
    if (bytes < BLOCK_BYTES_MAX && i < chunks.length - 1) continue;
    yield joined(parts, bytes);
    [parts, bytes] = [[], 0];
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
