import { assertEquals, assertThrows } from "@std/assert";
import { parsePath } from "../core/path.ts";
import type { Keep, PastConflict, PastVersion } from "../protocol/history.ts";
import { chooseKeep, matching } from "./_conflict_choice.ts";
import { UsageError } from "./_exit.ts";

function side(revision: number, who: string): PastVersion {
  const [user, device] = who.split("@") as [string, string];
  const rest = {
    operation: "modified",
    entry: null,
    base: 1,
    from: null,
    time: 0,
    clockOffset: 0,
    head: false,
  } as const;
  return { path: parsePath("f"), revision, author: { user, device }, ...rest };
}

function conflict(winner: string, loser: string, path = "f", id = 1): PastConflict {
  const sides = { winner: side(7, winner), loser: side(8, loser), base: null };
  return { id, path: parsePath(path), ...sides, reason: "", time: 0, resolved: false };
}

const me = { user: "ann", device: "desk" };
const head: Keep = { kind: "head" };
const loser: Keep = { kind: "version", revision: 8 };

const cases: [name: string, winner: string, loser: string, word: string, keep: Keep][] = [
  ["mine won", "ann@desk", "ben@lap", "mine", head],
  ["mine won, theirs is wanted", "ann@desk", "ben@lap", "theirs", loser],
  ["theirs won", "ben@lap", "ann@other", "mine", loser],
  ["theirs won and is wanted", "ben@lap", "ann@other", "theirs", head],
  ["both are mine, this device's won", "ann@desk", "ann@lap", "mine", head],
  ["both are mine, this device's lost", "ann@lap", "ann@desk", "mine", loser],
  ["both", "ann@desk", "ann@desk", "both", { kind: "both" }],
  ["a number", "ann@desk", "ann@desk", "3", { kind: "version", revision: 3 }],
];
for (const [name, winner, other, word, keep] of cases) {
  Deno.test(`what to keep: ${name}`, () => assertEquals(chooseKeep(conflict(winner, other), me, word), keep));
}

Deno.test("what is not clear is asked, not guessed", () => {
  assertThrows(
    () => chooseKeep(conflict("ann@desk", "ann@desk"), me, "mine"),
    UsageError,
    "both versions are yours",
  );
  assertThrows(
    () => chooseKeep(conflict("ben@a", "cy@b"), me, "theirs"),
    UsageError,
    "neither version is yours",
  );
  for (const word of ["", "0", "ours", "-1"]) {
    assertThrows(() => chooseKeep(conflict("ann@desk", "ben@lap"), me, word), UsageError, "Cannot keep");
  }
});

Deno.test("conflicts are named by number, path, directory or pattern", () => {
  const all = ["a.txt", "d/b.txt", "d/e/c.txt", "d/[x]*.md"].map((path, i) =>
    conflict("a@a", "b@b", path, i + 1)
  );
  const ids = (word: string, path: string | null) =>
    matching(all, word, path === null ? null : parsePath(path)).map(({ id }) => id);
  assertEquals(ids("2", null), [2]);
  assertEquals(ids(".", null), [1, 2, 3, 4]);
  assertEquals(ids("a.txt", "a.txt"), [1]);
  assertEquals(ids("d", "d"), [2, 3, 4]);
  assertEquals(ids("*.txt", "*.txt"), [1]);
  assertEquals(ids("d/*", "d/*"), [2, 4]);
  assertEquals(ids("**/*.txt", "**/*.txt"), [1, 2, 3]);
  assertEquals(ids("d/[x]*.md", "d/[x]*.md"), [4]);
  assertEquals(ids("?.txt", "?.txt"), [1]);
  assertEquals(ids("none", "none"), []);
});
