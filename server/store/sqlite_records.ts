/**
 * The records in one SQLite file, `.fsync/server.db`. A commit is one transaction and is durable when it returns.
 * Reading is safe while another process (a command of the owner) reads too.
 */
import type { ContentId } from "../../core/entry.ts";
import { invariant } from "../../core/invariant.ts";
import type { SyncPath } from "../../core/path.ts";
import type { Id, Revision } from "../../protocol/messages.ts";
import type { Clock } from "../../system/clock.ts";
import type { Random } from "../../system/random.ts";
import { Database, DatabaseError, type Statement } from "../../system/sqlite.ts";
import {
  APPLICATION_ID,
  CONFLICT_INSERT,
  CONFLICT_SELECT,
  conflictOf,
  conflictValues,
  contentBytes,
  SCHEMA,
  VERSION,
  VERSION_INSERT,
  VERSION_SELECT,
  versionOf,
  versionValues,
} from "./_records_schema.ts";
import type { Location, PackEnd } from "./contents.ts";
import { type Commit, type Conflict, type Records, RecordsError, type Version } from "./records.ts";

/** Heads that are read at once: a few milliseconds of work. */
const PAGE_ROWS = 2000;
/** Authors that are remembered; a client may come with a new replica each time. */
const AUTHORS_MAX = 10_000;
/** Settings of our own; nobody else's key begins so. */
const OWN = "fsync.";

/**
 * Opens the records in the file `path`, or makes new ones with a new folder identity and epoch.
 *
 * @throws {RecordsError} with a hint if the file is damaged or was written by a newer program
 */
export function openRecords(path: string, random: Random, clock: Clock): Records {
  return new SqliteRecords(path, random, clock);
}

class SqliteRecords implements Records {
  readonly #path: string;
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #identity: { readonly folder: Id; readonly epoch: Id };
  /** Numbers of the authors that were met. */
  readonly #authors = new Map<string, number>();

  constructor(path: string, random: Random, clock: Clock) {
    this.#path = path;
    const format = { applicationId: APPLICATION_ID, version: VERSION, schema: SCHEMA };
    this.#db = this.#attempt("open", () => new Database(path, format, "full"));
    try {
      this.#sql = this.#attempt("open", () => prepareAll(this.#db));
      this.#identity = this.#attempt(
        "open",
        () => this.#db.transaction(() => this.#makeIdentity(random, clock)),
      );
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  identity(): { readonly folder: Id; readonly epoch: Id } {
    return this.#identity;
  }

  headRevision(): Revision {
    return this.#attempt("read", () => this.#sql.progress.get()![0] as number);
  }

  packEnd(): PackEnd {
    return this.#attempt("read", () => {
      const [, pack, offset] = this.#sql.progress.get()!;
      return { pack: pack as number, offset: offset as number };
    });
  }

  *liveHeads(): Generator<Version> {
    let since = 0, after: SyncPath | null = null;
    for (;;) {
      const page: Version[] = this.headsSince(since, after, PAGE_ROWS);
      for (const version of page) if (version.entry !== null) yield version;
      if (page.length < PAGE_ROWS) return;
      const last = page[page.length - 1]!;
      since = last.revision;
      after = last.path;
    }
  }

  headsSince(since: Revision, after: SyncPath | null, limit: number): Version[] {
    return this.#attempt("read", () => {
      const first = after === null ? [] : this.#sql.headsAt.all(since, after, limit);
      const rest = first.length < limit ? this.#sql.headsAfter.all(since, limit - first.length) : [];
      return [...first, ...rest].map(versionOf);
    });
  }

  version(path: SyncPath, revision: Revision): Version | null {
    return this.#attempt("read", () => {
      const row = this.#sql.version.get(path, revision);
      return row === null ? null : versionOf(row);
    });
  }

  versions(path: SyncPath): Version[] {
    return this.#attempt("read", () => this.#sql.versions.all(path).map(versionOf));
  }

  versionsFrom(path: SyncPath): Version[] {
    return this.#attempt("read", () => this.#sql.versionsFrom.all(path).map(versionOf));
  }

  history(dir: SyncPath | null, after: Pick<Version, "path" | "revision"> | null, limit: number): Version[] {
    const { path, revision } = after ?? { path: "", revision: -1 };
    return this.#attempt("read", () => {
      // Between a directory and what it holds stand its neighbours whose names go on with less than a slash.
      const own = dir === null ? [] : this.#sql.historyOf.all(dir, path, path, revision, limit);
      const [from, to] = dir === null ? ["", null] : [`${dir}/`, `${dir}0`];
      const left = limit - own.length;
      const below = left === 0 ? [] : this.#sql.historyIn.all(path, revision, from, to, to, left);
      return [...own, ...below].map(versionOf);
    });
  }

  location(content: ContentId): Location | null {
    return this.#attempt("read", () => {
      const row = this.#sql.location.get(contentBytes(content));
      if (row === null) return null;
      const [pack, offset, length, innerOffset, size] = row as number[];
      return { pack, offset, length, innerOffset, size } as Location;
    });
  }

  chunkList(content: ContentId): Uint8Array | null {
    return this.#attempt("read", () => {
      return (this.#sql.chunkList.get(contentBytes(content))?.[0] ?? null) as Uint8Array | null;
    });
  }

  commit(commit: Commit): void {
    try {
      this.#attempt("write", () => this.#db.transaction(() => this.#write(commit)));
    } catch (error) {
      // Authors that were added by this commit are gone with it.
      this.#authors.clear();
      throw error;
    }
  }

  openConflicts(user: string | null): SyncPath[] {
    return this.#attempt("read", () => {
      const rows = user === null ? this.#sql.openConflicts.all() : this.#sql.openConflictsOf.all(user, user);
      return rows.map(([path]) => path as SyncPath);
    });
  }

  conflicts(): Conflict[] {
    return this.#attempt("read", () => this.#sql.conflicts.all().map(conflictOf));
  }

  usage(): Map<string, number> {
    return new Map(this.#attempt("read", () => this.#sql.usage.all()) as unknown as [string, number][]);
  }

  setting(key: string): string | null {
    return this.#attempt("read", () => (this.#sql.setting.get(key)?.[0] ?? null) as string | null);
  }

  setSetting(key: string, value: string): void {
    invariant(!key.startsWith(OWN), "a setting is named like one of the records' own");
    this.#attempt("write", () => this.#sql.setSetting.run(key, value));
  }

  close(): void {
    this.#db.close();
  }

  #write(commit: Commit): void {
    const [before, pack, offset] = this.#sql.progress.get() as number[];
    let revision = before!;
    let end: PackEnd = { pack: pack!, offset: offset! };
    for (const version of commit.versions) {
      invariant(version.revision > before! && version.revision >= revision, "a revision falls");
      revision = version.revision;
      if (version.head) this.#demote(version.path);
      this.#sql.addVersion.run(...versionValues(version, this.#authorOf(version)));
    }
    for (const conflict of commit.conflicts) this.#sql.addConflict.run(...conflictValues(conflict));
    for (const [content, { pack, offset, length, innerOffset, size }] of commit.locations) {
      this.#sql.setLocation.run(contentBytes(content), pack, offset, length, innerOffset, size);
      end = laterEnd(end, { pack, offset: offset + length });
    }
    for (const { id } of commit.resolved ?? []) this.#sql.resolveConflict.run(id);
    for (const [content, list] of commit.chunkLists) this.#sql.setChunkList.run(contentBytes(content), list);
    this.#sql.setProgress.run(revision, end.pack, end.offset);
  }

  /** A path that is new is the usual case, and looking costs less than an update that meets nothing. */
  #demote(path: SyncPath): void {
    const head = this.#sql.headOf.get(path);
    if (head !== null) this.#sql.demote.run(path, head[0]!);
  }

  #authorOf({ user, device, replica }: Version): number {
    // The lengths tell where each name ends, whatever characters the names hold.
    const key = `${replica.length} ${user.length} ${replica}${user}${device}`;
    const known = this.#authors.get(key);
    if (known !== undefined) return known;
    this.#sql.addAuthor.run(user, device, replica);
    const id = this.#sql.author.get(user, device, replica)![0] as number;
    if (this.#authors.size === AUTHORS_MAX) this.#authors.clear();
    this.#authors.set(key, id);
    return id;
  }

  #readIdentity(): { readonly folder: Id; readonly epoch: Id } | null {
    const [folder, epoch] = ["folder", "epoch"].map((key) => this.#sql.setting.get(OWN + key)?.[0]);
    return typeof folder === "string" && typeof epoch === "string" ? { folder, epoch } : null;
  }

  #makeIdentity(random: Random, clock: Clock): { readonly folder: Id; readonly epoch: Id } {
    // Another process may have been quicker.
    const known = this.#readIdentity();
    if (known !== null) return known;
    const made = { folder: random.bytes(16).toHex(), epoch: random.bytes(16).toHex() };
    this.#sql.setSetting.run(OWN + "folder", made.folder);
    this.#sql.setSetting.run(OWN + "epoch", made.epoch);
    this.#sql.setSetting.run(OWN + "created", String(clock.now()));
    return made;
  }

  #attempt<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw error instanceof DatabaseError ? recordsError(action, this.#path, error) : error;
    }
  }
}

function prepareAll(db: Database) {
  const prepare = (sql: string): Statement => db.prepare(sql);
  const heads = `${VERSION_SELECT} WHERE v.head = 1 AND`;
  return {
    progress: prepare("SELECT revision, pack, offset FROM progress"),
    setProgress: prepare("UPDATE progress SET revision = ?, pack = ?, offset = ?"),
    headsAt: prepare(`${heads} v.revision = ? AND v.path > ? ORDER BY v.path LIMIT ?`),
    headsAfter: prepare(`${heads} v.revision > ? ORDER BY v.revision, v.path LIMIT ?`),
    version: prepare(`${VERSION_SELECT} WHERE v.path = ? AND v.revision = ?`),
    versions: prepare(`${VERSION_SELECT} WHERE v.path = ? ORDER BY v.revision`),
    versionsFrom: prepare(`${VERSION_SELECT} WHERE v.origin = ? ORDER BY v.revision, v.path`),
    historyOf: prepare(
      `${VERSION_SELECT} WHERE v.path = ? AND (? < v.path OR (? = v.path AND v.revision > ?)) ORDER BY v.revision LIMIT ?`,
    ),
    historyIn: prepare(
      `${VERSION_SELECT} WHERE (v.path, v.revision) > (?, ?) AND v.path > ? AND (? IS NULL OR v.path < ?)
       ORDER BY v.path, v.revision LIMIT ?`,
    ),
    headOf: prepare(
      "SELECT revision FROM version WHERE path = ? AND head = 1 ORDER BY revision DESC LIMIT 1",
    ),
    demote: prepare("UPDATE version SET head = 0 WHERE path = ? AND revision = ?"),
    addVersion: prepare(VERSION_INSERT),
    author: prepare("SELECT id FROM author WHERE user = ? AND device = ? AND replica = ?"),
    addAuthor: prepare("INSERT OR IGNORE INTO author (user, device, replica) VALUES (?, ?, ?)"),
    location: prepare("SELECT pack, offset, length, inner_offset, size FROM location WHERE content = ?"),
    setLocation: prepare("INSERT OR REPLACE INTO location VALUES (?,?,?,?,?,?)"),
    chunkList: prepare("SELECT list FROM chunk_list WHERE content = ?"),
    setChunkList: prepare("INSERT OR IGNORE INTO chunk_list VALUES (?, ?)"),
    conflicts: prepare(`${CONFLICT_SELECT} ORDER BY id`),
    addConflict: prepare(CONFLICT_INSERT),
    resolveConflict: prepare("UPDATE conflict SET resolved = 1 WHERE id = ?"),
    openConflicts: prepare("SELECT path FROM conflict WHERE resolved = 0 ORDER BY id"),
    openConflictsOf: prepare(
      "SELECT path FROM conflict WHERE resolved = 0 AND (winner_user = ? OR loser_user = ?) ORDER BY id",
    ),
    usage: prepare(
      `SELECT a.user, sum(v.size) FROM version v JOIN author a ON a.id = v.author
       LEFT JOIN version b ON b.path = coalesce(v.origin, v.path) AND b.revision = v.base
       WHERE v.size > 0 AND (b.content IS NULL OR b.content <> v.content) GROUP BY a.user`,
    ),
    setting: prepare("SELECT value FROM setting WHERE key = ?"),
    setSetting: prepare("INSERT OR REPLACE INTO setting VALUES (?, ?)"),
  };
}

function laterEnd(a: PackEnd, b: PackEnd): PackEnd {
  return b.pack > a.pack || (b.pack === a.pack && b.offset > a.offset) ? b : a;
}

const HINTS = new Map([
  ["damaged", "put back a copy of the file; the contents beside it are untouched"],
  ["foreign", "another program's file stands there: move it away"],
  ["newer", "use the newer program that wrote it"],
  ["no_space", "make room on the device"],
]);

function recordsError(action: string, path: string, error: DatabaseError): RecordsError {
  const code = error.code === "foreign" ? "damaged" : error.code;
  return new RecordsError(
    code,
    `Cannot ${action} the records "${path}": ${error.message}`,
    HINTS.get(error.code),
  );
}
