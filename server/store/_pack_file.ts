/** One pack that is open for appending. */
import type { Block } from "../../protocol/messages.ts";
import { attempt, contentsError, openForWriting, readAt, sizeOf, writeAt } from "./_file_access.ts";
import { decodeBlock, decodeHeader, encodeHeader, HEADER_BYTES } from "./_pack_format.ts";

/** Makes the bytes of a file durable. Tests let it fail. */
export type SyncData = (file: Deno.FsFile) => Promise<void>;

export class PackFile {
  readonly number: number;
  readonly #path: string;
  readonly #file: Deno.FsFile;
  /** The same file once more, since a file is in use while it is synced, and appending must not wait for that. */
  readonly #syncFile: Deno.FsFile;
  #size: number;
  #durable: number;

  /** @throws {ContentsError} */
  constructor(path: string, number: number) {
    this.number = number;
    this.#path = path;
    this.#size = this.#durable = sizeOf(path) ?? 0;
    this.#file = openForWriting(path);
    try {
      this.#syncFile = openForWriting(path);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  get size(): number {
    return this.#size;
  }

  get dirty(): boolean {
    return this.#durable < this.#size;
  }

  /**
   * Adds a block; on failure the pack is cut back to what it was.
   * @throws {ContentsError}; with {@link damaged} set if cutting back failed too
   */
  append(block: Block): { readonly offset: number; readonly length: number } {
    const offset = this.#size;
    const header = encodeHeader(block);
    attempt("write", this.#path, () => {
      try {
        writeAt(this.#file, header, offset);
        writeAt(this.#file, block.bytes, offset + HEADER_BYTES);
      } catch (error) {
        this.#cutBack(offset);
        throw error;
      }
    });
    const length = HEADER_BYTES + block.bytes.length;
    this.#size = offset + length;
    return { offset, length };
  }

  /** The tail is not known any more; nothing may be appended. */
  damaged = false;

  /** @throws {ContentsError} */
  async sync(syncData: SyncData): Promise<void> {
    const size = this.#size;
    try {
      await syncData(this.#syncFile);
    } catch (error) {
      throw contentsError("make durable", this.#path, error);
    }
    this.#durable = size;
  }

  /** Cuts off what never became durable, if that is possible, so that nobody takes it for good. */
  abandon(): void {
    this.damaged = true;
    this.#cutBack(this.#durable);
  }

  close(): void {
    this.#file.close();
    this.#syncFile.close();
  }

  #cutBack(size: number): void {
    try {
      this.#file.truncateSync(size);
      this.#size = size;
    } catch {
      this.damaged = true;
    }
  }
}

/**
 * Cuts a pack behind its last whole block, looking from `offset` on. A whole block is never cut off, even if nothing
 * names it: the records may be an older copy.
 *
 * @returns the size of the pack, or `null` if it is shorter than `offset`: recorded bytes are missing
 * @throws {ContentsError}
 */
export function cutTornTail(path: string, offset: number): number | null {
  const size = sizeOf(path);
  if (size === null || size < offset) return null;
  if (size === offset) return size;
  using file = openForWriting(path);
  return attempt("check the end of", path, () => {
    let end = offset;
    for (let length = wholeBlock(file, end); length > 0; length = wholeBlock(file, end)) end += length;
    if (end < size) file.truncateSync(end);
    return end;
  });
}

/** Bytes of the whole, undamaged block at `offset`; 0 if there is none. */
function wholeBlock(file: Deno.FsFile, offset: number): number {
  const header = new Uint8Array(HEADER_BYTES);
  if (readAt(file, header, offset) < HEADER_BYTES) return 0;
  const found = decodeHeader(header);
  if (found === null) return 0;
  const bytes = new Uint8Array(HEADER_BYTES + found.storedSize);
  if (readAt(file, bytes, offset) < bytes.length) return 0;
  return decodeBlock(bytes) === null ? 0 : bytes.length;
}
