/** What a restricted user may change, and that every refusal is the same whatever is hidden. */
import { assertEquals, assertMatch } from "@std/assert";
import { Rights } from "../core/access.ts";
import { parsePath } from "../core/path.ts";
import { packBlock } from "../protocol/block.ts";
import type { UploadResult } from "../protocol/messages.ts";
import type { MemRecords } from "../tests/fakes/mem_records.ts";
import { RecordsError } from "./store/records.ts";
import {
  copyOf,
  dirOf,
  fileOf,
  gone,
  Hub,
  renamed,
  rightsOf,
  type Sent,
  shown,
  textBytes,
} from "../tests/fakes/free_client.ts";

const MAY_NOT = "error forbidden: Cannot upload: you may not write here";
const MAY_NOT_DELETE = "error forbidden: Cannot delete the directory: it may hold what you may not delete";
const MAY_NOT_MAKE = "error forbidden: Cannot upload: the directory is missing, and you may not make it";
const MAY_NOT_BESIDE =
  "error forbidden: Cannot upload: it would need another name, in a place where you may not write";

/** The owner's tree: `in/` with `f` and `dir/`, `out/` with `f`. Revisions 1 to 5. */
async function hubWithTree(): Promise<Hub> {
  const hub = new Hub();
  await hub.olga.upload(
    dirOf("in"),
    fileOf("in/f", "in"),
    dirOf("in/dir"),
    dirOf("out"),
    fileOf("out/f", "out"),
  );
  return hub;
}

const shownAll = (results: readonly UploadResult[]) => results.map(shown);

Deno.test("write rights: files, directories and deletes outside of them are refused, there or not", async () => {
  await using hub = await hubWithTree();
  const ben = hub.client("ben", rightsOf({ in: "write", "in/dir": "none", out: "read" }));
  const denied: Sent[] = [
    fileOf("out/f", "new", 5),
    fileOf("out/none", "new"),
    gone("out/f", 5),
    gone("out/none", 5),
    gone("out", 4),
    dirOf("out"),
    dirOf("other"),
    fileOf("in/dir", "new"),
    fileOf("in/dir/none", "new"),
    gone("in/dir", 3),
    gone("in/dir/none", 3),
    fileOf("top", "new"),
  ];
  assertEquals(shownAll(await ben.upload(...denied)), denied.map(() => MAY_NOT));
  assertEquals(hub.folder.revision, 5);
  assertEquals(shownAll(await ben.upload(fileOf("in/f", "new", 2), dirOf("in/d"), gone("in/d", 7))), [
    "ok",
    "ok",
    "ok",
  ]);
});

Deno.test("write rights: a directory that may hold what is hidden is not deleted, whether it does or not", async () => {
  for (const hidden of [true, false]) {
    await using hub = new Hub();
    await hub.olga.mkdir("d");
    if (hidden) await hub.olga.mkdir("d/secret");
    const ben = hub.client("ben", rightsOf({ "": "write", "d/secret": "none" }));
    assertEquals(shownAll(await ben.upload(gone("d", 1))), [MAY_NOT_DELETE]);
  }
});

Deno.test("write rights: a file for such a directory steps aside, whether it holds something or not", async () => {
  for (const hidden of [true, false]) {
    await using hub = new Hub();
    await hub.olga.mkdir("d");
    if (hidden) await hub.olga.mkdir("d/secret");
    const ben = hub.client("ben", rightsOf({ "": "write", "d/secret": "none" }));
    const [result] = await ben.upload(fileOf("d", "a file", 1));
    assertEquals(result?.status === "conflict" && result.storedAs?.startsWith("d (conflict ben "), true);
  }
});

Deno.test("write rights: a name that the server chooses must be one that may be written", async () => {
  await using hub = new Hub();
  await hub.olga.upload(dirOf("top"), dirOf("top/d"), fileOf("top/d/f", "1"), fileOf("top/x", "2"));
  const rights = rightsOf({ "": "read", "top/d": "write", "top/x": "write" });
  const ben = hub.client("ben", rights);
  assertEquals(shownAll(await ben.upload(fileOf("top/d", "a file for a directory"))), [MAY_NOT_BESIDE]);
  assertEquals(shownAll(await ben.upload(dirOf("top/x"))), [MAY_NOT_BESIDE]);
  assertEquals(hub.folder.revision, 4);
});

Deno.test("write rights: what lacks a directory that one may not make is refused, not put off", async () => {
  await using hub = new Hub();
  const ben = hub.client("ben", rightsOf({ "a/b": "write" }));
  const items = [dirOf("a"), dirOf("a/b"), fileOf("a/b/f", "1"), dirOf("a/b/c"), fileOf("a/b/c/f", "1")];
  assertEquals(shownAll(await ben.upload(...items)), [MAY_NOT, ...Array(4).fill(MAY_NOT_MAKE)]);
  // A file there is as good as nothing: it is not seen.
  await hub.olga.write("a", "a file");
  assertEquals(shownAll(await ben.upload(...items)), [MAY_NOT, ...Array(4).fill(MAY_NOT_MAKE)]);
  await hub.olga.upload(gone("a", 1), dirOf("a"));
  assertEquals(shownAll(await ben.upload(...items)), [MAY_NOT, "ok", "ok", "ok", "ok"]);
  assertEquals(shownAll(await ben.upload(fileOf("a/b/none/f", "1"))), ["stale"]);
});

const RENAMES: readonly { name: string; from: string; to: string; count: number; answer: string }[] = [
  { name: "inside what may be written", from: "w/d", to: "w/e", count: 2, answer: "ok" },
  { name: "of what may only be read", from: "r/d", to: "w/e", count: 2, answer: "stale" },
  { name: "to where one may only read", from: "w/d", to: "r/e", count: 2, answer: "stale" },
  { name: "to where one may not look", from: "w/d", to: "hidden/e", count: 2, answer: "stale" },
  { name: "onto something hidden", from: "w/d", to: "hidden/d", count: 2, answer: "stale" },
  { name: "of something hidden", from: "hidden/d", to: "w/e", count: 2, answer: "stale" },
  { name: "of nothing where one may not look", from: "hidden/none", to: "w/e", count: 2, answer: "stale" },
  {
    name: "of a directory that holds something hidden",
    from: "w/part",
    to: "w/e",
    count: 1,
    answer: "stale",
  },
  { name: "the same, with the hidden count", from: "w/part", to: "w/e", count: 2, answer: "stale" },
  { name: "to a place with rules below", from: "w/d", to: "w/new", count: 2, answer: "stale" },
];

for (const { name, from, to, count, answer } of RENAMES) {
  Deno.test(`write rights: a rename ${name} is answered: ${answer}`, async () => {
    await using hub = new Hub();
    for (const dir of ["w", "r", "hidden"]) {
      await hub.olga.upload(dirOf(dir), dirOf(`${dir}/d`), fileOf(`${dir}/d/f`, dir));
    }
    await hub.olga.mkdir("w/part", "w/part/secret");
    const rules = { w: "write", r: "read", "w/part/secret": "none", "w/new/secret": "read" } as const;
    const ben = hub.client("ben", rightsOf(rules));
    assertEquals(shownAll(await ben.upload(renamed(from, to, 99, count))), [answer]);
  });
}

Deno.test("write rights: a grant that is taken back holds for what waits already", async () => {
  await using hub = await hubWithTree();
  let rights = rightsOf({ in: "write" });
  const ben = hub.client("ben", () => rights);
  const held = Promise.withResolvers<void>();
  const holding = hub.folder.between(() => held.promise);
  const uploading = ben.upload(fileOf("in/f", "too late", 2), gone("in/dir", 3));
  await hub.olga.settle();
  rights = rightsOf({ in: "read" });
  held.resolve();
  await holding;
  assertEquals(shownAll(await uploading), [MAY_NOT, MAY_NOT]);
});

const named = (path: string, text: string, revision: number, to = "mine/copy") =>
  copyOf(to, textBytes(text), { from: "version", path: parsePath(path), revision });
const NO_VERSION = "error notFound: Cannot copy the content: there is no such version";

Deno.test("write rights: a version may be named by whoever could have read it, and by nobody else", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("shared", "mine");
  const before = await hub.olga.write("shared/f", "before ben came");
  const head = await hub.olga.write("shared/f", "head when ben came", before);
  const rights = rightsOf({ shared: "write", mine: "write" });
  const ben = hub.client("ben", rights);
  const later = await hub.olga.write("shared/f", "later", head);
  const again = await hub.olga.write("shared/f", "latest", later);
  const copies: readonly (readonly [string, number, string])[] = [
    ["latest", again, "ok"],
    ["later", later, "ok"],
    ["head when ben came", head, "ok"],
    ["before ben came", before, NO_VERSION],
    ["another content", again, NO_VERSION],
    ["latest", 999, NO_VERSION],
  ];
  for (const [n, [text, revision, answer]] of copies.entries()) {
    const [result] = await ben.upload(named("shared/f", text, revision, `mine/${n}`));
    assertEquals(shown(result), answer, text);
  }
  const past = hub.client("paul", rightsOf({ shared: "write", mine: "write" }, true));
  assertEquals(shownAll(await past.upload(named("shared/f", "before ben came", before))), ["ok"]);
});

Deno.test("write rights: rights that changed since make what stood before them unknown", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("shared", "mine");
  const first = await hub.olga.write("shared/f", "first");
  let rights = rightsOf({ mine: "write" });
  const ben = hub.client("ben", () => rights);
  await ben.settle();
  await hub.olga.write("shared/f", "second", first);
  rights = rightsOf({ mine: "write", shared: "read" });
  assertEquals(shownAll(await ben.upload(named("shared/f", "first", first))), [NO_VERSION]);
});

Deno.test("write rights: what one uploaded oneself may be named, the loser of a conflict too", async () => {
  await using hub = new Hub();
  const rights = rightsOf({ "": "write" });
  const ben = hub.client("ben", rights);
  const base = await hub.olga.write("f", "base");
  await hub.olga.write("f", "olga's", base);
  const [lost] = await ben.upload(fileOf("f", "ben's", base, 1));
  await ben.close();
  const again = hub.client("ben", rights);
  assertEquals(lost?.status === "conflict" && !lost.won, true);
  const revision = lost?.status === "conflict" ? lost.revision : 0;
  assertEquals(shownAll(await again.upload(named("f", "ben's", revision, "copy"))), ["ok"]);
  const cy = hub.client("cy", rights);
  assertEquals(shownAll(await cy.upload(named("f", "ben's", revision, "stolen"))), [NO_VERSION]);
});

Deno.test("write rights: what one may not write is not even stored", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("out");
  const ben = hub.client("ben", new Rights([]));
  const { item, bytes } = fileOf("out/f", "a content that nobody wants");
  assertEquals(shownAll(await ben.upload({ item, bytes: bytes! })), [MAY_NOT]);
  assertEquals(
    hub.folder.contents.append({ encoding: "raw", rawSize: 1, bytes: new Uint8Array(1) }).offset,
    0,
  );
});

Deno.test("write rights: what the store failed with is told as it is only to who may write everything", async () => {
  await using hub = new Hub();
  const records = hub.folder.records as MemRecords;
  const ben = hub.client("ben", rightsOf({ "": "write", hidden: "read" }));
  const answers: string[] = [];
  for (const client of [hub.olga, ben]) {
    records.failNextCommit = new RecordsError(
      "io",
      'Cannot write "/srv/private/server.db": input/output error',
    );
    const { item, bytes } = fileOf("f", "1");
    const answer = await client.one({ type: "upload", items: [item], block: packBlock([bytes!]) }, "results");
    answers.push(answer.type === "error" ? `${answer.code}: ${answer.message}` : answer.type);
  }
  assertEquals(answers, [
    'internal: Cannot write "/srv/private/server.db": input/output error',
    "internal: Cannot do that: the server failed",
  ]);
});

Deno.test("write rights: an edit by somebody else is told with its author where it may be seen", async () => {
  await using hub = await hubWithTree();
  const ben = hub.client("ben", rightsOf({ in: "write" }));
  const [result] = await ben.upload(fileOf("in/f", "ben's", 0, 5));
  assertEquals(result?.status, "conflict");
  assertMatch(result?.status === "conflict" ? result.reason : "", /^kept olga's: /);
});
