/** What only the real records have: a file that may be damaged, foreign or newer. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parsePath } from "../../core/path.ts";
import { systemClock } from "../../system/clock.ts";
import { systemRandom } from "../../system/random.ts";
import { damagedCopies, DatabasePlace } from "../../tests/fakes/database_place.ts";
import { type Records, RecordsError, type Version } from "./records.ts";
import { openRecords } from "./sqlite_records.ts";

const open = (path: string): Records => openRecords(path, systemRandom, systemClock);

function version(path: string, revision: number): Version {
  const author = { user: "ann", device: "laptop", replica: "7".repeat(32) };
  const entry = { kind: "dir", mode: 0o755 } as const;
  const rest = { operation: "created", base: 0, from: null, time: 1, clockOffset: 0, head: true } as const;
  return { path: parsePath(path), revision, entry, ...author, ...rest };
}

function fill(records: Records, count: number): void {
  const versions = Array.from({ length: count }, (_, i) => version(`dir/${i}`, i + 1));
  records.commit({ versions, conflicts: [], locations: [], chunkLists: [] });
}

/** Everything that a server reads at its start. */
function readAll(path: string): number {
  const records = open(path);
  try {
    return [...records.liveHeads()].length;
  } finally {
    records.close();
  }
}

Deno.test("what was committed is in the files at once, as a crash would leave them", () => {
  using place = new DatabasePlace("records.db");
  const records = open(place.path);
  for (let revision = 1; revision <= 5; revision++) {
    records.commit({ versions: [version("a", revision)], conflicts: [], locations: [], chunkLists: [] });
    using crashed = place.copy();
    const again = open(crashed.path);
    assertEquals(again.headRevision(), revision);
    assertEquals(again.headsSince(0, null, 9).map((v) => v.revision), [revision]);
    assertEquals(again.identity(), records.identity());
    again.close();
  }
  records.close();
});

Deno.test("a file that is damaged anywhere is refused with a hint, not read as less", () => {
  using place = new DatabasePlace("records.db");
  const records = open(place.path);
  fill(records, 3000);
  records.close();
  for (const [title, bytes] of damagedCopies(Deno.readFileSync(place.path))) {
    place.replace(bytes);
    try {
      assertEquals(readAll(place.path), 3000, title);
    } catch (error) {
      assert(error instanceof RecordsError, `${title}: ${error}`);
      assertEquals(error.code, "damaged", title);
      assertStringIncludes(error.hint, "copy");
    }
  }
});

Deno.test("a database of another program is refused", () => {
  using place = new DatabasePlace("records.db");
  place.execute("CREATE TABLE theirs (x)");
  const error = assertThrows(() => open(place.path), RecordsError, "not one of ours") as RecordsError;
  assertStringIncludes(error.hint, "move it away");
});

Deno.test("records of a newer program are refused, and left as they are", () => {
  using place = new DatabasePlace("records.db");
  open(place.path).close();
  place.execute("PRAGMA user_version = 2");
  const before = Deno.readFileSync(place.path);
  const error = assertThrows(() => open(place.path), RecordsError, "newer") as RecordsError;
  assertEquals(error.code, "newer");
  assertStringIncludes(error.hint, "newer program");
  assertEquals(Deno.readFileSync(place.path), before);
});

Deno.test("records are their owner's alone", () => {
  using place = new DatabasePlace("records.db");
  const old = Deno.umask(0);
  try {
    const records = open(place.path);
    fill(records, 10);
    for (const [name, mode] of place.modes()) assertEquals(mode, 0o600, name);
    records.close();
  } finally {
    Deno.umask(old);
  }
});

Deno.test("a command of the owner reads while the server writes", () => {
  using place = new DatabasePlace("records.db");
  const server = open(place.path);
  fill(server, 10);
  const command = open(place.path);
  assertEquals(command.headRevision(), 10);
  server.commit({ versions: [version("b", 11)], conflicts: [], locations: [], chunkLists: [] });
  assertEquals(command.versions(parsePath("b")).length, 1);
  command.close();
  server.close();
});
