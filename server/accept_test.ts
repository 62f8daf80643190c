import { assert, assertEquals } from "@std/assert";
import { Rights } from "../core/access.ts";
import { type ContentId, describeEntry, type Entry } from "../core/entry.ts";
import { parsePath } from "../core/path.ts";
import type { Notice, UploadItem, UploadResult } from "../protocol/messages.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { MemRecords } from "../tests/fakes/mem_records.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { Acceptance, type Opens } from "./accept.ts";
import type { Caller } from "./caller.ts";
import { Draft } from "./draft.ts";
import { type Actor, Heads } from "./heads.ts";
import type { Commit } from "./store/records.ts";

const ANNA: Actor = { user: "anna", device: "laptop", replica: "aa", clockOffset: 0 };
const BEN: Actor = { user: "ben", device: "desk", replica: "bb", clockOffset: 0 };

const p = parsePath;
const READY = { ready: true, chunks: null } as const;

/** `"x"` is a file with that content, changed at `mtime`; `"dir"` a directory, `"→ t"` a link. */
function entryOf(what: string, mtime = 1000): Entry {
  if (what === "dir") return { kind: "dir", mode: 0o755 };
  if (what.startsWith("→ ")) return { kind: "link", target: what.slice(2) };
  return { kind: "file", size: what.length, mtime, mode: 0o644, content: what as ContentId };
}

function put(path: string, what: string, base = 0, mtime = 1000): UploadItem {
  const entry = entryOf(what, mtime);
  return { op: "put", path: p(path), base, entry, source: entry.kind === "file" ? { from: "inline" } : null };
}

const del = (path: string, base: number): UploadItem => ({ op: "delete", path: p(path), base });
const rename = (from: string, to: string, base: number, count: number): UploadItem => (
  { op: "rename", from: p(from), to: p(to), base, count }
);

function asOwner(actor: Actor): Caller {
  return { actor, rights: () => Rights.ALL };
}

/** A folder on the server, without contents. */
class Folder {
  readonly heads = new Heads();
  readonly records = new MemRecords(new SeededRandom(1n), new ManualClock());
  readonly #clock = new ManualClock();
  commit: Commit | null = null;
  notices: { notice: Notice; replica: string }[] = [];
  opens: Opens = () => false;

  /** Accepts one batch and writes it; returns what was answered, shortly. */
  upload(actor: Actor, ...items: UploadItem[]): string[] {
    return this.uploadAs(asOwner(actor), ...items);
  }

  uploadAs(caller: Caller, ...items: UploadItem[]): string[] {
    const draft = new Draft(this.heads, this.records, this.records.headRevision(), this.#clock.now());
    const acceptance = new Acceptance(draft, this.opens);
    const results = items.map((item) => acceptance.apply(caller, item, READY));
    this.commit = draft.commit([]);
    this.notices = [...draft.published];
    if (!draft.isEmpty) this.records.commit(this.commit);
    this.heads.keep();
    return results.map(shown);
  }

  /** What everybody is told. */
  told(): string[] {
    return this.notices.map(({ notice, replica }) => {
      const what = notice.kind === "moved"
        ? `${notice.from} moved to ${notice.to}`
        : `${notice.path} ${notice.kind === "gone" ? "gone" : describeEntry(notice.entry)}`;
      return `${what}, known to ${replica || "nobody"}`;
    });
  }

  tree(): string[] {
    return [...this.heads.entries()].map(([path, { entry }]) => `${path}: ${describeEntry(entry)}`).sort();
  }

  conflicts(): string[] {
    return this.commit!.conflicts.map((one) =>
      `${one.path}: ${one.winnerUser}'s ${one.winner} over ${one.loserUser}'s ${one.loser}, base ${one.base}`
    );
  }

  /** What the history says of the last batch. */
  history(): string[] {
    return this.commit!.versions.map(({ path, operation, entry, revision, base, from, head }) =>
      `${revision} ${operation} ${path}: ${describeEntry(entry)}, on ${base}` +
      (from === null ? "" : `, from ${from}`) + (head ? "" : ", no head")
    );
  }
}

function shown(result: UploadResult): string {
  if (result.status === "ok" || result.status === "skip") return `${result.status} ${result.revision}`;
  if (result.status === "error") return `error ${result.code}`;
  if (result.status === "stale") return "stale";
  const aside = result.storedAs === null
    ? ""
    : `, stored as ${result.storedAs.replace(/[-\d]+ [\d.]+\)/, "TIME)")}`;
  return `conflict ${result.won ? "won" : "lost"} ${result.revision}${aside}`;
}

/** `d/` with `d/a` and `d/b`, by anna: revisions 1 to 3. */
function folderWithTree(): Folder {
  const folder = new Folder();
  assertEquals(folder.upload(ANNA, put("d", "dir"), put("d/a", "1"), put("d/b", "22")), [
    "ok 1",
    "ok 2",
    "ok 3",
  ]);
  return folder;
}

Deno.test("accept: a batch is applied one after the other, and told to all but its author", () => {
  const folder = folderWithTree();
  assertEquals(folder.tree(), ["d/a: file 1 B", "d/b: file 2 B", "d: dir"]);
  assertEquals(folder.told(), [
    "d dir, known to aa",
    "d/a file 1 B, known to aa",
    "d/b file 2 B, known to aa",
  ]);
  assertEquals(folder.history()[1], "2 created d/a: file 1 B, on 0");
  assertEquals(folder.upload(BEN, put("d/a", "new", 2), del("d/b", 3)), ["ok 4", "ok 5"]);
  assertEquals(folder.history(), ["4 modified d/a: file 3 B, on 2", "5 deleted d/b: absent, on 3"]);
});

Deno.test("accept: what is there already is skipped and writes nothing", () => {
  const folder = folderWithTree();
  assertEquals(folder.upload(BEN, put("d", "dir"), put("d/a", "1"), del("none", 9)), [
    "skip 1",
    "skip 2",
    "skip 3",
  ]);
  assertEquals([folder.commit!.versions, folder.notices], [[], []]);
});

Deno.test("accept: who may only read changes nothing", () => {
  const folder = folderWithTree();
  const rights = new Rights([{ prefix: null, access: "read", history: false }]);
  const items = [put("x", "1"), del("d/a", 2), rename("d", "e", 3, 3)];
  assertEquals(folder.uploadAs({ actor: BEN, rights: () => rights }, ...items), [
    "error forbidden",
    "error forbidden",
    "stale",
  ]);
  assertEquals(folder.commit!.versions, []);
});

Deno.test("accept: nothing can be put below a file, a link or nothing", () => {
  const folder = folderWithTree();
  folder.upload(ANNA, put("l", "→ d"));
  assertEquals(folder.upload(ANNA, put("d/a/x", "1"), put("l/x", "1"), put("none/x", "1")), [
    "stale",
    "stale",
    "stale",
  ]);
});

Deno.test("accept: a directory that holds something is not deleted", () => {
  const folder = folderWithTree();
  assertEquals(folder.upload(ANNA, del("d", 1)), ["stale"]);
  assertEquals(folder.upload(ANNA, del("d/a", 2), del("d/b", 3), del("d", 1)), ["ok 4", "ok 5", "ok 6"]);
  assertEquals(folder.tree(), []);
});

Deno.test("accept: an edit beats a delete that did not know of it, in both orders", () => {
  const folder = folderWithTree();
  assertEquals(folder.upload(ANNA, put("d/a", "edit", 2)), ["ok 4"]);
  assertEquals(folder.upload(BEN, del("d/a", 2)), ["stale"]);
  assertEquals(folder.upload(BEN, del("d/b", 3)), ["ok 5"]);
  assertEquals(folder.upload(ANNA, put("d/b", "edit", 3)), ["ok 6"]);
  assertEquals(folder.tree(), ["d/a: file 4 B", "d/b: file 4 B", "d: dir"]);
});

Deno.test("accept: two edits of one base: the newer wins, both are kept, and it is listed", () => {
  const folder = folderWithTree();
  folder.upload(ANNA, put("d/a", "anna", 2, 5000));
  assertEquals(folder.upload(BEN, put("d/a", "ben", 2, 4000)), ["conflict lost 5"]);
  assertEquals(folder.conflicts(), ["d/a: anna's 4 over ben's 5, base 2"]);
  assertEquals(folder.history(), ["5 conflict d/a: file 3 B, on 2, no head"]);
  assertEquals([folder.tree()[0], folder.told()], ["d/a: file 4 B", []]);
  assertEquals(folder.upload(BEN, put("d/a", "third", 2, 6000)), ["conflict won 6"]);
  assertEquals(folder.conflicts(), ["d/a: ben's 6 over anna's 4, base 2"]);
  assertEquals(folder.told(), ["d/a file 5 B, known to bb"]);
});

Deno.test("accept: nobody conflicts with himself", () => {
  const folder = folderWithTree();
  const items = [put("d/a", "2", 2), put("d/a", "33", 2, 1), put("d/a", "444", 0, 0)];
  assertEquals(folder.upload(ANNA, ...items), ["ok 4", "ok 5", "ok 6"]);
  assertEquals(folder.upload(ANNA, put("d/a", "444", 0, 0)), ["skip 6"]);
  assertEquals(folder.upload(ANNA, del("d/a", 2)), ["ok 7"]);
});

Deno.test("accept: a copy that was the head once is outdated, no edit", () => {
  const folder = folderWithTree();
  folder.upload(ANNA, put("d/a", "two", 2));
  folder.upload(ANNA, put("d/a", "three", 4));
  assertEquals(folder.upload(BEN, put("d/a", "two", 2)), ["skip 5"]);
  assertEquals(folder.upload(BEN, put("d/a", "two", 2, 2000)), ["conflict won 6"]);
});

Deno.test("accept: a file for a directory that holds something steps aside", () => {
  const folder = folderWithTree();
  assertEquals(folder.upload(BEN, put("d", "file")), ["conflict lost 4, stored as d (conflict ben TIME)"]);
  assertEquals(folder.upload(BEN, put("d", "other")), ["conflict lost 5, stored as d (conflict ben TIME) 2"]);
  assertEquals(folder.tree().filter((line) => line.startsWith("d:")), ["d: dir"]);
  assertEquals(folder.conflicts(), ["d: anna's 1 over ben's 5, base 0"]);
  assert(folder.history()[0]!.endsWith("from d"));
});

Deno.test("accept: a file takes the place of an empty directory", () => {
  const folder = folderWithTree();
  assertEquals(folder.upload(BEN, del("d/a", 2), del("d/b", 3), put("d", "file", 1)), [
    "ok 4",
    "ok 5",
    "ok 6",
  ]);
  assertEquals(folder.tree(), ["d: file 4 B"]);
});

Deno.test("accept: a directory for another's file: the file makes room, and even its author hears of it", () => {
  const folder = new Folder();
  folder.upload(ANNA, put("x", "file"));
  assertEquals(folder.upload(BEN, put("x", "dir"), put("x/y", "1")), ["ok 3", "ok 4"]);
  assertEquals(folder.tree().map((line) => line.replace(/[-\d]+ [\d.]+\)/, "TIME)")), [
    "x (conflict anna TIME): file 4 B",
    "x/y: file 1 B",
    "x: dir",
  ]);
  assertEquals(folder.told().map((line) => line.slice(line.indexOf("known"))), [
    "known to nobody",
    "known to bb",
    "known to bb",
  ]);
  assertEquals(folder.conflicts(), ["x: ben's 3 over anna's 2, base 0"]);
});

Deno.test("accept: a directory that others would come to read is not renamed as it was", () => {
  const folder = folderWithTree();
  folder.upload(ANNA, put("empty", "dir"));
  folder.opens = (from, to) => from === "d" && to === "shown";
  assertEquals(folder.upload(BEN, rename("d", "shown", 3, 3)), ["stale"]);
  assertEquals(folder.tree(), ["d/a: file 1 B", "d/b: file 2 B", "d: dir", "empty: dir"]);
  folder.opens = () => true;
  assertEquals(folder.upload(BEN, rename("d/a", "a", 2, 1), rename("empty", "e", 4, 1)), ["ok 5", "ok 6"]);
});

Deno.test("accept: a directory is renamed with all it holds, as one revision and one notice", () => {
  const folder = folderWithTree();
  assertEquals(folder.upload(BEN, rename("d", "e", 3, 3)), ["ok 4"]);
  assertEquals(folder.tree(), ["e/a: file 1 B", "e/b: file 2 B", "e: dir"]);
  assertEquals(folder.told(), ["d moved to e, known to bb"]);
  assertEquals(folder.history(), [
    "4 renamed d/b: absent, on 3",
    "4 renamed d/a: absent, on 2",
    "4 renamed d: absent, on 1",
    "4 renamed e: dir, on 1, from d",
    "4 renamed e/a: file 1 B, on 2, from d/a",
    "4 renamed e/b: file 2 B, on 3, from d/b",
  ]);
});

const RENAMES: readonly { name: string; item: UploadItem; answer: string }[] = [
  { name: "an entry that the client did not know of", item: rename("d", "e", 3, 2), answer: "stale" },
  { name: "an entry that the client knew and is gone", item: rename("d", "e", 3, 4), answer: "stale" },
  { name: "something newer than the client knew", item: rename("d", "e", 2, 3), answer: "stale" },
  { name: "nothing", item: rename("none", "e", 3, 0), answer: "stale" },
  { name: "onto something", item: rename("d/a", "d/b", 3, 1), answer: "stale" },
  { name: "onto a directory above", item: rename("d/a", "d", 3, 1), answer: "stale" },
  { name: "into a directory that is not there", item: rename("d/a", "e/a", 3, 1), answer: "stale" },
  { name: "below a file", item: rename("d/a", "d/b/a", 3, 1), answer: "stale" },
  { name: "a directory into itself", item: rename("d", "d/e", 3, 3), answer: "error protocol" },
  { name: "onto itself", item: rename("d", "d", 3, 3), answer: "error protocol" },
];

for (const { name, item, answer } of RENAMES) {
  Deno.test(`accept: a rename of ${name} is answered: ${answer}`, () => {
    const folder = folderWithTree();
    const before = folder.tree();
    assertEquals(folder.upload(BEN, item), [answer]);
    assertEquals([folder.tree(), folder.commit!.versions, folder.notices], [before, [], []]);
  });
}

Deno.test("accept: a rename after others of its batch counts what they made", () => {
  const folder = folderWithTree();
  assertEquals(folder.upload(ANNA, put("n", "dir"), rename("d", "n/d", 3, 3), del("n/d/a", 5)), [
    "ok 4",
    "ok 5",
    "ok 6",
  ]);
  assertEquals(folder.tree(), ["n/d/b: file 2 B", "n/d: dir", "n: dir"]);
});

Deno.test("accept: an item whose bytes are not there is answered so, and the others are not held up", () => {
  const folder = new Folder();
  const acceptance = new Acceptance(new Draft(folder.heads, folder.records, 0, 1000), () => false);
  const result: UploadResult = { status: "error", code: "corrupt", message: "" };
  const answers = [
    acceptance.apply(asOwner(ANNA), put("a", "1"), { ready: false, result }),
    acceptance.apply(asOwner(ANNA), put("b", "1"), READY),
    acceptance.apply(asOwner(ANNA), del("a", 1), { ready: false, result }),
  ];
  assertEquals(answers.map(shown), ["error corrupt", "ok 1", "skip 1"]);
  assertEquals(acceptance.draft.revision, 1);
});

Deno.test("accept: the content of a version may be named: of the head, of this batch, of the history; never of a directory", () => {
  const folder = folderWithTree();
  folder.upload(ANNA, put("d/a", "new", 2));
  const acceptance = new Acceptance(new Draft(folder.heads, folder.records, 4, 1000), () => false);
  acceptance.apply(asOwner(ANNA), put("z", "zz"), READY);
  acceptance.apply(asOwner(ANNA), put("z", "zzz", 5), READY);
  const size = (path: string, revision: number) =>
    acceptance.versionContent(asOwner(BEN), p(path), revision)?.size ?? null;
  assertEquals([size("d/a", 4), size("d/a", 2), size("z", 5), size("z", 6)], [3, 1, 2, 3]);
  assertEquals([size("d", 1), size("d/a", 3), size("none", 1)], [null, null, null]);
});
