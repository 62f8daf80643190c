/** What grants show of the past, and what they let be brought back. */
import { assertEquals } from "@std/assert";
import { type Access, Rights } from "../../core/access.ts";
import { parsePath } from "../../core/path.ts";
import type { RestoreGoal } from "../../protocol/history.ts";
import type { Message } from "../../protocol/messages.ts";
import { fileOf, type FreeClient, gone, Hub, renamed, shown } from "../../tests/fakes/free_client.ts";
import { Restoration } from "./restoration.ts";

const p = parsePath;

/** `{ a: "write+" }`: with the past. */
function rights(rules: Readonly<Record<string, Access | "read+" | "write+">>): Rights {
  return new Rights(
    Object.entries(rules).map(([prefix, access]) => ({
      prefix: prefix === "" ? null : p(prefix),
      access: access.replace("+", "") as Access,
      history: access.endsWith("+"),
    })),
  );
}

async function versions(client: FreeClient, path: string): Promise<string[]> {
  const [answer] = await client.ask({ type: "versions", path: p(path) });
  if (answer?.type !== "versionList") return [shown(answer)];
  return answer.versions.map(({ operation, path, from }) =>
    `${operation} ${path}${from === null ? "" : ` from ${from}`}`
  );
}

async function restore(
  client: FreeClient,
  path: string | null,
  goal: RestoreGoal,
  dryRun = false,
): Promise<string[]> {
  const [answer] = await client.ask({ type: "restore", path: path === null ? null : p(path), goal, dryRun });
  if (answer?.type !== "restored") return [shown(answer), answer?.type === "error" ? answer.message : ""];
  return answer.steps.map(({ action, path }) => `${action} ${path}`);
}

const read = async (client: FreeClient, path: string, revision: number) =>
  shown((await client.ask({ type: "read", path: p(path), revision }, () => true))[0]);

Deno.test("past: who is granted it sees versions, where it is granted, there or not", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("a", "b");
  const one = await hub.olga.write("a/f", "1");
  await hub.olga.write("a/f", "2", one);
  const other = await hub.olga.write("b/f", "1");
  const ben = hub.client("ben", rights({ a: "read+", b: "write" }));
  assertEquals(await versions(ben, "a/f"), ["created a/f", "modified a/f"]);
  assertEquals(await versions(ben, "a/none"), []);
  assertEquals(await read(ben, "a/f", one), "bytes");
  const refused = await Promise.all(["b/f", "b/none", "c", "c/none"].map((path) => versions(ben, path)));
  assertEquals(refused.flat(), Array(4).fill("error forbidden"));
  const unread = [read(ben, "b/f", other), read(ben, "b/f", 99), read(ben, "c/f", 1), read(ben, "c/none", 1)];
  assertEquals(await Promise.all(unread), Array(4).fill("error forbidden"));
});

Deno.test("past: a history that goes through hidden places is told without them", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("a", "hidden");
  const born = await hub.olga.write("a/f", "1");
  await hub.olga.upload(renamed("a/f", "hidden/g", born, 1));
  const hidden = hub.folder.heads.get(p("hidden/g"))!.revision;
  await hub.olga.upload(renamed("hidden/g", "a/h", hidden, 1));
  const ben = hub.client("ben", rights({ a: "read+" }));
  assertEquals(await versions(ben, "a/f"), ["created a/f", "deleted a/f"]);
  assertEquals(await versions(ben, "a/h"), ["created a/h"]);
  assertEquals(await versions(hub.olga, "a/h"), [
    "created a/f",
    "renamed hidden/g from a/f",
    "renamed a/h from hidden/g",
  ]);
  const later = hub.folder.heads.get(p("a/h"))!.revision;
  await hub.olga.upload(renamed("a/h", "a/i", later, 1));
  assertEquals(await versions(ben, "a/i"), ["created a/h", "renamed a/i from a/h"]);
});

Deno.test("past: it is brought back by who may write there too", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("a", "b");
  const goals: RestoreGoal[] = [];
  for (const dir of ["a", "b"]) {
    const one = await hub.olga.write(`${dir}/f`, "1");
    await hub.olga.write(`${dir}/f`, "2", one);
    goals.push({ kind: "version", revision: one });
  }
  const ben = hub.client("ben", rights({ a: "write+", b: "read+" }));
  assertEquals(await restore(ben, "a/f", goals[0]!), ["change a/f"]);
  const forbidden = ["error forbidden", "Cannot restore: the owner has not allowed you that here"];
  assertEquals(await restore(ben, "b/f", goals[1]!), forbidden);
  assertEquals(await restore(ben, "b/none", goals[1]!), forbidden);
  const blind = ["error forbidden", "Cannot see past versions: the owner has not allowed you that here"];
  assertEquals(await restore(ben, "c/f", goals[1]!), blind);
  assertEquals(await restore(hub.client("cy", rights({ a: "write" })), "a/f", goals[0]!), blind);
});

Deno.test("past: everything as it was leaves out what is hidden, and blocks what may not be written", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("open", "ro", "hidden", "blind");
  const dirs = ["open", "ro", "hidden", "blind"];
  const before = new Map<string, number>();
  for (const dir of dirs) before.set(dir, await hub.olga.write(`${dir}/f`, "old"));
  const then = Math.max(...[...hub.folder.heads.entries()].map(([, { time }]) => time));
  while (Date.now() <= then) await new Promise((resolve) => setTimeout(resolve, 1));
  for (const dir of dirs) await hub.olga.write(`${dir}/f`, "new", before.get(dir)!);
  await hub.olga.write("open/late", "late");
  const ben = hub.client("ben", rights({ open: "write+", ro: "read+", blind: "write" }));
  const goal = { kind: "time", time: then } as const;
  const expected = ["delete open/late", "change open/f", "blocked ro/f"];
  assertEquals(await restore(ben, null, goal, true), expected);
  assertEquals(await restore(ben, null, goal), expected);
  const now = (path: string) => hub.folder.heads.get(p(path))?.revision ?? 0;
  assertEquals(now("open/late"), 0);
  assertEquals([now("open/f") > 12, now("ro/f") > 12, now("blind/f") > 12], [true, false, false]);
  assertEquals(
    (await restore(hub.client("cy", rights({ open: "write" })), null, goal))[0],
    "error forbidden",
  );
});

Deno.test("past: nothing tells whether a hidden place above ever held something", async () => {
  for (const filled of [true, false]) {
    await using hub = new Hub();
    if (filled) {
      await hub.olga.mkdir("a");
      await hub.olga.write("a/hidden", "1");
      await hub.olga.upload(gone("a/hidden", 2));
    }
    const ben = hub.client("ben", rights({ "a/b": "write+" }));
    assertEquals(await restore(ben, "a", { kind: "time", time: 2 ** 45 }), []);
    assertEquals(await restore(ben, "a", { kind: "undelete" }), [
      "error notFound",
      'Cannot undelete "a": it is not deleted',
    ]);
    assertEquals((await restore(ben, "a", { kind: "version", revision: 2 }))[0], "error notFound");
  }
});

Deno.test("past: a directory that may hold what is hidden is not removed for it, whether it does or not", async () => {
  for (const hidden of [true, false]) {
    await using hub = new Hub();
    const x = await hub.olga.write("x", "a file once");
    await hub.olga.upload(gone("x", x));
    await hub.olga.mkdir("x");
    if (hidden) await hub.olga.mkdir("x/secret");
    const ben = hub.client("ben", rights({ "": "write+", "x/secret": "none" }));
    assertEquals(await restore(ben, "x", { kind: "version", revision: x }), ["blocked x"]);
  }
});

Deno.test("past: what lacks a directory that one may not make is not brought back", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("a", "a/b");
  const file = await hub.olga.write("a/b/f", "1");
  await hub.olga.upload(gone("a/b/f", file), gone("a/b", 2), gone("a", 1));
  const ben = hub.client("ben", rights({ "a/b": "write+" }));
  assertEquals(await restore(ben, "a/b/f", { kind: "version", revision: file }), ["blocked a/b/f"]);
  await hub.olga.mkdir("a");
  assertEquals(await restore(ben, "a/b/f", { kind: "version", revision: file }), ["create a/b/f"]);
});

Deno.test("past: nothing is brought back where one may not write, whoever asks for it", async () => {
  await using hub = new Hub();
  await hub.olga.mkdir("d");
  const ben = hub.client("ben", rights({ d: "read+" }));
  const entry = { kind: "link", target: "x" } as const;
  const restored = await hub.folder.change((draft) => {
    const [his, hers] = [ben, hub.olga].map(({ caller }) => new Restoration(draft, caller));
    return [his!.restore(p("d/l"), entry), hers!.restore(p("d/l"), entry)];
  });
  assertEquals(restored, [false, true]);
});

/** A conflict of ann and ben at `d/f`, on a base of olga's after an older version: revisions 2, 3 and then 4, 5. */
async function dispute(hub: Hub, rules: Readonly<Record<string, Access | "write+">>) {
  await hub.olga.mkdir("d");
  const old = await hub.olga.write("d/f", "before they came");
  const base = await hub.olga.write("d/f", "base", old);
  const [ann, ben] = [hub.client("ann", rights(rules)), hub.client("ben", rights(rules))];
  await ann.upload(fileOf("d/f", "ann's", base, 5000));
  // He claims to have begun from a version that he never saw.
  await ben.upload(fileOf("d/f", "ben's", old, 4000));
  return { ann, ben, old, base };
}

async function conflicts(client: FreeClient): Promise<string[]> {
  const [answer] = await client.ask({ type: "conflicts", open: false });
  if (answer?.type !== "conflictList") return [shown(answer)];
  return answer.conflicts.map(({ path, winner, loser, base }) =>
    `${path}: ${winner?.revision} over ${loser?.revision}, base ${base?.revision}`
  );
}

const resolve = async (client: FreeClient, keep: Extract<Message, { type: "resolve" }>["keep"]) =>
  shown((await client.ask({ type: "resolve", conflict: 1, keep }))[0]);

Deno.test("past: a conflict is seen where it is, by those whom it concerns; its base by who had it", async () => {
  await using hub = new Hub();
  const { ann, ben, old, base } = await dispute(hub, { d: "write" });
  assertEquals(await conflicts(ben), ["d/f: 4 over 5, base undefined"]);
  assertEquals(await conflicts(ann), ["d/f: 4 over 5, base undefined"]);
  assertEquals(await conflicts(hub.olga), [`d/f: 4 over 5, base ${old}`]);
  assertEquals(await conflicts(hub.client("cy", rights({ d: "write" }))), []);
  assertEquals(await conflicts(hub.client("dan", rights({ d: "read+" }))), [`d/f: 4 over 5, base ${old}`]);
  assertEquals(await conflicts(hub.client("ann", rights({ e: "write" }))), []);
  assertEquals([await read(ben, "d/f", 4), await read(ann, "d/f", 5)], ["bytes", "bytes"]);
  assertEquals([await read(ben, "d/f", old), await read(ben, "d/f", base)], [
    "error forbidden",
    "error forbidden",
  ]);
});

Deno.test("past: settling a conflict gives nobody a version that is not its own or the other's", async () => {
  await using hub = new Hub();
  const { ben, old, base } = await dispute(hub, { d: "write" });
  assertEquals(await resolve(ben, { kind: "version", revision: old }), "error notFound");
  assertEquals(await resolve(ben, { kind: "version", revision: base }), "error notFound");
  assertEquals(await resolve(ben, { kind: "version", revision: 999 }), "error notFound");
  assertEquals(await resolve(ben, { kind: "version", revision: 5 }), "resolved");
  assertEquals(await ben.read("d/f", hub.folder.heads.get(p("d/f"))!.revision), "ben's");
});

Deno.test("past: a conflict is settled by who may write there", async () => {
  await using hub = new Hub();
  const { ben } = await dispute(hub, { d: "write" });
  const reader = hub.client("ben", rights({ d: "read" }));
  assertEquals(await resolve(reader, { kind: "head" }), "error forbidden");
  assertEquals(await resolve(hub.client("ben", rights({ e: "write" })), { kind: "head" }), "error notFound");
  assertEquals(
    await resolve(hub.client("ben", rights({ "d/f": "write" })), { kind: "both" }),
    "error notFound",
  );
  assertEquals(await resolve(ben, { kind: "both" }), "resolved");
});
