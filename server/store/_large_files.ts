/**
 * Large contents, one file each: `large/<id>` when complete, a part in `incoming/` while they arrive. The plain tree
 * holds a second name for a large file, so that replacing or deleting the plain one keeps the content.
 */
import type { ChunkList } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import { invariant } from "../../core/invariant.ts";
import type { Clock } from "../../system/clock.ts";
import { makePrivateDir, syncDir } from "../../system/private_file.ts";
import type { ArchivedContents } from "./_archived_contents.ts";
import {
  attempt,
  contentsError,
  openForReading,
  openForWriting,
  readAt,
  sizeOf,
  writeAt,
} from "./_file_access.ts";
import { IncomingContent, type Part } from "./_incoming_content.ts";
import { Lru } from "./_lru.ts";
import type { SyncData } from "./_pack_file.ts";
import { Parts, type TakenPart } from "./_parts.ts";
import type { Incoming } from "./contents.ts";

/** Large files kept open for reading: each download reads one, each upload one base. */
const READERS_MAX = 64;
/** An upload that was not resumed for this long is forgotten, ms: a week. */
const PART_AGE_MS_MAX = 7 * 24 * 3_600_000;

/** A file in `large/`. */
export interface LargeFile {
  readonly id: ContentId;
  /** Names that it has; one that the plain tree holds too has two. */
  readonly names: number;
  /** Bytes. */
  readonly size: number;
  /** When it got its place, or lost its other name, ms. */
  readonly changed: number;
}

const IDENTITY = /^[0-9a-f]{64}$/;

export class LargeFiles {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #syncData: SyncData;
  readonly #archived: ArchivedContents | null;
  readonly #readers = new Lru<ContentId, Deno.FsFile>(READERS_MAX, () => 1, (file) => file.close());
  readonly #parts: Parts;

  /**
   * @param dir the private area
   * @param archived where contents without a file are found
   * @throws {ContentsError}
   */
  constructor(dir: string, clock: Clock, syncData: SyncData, archived: ArchivedContents | null) {
    this.#dir = dir;
    this.#archived = archived;
    this.#clock = clock;
    this.#syncData = syncData;
    makePrivateDir(`${dir}/large`);
    makePrivateDir(`${dir}/incoming`);
    this.#parts = new Parts(() => clock.now(), (name) => removeIfThere(`${dir}/incoming/${name}`));
    this.#findParts();
  }

  has(id: ContentId): boolean {
    return this.hasFile(id) || (this.#archived?.has(id) ?? false);
  }

  hasFile(id: ContentId): boolean {
    return sizeOf(this.#path(id)) !== null;
  }

  read(id: ContentId, into: Uint8Array, offset: number): number {
    const path = this.#path(id);
    if (this.#archived !== null && this.#readers.get(id) === undefined && sizeOf(path) === null) {
      return this.#archived.read(id, into, offset);
    }
    return attempt("read", path, () => readAt(this.#reader(id), into, offset));
  }

  /** The files with the number of their names: one that the plain tree holds too has two. @throws {ContentsError} */
  *files(): Generator<LargeFile> {
    const dir = `${this.#dir}/large`;
    for (const { name } of attempt("list", dir, () => [...Deno.readDirSync(dir)])) {
      if (!IDENTITY.test(name)) continue;
      const info = attempt("look at", `${dir}/${name}`, () => statOrNull(`${dir}/${name}`));
      if (!info?.isFile) continue;
      const changed = info.ctime?.getTime() ?? 0;
      yield { id: name as ContentId, names: info.nlink ?? 1, size: info.size, changed };
    }
  }

  drop(id: ContentId): void {
    this.#readers.delete(id);
    removeIfThere(this.#path(id));
  }

  async receive(
    id: ContentId,
    size: number,
    base: { readonly id: ContentId; readonly chunks: ChunkList } | null,
    owner: string,
  ): Promise<Incoming> {
    const announced = {
      id,
      size,
      base: base && {
        chunks: base.chunks,
        read: (into: Uint8Array, offset: number) => this.read(base.id, into, offset),
      },
      yield: () => this.#clock.yield(),
    };
    return await IncomingContent.resume(this.#openPart(id, size, owner), announced);
  }

  stagedBytes(owner: string, next: ContentId | null): number {
    return this.#parts.bytesOf(owner, next);
  }

  close(): void {
    this.#readers.clear();
  }

  #openPart(id: ContentId, size: number, owner: string): Part {
    const taken = this.#parts.take(id, size, owner);
    const path = `${this.#dir}/incoming/${taken.name}`;
    try {
      const part = { path, file: openForWriting(path), syncData: this.#syncData, release: taken.release };
      return new FilePart(part, () => this.#place(path, id));
    } catch (error) {
      taken.release(null);
      throw error;
    }
  }

  /** Also over a file of the same content, which may have been damaged since. */
  #place(part: string, id: ContentId): void {
    const path = this.#path(id);
    attempt("name", path, () => Deno.renameSync(part, path));
    this.#readers.delete(id);
    try {
      attempt("name", path, () => {
        syncDir(`${this.#dir}/large`);
        syncDir(`${this.#dir}/incoming`);
      });
    } catch (error) {
      // A name that may be gone after a power cut must not be taken for a content that is there.
      this.drop(id);
      throw error;
    }
  }

  #reader(id: ContentId): Deno.FsFile {
    const open = this.#readers.get(id);
    if (open !== undefined) return open;
    const file = openForReading(this.#path(id));
    this.#readers.set(id, file);
    return file;
  }

  /** Those of earlier runs; the old ones are removed. */
  #findParts(): void {
    const dir = `${this.#dir}/incoming`;
    attempt("tidy", dir, () => {
      for (const { name } of Deno.readDirSync(dir)) {
        const { mtime, size } = Deno.lstatSync(`${dir}/${name}`);
        const changed = mtime?.getTime() ?? 0;
        if (this.#clock.now() - changed > PART_AGE_MS_MAX) Deno.removeSync(`${dir}/${name}`);
        else this.#parts.found(name, size, changed);
      }
    });
  }

  #path(id: ContentId): string {
    invariant(IDENTITY.test(id), "a content's identity is not one");
    return `${this.#dir}/large/${id}`;
  }
}

interface OpenPart {
  readonly path: string;
  readonly file: Deno.FsFile;
  readonly syncData: SyncData;
  readonly release: TakenPart["release"];
}

class FilePart implements Part {
  readonly #open: OpenPart;
  readonly #placeFile: () => void;
  #size: number;

  constructor(open: OpenPart, placeFile: () => void) {
    this.#open = open;
    this.#placeFile = placeFile;
    this.#size = open.file.statSync().size;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): void {
    const { path, file } = this.#open;
    try {
      attempt("write", path, () => writeAt(file, bytes, this.#size));
    } catch (error) {
      // What was written of it takes room that others need.
      this.truncate(this.#size);
      throw error;
    }
    this.#size += bytes.length;
  }

  read(into: Uint8Array, offset: number): number {
    const { path, file } = this.#open;
    return attempt("read", path, () => readAt(file, into, offset));
  }

  truncate(size: number): void {
    const { path, file } = this.#open;
    attempt("truncate", path, () => file.truncateSync(size));
    this.#size = size;
  }

  async place(): Promise<void> {
    const { path, file, syncData, release } = this.#open;
    try {
      await syncData(file);
    } catch (error) {
      throw contentsError("make durable", path, error);
    }
    this.#placeFile();
    file.close();
    release(null);
  }

  pause(): void {
    this.#open.file.close();
    this.#open.release(this.#size);
  }

  remove(): void {
    this.#open.file.close();
    this.#open.release(null);
    removeIfThere(this.#open.path);
  }
}

function statOrNull(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function removeIfThere(path: string): void {
  attempt("remove", path, () => {
    try {
      Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  });
}
