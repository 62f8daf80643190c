import { assertEquals } from "@std/assert";
import type { ContentId, Entry, FileEntry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import { type Disk, DiskError, type Stat } from "../system/disk.ts";
import { MemState } from "../tests/fakes/mem_state.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import type { Note } from "./begun.ts";
import { recover } from "./recovery.ts";
import { Trees } from "./trees.ts";

const F = "f" as SyncPath;
const G = "g" as SyncPath;
const NAME = "staged-1";

function file(content: string, mtime = 1000): FileEntry {
  return {
    kind: "file",
    size: content.length,
    content: content.padEnd(64, "0") as ContentId,
    mtime,
    mode: 0o644,
  };
}

function stat(ino: number, change: Partial<Stat> = {}): Stat {
  return {
    kind: "file",
    size: 3,
    mtimeUs: 1_000_000,
    ctimeUs: 2_000_000,
    ino,
    mode: 0o644,
    nlink: 1,
    ...change,
  };
}

interface Here {
  /** Row of "f" at revision 5. */
  readonly row: { readonly entry: Entry; readonly stat: Stat | null } | null;
  readonly stage?: Readonly<Record<string, Stat | null>>;
  readonly tree?: Readonly<Record<string, Stat>>;
  readonly unreadable?: boolean;
}

/** What the trees say after a crash: entry and revision by path. */
function after(
  note: Note,
  { row, stage = {}, tree = {}, unreadable = false }: Here,
): Record<string, unknown> {
  const trees = new Trees();
  if (row !== null) trees.agree(F, row.entry, 5, row.stat, null);
  trees.takePending(() => null);
  const disk: Pick<Disk, "staged" | "stat"> = {
    staged: () => new Map(Object.entries(stage)),
    stat(path) {
      if (unreadable) throw new DiskError("io", "look at", path, "injected");
      return tree[path] ?? null;
    },
  };
  recover({ trees, disk: disk as Disk, state: new MemState(new SeededRandom(1n)) }, [note]);
  return Object.fromEntries([...trees.synced].map(([path, node]) => [path, [node.entry, node.revision]]));
}

const ONE = file("one");
const TWO = file("two!");
const PLACED: Note = { placed: [[F, TWO, 7, NAME]] };

Deno.test("recovery: what waits no more has got its place, also when its user deleted it since", () => {
  const row = { entry: ONE, stat: stat(100) };
  assertEquals(after(PLACED, { row, tree: { f: stat(200) } }), { f: [TWO, 7] });
  assertEquals(after(PLACED, { row }), { f: [TWO, 7] });
  assertEquals(after(PLACED, { row: null }), { f: [TWO, 7] });
});

Deno.test("recovery: what waits has not got its place, whatever its user did meanwhile", () => {
  const row = { entry: ONE, stat: stat(100) };
  const stage = { [NAME]: stat(300, { size: 4 }) };
  for (const tree of [{ f: stat(100) }, { f: stat(200) }, {}]) {
    assertEquals(after(PLACED, { row, stage, tree }), { f: [ONE, 5] });
  }
  assertEquals(after(PLACED, { row: null, stage, tree: { f: stat(200) } }), {});
  assertEquals(after(PLACED, { row, stage: { [NAME]: null } }), { f: [ONE, 5] });
});

Deno.test("recovery: what waits with the inode that its user's delete set free has not got its place", () => {
  const row = { entry: ONE, stat: stat(100) };
  assertEquals(after(PLACED, { row, stage: { [NAME]: stat(100, { size: 4 }) } }), { f: [ONE, 5] });
  const dir: Entry = { kind: "dir", mode: 0o755 };
  const old = stat(100, { kind: "dir", mode: 0o755 });
  const note: Note = { placed: [[F, dir, 7, NAME]] };
  assertEquals(after(note, { row: { entry: dir, stat: old }, stage: { [NAME]: old } }), { f: [dir, 5] });
});

Deno.test("recovery: what was replaced may still be there under the other's name", () => {
  const row = { entry: ONE, stat: stat(100) };
  const stage = { [NAME]: stat(100, { ctimeUs: 9_000_000 }) };
  assertEquals(after(PLACED, { row, stage, tree: { f: stat(200) } }), { f: [TWO, 7] });
  // As it was: nothing was exchanged.
  assertEquals(after(PLACED, { row, stage, tree: { f: stat(100) } }), { f: [ONE, 5] });
});

Deno.test("recovery: what was fetched again although it was no news keeps its revision", () => {
  const note: Note = { placed: [[F, ONE, 5, NAME]] };
  assertEquals(after(note, { row: { entry: ONE, stat: stat(100) }, tree: { f: stat(200) } }), {
    f: [ONE, 5],
  });
});

Deno.test("recovery: what cannot be looked at is not taken for done", () => {
  const row = { entry: ONE, stat: stat(100) };
  const note: Note = { ...PLACED, removed: [F], moved: [[F, G, ONE]] };
  assertEquals(after(note, { row, unreadable: true }), { f: [ONE, 5] });
});

Deno.test("recovery: a removal is done if nothing stands there, or another thing", () => {
  const row = { entry: ONE, stat: stat(100) };
  const note: Note = { removed: [F] };
  assertEquals(after(note, { row, tree: { f: stat(100) } }), { f: [ONE, 5] });
  assertEquals(after(note, { row, tree: { f: stat(200) } }), {});
  assertEquals(after(note, { row }), {});
  assertEquals(after(note, { row: { entry: ONE, stat: null }, tree: { f: stat(200) } }), { f: [ONE, 5] });
});

Deno.test("recovery: a move is done if its inode stands at the new place only", () => {
  const row = { entry: ONE, stat: stat(100) };
  const note: Note = { moved: [[F, G, TWO]] };
  assertEquals(after(note, { row, tree: { g: stat(100) } }), { g: [TWO, 0] });
  assertEquals(after(note, { row, tree: { f: stat(100) } }), { f: [ONE, 5] });
  assertEquals(after(note, { row, tree: { f: stat(100), g: stat(100) } }), { f: [ONE, 5] });
  assertEquals(after(note, { row, tree: { g: stat(200) } }), { f: [ONE, 5] });
});
