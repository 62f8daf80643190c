/**
 * The accounts in one SQLite file, `.fsync/accounts.db`, all of it held in memory too. A change is durable when it returns.
 * One process has the file open: the running server, or under the folder's lock a command of the owner.
 */
import type { Clock } from "../../system/clock.ts";
import type { Random } from "../../system/random.ts";
import { Database, DatabaseError, type Statement } from "../../system/sqlite.ts";
import { RecordsError } from "../store/records.ts";
import { AccountBook, firstRows, isComplete } from "./account_book.ts";
import { APPLICATION_ID, MAPPINGS, SCHEMA, TABLE_NAMES, valuesOf, VERSION } from "./_accounts_schema.ts";
import type { Accounts } from "./accounts.ts";
import { type RowChange, type TableName, Tables } from "./_tables.ts";

/**
 * Opens the accounts in the file `path`, or makes new ones.
 *
 * @param before what new accounts take over; asked for only if they are new
 * @throws {RecordsError} with a hint if the file is damaged or was written by a newer program
 */
export function openAccounts(
  path: string,
  random: Random,
  clock: Pick<Clock, "now">,
  before: () => readonly RowChange[] = () => [],
): Accounts {
  const format = { applicationId: APPLICATION_ID, version: VERSION, schema: SCHEMA };
  const db = attempt("open", path, () => new Database(path, format, "full"));
  try {
    const store = attempt("open", path, () => new AccountStore(db));
    const tables = attempt("open", path, () => store.load());
    if (tables.isEmpty()) {
      const rows = [...firstRows(random), ...before()];
      attempt("write", path, () => store.save(rows));
      for (const row of rows) tables.apply(row);
    } else if (!isComplete(tables)) {
      attempt("open", path, () => {
        throw new DatabaseError("damaged", "something of it is missing");
      });
    }
    return new AccountBook({
      tables,
      clock,
      save: (changes) => attempt("write", path, () => store.save(changes)),
      onClose: () => db.close(),
    });
  } catch (error) {
    db.close();
    throw error;
  }
}

class AccountStore {
  readonly #db: Database;
  readonly #put: ReadonlyMap<TableName, Statement>;
  readonly #drop: ReadonlyMap<TableName, Statement>;

  constructor(db: Database) {
    this.#db = db;
    const prepareEach = (sql: (table: TableName) => string) =>
      new Map(TABLE_NAMES.map((table) => [table, db.prepare(sql(table))]));
    this.#put = prepareEach((table) => {
      const { name, columns } = MAPPINGS[table];
      return `INSERT OR REPLACE INTO ${name} (${columns.join(", ")}) VALUES (${
        columns.map(() => "?").join(", ")
      })`;
    });
    this.#drop = prepareEach((table) => {
      const { name, columns, keys } = MAPPINGS[table];
      return `DELETE FROM ${name} WHERE ${
        columns.slice(0, keys).map((column) => `${column} = ?`).join(" AND ")
      }`;
    });
  }

  /** A grant that is read as not being there could be one that forbids: all of the file is looked at. */
  load(): Tables {
    const [verdict] = this.#db.prepare("PRAGMA integrity_check(1)").get() ?? [];
    if (verdict !== "ok") throw new DatabaseError("damaged", String(verdict));
    const tables = new Tables();
    for (const table of TABLE_NAMES) {
      const { name, columns, row } = MAPPINGS[table];
      for (const values of this.#db.prepare(`SELECT ${columns.join(", ")} FROM ${name}`).all()) {
        tables.apply({ table, row: row(values) } as RowChange);
      }
    }
    return tables;
  }

  save(changes: readonly RowChange[]): void {
    this.#db.transaction(() => {
      for (const change of changes) {
        const statements = change.gone === true ? this.#drop : this.#put;
        statements.get(change.table)!.run(...valuesOf(change));
      }
    });
  }
}

const HINTS = new Map([
  ["damaged", "put back a copy of the file; without it all devices have to join again"],
  ["foreign", "another program's file stands there: move it away"],
  ["newer", "use the newer program that wrote it"],
  ["no_space", "make room on the device"],
]);

function attempt<T>(action: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const code = error.code === "foreign" ? "damaged" : error.code;
    throw new RecordsError(
      code,
      `Cannot ${action} the accounts "${path}": ${error.message}`,
      HINTS.get(error.code),
    );
  }
}
