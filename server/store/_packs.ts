/**
 * The packs of small contents: `packs/000001.pack`, `packs/000002.pack` and so on. Only the last is appended to. A
 * pack whose tail cannot be trusted, after a failed sync or a failed write, is never appended to again: the next block
 * opens a new pack.
 */
import { unpackBlock } from "../../protocol/block.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import { BLOCK_RAW_BYTES_MAX } from "../../protocol/limits.ts";
import type { Block } from "../../protocol/messages.ts";
import { makePrivateDir, syncDir } from "../../system/private_file.ts";
import { attempt, openForReading, readAt, sizeOf } from "./_file_access.ts";
import { GroupSync } from "./_group_sync.ts";
import { Lru } from "./_lru.ts";
import { cutTornTail, PackFile, type SyncData } from "./_pack_file.ts";
import { type BlockHeader, decodeBlock, decodeHeader, HEADER_BYTES, storable } from "./_pack_format.ts";
import { ContentsError, type Location, type PackEnd } from "./contents.ts";

/** Packs kept open for reading. */
const READERS_MAX = 32;

/** A block as a walk meets it. */
export interface WalkedBlock {
  readonly offset: number;
  readonly length: number;
  /** Its decompressed bytes, `null` if it is damaged. */
  readonly raw: Uint8Array | null;
}

export interface PackOptions {
  readonly end: PackEnd;
  readonly packBytesMax: number;
  readonly cacheBytesMax: number;
  readonly syncData: SyncData;
}

export class Packs {
  readonly #dir: string;
  readonly #options: PackOptions;
  readonly #blocks: Lru<string, Uint8Array>;
  readonly #readers = new Lru<number, Deno.FsFile>(READERS_MAX, () => 1, (file) => file.close());
  #current: PackFile | null = null;
  /** Packs before the current one that still have to be made durable. */
  #full: PackFile[] = [];
  #next: number;
  /** Names of packs may not be durable: of new ones, and of those that an earlier run made before it was killed. */
  #newNames = true;
  readonly #syncs = new GroupSync(() => this.#flush());
  /** What was found wrong when the packs were opened; for the log. */
  readonly problem: string | null;

  /** @throws {ContentsError} */
  constructor(dir: string, options: PackOptions) {
    this.#dir = dir;
    this.#options = options;
    this.#blocks = new Lru(options.cacheBytesMax, (block) => block.length);
    makePrivateDir(dir);
    const { last, problem } = this.#recover(options.end);
    this.problem = problem;
    this.#next = Math.max(last, options.end.pack) + 1;
    // Going on in a pack of which recorded bytes are missing would put new bytes where old ones are looked for.
    if (last > 0 && last >= options.end.pack && problem === null) {
      this.#current = new PackFile(this.#path(last), last);
    }
  }

  append(block: Block): { readonly pack: number; readonly offset: number; readonly length: number } {
    const stored = storable(block);
    const file = this.#fileFor(HEADER_BYTES + stored.bytes.length);
    try {
      this.#syncs.note();
      return { pack: file.number, ...file.append(stored) };
    } finally {
      if (file.damaged) this.#retire(file);
    }
  }

  async sync(): Promise<void> {
    await this.#syncs.sync();
  }

  /** The decompressed bytes of a block. @throws {ContentsError} */
  read({ pack, offset, length }: Location): Uint8Array {
    const key = `${pack}:${offset}`;
    const known = this.#blocks.get(key);
    if (known !== undefined) return known;
    const block = this.#readBlock(pack, offset, length);
    this.#blocks.set(key, block);
    return block;
  }

  /** @throws {ContentsError} */
  list(): { readonly number: number; readonly size: number }[] {
    return this.#numbers().map((number) => ({ number, size: sizeOf(this.#path(number)) ?? 0 }));
  }

  /** All blocks, to the end or to the first place where no block begins. @throws {ContentsError} */
  *walk(pack: number): Generator<WalkedBlock> {
    const path = this.#path(pack);
    using file = openForReading(path);
    for (let offset = 0;;) {
      const header = attempt("read", path, () => readHeader(file, offset));
      if (header === null) return yield* this.#unreadable(pack, offset);
      const length = HEADER_BYTES + header.storedSize;
      const bytes = new Uint8Array(length);
      const filled = attempt("read", path, () => readAt(file, bytes, offset));
      const block = filled === length ? decodeBlock(bytes) : null;
      yield { offset, length, raw: block === null ? null : unpackOrNull(block) };
      offset += length;
    }
  }

  rawBytes(pack: number): number {
    const path = this.#path(pack);
    using file = openForReading(path);
    let total = 0;
    for (let offset = 0;;) {
      const header = attempt("read", path, () => readHeader(file, offset));
      if (header === null) return total;
      total += header.rawSize;
      offset += HEADER_BYTES + header.storedSize;
    }
  }

  seal(): number {
    if (this.#current !== null && this.#current.size > 0) this.#retire(this.#current);
    return this.#current?.number ?? this.#next;
  }

  remove(pack: number): void {
    const path = this.#path(pack);
    this.#readers.delete(pack);
    attempt("remove", path, () => Deno.removeSync(path));
  }

  /** What lies behind the last block, if anything does. */
  *#unreadable(pack: number, offset: number): Generator<WalkedBlock> {
    const size = sizeOf(this.#path(pack)) ?? 0;
    if (size > offset) yield { offset, length: size - offset, raw: null };
  }

  close(): void {
    for (const file of [...this.#full, this.#current]) file?.close();
    this.#readers.clear();
    this.#blocks.clear();
  }

  async #flush(): Promise<void> {
    const files = [...this.#full, this.#current].filter((file) => file?.dirty) as PackFile[];
    try {
      await allDone(files.map((file) => file.sync(this.#options.syncData)));
      if (this.#newNames && files.length > 0) {
        attempt("make durable", this.#dir, () => syncDir(this.#dir));
        this.#newNames = false;
      }
    } catch (error) {
      this.#distrust();
      throw error;
    }
    this.#closeDurable();
  }

  /** What was appended while the sync ran lies behind bytes that are lost, so it is given up too. */
  #distrust(): void {
    for (const file of [...this.#full, this.#current]) {
      file?.abandon();
      file?.close();
    }
    this.#full = [];
    this.#current = null;
    this.#blocks.clear();
  }

  /** The pack to append `length` bytes to. */
  #fileFor(length: number): PackFile {
    const current = this.#current;
    if (current !== null && (current.size === 0 || current.size + length <= this.#options.packBytesMax)) {
      return current;
    }
    if (current !== null) this.#retire(current);
    const file = new PackFile(this.#path(this.#next), this.#next);
    this.#next++;
    this.#newNames = true;
    return this.#current = file;
  }

  #retire(file: PackFile): void {
    if (this.#current === file) this.#current = null;
    this.#full.push(file);
    if (!this.#syncs.running) this.#closeDurable();
  }

  #closeDurable(): void {
    for (const file of this.#full) if (!file.dirty) file.close();
    this.#full = this.#full.filter((file) => file.dirty);
  }

  #readBlock(pack: number, offset: number, length: number): Uint8Array {
    const path = this.#path(pack);
    const damaged = () =>
      new ContentsError("corrupt", `Cannot read the block at ${offset} of "${path}": it is damaged`);
    if (length < HEADER_BYTES || length > HEADER_BYTES + BLOCK_RAW_BYTES_MAX) throw damaged();
    const bytes = new Uint8Array(length);
    const filled = attempt("read", path, () => readAt(this.#reader(pack), bytes, offset));
    const block = filled === length ? decodeBlock(bytes) : null;
    if (block === null) throw damaged();
    try {
      return unpackBlock(block);
    } catch (error) {
      throw error instanceof ProtocolError ? damaged() : error;
    }
  }

  #reader(pack: number): Deno.FsFile {
    const open = this.#readers.get(pack);
    if (open !== undefined) return open;
    const file = openForReading(this.#path(pack));
    this.#readers.set(pack, file);
    return file;
  }

  #recover(end: PackEnd): { readonly last: number; readonly problem: string | null } {
    const numbers = this.#numbers();
    let problem: string | null = null;
    if (end.pack > 0 && cutTornTail(this.#path(end.pack), end.offset) === null) {
      problem = `Contents are missing: "${this.#path(end.pack)}" is shorter than what is recorded`;
    }
    for (const number of numbers) if (number > end.pack) cutTornTail(this.#path(number), 0);
    return { last: numbers[numbers.length - 1] ?? 0, problem };
  }

  #numbers(): number[] {
    const names = attempt("list", this.#dir, () => [...Deno.readDirSync(this.#dir)].map(({ name }) => name));
    return names.filter((name) => /^\d{6,15}\.pack$/.test(name)).map((name) => parseInt(name, 10)).sort((
      a,
      b,
    ) => a - b);
  }

  #path(pack: number): string {
    return `${this.#dir}/${packFileName(pack)}`;
  }
}

/** Name of a pack's file. */
export function packFileName(pack: number): string {
  return `${String(pack).padStart(6, "0")}.pack`;
}

function readHeader(file: Deno.FsFile, offset: number): BlockHeader | null {
  const header = new Uint8Array(HEADER_BYTES);
  return readAt(file, header, offset) < HEADER_BYTES ? null : decodeHeader(header);
}

function unpackOrNull(block: Block): Uint8Array | null {
  try {
    return unpackBlock(block);
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Waits for all, then throws what the first that failed threw: none may go on with a file that is closed. */
async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}
