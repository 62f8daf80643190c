/** Large contents of others: neither their bytes nor that they are there can be had by announcing them. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { packBlock } from "../protocol/block.ts";
import type { Message, Staged } from "../protocol/messages.ts";
import { large, noise } from "../tests/conformance/contents_suite.ts";
import { copyOf, dirOf, type FreeClient, Hub, rightsOf, shown } from "../tests/fakes/free_client.ts";

const A = large(noise(700_000, 1));
const B = large(noise(700_000, 2));
const WRITE = rightsOf({ "": "write" });

/** Uploads a large file; its revision. */
async function put(client: FreeClient, path: string, content: typeof A): Promise<number> {
  await client.stageAll(content);
  const [result] = await client.upload(copyOf(path, content.bytes, { from: "staged" }));
  assertEquals(result?.status, "ok", shown(result));
  return result?.status === "ok" ? result.revision : 0;
}

const has = (staged: Message) => staged.type === "staged" ? [staged.chunks, staged.complete] : [staged.type];

Deno.test("large: what another user has staged in part is not there for anybody else", async () => {
  await using hub = new Hub();
  const several = large(noise(2_500_000, 4));
  const ann = hub.client("ann", WRITE);
  const { id } = await ann.stage(several);
  assertEquals(await ann.sendData(id, several, 0, 1), null, "more than one message");
  await ann.settle();
  await ann.close();
  const ben = hub.client("ben", WRITE);
  assertEquals(has((await ben.stage(several)).staged), [0, false]);
  // Her other device goes on where she was.
  const again = hub.client("ann", WRITE);
  const { staged } = await again.stage(several);
  assert(staged.type === "staged" && staged.chunks > 0 && !staged.complete);
});

Deno.test("large: two who send the same at the same time have a part each", async () => {
  await using hub = new Hub();
  const [ann, ben] = [hub.client("ann", WRITE), hub.client("ben", WRITE)];
  const [hers, his] = [await ann.stage(A), await ben.stage(A)];
  assertEquals([has(hers.staged), has(his.staged)], [[0, false], [0, false]]);
  assertEquals(has((await ann.sendData(hers.id, A))!), [A.chunks.length, true]);
  assertEquals(has((await ben.sendData(his.id, A))!), [A.chunks.length, true]);
});

Deno.test("large: what is stored answers like what never was", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("hidden", "mine");
  await put(hub.olga, "hidden/f", A);
  const ben = hub.client("ben", rightsOf({ mine: "write" }));
  assertEquals(has((await ben.stage(A)).staged), has((await ben.stage(B)).staged));
  // Named as staged without a byte of it.
  const results = await ben.upload(
    copyOf("mine/a", A.bytes, { from: "staged" }),
    copyOf("mine/b", B.bytes, { from: "staged" }),
  );
  assertEquals(shown(results[0]), shown(results[1]));
  assertEquals(shown(results[0]), "error corrupt: Cannot accept the content: it is not what was announced");
});

Deno.test("large: what another session of the same user has staged must be sent again, or staged there", async () => {
  await using hub = new Hub();
  const ann = hub.client("ann", WRITE);
  await ann.stageAll(A);
  const again = hub.client("ann", WRITE);
  const [result] = await again.upload(copyOf("f", A.bytes, { from: "staged" }));
  assertEquals(result?.status, "error");
  assertEquals(has(await ann.stageAll(A)), [A.chunks.length, true], "nothing is sent twice in one session");
});

Deno.test("large: nothing is built on what one may not read, and the answer is that there is nothing", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("hidden", "mine");
  const secret = await put(hub.olga, "hidden/f", A);
  const ben = hub.client("ben", rightsOf({ mine: "write" }));
  const hidden = await ben.stage(B, { path: "hidden/f", revision: secret });
  const none = await ben.stage(B, { path: "hidden/none", revision: 1 });
  assertEquals(hidden.staged, none.staged);
  assertEquals(shown(hidden.staged), "error notFound");
});

Deno.test("large: an old version is no base for who has not had it", async () => {
  await using hub = new Hub();
  const old = await put(hub.olga, "f", A);
  await hub.olga.stageAll(B);
  await hub.olga.upload(copyOf("f", B.bytes, { from: "staged" }, old));
  const C = large(noise(300_000, 3));
  const ben = hub.client("ben", rightsOf({ "": "write" }));
  assertEquals(shown((await ben.stage(C, { path: "f", revision: old })).staged), "error notFound");
  assertEquals(shown((await ben.stage(C, { path: "f", revision: old + 1 })).staged), "staged");
  const paul = hub.client("paul", rightsOf({ "": "write" }, true));
  assertEquals(shown((await paul.stage(C, { path: "f", revision: old })).staged), "staged");
});

Deno.test("large: chunks of a base tell nothing of another content", async () => {
  await using hub = new Hub();
  const revision = await put(hub.olga, "f", A);
  const ben = hub.client("ben", WRITE);
  const { id, staged } = await ben.stage(B, { path: "f", revision });
  assertEquals(has(staged), [0, false]);
  const ops = [{ op: "base", index: 0, count: 2 } as const];
  await ben.sendRaw(id, { type: "data", ops, block: packBlock([]), last: false });
  await ben.settle();
  await ben.close();
  const again = await hub.client("ben", WRITE).stage(B);
  // He may read all of the base; the point is that the part is his own.
  assertEquals((again.staged as Staged).chunks, 2);
  assertEquals(has((await hub.client("cy", WRITE).stage(B)).staged), [0, false]);
});

Deno.test("large: fetching what is hidden is fetching nothing, and a hidden base is left out", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("hidden", "seen");
  const secret = await put(hub.olga, "hidden/f", A);
  const open = await put(hub.olga, "seen/f", large(A.bytes.slice(0, 600_000)));
  const ben = hub.client("ben", rightsOf({ seen: "read" }));
  const fetch = (path: string, revision: number, base: { path: string; revision: number } | null = null) =>
    ben.ask({
      type: "fetch",
      path: parsePath(path),
      revision,
      base: base && { path: parsePath(base.path), revision: base.revision },
      chunks: 0,
      prefix: new Uint8Array(0),
    }, (answer) => answer.type === "data" && answer.last);
  assertEquals(await fetch("hidden/f", secret), await fetch("hidden/none", secret));
  assertEquals(shown((await fetch("hidden/f", secret))[0]), "error notFound");
  const opsOf = (answers: readonly Message[]) =>
    answers.flatMap((answer) => answer.type === "data" ? answer.ops.map(({ op }) => op) : []);
  assertEquals(
    opsOf(await fetch("seen/f", open, { path: "hidden/f", revision: secret })).includes("base"),
    false,
  );
  assertEquals(opsOf(await fetch("seen/f", open, { path: "seen/f", revision: open })).includes("base"), true);
});

Deno.test("large: who may write nowhere stages nothing", async () => {
  await using hub = new Hub();
  const ben = hub.client("ben", rightsOf({ "": "read" }));
  assertEquals(shown((await ben.stage(A)).staged), "error forbidden");
});

Deno.test("large: a user has a bounded number of parts; the oldest that nobody sends gives way", async () => {
  await using hub = new Hub();
  const contents = Array.from({ length: 34 }, (_, n) => large(noise(140_000, 100 + n)));
  const ben = hub.client("ben", WRITE);
  const answers: string[] = [];
  for (const content of contents) answers.push(shown((await ben.stage(content)).staged));
  assertEquals(answers.filter((answer) => answer === "staged").length, 32);
  assertEquals(answers.slice(32), ["error limit", "error limit"]);
  // Others have theirs.
  assertEquals(shown((await hub.client("cy", WRITE).stage(contents[0]!)).staged), "staged");
  await ben.close();
});

Deno.test("large: what no version names when its conversation ends is gone, what one names stays", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("d");
  const ben = hub.client("ben", WRITE);
  await ben.stageAll(A);
  await put(ben, "d/b", B);
  assertEquals([hub.folder.contents.hasLarge(A.id), hub.folder.contents.hasLarge(B.id)], [true, true]);
  const ann = hub.client("ann", WRITE);
  await ann.stageAll(A);
  await ben.close();
  assertEquals(hub.folder.contents.hasLarge(A.id), true, "somebody else has staged it too");
  await ann.close();
  assertEquals([hub.folder.contents.hasLarge(A.id), hub.folder.contents.hasLarge(B.id)], [false, true]);
});

Deno.test("large: what others have named, or stage in the meantime, stays when one leaves who staged it too", async () => {
  await using hub = new Hub();
  const [ben, cy] = [hub.client("ben", WRITE), hub.client("cy", WRITE)];
  await ben.stageAll(A);
  await put(hub.olga, "named", A);
  await ben.close();
  assertEquals(hub.folder.contents.hasLarge(A.id), true, "named by olga");

  await cy.stageAll(B);
  const held = Promise.withResolvers<void>();
  const holding = hub.folder.between(() => held.promise);
  const leaving = cy.close();
  await hub.olga.stageAll(B);
  held.resolve();
  await Promise.all([holding, leaving]);
  assertEquals(hub.folder.contents.hasLarge(B.id), true, "staged by olga while cy left");
});

Deno.test("large: a content that was refused when it was named is still staged, and then gone", async () => {
  await using hub = new Hub();
  const ben = hub.client("ben", WRITE);
  await ben.stageAll(A);
  assertEquals((await ben.upload(copyOf("none/f", A.bytes, { from: "staged" })))[0]?.status, "stale");
  assertNotEquals(hub.folder.usage("ben"), 0);
  await ben.upload(dirOf("none"));
  assertEquals((await ben.upload(copyOf("none/f", A.bytes, { from: "staged" })))[0]?.status, "ok");
  await ben.close();
  assertEquals(hub.folder.contents.hasLarge(A.id), true);
});
