/** What a restricted user is told: by listings, by live notices, by counts and by silence. */
import { assertEquals } from "@std/assert";
import type { Access } from "../core/access.ts";
import { parsePath } from "../core/path.ts";
import type { Changes, Notice } from "../protocol/messages.ts";
import {
  copyOf,
  dirOf,
  fileOf,
  gone,
  Hub,
  renamed,
  rightsOf,
  shown,
  textBytes,
} from "../tests/fakes/free_client.ts";

const shownNotice = (notice: Notice): string => {
  if (notice.kind === "moved") return `${notice.from} > ${notice.to}`;
  const { path, author } = notice;
  if (notice.kind === "gone") return `${path} gone by ${author.user || "nobody"}`;
  const from = notice.from === null ? "" : ` from ${notice.from}`;
  return `${path} ${notice.entry.kind}${from} by ${author.user || "nobody"}`;
};
const listed = (pages: readonly Changes[]) => pages.flatMap(({ notices }) => notices.map(shownNotice));

Deno.test("sight: a listing holds what may be read, and the bare directories that lead there", async () => {
  await using hub = new Hub();
  const { olga } = hub;
  await olga.mkdir("a", "a/b", "a/b/c", "a/x", "z");
  await olga.write("a/b/c/file", "seen");
  await olga.write("a/b/file", "hidden");
  await olga.write("top", "hidden");
  const ben = hub.client("ben", rightsOf({ "a/b/c": "read" }));
  assertEquals(listed(await ben.list()), [
    "a dir by nobody",
    "a/b dir by nobody",
    "a/b/c dir by olga",
    "a/b/c/file file by olga",
  ]);
  const none = hub.client("nina", rightsOf({}));
  assertEquals(listed(await none.list()), []);
});

Deno.test("sight: a longer rule hides a part of what may be read", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("a", "a/secret", "a/secret/mine");
  await hub.olga.write("a/secret/file", "hidden");
  await hub.olga.write("a/secret/mine/file", "seen");
  const ben = hub.client("ben", rightsOf({ "": "read", "a/secret": "none", "a/secret/mine": "read" }));
  assertEquals(listed(await ben.list()), [
    "a dir by olga",
    "a/secret dir by nobody",
    "a/secret/mine dir by olga",
    "a/secret/mine/file file by olga",
  ]);
});

Deno.test("sight: a file at a leading place is nothing, and the end of a directory there is told", async () => {
  await using hub = new Hub();
  const rights = rightsOf({ "a/b": "read" });
  await hub.olga.write("a", "a file");
  const ben = hub.client("ben", rights);
  assertEquals(listed(await ben.list(0, true)), []);
  await hub.olga.upload(gone("a", 1), dirOf("a"), dirOf("a/b"));
  await ben.settle();
  assertEquals(ben.told(), ["a gone, a, a/b ≤4 !0"]);
  await hub.olga.upload(gone("a/b", 4), gone("a", 3), fileOf("a", "again"));
  await ben.settle();
  assertEquals(ben.told(), ["a/b gone, a gone, a gone ≤7 !0"]);
  assertEquals(listed(await ben.list(2)), ["a/b gone by olga", "a gone by nobody"]);
});

Deno.test("sight: pages of what is hidden are left out, and the cursor is that of the whole folder", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("hidden", "seen");
  const many = Array.from({ length: 2500 }, (_, i) => fileOf(`hidden/${i}`, `${i}`));
  for (let at = 0; at < many.length; at += 500) await hub.olga.upload(...many.slice(at, at + 500));
  await hub.olga.write("seen/file", "1");
  const ben = hub.client("ben", rightsOf({ seen: "read" }));
  const pages = await ben.list();
  assertEquals(listed(pages), ["seen dir by olga", "seen/file file by olga"]);
  assertEquals(pages.map(({ more, upTo }) => [more, upTo]), [[true, 0], [false, 2503]]);
  const nothing = await hub.client("cy", rightsOf({ other: "read" })).list();
  assertEquals(nothing.map(({ notices, more, upTo }) => [notices.length, more, upTo]), [[0, false, 2503]]);
});

Deno.test("sight: what happens where one may not look is not even felt", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("hidden", "seen");
  const ben = hub.client("ben", rightsOf({ seen: "write" }));
  await ben.list(0, true);
  const first = await hub.olga.write("hidden/file", "1");
  await hub.olga.upload(renamed("hidden/file", "hidden/other", first, 1), dirOf("hidden/d"));
  await ben.settle();
  assertEquals(ben.told(), [], "no frame at all");
  await hub.olga.write("seen/file", "2");
  await ben.settle();
  assertEquals(ben.told(), ["seen/file ≤6 !0"]);
  // Its own upload tells how far it knows, and no further than that upload.
  await Promise.all([ben.write("seen/mine", "3"), hub.olga.write("hidden/more", "4")]);
  await ben.settle();
  const [own] = ben.told();
  const mine = hub.folder.heads.get(parsePath("seen/mine"))!.revision;
  assertEquals(own, ` ≤${mine} !0`);
});

Deno.test("sight: who sees everything hears how far the folder is, as before", async () => {
  await using hub = new Hub();
  const ben = hub.client("ben", rightsOf({ "": "read", sub: "write" }));
  await ben.list(0, true);
  await hub.olga.upload(dirOf("d"), fileOf("d/f", "1"));
  await hub.olga.upload(renamed("d", "e", 2, 2));
  await ben.settle();
  assertEquals(ben.told(), ["d, d/f ≤2 !0", "d > e ≤3 !0"]);
});

const MOVES: readonly { name: string; rules: Readonly<Record<string, Access>>; told: string }[] = [
  { name: "both ends seen", rules: { "": "read", other: "none" }, told: "d > e" },
  { name: "nothing seen", rules: { other: "read" }, told: "" },
  { name: "only the old place seen", rules: { d: "read" }, told: "d gone, d/f gone, d/s gone, d/s/g gone" },
  { name: "only the new place seen", rules: { e: "read" }, told: "e, e/f, e/s, e/s/g" },
  { name: "a part of the old place seen", rules: { "d/s": "read" }, told: "d gone, d/s gone, d/s/g gone" },
  {
    name: "a part of the new place hidden",
    rules: { "": "read", "e/s": "none" },
    told: "d gone, d/f gone, d/s gone, d/s/g gone, e, e/f",
  },
];

for (const { name, rules, told } of MOVES) {
  Deno.test(`sight: a directory is renamed, ${name}`, async () => {
    await using hub = new Hub();
    await hub.olga.mkdir("d", "d/s");
    await hub.olga.upload(fileOf("d/f", "1"), fileOf("d/s/g", "2"));
    const ben = hub.client("ben", rightsOf(rules));
    await ben.list(0, true);
    await hub.olga.upload(renamed("d", "e", 4, 4));
    await ben.settle();
    assertEquals(ben.told(), told === "" ? [] : [`${told} ≤5 !0`]);
    // Whoever asks from its cursor is told the same, path by path.
    const afterwards = (await ben.list(4)).flatMap(({ notices }) => notices).map(({ kind }) => kind);
    assertEquals(afterwards.includes("moved"), false);
  });
}

Deno.test("sight: where a content came from is not told if that is hidden", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("hidden", "seen");
  const file = await hub.olga.write("hidden/secret name", "1");
  const ben = hub.client("ben", rightsOf({ seen: "read" }));
  await ben.list(0, true);
  await hub.olga.upload(renamed("hidden/secret name", "seen/file", file, 1));
  await ben.settle();
  const [change] = ben.news as Changes[];
  assertEquals(change!.notices.map(shownNotice), ["seen/file file by olga"]);
  assertEquals(listed(await ben.list()), ["seen dir by olga", "seen/file file by olga"]);
  assertEquals(listed(await hub.olga.list()).at(-1), "seen/file file from hidden/secret name by olga");
});

Deno.test("sight: a grant that is taken back holds for the next page and the next notice", async () => {
  await using hub = new Hub();
  let rights = rightsOf({ "": "read" });
  const ben = hub.client("ben", () => rights);
  await hub.olga.write("one", "1");
  assertEquals(listed(await ben.list(0, true)), ["one file by olga"]);
  rights = rightsOf({ mine: "read" });
  await hub.olga.write("two", "2");
  await ben.settle();
  assertEquals(ben.told(), []);
  assertEquals(listed(await ben.list(0)), []);
});

Deno.test("sight: conflicts count where they may be seen", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("a", "b");
  let rights = rightsOf({ "": "write" });
  const ben = hub.client("ben", () => rights);
  for (const dir of ["a", "b"]) {
    const base = await hub.olga.write(`${dir}/f`, "base");
    await hub.olga.write(`${dir}/f`, "olga's", base);
    const [result] = await ben.upload(fileOf(`${dir}/f`, "ben's", base, 5));
    assertEquals(shown(result), "conflict");
  }
  assertEquals((await ben.list()).at(-1)!.conflicts, 2);
  rights = rightsOf({ a: "read" });
  assertEquals((await ben.list()).at(-1)!.conflicts, 1);
  rights = rightsOf({ c: "read" });
  assertEquals((await ben.list()).at(-1)!.conflicts, 0);
});

Deno.test("sight: contents come only for what may be read, and a hidden one answers like none", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("hidden", "seen");
  const secret = await hub.olga.write("hidden/f", "secret");
  const open = await hub.olga.write("seen/f", "open");
  const ben = hub.client("ben", rightsOf({ seen: "write" }));
  assertEquals(await ben.read("seen/f", open), "open");
  assertEquals(await ben.read("hidden/f", secret), null);
  assertEquals(await ben.read("hidden/none", secret), null);
  const copies = await ben.upload(
    copyOf("seen/copy", textBytes("secret"), {
      from: "version",
      path: parsePath("hidden/f"),
      revision: secret,
    }),
    copyOf("seen/copy", textBytes("secret"), {
      from: "version",
      path: parsePath("hidden/none"),
      revision: 9,
    }),
    copyOf("seen/copy", textBytes("open"), { from: "version", path: parsePath("seen/f"), revision: open }),
  );
  assertEquals(copies.map(shown), [
    "error notFound: Cannot copy the content: there is no such version",
    "error notFound: Cannot copy the content: there is no such version",
    "ok",
  ]);
});
