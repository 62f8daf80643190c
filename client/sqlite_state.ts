/**
 * The state of a replica in one SQLite file, `.fsync/state.db`. `docs/store.md` describes the tables.
 *
 * Commits are not made durable one by one: a power cut may undo the latest, which costs comparisons (see `state.ts`).
 */
import { invariant } from "../core/invariant.ts";
import { isAtOrBelow, type SyncPath } from "../core/path.ts";
import type { Stat } from "../system/disk.ts";
import type { Random } from "../system/random.ts";
import { Database, DatabaseError, type SqlRow, type SqlValue, type Statement } from "../system/sqlite.ts";
import { entryOf, entryValues } from "./sqlite_rows.ts";
import {
  type Binding,
  type IgnoredHead,
  newBinding,
  NOWHERE,
  type State,
  type StateChange,
  StateError,
  type Synced,
  type Where,
} from "./state.ts";

/** "fsyS" */
const APPLICATION_ID = 0x66737953;
const VERSION = 4;

const IGNORED_TABLE = `CREATE TABLE ignored (
    path TEXT PRIMARY KEY, revision INTEGER NOT NULL, kind INTEGER NOT NULL,
    size INTEGER, mtime INTEGER, mode INTEGER, text TEXT
  ) WITHOUT ROWID`;

const BEGUN_TABLE = "CREATE TABLE begun (number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL)";

/*
 * Times of a stat in µs and inode numbers may pass 2^53, where an integer column could not be read back; a real column
 * stores small ones as integers all the same. A content stands as hex digits, not as a blob, because turning 300,000
 * blobs into strings costs as much as reading all the rest.
 */
const SCHEMA = `
  CREATE TABLE synced (
    path TEXT PRIMARY KEY, revision INTEGER NOT NULL, kind INTEGER NOT NULL,
    size INTEGER, mtime INTEGER, mode INTEGER, text TEXT,
    stat_size REAL, stat_mtime REAL, stat_ctime REAL, stat_ino REAL, stat_mode INTEGER, stat_nlink INTEGER
  ) WITHOUT ROWID;
  CREATE TABLE chunks (path TEXT PRIMARY KEY, list BLOB NOT NULL);
  CREATE TABLE binding (
    one INTEGER PRIMARY KEY CHECK (one = 1), replica TEXT NOT NULL, folder TEXT, epoch TEXT,
    cursor INTEGER NOT NULL, server TEXT NOT NULL, last_sync REAL NOT NULL,
    seen INTEGER NOT NULL, view TEXT, folder_name TEXT NOT NULL, credential TEXT NOT NULL
  );
  ${IGNORED_TABLE};
  ${BEGUN_TABLE}`;

const UPGRADES = new Map([
  [
    1,
    // Before views there was one folder and one user; what it lists first tells what it may see.
    `ALTER TABLE binding ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE binding ADD COLUMN view TEXT;
     ALTER TABLE binding ADD COLUMN folder_name TEXT NOT NULL DEFAULT '';
     ALTER TABLE binding ADD COLUMN credential TEXT NOT NULL DEFAULT ''`,
  ],
  // Before there were rules nothing was ignored.
  [2, IGNORED_TABLE],
  [3, BEGUN_TABLE],
]);

const HEAD_COLUMNS = "path, revision, kind, size, mtime, mode, text";
const COLUMNS = `${HEAD_COLUMNS}, ` +
  "stat_size, stat_mtime, stat_ctime, stat_ino, stat_mode, stat_nlink";

const BINDING_COLUMNS =
  "replica, folder, epoch, cursor, server, last_sync, seen, view, folder_name, credential";

/** Rows that are in memory twice while they are read. */
const PAGE_ROWS = 4000;

/**
 * Opens the state in the file `path`, or makes a new one with a new replica identity.
 *
 * @throws {StateError} with a hint if the file is damaged or was written by a newer program
 */
export function openState(path: string, random: Random): State {
  return new SqliteState(path, random);
}

class SqliteState implements State {
  readonly #path: string;
  readonly #random: Random;
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareAll>;
  #binding: Binding;

  constructor(path: string, random: Random) {
    this.#path = path;
    this.#random = random;
    this.#db = this.#attempt("open", () => {
      return new Database(
        path,
        { applicationId: APPLICATION_ID, version: VERSION, schema: SCHEMA, upgrades: UPGRADES },
        "normal",
      );
    });
    try {
      this.#sql = this.#attempt("open", () => prepareAll(this.#db));
      this.#binding = this.#attempt("open", () => this.#readBinding() ?? this.#makeBinding(NOWHERE));
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  binding(): Binding {
    return this.#binding;
  }

  load(): Map<SyncPath, Synced> {
    return this.#attempt("read", () => loadPages(this.#sql.page, syncedOf));
  }

  ignored(): Map<SyncPath, IgnoredHead> {
    return this.#attempt("read", () => loadPages(this.#sql.ignoredPage, headOf));
  }

  chunks(path: SyncPath): Uint8Array | null {
    return this.#attempt("read", () => (this.#sql.chunks.get(path)?.[0] ?? null) as Uint8Array | null);
  }

  write(change: StateChange): void {
    const binding = change.binding === undefined ? this.#binding : { ...this.#binding, ...change.binding };
    this.#attempt("write", () =>
      this.#db.transaction(() => {
        for (const move of change.moved ?? []) this.#move(move.from, move.to, move.revision);
        for (const [path, synced, chunks] of change.set ?? []) this.#set(path, synced, chunks);
        for (const path of change.gone ?? []) this.#forget(path);
        for (const [path, head] of change.ignored ?? []) {
          if (head === null) this.#sql.forgetIgnored.run(path);
          else this.#sql.setIgnored.run(path, head.revision, ...entryValues(head.entry));
        }
        for (const number of change.done ?? []) this.#sql.forgetBegun.run(number);
        if (binding !== this.#binding) this.#writeBinding(binding);
      }));
    this.#binding = binding;
  }

  begin(text: string): number {
    return this.#attempt("write", () => this.#sql.begin.insert(text));
  }

  begun(): [number, string][] {
    return this.#attempt("read", () => this.#sql.begun.all() as [number, string][]);
  }

  async durable(): Promise<void> {
    try {
      await this.#db.durable();
    } catch (error) {
      throw error instanceof DatabaseError ? stateError("write", this.#path, error) : error;
    }
  }

  reset(): void {
    // Durable, so that a power cut does not bring rows back that belong to another folder.
    this.#binding = this.#attempt("write", () =>
      this.#db.durably(() => {
        this.#sql.clearRows.run();
        this.#sql.clearChunks.run();
        this.#sql.clearIgnored.run();
        this.#sql.clearBegun.run();
        return this.#makeBinding(this.#binding);
      }));
  }

  close(): void {
    this.#db.close();
  }

  #set(path: SyncPath, synced: Synced, chunks: Uint8Array | null): void {
    const { entry, stat } = synced;
    invariant(stat === null || stat.kind === entry.kind, "a synced row's stat is of another kind");
    this.#sql.set.run(
      path,
      synced.revision,
      ...entryValues(entry),
      ...statValues(stat),
    );
    if (chunks === null) this.#sql.forgetChunks.run(path);
    else this.#sql.setChunks.run(path, chunks);
  }

  #forget(path: SyncPath): void {
    this.#sql.forget.run(path);
    this.#sql.forgetChunks.run(path);
  }

  #move(from: SyncPath, to: SyncPath, revision: number): void {
    invariant(!isAtOrBelow(from, to) && !isAtOrBelow(to, from), "a path is moved into itself");
    const [first, end] = below(from);
    const [targetFirst, targetEnd] = below(to);
    this.#sql.clearTarget.run(to, targetFirst, targetEnd);
    this.#sql.clearTargetChunks.run(to, targetFirst, targetEnd);
    this.#sql.move.run(to, from, revision, from, first, end);
    this.#sql.moveChunks.run(to, from, from, first, end);
  }

  #readBinding(): Binding | null {
    const row = this.#sql.binding.get();
    if (row === null) return null;
    const [replica, folder, epoch, cursor, server, lastSync, seen, view, folderName, credential] = row;
    return {
      replica,
      folder,
      epoch,
      cursor,
      seen,
      view,
      server,
      folderName,
      credential,
      lastSync,
    } as Binding;
  }

  #makeBinding(where: Where): Binding {
    const binding = newBinding(this.#random.bytes(16).toHex(), where);
    this.#writeBinding(binding);
    return binding;
  }

  #writeBinding(binding: Binding): void {
    const { replica, folder, epoch, cursor, server, lastSync, seen, view, folderName, credential } = binding;
    this.#sql.setBinding.run(
      replica,
      folder,
      epoch,
      cursor,
      server,
      lastSync,
      seen,
      view,
      folderName,
      credential,
    );
  }

  #attempt<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw error instanceof DatabaseError ? stateError(action, this.#path, error) : error;
    }
  }
}

function prepareAll(db: Database) {
  const prepare = (sql: string): Statement => db.prepare(sql);
  const inside = "path = ? OR (path >= ? AND path < ?)";
  return {
    page: prepare(`SELECT ${COLUMNS} FROM synced WHERE path > ? ORDER BY path LIMIT ?`),
    set: prepare(`INSERT OR REPLACE INTO synced (${COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)`),
    forget: prepare("DELETE FROM synced WHERE path = ?"),
    move: prepare(
      `UPDATE synced SET path = ? || substr(path, length(?) + 1), revision = ? WHERE ${inside}`,
    ),
    clearTarget: prepare(`DELETE FROM synced WHERE ${inside}`),
    clearRows: prepare("DELETE FROM synced"),
    chunks: prepare("SELECT list FROM chunks WHERE path = ?"),
    setChunks: prepare("INSERT OR REPLACE INTO chunks (path, list) VALUES (?, ?)"),
    forgetChunks: prepare("DELETE FROM chunks WHERE path = ?"),
    moveChunks: prepare(`UPDATE chunks SET path = ? || substr(path, length(?) + 1) WHERE ${inside}`),
    clearTargetChunks: prepare(`DELETE FROM chunks WHERE ${inside}`),
    clearChunks: prepare("DELETE FROM chunks"),
    ignoredPage: prepare(`SELECT ${HEAD_COLUMNS} FROM ignored WHERE path > ? ORDER BY path LIMIT ?`),
    setIgnored: prepare(`INSERT OR REPLACE INTO ignored (${HEAD_COLUMNS}) VALUES (?,?,?,?,?,?,?)`),
    forgetIgnored: prepare("DELETE FROM ignored WHERE path = ?"),
    clearIgnored: prepare("DELETE FROM ignored"),
    begin: prepare("INSERT INTO begun (text) VALUES (?)"),
    begun: prepare("SELECT number, text FROM begun ORDER BY number"),
    forgetBegun: prepare("DELETE FROM begun WHERE number = ?"),
    clearBegun: prepare("DELETE FROM begun"),
    binding: prepare(`SELECT ${BINDING_COLUMNS} FROM binding`),
    setBinding: prepare(
      `INSERT OR REPLACE INTO binding (one, ${BINDING_COLUMNS}) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
  };
}

/** Everything below `dir`, as a range of bytes: "0" is the character after "/". */
function below(dir: SyncPath): readonly [string, string] {
  return [`${dir}/`, `${dir}0`];
}

function statValues(stat: Stat | null): SqlValue[] {
  if (stat === null) return [null, null, null, null, null, null];
  return [stat.size, stat.mtimeUs, stat.ctimeUs, stat.ino, stat.mode, stat.nlink];
}

/** All rows of a table, by path. */
function loadPages<T>(page: Statement, read: (row: SqlRow) => T): Map<SyncPath, T> {
  const rows = new Map<SyncPath, T>();
  for (let after = "";;) {
    const some = page.all(after, PAGE_ROWS);
    for (const row of some) rows.set(row[0] as SyncPath, read(row));
    if (some.length < PAGE_ROWS) return rows;
    after = some[some.length - 1]![0] as string;
  }
}

function headOf(row: SqlRow): IgnoredHead {
  return { entry: entryOf(row), revision: row[1] as number };
}

function syncedOf(row: SqlRow): Synced {
  const { entry, revision } = headOf(row);
  if (row[10] === null) return { entry, revision, stat: null };
  const stat = {
    kind: entry.kind,
    size: row[7] as number,
    mtimeUs: row[8] as number,
    ctimeUs: row[9] as number,
    ino: row[10] as number,
    mode: row[11] as number,
    nlink: row[12] as number,
  };
  return { entry, revision, stat };
}

const HINTS = new Map([
  ["damaged", "remove the file; the next run compares both sides again and deletes nothing"],
  ["foreign", "move the file away; the next run compares both sides again and deletes nothing"],
  ["newer", "use the newer program that wrote it"],
  ["no_space", "make room on the device"],
]);

function stateError(action: string, path: string, error: DatabaseError): StateError {
  const code = error.code === "foreign" ? "damaged" : error.code;
  return new StateError(
    code,
    `Cannot ${action} the state "${path}": ${error.message}`,
    HINTS.get(error.code),
  );
}
