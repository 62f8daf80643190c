/** What every {@link Records} does. Run on the real one and on the twin by `records_test.ts`. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { ContentId, Entry, FileEntry } from "../../core/entry.ts";
import { Bug } from "../../core/invariant.ts";
import { parsePath, type SyncPath } from "../../core/path.ts";
import type { Location } from "../../server/store/contents.ts";
import {
  type Commit,
  type Conflict,
  type Records,
  RecordsError,
  type Settled,
  type Version,
} from "../../server/store/records.ts";

export interface RecordsPlace {
  /** Opens the records; the same ones after `close()`. */
  open(): Records;
  remove(): void;
}

const ID = "00ff".repeat(16) as ContentId;
const OTHER = "a1b2".repeat(16) as ContentId;
const FILE: FileEntry = { kind: "file", size: 2 ** 40, mtime: -8.64e15, mode: 0o640, content: ID };

function version(path: string, revision: number, over: Partial<Version> = {}): Version {
  return {
    path: parsePath(path),
    revision,
    operation: "created",
    entry: FILE,
    base: 0,
    from: null,
    user: "ann",
    device: "laptop",
    replica: "7".repeat(32),
    time: 1_700_000_000_000,
    clockOffset: -12.5,
    head: true,
    ...over,
  };
}

function commit(over: Partial<Commit>): Commit {
  return { versions: [], conflicts: [], locations: [], chunkLists: [], ...over };
}

function settled(id: number): Settled {
  return { id, path: parsePath("a"), kept: 1, beside: null, user: "ann", device: "home" };
}

function conflict(winnerUser: string, loserUser: string, over: Partial<Conflict> = {}): Omit<Conflict, "id"> {
  const sides = { winner: 4, loser: 3, base: 1, winnerUser, loserUser };
  return { path: parsePath("a"), ...sides, reason: "newer", time: 5, resolved: false, ...over };
}

const place = (pack: number, offset: number): Location => ({
  pack,
  offset,
  length: 100,
  innerOffset: 7,
  size: 9,
});
const names = (versions: Iterable<Version>) => [...versions].map((v) => `${v.path}@${v.revision}`);

/** Registers the suite under `name`. */
export function recordsSuite(name: string, make: () => RecordsPlace): void {
  const test = (title: string, body: (records: Records, reopen: () => Records) => void) =>
    Deno.test(`${name}: ${title}`, () => {
      const place = make();
      let records = place.open();
      const reopen = () => {
        records.close();
        return records = place.open();
      };
      try {
        body(records, reopen);
      } finally {
        records.close();
        place.remove();
      }
    });

  test("new records are empty and keep their identity", (records, reopen) => {
    const { folder, epoch } = records.identity();
    assert(/^[0-9a-f]{32}$/.test(folder) && /^[0-9a-f]{32}$/.test(epoch));
    assertNotEquals(folder, epoch);
    assertEquals(records.headRevision(), 0);
    assertEquals(records.packEnd(), { pack: 0, offset: 0 });
    assertEquals(records.headsSince(0, null, 10), []);
    assertEquals([...records.liveHeads()], []);
    assertEquals(reopen().identity(), { folder, epoch });
  });

  test("versions of each kind come back as they were, also after closing", (records, reopen) => {
    const versions = [
      version("file", 1),
      version("dir", 1, { entry: { kind: "dir", mode: 0o755 }, user: "bob", clockOffset: 0 }),
      version("__proto__/link", 2, {
        entry: { kind: "link", target: "../\n" },
        operation: "modified",
        base: 1,
      }),
      version("gone", 3, { entry: null, operation: "deleted", base: 2 }),
      version("é", 4, { operation: "renamed", from: parsePath("e\u0301"), device: "nas" }),
      version("lost", 5, { operation: "conflict", head: false, replica: "8".repeat(32) }),
    ];
    records.commit(commit({ versions }));
    const again = reopen();
    for (const expected of versions) {
      assertEquals(again.version(expected.path, expected.revision), expected);
      assertEquals(again.versions(expected.path), [expected]);
    }
    assertEquals(again.headRevision(), 5);
    assertEquals(again.version(parsePath("file"), 2), null);
    assertEquals(again.versions(parsePath("nothing")), []);
  });

  test("a new head takes the place of the head before it, a conflict's loser does not", (records) => {
    records.commit(commit({ versions: [version("a", 1)] }));
    records.commit(
      commit({ versions: [version("a", 2, { head: false }), version("a", 3), version("a", 4)] }),
    );
    records.commit(commit({ versions: [version("a", 5, { head: false })] }));
    const heads = records.versions(parsePath("a")).map((v) => v.head);
    assertEquals(heads, [false, false, false, true, false]);
    assertEquals(names(records.headsSince(0, null, 9)), ["a@4"]);
    assertEquals(records.headRevision(), 5);
  });

  test("live heads leave deletions out", (records) => {
    records.commit(commit({ versions: [version("a", 1), version("b", 2)] }));
    records.commit(commit({ versions: [version("a", 3, { entry: null, operation: "deleted" })] }));
    assertEquals(names(records.liveHeads()), ["b@2"]);
  });

  test("more live heads than one page come, each once", (records) => {
    const versions = Array.from({ length: 4500 }, (_, i) => version(`d/${i}`, 1 + Math.floor(i / 3000)));
    records.commit(commit({ versions }));
    const found = [...records.liveHeads()].map((v) => v.path);
    assertEquals(found.length, 4500);
    assertEquals(new Set(found).size, 4500);
  });

  test("heads after a revision come in order, deletions too", (records) => {
    records.commit(commit({ versions: [version("c", 1), version("b", 2), version("a", 2)] }));
    records.commit(commit({ versions: [version("d", 3, { entry: null, operation: "deleted" })] }));
    assertEquals(names(records.headsSince(0, null, 10)), ["c@1", "a@2", "b@2", "d@3"]);
    assertEquals(names(records.headsSince(1, null, 10)), ["a@2", "b@2", "d@3"]);
    assertEquals(names(records.headsSince(3, null, 10)), []);
    assertEquals(names(records.headsSince(9, null, 10)), []);
  });

  test("a page may end inside a revision", (records) => {
    const versions = ["a", "a/b", "a.", "\uffee", "\u{1F600}", "é"].map((path) => version(path, 1));
    records.commit(commit({ versions: [...versions, version("later", 2)] }));
    const all = names(records.headsSince(0, null, 100));
    assertEquals(all, ["a@1", "a.@1", "a/b@1", "é@1", "\uffee@1", "\u{1F600}@1", "later@2"]);
    for (let size = 1; size <= all.length; size++) {
      const found: string[] = [];
      let page = records.headsSince(0, null, size);
      while (page.length > 0) {
        found.push(...names(page));
        const last = page[page.length - 1]!;
        page = records.headsSince(last.revision, last.path, size);
      }
      assertEquals(found, all, `pages of ${size}`);
    }
  });

  test("a commit is all or nothing", (records) => {
    records.commit(commit({ versions: [version("a", 1)] }));
    const twice = commit({
      versions: [version("a", 2, { user: "new" }), version("b", 2), version("b", 2)],
      conflicts: [conflict("ann", "bob")],
      locations: [[ID, place(1, 0)]],
      chunkLists: [[ID, new Uint8Array(36)]],
    });
    assertThrows(() => records.commit(twice), RecordsError);
    assertEquals(names(records.headsSince(0, null, 9)), ["a@1"]);
    assertEquals(records.headRevision(), 1);
    assertEquals(records.conflicts(), []);
    assertEquals(records.location(ID), null);
    assertEquals(records.packEnd(), { pack: 0, offset: 0 });
    assertEquals(records.chunkList(ID), null);
    records.commit(commit({ versions: [version("a", 2, { user: "new" })] }));
    assertEquals(records.version(parsePath("a"), 2)?.user, "new");
  });

  test("a revision never falls", (records) => {
    records.commit(commit({ versions: [version("a", 5)] }));
    assertThrows(() => records.commit(commit({ versions: [version("b", 5)] })), Bug);
    assertThrows(() => records.commit(commit({ versions: [version("b", 7), version("c", 6)] })), Bug);
    assertEquals(names(records.headsSince(0, null, 9)), ["a@5"]);
  });

  test("contents are found where they lie, the latest place counts", (records, reopen) => {
    records.commit(commit({ locations: [[ID, place(1, 0)], [OTHER, place(2, 50)]] }));
    records.commit(commit({ locations: [[ID, place(1, 900)]] }));
    const again = reopen();
    assertEquals(again.location(ID), place(1, 900));
    assertEquals(again.location(OTHER), place(2, 50));
    assertEquals(again.location("f".repeat(64) as ContentId), null);
    assertEquals(again.packEnd(), { pack: 2, offset: 150 });
  });

  test("the pack end grows within a pack and over packs", (records) => {
    const end = (pack: number, offset: number) => {
      records.commit(commit({ locations: [[ID, place(pack, offset)]] }));
      return records.packEnd();
    };
    assertEquals(end(1, 0), { pack: 1, offset: 100 });
    assertEquals(end(1, 2 ** 33), { pack: 1, offset: 2 ** 33 + 100 });
    assertEquals(end(2, 0), { pack: 2, offset: 100 });
    assertEquals(end(1, 2 ** 34), { pack: 2, offset: 100 });
  });

  test("chunk lists come back", (records, reopen) => {
    const list = new Uint8Array(3600).map((_, i) => i);
    records.commit(commit({ chunkLists: [[ID, list]] }));
    records.commit(commit({ chunkLists: [[ID, list]] }));
    assertEquals(reopen().chunkList(ID), list);
  });

  test("conflicts are listed, and found for whom they concern", (records) => {
    const conflicts = [
      conflict("ann", "bob"),
      conflict("ann", "ann"),
      conflict("cy", "ann", { resolved: true }),
    ];
    records.commit(commit({ conflicts }));
    assertEquals(records.conflicts(), conflicts.map((c, i) => ({ ...c, id: i + 1 })));
    const open = ["ann", "bob", "cy", null].map((user) => records.openConflicts(user));
    assertEquals(open, [["a", "a"], ["a"], [], ["a", "a"]] as SyncPath[][]);
  });

  test("a conflict that was resolved counts no more", (records, reopen) => {
    records.commit(commit({ conflicts: [conflict("ann", "bob"), conflict("ann", "ann")] }));
    records.commit(commit({ resolved: [settled(1), settled(77)] }));
    const again = reopen();
    assertEquals(again.conflicts().map(({ id, resolved }) => [id, resolved]), [[1, true], [2, false]]);
    assertEquals(["ann", "bob"].map((user) => again.openConflicts(user)), [["a"], []] as SyncPath[][]);
  });

  test("a user has what its versions brought, and nothing for what they only kept", (records) => {
    const bob = { user: "bob", base: 1 };
    const other: Entry = { ...FILE, content: OTHER, size: 10 };
    records.commit(commit({
      versions: [
        version("a", 1, { entry: { ...FILE, size: 100 } }),
        version("a", 2, { ...bob, entry: { ...FILE, size: 100, mtime: 5 }, operation: "modified" }),
        version("a", 3, { ...bob, entry: other, operation: "conflict", head: false }),
        version("a", 4, { ...bob, entry: null, operation: "renamed", base: 2 }),
        version("b", 4, {
          ...bob,
          entry: { ...FILE, size: 100 },
          operation: "renamed",
          base: 2,
          from: parsePath("a"),
        }),
        version("copy", 5, { user: "bob", entry: { ...FILE, size: 100 } }),
        version("dir", 6, { entry: { kind: "dir", mode: 0o755 } }),
        version("empty", 7, { user: "cy", entry: { ...FILE, size: 0 } }),
      ],
    }));
    assertEquals(records.usage(), new Map([["ann", 100], ["bob", 110]]));
  });

  test("where a path's content went is found", (records) => {
    const gone = version("a", 2, { entry: null, operation: "renamed" });
    const came = version("b", 2, { operation: "renamed", from: parsePath("a") });
    records.commit(commit({ versions: [version("a", 1), gone, came, version("a", 3)] }));
    const aside = version("a (conflict)", 4, { operation: "conflict", from: parsePath("a") });
    records.commit(commit({ versions: [aside] }));
    assertEquals(records.versionsFrom(parsePath("a")), [came, aside]);
    assertEquals(records.versionsFrom(parsePath("b")), []);
  });

  test("the history of a directory comes in pages, by path and revision", (records) => {
    const versions = ["d", "d/b", "d-x", "d/a", "d0", "d/é", "d/b", "e"].map((path, i) =>
      version(path, i + 1)
    );
    records.commit(commit({ versions }));
    const below = ["d@1", "d/a@4", "d/b@2", "d/b@7", "d/é@6"];
    const all = ["d@1", "d-x@3", ...below.slice(1), "d0@5", "e@8"];
    for (const [dir, expected] of [[parsePath("d"), below], [null, all], [parsePath("x"), []]] as const) {
      assertEquals(names(records.history(dir, null, 99)), expected);
      const paged: Version[] = [];
      for (;;) {
        const page = records.history(dir, paged.at(-1) ?? null, 2);
        paged.push(...page);
        if (page.length < 2) break;
      }
      assertEquals(names(paged), expected);
    }
  });

  test("settings are kept, and cannot touch the records' own", (records, reopen) => {
    assertEquals(records.setting("constructor"), null);
    records.setSetting("constructor", "1");
    records.setSetting("constructor", "2");
    assertThrows(() => records.setSetting("fsync.folder", "x"), Bug);
    assertEquals(reopen().setting("constructor"), "2");
  });
}
