/** What only the real accounts have: a file that may be damaged, foreign or newer, and secrets. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { parsePath } from "../../core/path.ts";
import { systemClock } from "../../system/clock.ts";
import { systemRandom } from "../../system/random.ts";
import { damagedCopies, DatabasePlace } from "../../tests/fakes/database_place.ts";
import { RecordsError } from "../store/records.ts";
import { type Accounts, MAIN_FOLDER } from "./accounts.ts";
import { openAccounts } from "./sqlite_accounts.ts";

const open = (path: string): Accounts => openAccounts(path, systemRandom, systemClock);
const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

/** Enough that every table has pages of its own. */
function fill(accounts: Accounts): void {
  accounts.setOwner("olga");
  accounts.addGroup("staff");
  for (let n = 0; n < 60; n++) {
    const name = `user${n}`;
    accounts.addUser({ name });
    accounts.setMember("staff", name, true);
    const prefix = parsePath(`${"directory/".repeat(10)}${n}`);
    accounts.grant(MAIN_FOLDER, prefix, { kind: "user", name }, { access: "none", history: false });
    accounts.addDevice({ id: `${n}`.padStart(32, "0"), name: "laptop", user: name, tokenHash: hash(n) });
  }
}

/** How much there is of everything. */
function summary(path: string): number[] {
  const accounts = open(path);
  try {
    const members = accounts.groups().flatMap((group) => group.members);
    const all = [accounts.users(), members, accounts.devices(), accounts.grants(), accounts.folders()];
    return all.map(({ length }) => length);
  } finally {
    accounts.close();
  }
}

Deno.test("a change is in the files at once, as a crash would leave them", () => {
  using place = new DatabasePlace("accounts.db");
  const accounts = open(place.path);
  for (let n = 0; n < 5; n++) {
    accounts.addUser({ name: `user${n}` });
    using crashed = place.copy();
    const again = open(crashed.path);
    assertEquals(again.users(), accounts.users());
    again.close();
  }
  accounts.close();
});

Deno.test("nobody else may read the file, and it holds no token and no secret", () => {
  using place = new DatabasePlace("accounts.db");
  const accounts = open(place.path);
  fill(accounts);
  assert(place.modes().length > 0);
  for (const [name, mode] of place.modes()) assertEquals(mode, 0o600, name);
  accounts.close();
});

Deno.test("accounts that are damaged anywhere are refused with a hint, not read as fewer grants", () => {
  using place = new DatabasePlace("accounts.db");
  const accounts = open(place.path);
  fill(accounts);
  accounts.close();
  const whole = summary(place.path);
  assertEquals(whole, [61, 60, 60, 60, 1]);
  for (const [title, bytes] of damagedCopies(Deno.readFileSync(place.path))) {
    place.replace(bytes);
    try {
      assertEquals(summary(place.path), whole, title);
    } catch (error) {
      assert(error instanceof RecordsError, `${title}: ${error}`);
      assertEquals(error.code, "damaged", title);
      assert(error.hint !== "", title);
    }
  }
});

const WRONG_ROWS: readonly string[] = [
  "UPDATE access_grant SET access = 7",
  "UPDATE access_grant SET kind = 2",
  "UPDATE access_grant SET prefix = '../x'",
  "UPDATE device SET token_hash = x'00'",
  "UPDATE device SET token_hash = 'text'",
  "DELETE FROM setting WHERE key = 'viewKey'",
  "DELETE FROM folder",
];

for (const sql of WRONG_ROWS) {
  Deno.test(`accounts after ${sql} are refused`, () => {
    using place = new DatabasePlace("accounts.db");
    const accounts = open(place.path);
    fill(accounts);
    accounts.close();
    place.execute(
      sql.startsWith("DELETE FROM setting") ? `INSERT INTO setting VALUES ('x', 'y'); ${sql}` : sql,
    );
    const error = assertThrows(() => summary(place.path), RecordsError, "accounts.db");
    assertEquals(error.code, "damaged");
  });
}

Deno.test("a newer program's accounts, and another program's file, are left alone", () => {
  using place = new DatabasePlace("accounts.db");
  open(place.path).close();
  place.execute("PRAGMA user_version = 2");
  const before = Deno.readFileSync(place.path);
  assertEquals(assertThrows(() => open(place.path), RecordsError, "newer").code, "newer");
  assertEquals(Deno.readFileSync(place.path), before);
  place.execute("PRAGMA user_version = 1; PRAGMA application_id = 5");
  assertEquals(assertThrows(() => open(place.path), RecordsError, "not one of ours").code, "damaged");
});

Deno.test("what cannot be written is not in force, and can be tried again", () => {
  using place = new DatabasePlace("accounts.db");
  const accounts = open(place.path);
  accounts.addUser({ name: "ann" });
  accounts.grant(MAIN_FOLDER, null, { kind: "user", name: "ann" }, { access: "read", history: false });
  accounts.addDevice({ id: "00".repeat(16), name: "laptop", user: "ann", tokenHash: hash(1) });
  let heard = 0;
  accounts.onChange(() => heard++);
  // Another program refuses what we write.
  const other = new DatabaseSync(place.path);
  other.exec(
    "CREATE TRIGGER no BEFORE INSERT ON access_grant BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
  );
  other.exec(
    "CREATE TRIGGER no2 BEFORE INSERT ON device BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
  );
  const more = () =>
    accounts.grant(MAIN_FOLDER, null, { kind: "user", name: "ann" }, { access: "write", history: false });
  assertEquals(assertThrows(more, RecordsError, "full").code, "no_space");
  accounts.noteSeen("00".repeat(16));
  assertEquals(accounts.membership("ann", MAIN_FOLDER)?.rights.at(parsePath("a")), "read");
  assertEquals([accounts.device("00".repeat(16))?.lastSeen, heard], [0, 0]);
  other.exec("DROP TRIGGER no; DROP TRIGGER no2");
  other.close();
  more();
  accounts.noteSeen("00".repeat(16));
  assertEquals(accounts.membership("ann", MAIN_FOLDER)?.rights.at(parsePath("a")), "write");
  assertNotEquals(accounts.device("00".repeat(16))?.lastSeen, 0);
  assertEquals(heard, 1);
  accounts.close();
});

Deno.test("two servers give the same rules different views", () => {
  using a = new DatabasePlace("accounts.db");
  using b = new DatabasePlace("accounts.db");
  const views = [a, b].map(({ path }) => {
    const accounts = open(path);
    accounts.addUser({ name: "ann" });
    accounts.grant(MAIN_FOLDER, parsePath("docs"), { kind: "user", name: "ann" }, {
      access: "read",
      history: false,
    });
    const { view } = accounts.membership("ann", MAIN_FOLDER)!;
    accounts.close();
    return view;
  });
  assertNotEquals(views[0], views[1]);
});
