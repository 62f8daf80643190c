/**
 * One SQLite database of ours: private, in WAL mode, recognised by its application id and format version, with errors
 * that say what a caller can decide by. Used by the state of a replica and by the records of a server.
 */
import { dirname } from "@std/path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { expectFile, shareNew } from "./group_area.ts";
import { syncDir } from "./private_file.ts";

/** What is wrong with a database. */
export type DatabaseTrouble = "damaged" | "foreign" | "newer" | "no_space" | "busy" | "io";

/** A database cannot be opened, read or written. `message` is a reason, for use after a colon. */
export class DatabaseError extends Error {
  override name = "DatabaseError";
  readonly code: DatabaseTrouble;
  constructor(code: DatabaseTrouble, message: string) {
    super(message);
    this.code = code;
  }
}

export interface DatabaseFormat {
  /** Written into the file's header, so that another program's database is never taken for ours. */
  readonly applicationId: number;
  /** Format that this program writes; a file with a greater one is refused. */
  readonly version: number;
  /** Statements that bring an empty file to `version`. */
  readonly schema: string;
  /** Statements that bring a file from the version that is their key to the next one. */
  readonly upgrades?: ReadonlyMap<number, string>;
}

/** A value of a row. */
export type SqlValue = number | string | null | Uint8Array;
/** A row read as an array, which costs half of an object. */
export type SqlRow = SqlValue[];

/** Another process (a command of the owner) may hold the write lock this long, ms. */
const BUSY_MS_MAX = 10_000;
/** Pages of the WAL before it is carried over: 16 MiB, so that a large batch needs no more than one. */
const CHECKPOINT_PAGES = 4096;

export class Database {
  readonly #db: DatabaseSync;
  readonly #path: string;
  /** The journal, to make it durable without holding the thread up. */
  #journal: Deno.FsFile | null = null;
  readonly #transactions: { readonly begin: StatementSync; readonly commit: StatementSync };
  #synchronous: "normal" | "full";

  /**
   * @param synchronous `full`: a commit is durable when it returns; `normal`: a power cut may undo the latest commits
   * @throws {DatabaseError}
   */
  constructor(path: string, format: DatabaseFormat, synchronous: "normal" | "full") {
    this.#synchronous = synchronous;
    this.#path = path;
    this.#db = attempt(() => {
      // SQLite would follow a link.
      for (const file of [path, `${path}-wal`, `${path}-shm`]) expectFile(file);
      createPrivate(path);
      return new DatabaseSync(path, { timeout: BUSY_MS_MAX });
    });
    try {
      this.#transactions = attempt(() => {
        checkHeader(this.#db, format);
        this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
          PRAGMA temp_store = MEMORY; PRAGMA cache_size = -6144; PRAGMA synchronous = FULL`);
        return { begin: this.#db.prepare("BEGIN IMMEDIATE"), commit: this.#db.prepare("COMMIT") };
      });
      this.#create(format);
      attempt(() => this.#db.exec(`PRAGMA synchronous = ${synchronous}`));
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** A statement that is kept and used again, with rows as arrays. @throws {DatabaseError} */
  prepare(sql: string): Statement {
    const statement = attempt(() => this.#db.prepare(sql));
    // Deno's types leave this method out.
    (statement as StatementSync & { setReturnArrays(on: boolean): void }).setReturnArrays(true);
    return new Statement(statement);
  }

  /** Runs `work` as one transaction: all of it or nothing. @throws {DatabaseError} */
  transaction<T>(work: () => T): T {
    try {
      this.#transactions.begin.run();
      const result = work();
      this.#transactions.commit.run();
      return result;
    } catch (error) {
      // SQLite ends the transaction by itself after some errors; a failing rollback must not hide the first error.
      try {
        this.#db.exec("ROLLBACK");
      } catch {
        // No transaction was open.
      }
      throw databaseError(error);
    }
  }

  /** Like {@link transaction}, and durable when it returns. */
  durably<T>(work: () => T): T {
    if (this.#synchronous === "full") return this.transaction(work);
    attempt(() => this.#db.exec("PRAGMA synchronous = FULL"));
    try {
      return this.transaction(work);
    } finally {
      attempt(() => this.#db.exec("PRAGMA synchronous = NORMAL"));
    }
  }

  /**
   * Makes every commit so far durable, on another thread: what was carried over from the journal into the database is
   * so already. @throws {DatabaseError}
   */
  async durable(): Promise<void> {
    try {
      this.#journal ??= Deno.openSync(`${this.#path}-wal`);
      await this.#journal.syncData();
    } catch (error) {
      // A file system that has no shared memory has no such journal either; then each commit is durable by itself.
      if (!(error instanceof Deno.errors.NotFound)) throw databaseError(error);
    }
  }

  close(): void {
    this.#journal?.close();
    this.#journal = null;
    try {
      this.#db.close();
    } catch {
      // Closed before.
    }
  }

  #create(format: DatabaseFormat): void {
    if (versionOf(this.#db) === format.version) return;
    this.transaction(() => {
      // Another process may have been quicker.
      const found = versionOf(this.#db);
      if (found === format.version) return;
      this.#db.exec(`${found === 0 ? format.schema : upgrade(format, found)};
        PRAGMA application_id = ${format.applicationId}; PRAGMA user_version = ${format.version}`);
    });
  }
}

/** A prepared statement. Every method throws {DatabaseError}. */
export class Statement {
  readonly #statement: StatementSync;

  constructor(statement: StatementSync) {
    this.#statement = statement;
  }

  run(...values: SqlValue[]): void {
    try {
      this.#statement.run(...values);
    } catch (error) {
      throw databaseError(error);
    }
  }

  /** The same for one row. @returns its number */
  insert(...values: SqlValue[]): number {
    try {
      return Number(this.#statement.run(...values).lastInsertRowid);
    } catch (error) {
      throw databaseError(error);
    }
  }

  /** The first row, or `null`. */
  get(...values: SqlValue[]): SqlRow | null {
    try {
      return this.#statement.get(...values) as unknown as SqlRow | undefined ?? null;
    } catch (error) {
      throw databaseError(error);
    }
  }

  all(...values: SqlValue[]): SqlRow[] {
    try {
      return this.#statement.all(...values) as unknown as SqlRow[];
    } catch (error) {
      throw databaseError(error);
    }
  }
}

/** Makes an empty file that nobody else may read, but the group of a shared area: SQLite gives its side files the same mode. */
function createPrivate(path: string): void {
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
    shareNew(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  syncDir(dirname(path));
}

function checkHeader(db: DatabaseSync, format: DatabaseFormat): void {
  const version = versionOf(db);
  const application = pragma(db, "application_id");
  if (version === 0 && application === 0 && pragma(db, "page_count") === 0) return;
  if (application !== format.applicationId) {
    throw new DatabaseError("foreign", "it is not one of ours");
  }
  if (version > format.version) {
    throw new DatabaseError("newer", `its format ${version} is newer than this program's ${format.version}`);
  }
}

/** All statements from version `found` to the present one. */
function upgrade({ version, upgrades }: DatabaseFormat, found: number): string {
  const steps: string[] = [];
  for (let from = found; from < version; from++) {
    const step = upgrades?.get(from);
    if (step === undefined) throw new DatabaseError("foreign", `its format ${found} is not known any more`);
    steps.push(step);
  }
  return steps.join(";\n");
}

function versionOf(db: DatabaseSync): number {
  return pragma(db, "user_version");
}

function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name] ?? 0);
}

function attempt<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw databaseError(error);
  }
}

/** SQLite's result codes do not come through `node:sqlite`; its English messages are part of its stable interface. */
const TROUBLES: readonly (readonly [string, DatabaseTrouble])[] = [
  ["file is not a database", "damaged"],
  ["disk image is malformed", "damaged"],
  ["unsupported file format", "damaged"],
  ["malformed database schema", "damaged"],
  ["no such table", "damaged"],
  ["no such column", "damaged"],
  ["database or disk is full", "no_space"],
  ["No space left", "no_space"],
  ["database is locked", "busy"],
];

function databaseError(error: unknown): unknown {
  if (error instanceof DatabaseError || !(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  const ours = code === "ERR_SQLITE_ERROR" || code === "ERR_INVALID_STATE" || code === "ERR_OUT_OF_RANGE" ||
    error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
    error.message.includes("os error");
  if (!ours) return error;
  // A number beyond JavaScript's is one that we never wrote.
  if (code === "ERR_OUT_OF_RANGE") return new DatabaseError("damaged", error.message);
  const known = TROUBLES.find(([text]) => error.message.includes(text));
  return new DatabaseError(known?.[1] ?? "io", error.message);
}
