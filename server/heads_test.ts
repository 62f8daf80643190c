import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ContentId, Entry } from "../core/entry.ts";
import { parentOf, parsePath, type SyncPath } from "../core/path.ts";
import { type Actor, Head, Heads } from "./heads.ts";
import type { Version } from "./store/records.ts";

const p = parsePath;
const ANNA: Actor = { user: "anna", device: "laptop", replica: "aa", clockOffset: 5 };
const DIR: Entry = { kind: "dir", mode: 0o755 };
const FILE: Entry = { kind: "file", size: 1, mtime: 0, mode: 0o644, content: "c" as ContentId };

function headOf(entry: Entry, revision = 1): Head {
  return new Head(entry, revision, 1000, ANNA);
}

function headsOf(entries: Readonly<Record<string, Entry>>): Heads {
  const heads = new Heads();
  for (const [path, entry] of Object.entries(entries)) heads.set(p(path), headOf(entry));
  heads.keep();
  return heads;
}

function listing(heads: Heads): string[] {
  return [...heads.entries()].map(([path, head]) => `${path}@${head.revision}`).sort();
}

Deno.test("heads: what was set is there until it is deleted", () => {
  const heads = headsOf({ d: DIR, "d/f": FILE });
  assertEquals([heads.size, heads.get(p("d/f"))?.entry, heads.get(p("x"))], [2, FILE, null]);
  heads.delete(p("d/f"));
  assertEquals([heads.size, heads.get(p("d/f"))], [1, null]);
  heads.delete(p("d/f"));
  assertEquals(heads.size, 1);
});

Deno.test("heads: a directory knows whether it holds something", () => {
  const heads = headsOf({ d: DIR, "d/f": FILE, "d/g": FILE, "d-x": FILE });
  assertEquals([heads.hasChildren(p("d")), heads.hasChildren(p("d/f"))], [true, false]);
  heads.set(p("d/f"), headOf(FILE, 2));
  heads.delete(p("d/f"));
  assertEquals(heads.hasChildren(p("d")), true);
  heads.delete(p("d/g"));
  assertEquals(heads.hasChildren(p("d")), false);
});

Deno.test("heads: only a directory can hold something", () => {
  const heads = headsOf({ d: DIR, f: FILE });
  assertEquals(["top", "d/x", "f/x", "none/x", "d/none/x"].map((path) => heads.hasParent(p(path))), [
    true,
    true,
    false,
    false,
    false,
  ]);
});

Deno.test("heads: a subtree is its top and all below, parents first", () => {
  const heads = headsOf({ "d/e/f": FILE, "d/e": DIR, "d/a": FILE, d: DIR, "d-x": FILE, "d.x": DIR, e: FILE });
  const paths = (path: string) => heads.subtree(p(path)).map(([at]) => at as string);
  assertEquals(paths("d"), ["d", "d/a", "d/e", "d/e/f"]);
  assertEquals([paths("e"), paths("none")], [["e"], []]);
});

Deno.test("heads: they are loaded with their authors, without what was deleted", () => {
  const version = (path: string, entry: Entry | null, user: string): Version => ({
    path: p(path),
    revision: 7,
    operation: "created",
    entry,
    base: 0,
    from: null,
    user,
    device: "desk",
    replica: `${user}'s`,
    time: 1234,
    clockOffset: -3,
    head: true,
  });
  const heads = new Heads();
  heads.load([
    version("a", FILE, "anna"),
    version("b", FILE, "ben"),
    version("c", FILE, "anna"),
    version("d", null, "ben"),
  ]);
  const { user, device, replica, clockOffset } = heads.get(p("b"))!.actor;
  assertEquals({ user, device, replica, clockOffset }, {
    user: "ben",
    device: "desk",
    replica: "ben's",
    clockOffset: -3,
  });
  assertEquals(heads.get(p("a"))!.actor === heads.get(p("c"))!.actor, true);
  assertEquals([heads.size, heads.get(p("b"))!.time, heads.get(p("b"))!.replica], [3, 1234, "ben's"]);
  heads.revert();
  assertEquals(heads.size, 3);
});

Deno.test("heads: what was not kept is taken back, whatever it was", () => {
  const path = fc.constantFrom(...["a", "a/b", "a/b/c", "a/d", "e"].map(p));
  const change = fc.record({ path, entry: fc.constantFrom(DIR, FILE, null) });
  const changes = fc.array(change, { maxLength: 12 });
  const apply = (heads: Heads, { path, entry }: { path: SyncPath; entry: Entry | null }, revision: number) =>
    entry === null ? heads.delete(path) : heads.set(path, headOf(entry, revision));
  fc.assert(
    fc.property(changes, changes, (kept, dropped) => {
      const heads = new Heads();
      kept.forEach((one, i) => apply(heads, one, i));
      heads.keep();
      const before = listing(heads);
      dropped.forEach((one, i) => apply(heads, one, 100 + i));
      heads.revert();
      assertEquals(listing(heads), before);
      const parents = new Set([...heads.entries()].map(([path]) => parentOf(path)));
      for (const dir of ["a", "a/b", "e"].map(p)) assertEquals(heads.hasChildren(dir), parents.has(dir));
    }),
  );
});
