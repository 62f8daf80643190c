import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ChunkList, ChunkListBuilder, digest } from "../core/chunk.ts";
import { type ContentId, describeEntry, type Entry } from "../core/entry.ts";
import { Bug } from "../core/invariant.ts";
import { isAtOrBelow, parsePath, type SyncPath } from "../core/path.ts";
import type { Notice } from "../protocol/messages.ts";
import type { Stat } from "../system/disk.ts";
import { MemState } from "../tests/fakes/mem_state.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { type Found, Trees } from "./trees.ts";

const p = parsePath;
const AUTHOR = { user: "anna", device: "laptop" };

/** `"x"` is a file with that content, `"dir"` a directory. */
function entryOf(what: string): Entry {
  if (what === "dir") return { kind: "dir", mode: 0o755 };
  return { kind: "file", size: what.length, mtime: 0, mode: 0o644, content: what as ContentId };
}

function statOf(entry: Entry, ino = 1): Stat {
  return { kind: entry.kind, size: 1, mtimeUs: 0, ctimeUs: 0, ino, mode: 0o644, nlink: 1 };
}

function foundOf(what: string, { ino = 1, racy = false } = {}): Found {
  const entry = entryOf(what);
  return { entry, stat: statOf(entry, ino), racy, bytes: null, chunks: null, seen: 0 };
}

/** Trees that agreed on `rows` at revision 1, all written. */
function treesOf(rows: Readonly<Record<string, string>>): Trees {
  const trees = new Trees();
  for (const [path, what] of Object.entries(rows)) {
    trees.agree(p(path), entryOf(what), 1, statOf(entryOf(what)), null);
  }
  trees.takePending(() => null);
  trees.upTo = 1;
  return trees;
}

function set(path: string, what: string, revision: number): Notice {
  return { kind: "set", path: p(path), revision, entry: entryOf(what), from: null, author: AUTHOR };
}

function gone(path: string, revision: number): Notice {
  return { kind: "gone", path: p(path), revision, author: AUTHOR };
}

function local(trees: Trees): string[] {
  return [...trees.local].map(([path, found]) => `${path}: ${describeEntry(found?.entry ?? null)}`).sort();
}

function remote(trees: Trees): string[] {
  return [...trees.remote].map(([path, { entry, revision }]) =>
    `${path}: ${describeEntry(entry)} @${revision}`
  ).sort();
}

Deno.test("trees: what was found is a change only if it differs from what was agreed", () => {
  const trees = treesOf({ a: "1" });
  assertEquals([trees.noteFound(p("a"), foundOf("1")), trees.noteFound(p("a"), foundOf("22"))], [
    false,
    true,
  ]);
  assertEquals([local(trees), trees.localEntry(p("a"))], [["a: file 2 B"], entryOf("22")]);
  assertEquals([trees.noteFound(p("a"), foundOf("1")), local(trees)], [false, []]);
  trees.noteGone(p("a"));
  trees.noteGone(p("never"));
  assertEquals([local(trees), trees.localEntry(p("a"))], [["a: absent"], null]);
});

Deno.test("trees: a stat that alone was renewed is written, a racy one as unknown", () => {
  const trees = treesOf({ a: "1" });
  trees.noteFound(p("a"), foundOf("1"));
  assertEquals(trees.hasPending, false);
  trees.noteFound(p("a"), foundOf("1", { ino: 2 }));
  const [row] = trees.takePending(() => new Uint8Array(36)).set;
  assertEquals(row, [
    p("a"),
    { entry: entryOf("1"), revision: 1, stat: statOf(entryOf("1"), 2) },
    new Uint8Array(36),
  ]);
  trees.noteFound(p("a"), foundOf("1", { ino: 2, racy: true }));
  assertEquals(trees.takePending(() => null).set[0]![1].stat, null);
});

Deno.test("trees: heads are taken in the order of their revisions, however they come", () => {
  const trees = treesOf({ a: "1" });
  trees.noteNotice(set("a", "three", 3));
  trees.noteNotice(set("a", "two", 2));
  assertEquals([remote(trees), trees.remoteEntry(p("a"))], [["a: file 5 B @3"], entryOf("three")]);
  trees.noteNotice(gone("a", 4));
  assertEquals([remote(trees), trees.remoteEntry(p("a"))], [["a: absent @4"], null]);
  trees.noteNotice(set("a", "1", 1));
  assertEquals(remote(trees), ["a: absent @4"]);
});

Deno.test("trees: the end of what was never known here is no news", () => {
  const trees = treesOf({});
  trees.noteNotice(gone("x", 2));
  assertEquals(remote(trees), []);
  trees.noteFound(p("y"), foundOf("1"));
  trees.noteNotice(gone("y", 3));
  assertEquals(remote(trees), ["y: absent @3"]);
  trees.noteNotice(set("z", "1", 4));
  trees.noteNotice(gone("z", 5));
  assertEquals(remote(trees), ["y: absent @3", "z: absent @5"]);
});

Deno.test("trees: agreeing settles a head up to its revision, no later one", () => {
  const trees = treesOf({ a: "1" });
  trees.noteNotice(set("a", "22", 5));
  trees.agree(p("a"), entryOf("x"), 4, null, null);
  assertEquals(remote(trees), ["a: file 2 B @5"]);
  trees.agree(p("a"), entryOf("22"), 5, null, null);
  assertEquals(remote(trees), []);
  trees.noteNotice(gone("a", 6));
  trees.agreeGone(p("a"), 6);
  assertEquals([remote(trees), trees.synced.size], [[], 0]);
});

Deno.test("trees: the cursor stays before what is not agreed on yet", () => {
  const trees = treesOf({ a: "1", b: "1" });
  trees.noteNotice(set("a", "2", 5));
  trees.noteNotice(set("b", "2", 7));
  trees.upTo = 9;
  assertEquals(trees.cursor(), 4);
  trees.agree(p("a"), entryOf("2"), 5, null, null);
  assertEquals(trees.cursor(), 6);
  trees.agree(p("b"), entryOf("2"), 7, null, null);
  assertEquals(trees.cursor(), 9);
});

Deno.test("trees: a head beyond what is complete does not hold the cursor back", () => {
  const trees = treesOf({});
  trees.noteNotice(set("a", "1", 8));
  assertEquals(trees.cursor(), 1);
});

Deno.test("trees: a directory that the server renamed is told path by path, as the server had it", () => {
  const trees = treesOf({ d: "dir", "d/a": "1", "d/b": "22", "d-x": "1" });
  trees.noteNotice(gone("d/b", 2));
  trees.noteNotice(set("d/c", "333", 3));
  trees.noteNotice({ kind: "moved", from: p("d"), to: p("e"), revision: 4, author: AUTHOR });
  assertEquals(remote(trees), [
    "d/a: absent @4",
    "d/b: absent @2",
    "d/c: absent @4",
    "d: absent @4",
    "e/a: file 1 B @4",
    "e/c: file 3 B @4",
    "e: dir @4",
  ]);
  assertEquals(trees.moves, [{ from: p("d"), to: p("e"), revision: 4, author: AUTHOR }]);
});

Deno.test("trees: a renamed file is no directory to move", () => {
  const trees = treesOf({ a: "1" });
  trees.noteNotice({ kind: "moved", from: p("a"), to: p("b"), revision: 2, author: AUTHOR });
  assertEquals([remote(trees), trees.moves], [["a: absent @2", "b: file 1 B @2"], []]);
});

Deno.test("trees: a move that was pushed: what a look found at the new place is measured against it", () => {
  const trees = treesOf({ d: "dir", "d/a": "1", "d/b": "22", "d/c": "333" });
  for (const path of ["d", "d/a", "d/b", "d/c"]) trees.noteGone(p(path));
  trees.noteFound(p("e"), foundOf("dir"));
  trees.noteFound(p("e/a"), foundOf("1"));
  trees.noteFound(p("e/b"), foundOf("edited"));
  trees.noteFound(p("e/new"), foundOf("n"));
  trees.agreeMoved(p("d"), p("e"), 5, true);
  assertEquals(local(trees), ["e/b: file 6 B", "e/c: absent", "e/new: file 1 B"]);
  assertEquals([...trees.synced.keys()].sort(), ["e", "e/a", "e/b", "e/c"].map(p));
  assertEquals([trees.synced.get(p("e/a"))?.revision, trees.files], [5, 3]);
  assertEquals(trees.takePending(() => null).moved, [{ from: p("d"), to: p("e"), revision: 5 }]);
});

Deno.test("trees: a move that was pulled settles both ends and leaves nothing to look for", () => {
  const trees = treesOf({ d: "dir", "d/a": "1", "d/b": "22" });
  trees.noteNotice({ kind: "moved", from: p("d"), to: p("e"), revision: 4, author: AUTHOR });
  trees.noteNotice(set("e/b", "later", 5));
  trees.agreeMoved(p("d"), p("e"), 4, false);
  assertEquals([local(trees), remote(trees)], [[], ["e/b: file 5 B @5"]]);
});

Deno.test("trees: an edit that came before its directory's move stays news, also after a restart", () => {
  const trees = treesOf({ d: "dir", "d/a": "1" });
  trees.noteNotice(set("d/a", "edited", 3));
  trees.noteNotice({ kind: "moved", from: p("d"), to: p("e"), revision: 4, author: AUTHOR });
  trees.upTo = 4;
  trees.agreeMoved(p("d"), p("e"), 4, false);
  assertEquals(remote(trees), ["e/a: file 6 B @4"]);
  const row = trees.takePending(() => null).set.find(([path]) => path === p("e/a"))![1];

  const restarted = new Trees();
  restarted.load(new Map([[p("e/a"), row]]), { cursor: trees.cursor(), seen: 0, view: null });
  restarted.noteNotice(set("e/a", "edited", 4));
  assertEquals(remote(restarted), ["e/a: file 6 B @4"]);
});

Deno.test("trees: what was deleted in a directory after its move is removed after the move, also after a restart", () => {
  const trees = treesOf({ d: "dir", "d/a": "1", "d/b": "22" });
  // To who was away, path by path.
  trees.noteNotice(gone("d", 4));
  trees.noteNotice({
    kind: "set",
    path: p("e"),
    entry: entryOf("dir"),
    revision: 4,
    from: p("d"),
    author: AUTHOR,
  });
  trees.noteNotice(set("e/b", "22", 4));
  trees.noteNotice(gone("e/a", 5));
  trees.noteNotice(gone("elsewhere", 6));
  trees.noteUpTo(6);
  trees.agreeMoved(p("d"), p("e"), 4, false);
  assertEquals([remote(trees), trees.cursor()], [["e/a: absent @5"], 4]);
  const row = trees.takePending(() => null).set.find(([path]) => path === p("e/a"))![1];
  assertEquals(row.revision, 0);
});

Deno.test("trees: a move does not overtake rows that wait to be written", () => {
  const trees = treesOf({ d: "dir" });
  trees.agree(p("x"), entryOf("1"), 2, null, null);
  assertThrows(() => trees.agreeMoved(p("d"), p("e"), 3, true), Bug, "overtake");
});

Deno.test("trees: chunks of a large file wait until they are written", () => {
  const trees = treesOf({});
  const builder = new ChunkListBuilder();
  builder.add(digest(new Uint8Array(1)), 1000);
  const chunks: ChunkList = builder.build();
  trees.agree(p("a"), entryOf("1"), 2, null, chunks);
  const first = trees.takePending(() => null);
  assertEquals(first.set[0]![2], chunks.bytes);
  const later = builder.build();
  trees.agree(p("a"), entryOf("2"), 3, null, later);
  trees.written(first);
  assert(trees.waitingChunks.get(p("a")) === later.bytes);
  trees.written(trees.takePending(() => null));
  assertEquals(trees.waitingChunks.size, 0);
});

Deno.test("trees: paths at and below several roots, once each", () => {
  const trees = treesOf({ d: "dir", "d/e": "dir", "d/e/f": "1", "d-x": "1", g: "1" });
  const below = (...roots: string[]) => [...trees.syncedAtOrBelow(new Set(roots.map(p)))].sort();
  assertEquals(below("d/e", "g"), ["d/e", "d/e/f", "g"].map(p));
  assertEquals(below("d", "d/e"), ["d", "d/e", "d/e/f"].map(p));
  assertEquals(below(), []);
  assertEquals([trees.hasBelow(p("d")), trees.hasBelow(p("g")), trees.hasBelow(p("d/e/f"))], [
    true,
    false,
    false,
  ]);
});

type Action =
  | {
    readonly do: "agree" | "agreeGone" | "find" | "miss";
    readonly path: SyncPath;
    readonly what: string;
    readonly ino: number;
  }
  | { readonly do: "move"; readonly path: SyncPath; readonly to: SyncPath }
  | { readonly do: "write" };

Deno.test("trees: what is written to the state is what is known here", () => {
  const path = fc.constantFrom(...["a", "a/b", "a/c", "d", "d/e", "f"].map(p));
  const action: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constantFrom("agree", "agreeGone", "find", "miss"),
        path,
        what: fc.constantFrom("1", "22", "dir"),
        ino: fc.nat(2),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("move" as const), path, to: path }) },
    { weight: 2, arbitrary: fc.constant({ do: "write" as const }) },
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const trees = new Trees();
      const state = new MemState(new SeededRandom(1n));
      const write = () => {
        const change = trees.takePending((path) => state.chunks(path));
        state.write(change);
        trees.written(change);
      };
      actions.forEach((one, i) => {
        if (one.do === "write") return write();
        if (one.do === "move") {
          const { path: from, to } = one;
          const taken = [...trees.synced.keys()].some((path) => isAtOrBelow(path, to));
          if (taken || !trees.synced.has(from) || isAtOrBelow(to, from) || isAtOrBelow(from, to)) return;
          write();
          return trees.agreeMoved(from, to, i + 1, true);
        }
        const { path, what, ino } = one;
        if (one.do === "agree") trees.agree(path, entryOf(what), i + 1, statOf(entryOf(what), ino), null);
        else if (one.do === "agreeGone") trees.agreeGone(path, i + 1);
        else if (one.do === "find") trees.noteFound(path, foundOf(what, { ino }));
        else trees.noteGone(path);
      });
      write();
      assertEquals(trees.hasPending, false);
      const known = [...trees.synced].map(([path, { entry, revision, stat }]) =>
        [path, { entry, revision, stat }] as const
      );
      assertEquals(new Map(state.load()), new Map(known));
      assertEquals(trees.files, known.filter(([, { entry }]) => entry.kind === "file").length);
    }),
    { numRuns: 500 },
  );
});

/** Heads of ignored paths, and what is known of others. */
function ignored(trees: Trees): string[] {
  return [...trees.ignored].map(([path, { entry, revision }]) =>
    `${path}: ${describeEntry(entry)} @${revision}`
  ).sort();
}

function ignoring(trees: Trees, ...paths: string[]): Trees {
  trees.ignores = (path) => paths.some((ignored) => isAtOrBelow(path, p(ignored)));
  return trees;
}

Deno.test("trees: what is set aside is no change on any side, and comes back as if never met", () => {
  const trees = treesOf({ x: "1", y: "22", z: "333" });
  trees.noteGone(p("x"));
  trees.noteFound(p("y"), foundOf("4444"));
  trees.noteNotice(set("y", "55555", 2));
  trees.noteNotice(gone("z", 3));
  for (const path of ["x", "y", "z"]) trees.setAside(p(path));
  assertEquals([local(trees), remote(trees), [...trees.synced.keys()], trees.files], [[], [], [], 0]);
  // What others deleted is nowhere but here.
  assertEquals(ignored(trees), ["x: file 1 B @1", "y: file 5 B @2"]);
  const { gone: forgotten, ignored: written } = trees.takePending(() => null);
  assertEquals([...forgotten].sort(), ["x", "y", "z"].map(p));
  assertEquals(written.map(([path]) => path).sort(), ["x", "y"].map(p));

  trees.takeBack(p("x"));
  assertEquals(remote(trees), ["x: file 1 B @1"]);
  assertEquals(trees.cursor(), 0);
});

Deno.test("trees: news of ignored paths changes only what is remembered of them", () => {
  const trees = ignoring(treesOf({ a: "1" }), "d");
  trees.noteNotice(set("d", "dir", 2));
  trees.noteNotice(set("d/x", "1", 3));
  trees.noteNotice(set("d/x", "22", 4));
  trees.noteNotice(set("d/x", "old news", 3));
  trees.noteNotice(set("d/y", "1", 5));
  trees.noteNotice(gone("d/y", 6));
  assertEquals([remote(trees), ignored(trees)], [[], ["d/x: file 2 B @4", "d: dir @2"]]);
  assert(trees.ignored.hasBelow(p("d")) && !trees.ignored.hasBelow(p("a")));
});

Deno.test("trees: a directory that is renamed on the server takes its ignored heads along", () => {
  const trees = ignoring(treesOf({ d: "dir", "d/a": "1" }), "d/x", "e/x");
  trees.noteNotice(set("d/x", "1", 2));
  trees.noteNotice(set("d/y", "1", 3));
  trees.noteNotice({ kind: "moved", from: p("d"), to: p("e"), revision: 4, author: AUTHOR });
  assertEquals(ignored(trees), ["e/x: file 1 B @4"]);
  assert(remote(trees).includes("e/y: file 1 B @4"));
});

Deno.test("trees: a rename of ours sets aside what is ignored at its new place, and deletes nothing", () => {
  const trees = ignoring(treesOf({ d: "dir", "d/x": "1", "d/y": "1" }), "e/x");
  trees.noteFound(p("e"), foundOf("dir"));
  trees.noteFound(p("e/y"), foundOf("1"));
  for (const path of ["d", "d/x", "d/y"]) trees.noteGone(p(path));
  trees.agreeMoved(p("d"), p("e"), 5, true);
  assertEquals([local(trees), remote(trees), ignored(trees)], [[], [], ["e/x: file 1 B @5"]]);
  const { moved, gone: forgotten } = trees.takePending(() => null);
  assertEquals([moved.length, forgotten], [1, [p("e/x")]]);
});

Deno.test("trees: ignored heads that a listing does not name are gone", () => {
  const trees = ignoring(treesOf({ a: "1" }), "x", "y");
  trees.noteNotice(set("x", "1", 2));
  trees.noteNotice(set("y", "1", 3));
  trees.beginListing();
  trees.noteNotice(set("a", "1", 1));
  trees.noteNotice(set("y", "1", 3));
  assertEquals([...trees.endListing("v")], []);
  assertEquals(ignored(trees), ["y: file 1 B @3"]);
});

Deno.test("trees: ignored heads survive a restart", () => {
  const state = new MemState(new SeededRandom(1n));
  const trees = ignoring(treesOf({ a: "1" }), "x");
  trees.noteNotice(set("x", "1", 2));
  state.write(trees.takePending(() => null));
  const restarted = new Trees();
  restarted.load(state.load(), { cursor: 2, seen: 2, view: null }, state.ignored());
  assertEquals(ignored(restarted), ["x: file 1 B @2"]);
  // The rule may be gone by now.
  assert(restarted.reviewIgnored);
});

Deno.test("trees: a rename of ours leaves open what is ignored in a directory that is gone from it", () => {
  const trees = ignoring(treesOf({ d: "dir", "d/sub": "dir" }), "d");
  trees.noteNotice(set("d/sub/x", "1", 2));
  trees.noteNotice(set("d/y", "1", 3));
  trees.isDirGone = (path) => path.startsWith("e/sub/");
  trees.agreeMoved(p("d"), p("e"), 5, true);
  assertEquals([ignored(trees), [...trees.undecided]], [["e/sub/x: file 1 B @5"], [p("e/sub/x")]]);
  assert(remote(trees).includes("e/y: file 1 B @5"));
  trees.takeBack(p("e/sub/x"));
  assertEquals([ignored(trees), [...trees.undecided]], [[], []]);
});
