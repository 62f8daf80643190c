/**
 * The records as the store's upkeep needs them: what contents are named, where they lie, and the changes that no upload
 * makes. A connection of its own to `.fsync/server.db`, beside the one of the folder.
 */
import { ChunkList, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import type { SyncPath } from "../../core/path.ts";
import type { Revision } from "../../protocol/messages.ts";
import { Database, DatabaseError, type SqlRow, type SqlValue } from "../../system/sqlite.ts";
import { chunkId } from "./_archived_contents.ts";
import {
  APPLICATION_ID,
  contentBytes,
  SCHEMA,
  VERSION,
  VERSION_SELECT,
  versionOf,
} from "./_records_schema.ts";
import type { Location, PackEnd } from "./contents.ts";
import { RecordsError, type Version } from "./records.ts";

export interface Move {
  readonly content: ContentId;
  readonly from: Location;
  readonly to: Location;
}

export interface Located {
  readonly content: ContentId;
  readonly location: Location;
}

/** Rows that are read at once. */
const PAGE_ROWS = 2000;
const LOCATION = "content, pack, offset, length, inner_offset, size";

export class UpkeepRecords {
  readonly #path: string;
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareAll>;

  /** @throws {RecordsError} */
  constructor(path: string) {
    this.#path = path;
    const format = { applicationId: APPLICATION_ID, version: VERSION, schema: SCHEMA };
    this.#db = this.#attempt("open", () => new Database(path, format, "full"));
    this.#attempt(
      "open",
      () => this.#db.prepare("CREATE TEMP TABLE named (content BLOB PRIMARY KEY) WITHOUT ROWID").run(),
    );
    this.#sql = this.#attempt("open", () => prepareAll(this.#db));
  }

  /** All versions by path, then revision; each path's oldest first. */
  *versions(): Generator<Version> {
    let [path, revision] = ["", 0];
    for (;;) {
      const page: Version[] = this.#attempt(
        "read",
        () => this.#sql.versions.all(path, revision, PAGE_ROWS).map(versionOf),
      );
      yield* page;
      if (page.length < PAGE_ROWS) return;
      ({ path, revision } = page[page.length - 1]!);
    }
  }

  /** Versions that open conflicts are about, as {@link versionKey}s. */
  inOpenConflicts(): Set<string> {
    const rows = this.#attempt("read", () => this.#sql.openConflicts.all());
    return new Set(rows.map(([path, revision]) => versionKey(path as SyncPath, revision as number)));
  }

  /** Large contents that any version names. */
  namedLarge(): Set<ContentId> {
    const rows = this.#attempt("read", () => this.#sql.namedLarge.all(SINGLE_CHUNK_MAX));
    return new Set(rows.map(([content]) => idOf(content!)));
  }

  chunkList(content: ContentId): ChunkList | null {
    const row = this.#attempt("read", () => this.#sql.chunkList.get(contentBytes(content)));
    return row === null ? null : new ChunkList(row[0] as Uint8Array);
  }

  location(content: ContentId): Location | null {
    const row = this.#attempt("read", () => this.#sql.location.get(contentBytes(content)));
    return row === null ? null : locatedOf(row).location;
  }

  /** Everything that lies in `pack`. */
  located(pack: number): Located[] {
    return this.#attempt("read", () => this.#sql.located.all(pack).map(locatedOf));
  }

  /** Bytes of the contents in each pack, before compression. */
  bytesByPack(): Map<number, number> {
    return new Map(this.#attempt("read", () => this.#sql.bytesByPack.all()) as unknown as [number, number][]);
  }

  packEnd(): PackEnd {
    const [pack, offset] = this.#attempt("read", () => this.#sql.packEnd.get()!) as number[];
    return { pack: pack!, offset: offset! };
  }

  /** Forgets versions; heads stay whatever is asked. One transaction. */
  forget(versions: readonly { readonly path: SyncPath; readonly revision: Revision }[]): void {
    this.#transaction(() => {
      for (const { path, revision } of versions) this.#sql.forget.run(path, revision);
    });
  }

  /** Forgets where contents lie that no version names, and their chunk lists. One transaction. */
  collect(): { readonly contents: number; readonly bytes: number } {
    return this.#transaction(() => {
      this.#nameAll();
      const [contents, bytes] = this.#sql.garbage.get() as number[];
      this.#sql.dropLocations.run();
      this.#sql.dropLists.run();
      this.#sql.clearNamed.run();
      return { contents: contents!, bytes: bytes! };
    });
  }

  /** Records new places, for contents that still lie where they did. One transaction. */
  move(moves: readonly Move[]): void {
    this.#transaction(() => {
      for (const { content, from, to } of moves) {
        const place = [to.pack, to.offset, to.length, to.innerOffset, to.size];
        this.#sql.move.run(...place, contentBytes(content), from.pack, from.offset, from.innerOffset);
        const end = to.offset + to.length;
        this.#sql.advance.run(to.pack, end, to.pack, to.pack, end);
      }
    });
  }

  /** Carries the journal over into the file and cuts it; a reader that is under way only makes it wait for the next. */
  shorten(): void {
    this.#attempt("write", () => this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all());
  }

  /** What SQLite finds wrong with the file. */
  integrity(): string[] {
    const rows = this.#attempt("check", () => this.#db.prepare("PRAGMA integrity_check(20)").all());
    return rows.map(([text]) => String(text)).filter((text) => text !== "ok");
  }

  close(): void {
    this.#db.close();
  }

  /** Fills the table of contents that versions name, themselves or as a chunk. */
  #nameAll(): void {
    this.#sql.clearNamed.run();
    this.#sql.nameContents.run();
    for (const content of this.namedLarge()) {
      const chunks = this.chunkList(content);
      for (let i = 0; i < (chunks?.length ?? 0); i++) this.#sql.name.run(contentBytes(chunkId(chunks!, i)));
    }
  }

  #transaction<T>(work: () => T): T {
    return this.#attempt("write", () => this.#db.transaction(work));
  }

  #attempt<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      const code = error.code === "foreign" ? "damaged" : error.code;
      throw new RecordsError(code, `Cannot ${action} the records "${this.#path}": ${error.message}`);
    }
  }
}

/** A version as a key of a set. */
export function versionKey(path: SyncPath, revision: Revision): string {
  return `${revision} ${path}`;
}

function prepareAll(db: Database) {
  const unnamed = "FROM location WHERE content NOT IN (SELECT content FROM named)";
  return {
    versions: db.prepare(
      `${VERSION_SELECT} WHERE (v.path, v.revision) > (?, ?) ORDER BY v.path, v.revision LIMIT ?`,
    ),
    openConflicts: db.prepare(`SELECT path, winner FROM conflict WHERE resolved = 0
      UNION SELECT path, loser FROM conflict WHERE resolved = 0
      UNION SELECT path, base FROM conflict WHERE resolved = 0`),
    namedLarge: db.prepare("SELECT DISTINCT content FROM version WHERE size > ? AND content IS NOT NULL"),
    chunkList: db.prepare("SELECT list FROM chunk_list WHERE content = ?"),
    location: db.prepare(`SELECT ${LOCATION} FROM location WHERE content = ?`),
    located: db.prepare(`SELECT ${LOCATION} FROM location WHERE pack = ? ORDER BY offset, inner_offset`),
    bytesByPack: db.prepare("SELECT pack, sum(size) FROM location GROUP BY pack"),
    packEnd: db.prepare("SELECT pack, offset FROM progress"),
    forget: db.prepare("DELETE FROM version WHERE path = ? AND revision = ? AND head = 0"),
    clearNamed: db.prepare("DELETE FROM named"),
    nameContents: db.prepare(
      "INSERT OR IGNORE INTO named SELECT content FROM version WHERE content IS NOT NULL",
    ),
    name: db.prepare("INSERT OR IGNORE INTO named VALUES (?)"),
    garbage: db.prepare(`SELECT count(*), coalesce(sum(size), 0) ${unnamed}`),
    dropLocations: db.prepare(`DELETE ${unnamed}`),
    dropLists: db.prepare("DELETE FROM chunk_list WHERE content NOT IN (SELECT content FROM named)"),
    move: db.prepare(`UPDATE location SET pack = ?, offset = ?, length = ?, inner_offset = ?, size = ?
      WHERE content = ? AND pack = ? AND offset = ? AND inner_offset = ?`),
    advance: db.prepare(
      "UPDATE progress SET pack = ?, offset = ? WHERE pack < ? OR (pack = ? AND offset < ?)",
    ),
  };
}

function locatedOf(row: SqlRow): Located {
  const [content, pack, offset, length, innerOffset, size] = row;
  return {
    content: idOf(content!),
    location: { pack, offset, length, innerOffset, size } as unknown as Location,
  };
}

function idOf(value: SqlValue): ContentId {
  if (!(value instanceof Uint8Array) || value.length !== 32) {
    throw new DatabaseError("damaged", "a content is not an identity");
  }
  return value.toHex() as ContentId;
}
