/** What only the real state has: a file that may be damaged, foreign or newer. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { ContentId } from "../core/entry.ts";
import { parsePath } from "../core/path.ts";
import { systemRandom } from "../system/random.ts";
import { damagedCopies, DatabasePlace } from "../tests/fakes/database_place.ts";
import { openState } from "./sqlite_state.ts";
import { type State, StateError, type Synced } from "./state.ts";

const open = (path: string): State => openState(path, systemRandom);

function row(revision: number): Synced {
  const entry = {
    kind: "file",
    size: 5,
    mtime: 1,
    mode: 0o644,
    content: "ab".repeat(32) as ContentId,
  } as const;
  return { entry, revision, stat: null };
}

function fill(state: State, count: number): void {
  state.write({
    set: Array.from({ length: count }, (_, i) => [parsePath(`dir/${i}`), row(i), null] as const),
  });
}

function readAll(path: string): number {
  const state = open(path);
  try {
    return state.load().size;
  } finally {
    state.close();
  }
}

Deno.test("a state that is damaged anywhere is refused with a hint, never read as fewer rows", () => {
  using place = new DatabasePlace("state.db");
  const state = open(place.path);
  fill(state, 3000);
  state.close();
  for (const [title, bytes] of damagedCopies(Deno.readFileSync(place.path))) {
    place.replace(bytes);
    // Fewer rows would look like files that are new here; a missing one never looks like a delete.
    try {
      assertEquals(readAll(place.path), 3000, title);
    } catch (error) {
      assert(error instanceof StateError, `${title}: ${error}`);
      assertEquals(error.code, "damaged", title);
      assertStringIncludes(error.hint, "remove the file");
    }
  }
});

Deno.test("a state that was emptied is a new one, of another replica", () => {
  using place = new DatabasePlace("state.db");
  const state = open(place.path);
  fill(state, 10);
  const before = state.binding().replica;
  state.close();
  place.replace(new Uint8Array(0));
  const again = open(place.path);
  assertEquals(again.load().size, 0);
  assert(again.binding().replica !== before);
  again.close();
});

Deno.test("a database of another program, or of another kind of ours, is refused", () => {
  using place = new DatabasePlace("state.db");
  place.execute("CREATE TABLE theirs (x); PRAGMA application_id = 7");
  assertThrows(() => open(place.path), StateError, "not one of ours");
});

Deno.test("a state of a newer program is refused, and left as it is", () => {
  using place = new DatabasePlace("state.db");
  open(place.path).close();
  place.execute("PRAGMA user_version = 5");
  const before = Deno.readFileSync(place.path);
  const error = assertThrows(() => open(place.path), StateError, "newer") as StateError;
  assertEquals(error.code, "newer");
  assertEquals(Deno.readFileSync(place.path), before);
});

Deno.test("a state of format 1 opens with all that it knew", () => {
  using place = new DatabasePlace("state.db");
  place.replace(Deno.readFileSync(new URL("../tests/fixtures/state_format_1.db", import.meta.url)));
  for (let run = 1; run <= 2; run++) {
    const state = open(place.path);
    const { replica: _, ...binding } = state.binding();
    assertEquals(binding, {
      folder: "f".repeat(32),
      epoch: "e".repeat(32),
      cursor: 4,
      seen: 0,
      view: null,
      server: "nas:65432",
      folderName: "",
      credential: "",
      lastSync: 1_700_000_002_000,
    });
    const rows = [...state.load()].map(([path, { entry, revision }]) => `${path} ${entry.kind} @${revision}`);
    assertEquals(rows, ["dir dir @1", "dir/file.txt file @2", "large file @4", "link link @3"]);
    assertEquals(state.chunks(parsePath("large")), new Uint8Array(72).fill(7));
    state.close();
  }
});

Deno.test("a state of format 3 opens with all that it knew, and nothing that was begun", () => {
  using place = new DatabasePlace("state.db");
  place.replace(Deno.readFileSync(new URL("../tests/fixtures/state_format_3.db", import.meta.url)));
  for (let run = 1; run <= 2; run++) {
    const state = open(place.path);
    const { replica: _, ...binding } = state.binding();
    assertEquals(binding, {
      folder: "f".repeat(32),
      epoch: "e".repeat(32),
      cursor: 5,
      seen: 6,
      view: "v".repeat(32),
      server: "nas:65432",
      folderName: "team",
      credential: "c".repeat(32),
      lastSync: 1_700_000_002_000,
    });
    const rows = [...state.load()].map(([path, { entry, revision }]) => `${path} ${entry.kind} @${revision}`);
    assertEquals(rows, ["dir dir @1", "dir/file.txt file @2", "large file @4", "link link @3"]);
    assertEquals(state.load().get(parsePath("dir/file.txt"))?.stat?.ino, 12);
    assertEquals(state.chunks(parsePath("large")), new Uint8Array(72).fill(7));
    assertEquals([...state.ignored()].map(([path, { revision }]) => `${path} @${revision}`), ["dir/log @5"]);
    assertEquals(state.begun().length, run - 1);
    state.begin("{}");
    state.close();
  }
});

Deno.test("a state of each older format is taken over, with its rows", () => {
  const row = `'f', 7, 0, 5, 1, 420, '${"ab".repeat(32)}', NULL, NULL, NULL, NULL, NULL, NULL`;
  const tables = (binding: string) =>
    `CREATE TABLE synced (path TEXT PRIMARY KEY, revision INTEGER NOT NULL, kind INTEGER NOT NULL,
       size INTEGER, mtime INTEGER, mode INTEGER, text TEXT, stat_size REAL, stat_mtime REAL,
       stat_ctime REAL, stat_ino REAL, stat_mode INTEGER, stat_nlink INTEGER) WITHOUT ROWID;
     CREATE TABLE chunks (path TEXT PRIMARY KEY, list BLOB NOT NULL);
     CREATE TABLE binding (one INTEGER PRIMARY KEY CHECK (one = 1), replica TEXT NOT NULL, folder TEXT, epoch TEXT,
       cursor INTEGER NOT NULL, server TEXT NOT NULL, last_sync REAL NOT NULL ${binding});
     INSERT INTO synced VALUES (${row}); PRAGMA application_id = 0x66737953`;
  const formats = [
    `${tables("")}; INSERT INTO binding VALUES (1, 'r', 'f', 'e', 9, 's:1', 3); PRAGMA user_version = 1`,
    `${tables(", seen INTEGER NOT NULL, view TEXT, folder_name TEXT NOT NULL, credential TEXT NOT NULL")};
     INSERT INTO binding VALUES (1, 'r', 'f', 'e', 9, 's:1', 3, 0, NULL, '', ''); PRAGMA user_version = 2`,
  ];
  for (const format of formats) {
    using place = new DatabasePlace("state.db");
    place.execute(format);
    const state = open(place.path);
    assertEquals([...state.load().keys()], [parsePath("f")]);
    assertEquals(state.ignored().size, 0);
    assertEquals([state.binding().replica, state.binding().cursor, state.binding().view], ["r", 9, null]);
    state.write({ ignored: [[parsePath("x"), { entry: { kind: "dir", mode: 0o755 }, revision: 2 }]] });
    state.close();
  }
});

Deno.test("a killed process leaves a state of whole writes", () => {
  using place = new DatabasePlace("state.db");
  const state = open(place.path);
  for (let i = 1; i <= 5; i++) {
    state.write({ set: [[parsePath(`${i}`), row(i), null]], binding: { cursor: i } });
    using killed = place.copy();
    const again = open(killed.path);
    assertEquals(again.load().size, i);
    assertEquals({ ...again.binding() }, { ...state.binding() });
    again.close();
  }
  state.close();
});

Deno.test("a place that cannot be written says so", () => {
  using place = new DatabasePlace("state.db");
  const error = assertThrows(() => open(`${place.path}/no/state.db`), StateError) as StateError;
  assertEquals(error.code, "io");
  assertStringIncludes(error.message, "Cannot open the state");
});

Deno.test("a state is its owner's alone", () => {
  using place = new DatabasePlace("state.db");
  const old = Deno.umask(0);
  try {
    const state = open(place.path);
    fill(state, 10);
    for (const [name, mode] of place.modes()) assertEquals(mode, 0o600, name);
    state.close();
  } finally {
    Deno.umask(old);
  }
});
