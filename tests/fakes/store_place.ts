/** A real store in a temporary directory, filled without a server: versions of files, small and large. */
import { digestHex, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { ContentId, Entry } from "../../core/entry.ts";
import { parsePath } from "../../core/path.ts";
import { packBlock } from "../../protocol/block.ts";
import type { Conflict, Records, Version } from "../../server/store/records.ts";
import { openContents, type PackContents } from "../../server/store/pack_contents.ts";
import { openRecords } from "../../server/store/sqlite_records.ts";
import { UpkeepRecords } from "../../server/store/upkeep_records.ts";
import type { UpkeepParts } from "../../server/upkeep/parts.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import { systemRandom } from "../../system/random.ts";
import { large, store } from "../conformance/contents_suite.ts";

const AUTHOR = { user: "ann", device: "laptop", replica: "7".repeat(32) };

export class OpenStore {
  readonly records: Records;
  readonly own: UpkeepRecords;
  readonly contents: PackContents;
  readonly root: string;

  constructor(root: string, packBytesMax?: number) {
    this.root = root;
    const dir = `${root}/.fsync`;
    Deno.mkdirSync(dir, { recursive: true });
    this.records = openRecords(`${dir}/server.db`, systemRandom, systemClock);
    this.own = new UpkeepRecords(`${dir}/server.db`);
    const size = packBytesMax === undefined ? {} : { packBytesMax };
    this.contents = openContents(dir, { end: this.records.packEnd(), index: this.records, ...size });
  }

  parts(onStep?: (step: string) => void, clock: Clock = systemClock): UpkeepParts {
    const { records, own, contents } = this;
    const between = <T>(work: () => T | Promise<T>) => Promise.resolve().then(work);
    return { records, own, contents, clock, between, ...(onStep === undefined ? {} : { onStep }) };
  }

  /** Commits the next version of `path`; `null` deletes it. @returns its revision */
  async put(path: string, bytes: Uint8Array | null, over: Partial<Version> = {}): Promise<number> {
    const revision = this.records.headRevision() + 1;
    const chunkLists: [ContentId, Uint8Array][] = [];
    const locations: [ContentId, ReturnType<typeof this.place>][] = [];
    let entry: Entry | null = null;
    if (bytes !== null) {
      const isLarge = bytes.length > SINGLE_CHUNK_MAX;
      const content = isLarge ? large(bytes) : null;
      const id = content?.id ?? digestHex(bytes) as ContentId;
      entry = { kind: "file", size: bytes.length, mtime: revision, mode: 0o644, content: id };
      if (content !== null) {
        if (!this.contents.hasLarge(id)) await store(this.contents, content);
        chunkLists.push([id, content.chunks.bytes]);
      } else if (this.records.location(id) === null) locations.push([id, this.place(bytes)]);
    }
    await this.contents.sync();
    const version: Version = {
      path: parsePath(path),
      revision,
      operation: entry === null ? "deleted" : "modified",
      entry,
      base: 0,
      from: null,
      ...AUTHOR,
      time: revision * 1000,
      clockOffset: 0,
      head: true,
      ...over,
    };
    this.records.commit({ versions: [version], conflicts: [], locations, chunkLists });
    return revision;
  }

  dispute(path: string, winner: number, loser: number): void {
    const conflict: Omit<Conflict, "id"> = {
      path: parsePath(path),
      winner,
      loser,
      base: 0,
      winnerUser: "ann",
      loserUser: "bob",
      reason: "newer",
      time: 1,
      resolved: false,
    };
    this.records.commit({ versions: [], conflicts: [conflict], locations: [], chunkLists: [] });
  }

  /** The bytes of every version of a file, by `path@revision`. */
  read(): Map<string, string> {
    const found = new Map<string, string>();
    for (const { path, revision, entry } of this.own.versions()) {
      if (entry?.kind === "file") {
        found.set(`${path}@${revision}`, digestHex(this.bytesOf(entry.content, entry.size)));
      }
    }
    return found;
  }

  bytesOf(content: ContentId, size: number): Uint8Array {
    if (size <= SINGLE_CHUNK_MAX) return this.contents.read(content, this.records.location(content)!);
    const bytes = new Uint8Array(size);
    const count = this.contents.readLarge(content, bytes, 0);
    return bytes.subarray(0, count);
  }

  close(): void {
    this.contents.close();
    this.own.close();
    this.records.close();
  }

  place(bytes: Uint8Array) {
    return { ...this.contents.append(packBlock([bytes])), innerOffset: 0, size: bytes.length };
  }
}

/** A temporary directory for a store, and copies of it. */
export class StorePlace {
  readonly root = Deno.makeTempDirSync({ prefix: "fsync-store-" });

  /** A copy of everything below `name`, as a crash would leave it. */
  copy(from: string, to: string): string {
    const walk = (a: string, b: string) => {
      Deno.mkdirSync(b, { recursive: true });
      for (const { name, isDirectory } of Deno.readDirSync(a)) {
        if (isDirectory) walk(`${a}/${name}`, `${b}/${name}`);
        else Deno.copyFileSync(`${a}/${name}`, `${b}/${name}`);
      }
    };
    walk(`${this.root}/${from}`, `${this.root}/${to}`);
    return `${this.root}/${to}`;
  }

  remove(name: string): void {
    Deno.removeSync(`${this.root}/${name}`, { recursive: true });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}
