import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type ContentId, type Entry, sameContent } from "./entry.ts";
import { ancestorsOf, isAtOrBelow, parsePath, type SyncPath } from "./path.ts";
import { findRenames, type Placed } from "./renames.ts";

/** A path with what stands there: `"x"` a file of that content, `"dir"`, `"→ t"` a link, `""` an empty file; and its inode. */
type Table = Readonly<Record<string, readonly [what: string, ino: number]>>;

interface RenameCase {
  readonly name: string;
  readonly gone: Table;
  readonly created: Table;
  readonly remoteChanged?: readonly string[];
  readonly renames: readonly string[];
}

function entryOf(what: string): Entry {
  if (what === "dir") return { kind: "dir", mode: 0o755 };
  if (what.startsWith("→ ")) return { kind: "link", target: what.slice(2) };
  return { kind: "file", size: what.length, mtime: 0, mode: 0o644, content: what as ContentId };
}

function placed(table: Table): Map<SyncPath, Placed> {
  return new Map(
    Object.entries(table).map(([path, [what, ino]]) => [parsePath(path), { entry: entryOf(what), ino }]),
  );
}

function renamesOf({ gone, created, remoteChanged = [] }: Omit<RenameCase, "name" | "renames">): string[] {
  return findRenames({
    gone: placed(gone),
    created: placed(created),
    remoteChanged: remoteChanged.map(parsePath),
  }).map(({ from, to }) => `${from} → ${to}`);
}

const CASES: readonly RenameCase[] = [
  { name: "nothing is gone", gone: {}, created: { b: ["x", 1] }, renames: [] },
  { name: "nothing is new", gone: { a: ["x", 1] }, created: {}, renames: [] },
  { name: "a file by its inode", gone: { a: ["x", 1] }, created: { b: ["x", 1] }, renames: ["a → b"] },
  {
    name: "a file by its content (another file system)",
    gone: { a: ["x", 1] },
    created: { b: ["x", 2] },
    renames: ["a → b"],
  },
  {
    name: "a file whose inode is unknown",
    gone: { a: ["x", 0] },
    created: { b: ["x", 0] },
    renames: ["a → b"],
  },
  {
    name: "an inode used anew for other content is another file",
    gone: { a: ["x", 1] },
    created: { b: ["y", 1] },
    renames: [],
  },
  {
    name: "an inode used anew for another kind",
    gone: { a: ["x", 1] },
    created: { b: ["dir", 1] },
    renames: [],
  },
  {
    name: "the inode says more than the content",
    gone: { a: ["x", 1], b: ["x", 2] },
    created: { c: ["x", 2], d: ["x", 1] },
    renames: ["b → c", "a → d"],
  },
  { name: "empty files are alike by chance", gone: { a: ["", 1] }, created: { b: ["", 2] }, renames: [] },
  { name: "an empty file by its inode", gone: { a: ["", 1] }, created: { b: ["", 1] }, renames: ["a → b"] },
  { name: "a link by its inode", gone: { a: ["→ t", 1] }, created: { b: ["→ t", 1] }, renames: ["a → b"] },
  {
    name: "links with the same text are alike by chance",
    gone: { a: ["→ t", 1] },
    created: { b: ["→ t", 2] },
    renames: [],
  },
  {
    name: "one that is gone has one new place",
    gone: { a: ["x", 1] },
    created: { b: ["x", 1], c: ["x", 2] },
    renames: ["a → b"],
  },
  {
    name: "several of the same content on another file system: each finds one",
    gone: { a: ["x", 1], b: ["x", 2] },
    created: { c: ["x", 8], d: ["x", 9] },
    renames: ["a → c", "b → d"],
  },
  {
    name: "two names of one inode: each finds one",
    gone: { a: ["x", 1], b: ["x", 1] },
    created: { c: ["x", 1], d: ["x", 1] },
    renames: ["a → c", "b → d"],
  },
  {
    name: "a directory is one rename",
    gone: { d: ["dir", 1], "d/a": ["x", 2], "d/e": ["dir", 3], "d/e/b": ["y", 4] },
    created: { n: ["dir", 1], "n/a": ["x", 2], "n/e": ["dir", 3], "n/e/b": ["y", 4] },
    renames: ["d → n"],
  },
  {
    name: "what changed inside a renamed directory remains an ordinary change",
    gone: { d: ["dir", 1], "d/a": ["x", 2], "d/b": ["y", 3] },
    created: { n: ["dir", 1], "n/a": ["z", 2], "n/new": ["w", 9] },
    renames: ["d → n"],
  },
  {
    name: "a directory that was made anew: its files are renamed one by one",
    gone: { d: ["dir", 1], "d/a": ["x", 2], "d/b": ["y", 3] },
    created: { n: ["dir", 9], "n/a": ["x", 2], "n/b": ["y", 3] },
    renames: ["d/a → n/a", "d/b → n/b"],
  },
  {
    name: "a file leaves a directory that is renamed too: the directory comes first",
    gone: { d: ["dir", 1], "d/a": ["x", 2] },
    created: { n: ["dir", 1], out: ["x", 2] },
    renames: ["d → n"],
  },
  {
    name: "a file left its directory before: then the directory is no rename",
    gone: { d: ["dir", 1], "d/a": ["x", 2] },
    created: { n: ["dir", 1], b: ["x", 2] },
    renames: ["d/a → b"],
  },
  {
    name: "a file goes into a new directory",
    gone: { a: ["x", 1] },
    created: { n: ["dir", 9], "n/a": ["x", 1] },
    renames: ["a → n/a"],
  },
  {
    name: "a directory cannot go into itself",
    gone: { d: ["dir", 1] },
    created: { "d/e": ["dir", 1] },
    renames: [],
  },
  {
    name: "the server changed the file",
    gone: { a: ["x", 1] },
    created: { b: ["x", 1] },
    remoteChanged: ["a"],
    renames: [],
  },
  {
    name: "the server has something at the new name",
    gone: { a: ["x", 1] },
    created: { b: ["x", 1] },
    remoteChanged: ["b"],
    renames: [],
  },
  {
    name: "the server changed something inside the directory",
    gone: { d: ["dir", 1], "d/a": ["x", 2] },
    created: { n: ["dir", 1], "n/a": ["x", 2] },
    remoteChanged: ["d/new"],
    renames: ["d/a → n/a"],
  },
  {
    name: "the server changed the directory above the new name",
    gone: { a: ["x", 1] },
    created: { "p/q/a": ["x", 1] },
    remoteChanged: ["p"],
    renames: [],
  },
  {
    name: "the server changed something below the new name",
    gone: { d: ["dir", 1] },
    created: { n: ["dir", 1] },
    remoteChanged: ["n/a"],
    renames: [],
  },
  {
    name: "the server changed something else",
    gone: { a: ["x", 1] },
    created: { b: ["x", 1] },
    remoteChanged: ["ab", "bb", "c/a"],
    renames: ["a → b"],
  },
  {
    name: "names of JavaScript are names",
    gone: { "a/constructor": ["x", 1], "a/__proto__": ["y", 2] },
    created: { "b/toString": ["x", 1], "b/__proto__": ["y", 2] },
    renames: ["a/__proto__ → b/__proto__", "a/constructor → b/toString"],
  },
];

for (const one of CASES) {
  Deno.test(`renames: ${one.name}`, () => assertEquals(renamesOf(one), one.renames));
}

// A path that was and still is something else is neither gone nor new, so a swap or a ring never reaches this.
Deno.test("renames: a chain is seen only at its ends", () => {
  assertEquals(renamesOf({ gone: { a: ["x", 1] }, created: { c: ["y", 2] } }), []);
});

/** Without what lies below a file or a link. */
function plausible(table: Map<SyncPath, Placed>): Map<SyncPath, Placed> {
  const isLeaf = (path: SyncPath) => !["dir", undefined].includes(table.get(path)?.entry.kind);
  return new Map([...table].filter(([path]) => ![...ancestorsOf(path)].some(isLeaf)));
}

Deno.test("renames: whatever is gone and new, they do not overlap and keep the content", () => {
  const paths = ["a", "a/a", "a/b", "a/a/a", "b", "b/a", "b/b", "c", "c/a"].map(parsePath);
  const things = fc.record({ what: fc.constantFrom("x", "y", "", "dir", "→ t"), ino: fc.nat(4) })
    .map(({ what, ino }) => ({ entry: entryOf(what), ino }));
  const table = fc.array(fc.tuple(fc.constantFrom(...paths), things), { maxLength: 6 })
    .map((rows) => plausible(new Map(rows)));
  const remote = fc.array(fc.constantFrom(...paths), { maxLength: 2 });
  fc.assert(
    fc.property(table, table, remote, (gone, all, remoteChanged) => {
      const created = new Map([...all].filter(([path]) => !gone.has(path)));
      const renames = findRenames({ gone, created, remoteChanged });
      const ends = renames.flatMap(({ from, to }) => [from, to]);
      for (const [i, a] of ends.entries()) {
        for (const b of remoteChanged) assert(!isAtOrBelow(b, a), `${a} holds what the server changed`);
        for (const [j, b] of ends.entries()) {
          const sameSide = i % 2 === j % 2;
          assert(i === j || !sameSide || !isAtOrBelow(a, b), `${a} and ${b} overlap`);
        }
      }
      for (const { from, to } of renames) {
        const [was, is] = [gone.get(from)!.entry, created.get(to)!.entry];
        assert(sameContent(is, was), `${from} is not what stands at ${to}`);
        assert(!isAtOrBelow(to, from));
      }
    }),
    { numRuns: 1000 },
  );
});
