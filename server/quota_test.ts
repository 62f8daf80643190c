/** How much a user may have: what counts, when it is checked, and that nobody else's contents matter. */
import { assert, assertEquals } from "@std/assert";
import { Rights } from "../core/access.ts";
import { parsePath } from "../core/path.ts";
import { large, noise } from "../tests/conformance/contents_suite.ts";
import {
  copyOf,
  dirOf,
  entryOf,
  fileOf,
  FreeClient,
  gone,
  Hub,
  renamed,
  rightsOf,
  type Sent,
  shown,
} from "../tests/fakes/free_client.ts";
import { StorePlace } from "../tests/fakes/store_place.ts";
import { OpenStore } from "../tests/fakes/store_place.ts";
import { KEEP_EVERYTHING } from "../core/retention.ts";
import { Folder } from "./folder.ts";
import { choosePruned, prune } from "./upkeep/prune.ts";
import { bytesText, quotaOf } from "./quota.ts";
import { systemClock } from "../system/clock.ts";

const WRITE = rightsOf({ "": "write" });
const FULL = "error noSpace: Cannot upload: the quota of 1000 B is used up";
const text = (bytes: number, letter: string) => letter.repeat(bytes);

/** Ben with a quota, and the others without. */
function benOf(hub: Hub, bound: number | null = 1000, rights = WRITE): FreeClient {
  return hub.client("ben", rights, quotaOf("ben", () => bound, () => [hub.folder]));
}

const shownAll = async (client: FreeClient, ...sent: Sent[]) => (await client.upload(...sent)).map(shown);

Deno.test("quota: what is over it is refused item by item, and is not stored", async () => {
  await using hub = new Hub();
  const ben = benOf(hub);
  const items = [fileOf("a", text(600, "a")), fileOf("b", text(600, "b")), fileOf("c", text(400, "c"))];
  assertEquals(await shownAll(ben, ...items, dirOf("d")), ["ok", FULL, "ok", "ok"]);
  assertEquals(hub.folder.usage("ben"), 1000);
  assertEquals(hub.folder.records.location(entryOf(new TextEncoder().encode(text(600, "b"))).content), null);
  assertEquals(await shownAll(ben, fileOf("e", "x")), [FULL]);
  assertEquals(await shownAll(hub.olga, fileOf("b", text(600, "b"))), ["ok"]);
});

Deno.test("quota: every version counts that brings bytes; times, bits, renames and deletes bring none", async () => {
  await using hub = new Hub();
  const ben = benOf(hub);
  const one = await ben.write("f", text(300, "1"));
  const two = await ben.write("f", text(300, "2"), one);
  assertEquals(hub.folder.usage("ben"), 600);
  const [touched] = await ben.upload(fileOf("f", text(300, "2"), two, 2000));
  const revision = touched?.status === "ok" ? touched.revision : 0;
  await ben.upload(renamed("f", "g", revision, 1));
  await ben.upload(gone("g", revision + 1));
  assertEquals(hub.folder.usage("ben"), 600);
  // A copy is a file of its own.
  const bytes = new TextEncoder().encode(text(300, "1"));
  await ben.upload(copyOf("copy", bytes, { from: "version", path: parsePath("f"), revision: one }));
  assertEquals(hub.folder.usage("ben"), 900);
  assertEquals(hub.folder.usage("ben"), hub.folder.records.usage().get("ben"));
  hub.folder.forgetUsage();
  assertEquals(hub.folder.usage("ben"), 900);
});

Deno.test("quota: whether others have a content makes no difference", async () => {
  await using hub = new Hub();
  await hub.olga.write("hidden", text(900, "s"));
  const ben = benOf(hub, 1000, rightsOf({ mine: "write" }));
  await hub.olga.mkdir("mine");
  await ben.write("mine/a", text(500, "a"));
  assertEquals(await shownAll(ben, fileOf("mine/s", text(900, "s"))), [FULL]);
  assertEquals(await shownAll(ben, fileOf("mine/t", text(900, "t"))), [FULL]);
});

Deno.test("quota: what is there already is no news, even when nothing is left", async () => {
  await using hub = new Hub();
  const ben = benOf(hub);
  const base = await ben.write("f", text(1000, "f"));
  assertEquals(await shownAll(ben, fileOf("f", text(1000, "f"))), ["skip"]);
  assertEquals(await shownAll(ben, fileOf("f", text(1000, "f"), base, 3000)), ["ok"]);
  assertEquals(await shownAll(ben, fileOf("empty", "")), ["ok"]);
});

Deno.test("quota: the loser of a conflict counts for whoever wrote it", async () => {
  await using hub = new Hub();
  const ben = benOf(hub);
  const base = await hub.olga.write("f", "base");
  await hub.olga.write("f", "olga's", base);
  assertEquals(await shownAll(ben, fileOf("f", text(500, "b"), base, 1)), ["conflict"]);
  assertEquals(hub.folder.usage("ben"), 500);
});

Deno.test("quota: uploads of one moment share what is left", async () => {
  await using hub = new Hub();
  const clients = [benOf(hub), benOf(hub), benOf(hub)];
  const answers = await Promise.all(
    clients.map((ben, n) => shownAll(ben, fileOf(`f${n}`, text(500, `${n}`)))),
  );
  assertEquals(answers.flat().sort(), [FULL, "ok", "ok"]);
});

Deno.test("quota: a bound that is changed holds at once", async () => {
  await using hub = new Hub();
  let bound: number | null = 100;
  const ben = hub.client("ben", WRITE, quotaOf("ben", () => bound, () => [hub.folder]));
  assertEquals((await ben.upload(fileOf("f", text(200, "f"))))[0]?.status, "error");
  bound = null;
  assertEquals(await shownAll(ben, fileOf("f", text(200, "f"))), ["ok"]);
  bound = 1000;
  assertEquals(await shownAll(ben, fileOf("g", text(900, "g"))), [FULL]);
});

Deno.test("quota: all folders count together", async () => {
  await using hub = new Hub();
  await using other = new Hub();
  const folders = () => [hub.folder, other.folder];
  const here = hub.client("ben", WRITE, quotaOf("ben", () => 1000, folders));
  const there = other.client("ben", WRITE, quotaOf("ben", () => 1000, folders));
  await here.write("f", text(700, "f"));
  assertEquals(await shownAll(there, fileOf("f", text(400, "x"))), [FULL]);
  assertEquals(await shownAll(there, fileOf("f", text(300, "x"))), ["ok"]);
  assertEquals(await shownAll(here, fileOf("g", "x")), [FULL]);
});

const BIG = large(noise(400_000, 1));
const OTHER = large(noise(400_000, 2));

Deno.test("quota: a large content is refused when it is announced", async () => {
  await using hub = new Hub();
  const ben = benOf(hub, 300_000);
  const { staged } = await ben.stage(BIG);
  assertEquals(
    [shown(staged), staged.type === "error" && staged.message],
    ["error noSpace", "Cannot upload: the quota of 292.97 KiB is used up"],
  );
});

Deno.test("quota: what is on its way counts, announced, arriving, complete and committed", async () => {
  await using hub = new Hub();
  const ben = benOf(hub, 500_000);
  const { id, staged } = await ben.stage(BIG);
  assertEquals(shown(staged), "staged");
  assertEquals(hub.folder.usage("ben"), 400_000, "announced");
  assertEquals(shown((await ben.stage(OTHER)).staged), "error noSpace");
  assertEquals(await shownAll(ben, fileOf("f", text(100_001, "f"))), [
    "error noSpace: Cannot upload: the quota of 488.28 KiB is used up",
  ]);
  await ben.sendData(id, BIG);
  assertEquals(hub.folder.usage("ben"), 400_000, "complete");
  assertEquals(shown((await ben.stage(OTHER)).staged), "error noSpace");
  assertEquals(await shownAll(ben, copyOf("big", BIG.bytes, { from: "staged" })), ["ok"]);
  assertEquals(hub.folder.usage("ben"), 400_000, "committed");
});

Deno.test("quota: a transfer that was broken off counts with what is there, and can be gone on with", async () => {
  await using hub = new Hub();
  const several = large(noise(2_500_000, 4));
  const first = benOf(hub, 2_500_000);
  const { id } = await first.stage(several);
  await first.sendData(id, several, 0, 1);
  await first.settle();
  await first.close();
  const held = hub.folder.usage("ben");
  assert(held > 1_000_000 && held < 2_500_000, String(held));
  const again = benOf(hub, 2_500_000);
  assertEquals(shown((await again.stage(large(noise(2_000_000, 5)))).staged), "error noSpace");
  const { id: next, staged } = await again.stage(several);
  assert(staged.type === "staged" && staged.chunks > 0);
  await again.sendData(next, several, staged.chunks);
  assertEquals(await shownAll(again, copyOf("big", several.bytes, { from: "staged" })), ["ok"]);
  assertEquals(hub.folder.usage("ben"), 2_500_000);
});

Deno.test("quota: the same content sent twice at once counts twice while it is on its way", async () => {
  await using hub = new Hub();
  const [one, two] = [benOf(hub, 700_000), benOf(hub, 700_000)];
  assertEquals(shown((await one.stage(BIG)).staged), "staged");
  assertEquals(shown((await two.stage(BIG)).staged), "error noSpace");
});

Deno.test("quota: what was sent and refused in the end counts too, or the disk could be filled with it", async () => {
  await using hub = new Hub();
  const ben = benOf(hub);
  assertEquals(await shownAll(ben, fileOf("none/f", text(600, "f"))), ["stale"]);
  assertEquals(await shownAll(ben, fileOf("g", text(600, "g"))), [FULL]);
  assertEquals(hub.folder.records.usage().get("ben") ?? 0, 0);
});

Deno.test("quota: restoring is bringing, and is refused as a whole when it does not fit", async () => {
  await using hub = new Hub();
  const ben = benOf(hub, 1000, Rights.ALL);
  const one = await ben.write("f", text(600, "1"));
  await ben.write("f", text(300, "2"), one);
  const restore = { type: "restore", path: parsePath("f"), dryRun: false } as const;
  const answer = await ben.one({ ...restore, goal: { kind: "version", revision: one } }, "restored");
  assertEquals(shown(answer), "error noSpace");
  assertEquals(hub.folder.usage("ben"), 900);
});

Deno.test("quota: versions that are pruned count no more", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`);
  const { records, contents } = store;
  const folder = new Folder({ records, contents, clock: systemClock, onCommit: () => {} });
  const quota = quotaOf("ben", () => 1000, () => [folder]);
  const ben = new FreeClient({ folder, user: "ben", rights: WRITE, quota });
  try {
    const one = await ben.write("f", text(500, "1"));
    const two = await ben.write("f", text(400, "2"), one);
    await ben.upload(fileOf("f", text(400, "2"), two, 2000));
    assertEquals(folder.usage("ben"), 900);
    assertEquals(await shownAll(ben, fileOf("g", text(200, "g"))), [FULL]);
    const parts = {
      ...store.parts(),
      between: <T>(work: () => T | Promise<T>) => folder.between(work),
      onForgotten: () => folder.forgetUsage(),
    };
    const rules = { ...KEEP_EVERYTHING, last: 1 };
    await prune(parts, await choosePruned(parts, { rules, sizeMax: 0 }));
    // The version that is left has brought nothing itself; now nobody else's holds its bytes.
    assertEquals(folder.usage("ben"), 400);
    assertEquals(await shownAll(ben, fileOf("g", text(200, "g"))), ["ok"]);
  } finally {
    await ben.close();
    store.close();
  }
});

Deno.test("quota: bytes are told as the owner set them", () => {
  const told = [0, 1023, 1024, 1536, 10 * 2 ** 30, 2 ** 50].map(bytesText);
  assertEquals(told, ["0 B", "1023 B", "1 KiB", "1.5 KiB", "10 GiB", "1024 TiB"]);
});
