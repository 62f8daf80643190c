/**
 * Clients that may not see or write everything, over production code in memory: whoever sees a part of the folder has
 * exactly that part when all has come to rest, whatever others moved into it or out of it.
 */
import { assertEquals } from "@std/assert";
import { type Access, Rights } from "../../core/access.ts";
import { parsePath, type SyncPath } from "../../core/path.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { A, B, C, S, type World, world } from "./world.ts";

const BASE_SEED = BigInt(Deno.env.get("FSYNC_SIM_SEED") ?? "1");
const SEEDS = 60;
const STEPS = 40;
const ROUNDS_MAX = 30;

type Grants = Readonly<Record<string, Access>>;

/** A sees everything; B and C have a place of their own, one that both write, and one that they only read. */
const GRANTS: readonly (Grants | null)[] = [
  null,
  { b: "write", both: "write", "ro/b": "read" },
  { "c/deep": "write", both: "write", "both/secret": "none", ro: "read", "ro/b": "none" },
];
const PLACES = ["b", "c/deep", "both", "both/secret", "ro", "ro/b", "elsewhere"];
/** Where each may work, those that it may only see left out. */
const MINE: readonly (readonly string[])[] = [PLACES, ["b", "both"], ["c/deep", "both"]];

const prefixOf = (prefix: string) => prefix === "" ? null : parsePath(prefix);

function grant(w: World, actor: number, grants: Grants): void {
  const rules = Object.entries(grants).map(([prefix, access]) => [prefixOf(prefix), access] as const);
  w.server.regrant(`user${"ABC"[actor]}`, new Map(rules));
}

function rightsOf(actor: number): Rights {
  const grants = GRANTS[actor];
  if (!grants) return Rights.ALL;
  return new Rights(
    Object.entries(grants).map(([prefix, access]) => ({ prefix: prefixOf(prefix), access, history: false })),
  );
}

async function restrictedWorld(seed: bigint, mode: "pass" | "watch"): Promise<World> {
  const w = await world({ clients: 3, seed, mode });
  for (const actor of [B, C]) grant(w, actor, GRANTS[actor]!);
  w.act(A, (user) => {
    for (const place of PLACES) user.mkdir(place);
  });
  await rest(w, mode);
  return w;
}

/** Lets everybody sync until nothing changes any more. */
async function rest(w: World, mode: "pass" | "watch"): Promise<void> {
  let before = "";
  for (let round = 0, quiet = 0; quiet < 2; round++) {
    if (round > ROUNDS_MAX) throw new Error("the machines do not come to rest");
    for (let actor = 0; mode === "pass" && actor < w.clients.length; actor++) await w.sync(actor);
    await w.pause(4000);
    const trees = [S, A, B, C].map((actor) =>
      [...w.tree(actor)].map(([path, { text }]) => `${path} ${text}`)
    );
    const now = JSON.stringify([w.server.records.headRevision(), trees]);
    quiet = now === before ? quiet + 1 : 0;
    before = now;
  }
}

function checkSight(w: World): void {
  const server = [...w.tree(S)];
  for (const actor of [A, B, C]) {
    const rights = rightsOf(actor);
    const seen = server.filter(([path, { kind }]) => rights.sees(path as SyncPath, kind === "dir"));
    const here = [...w.tree(actor)].map(([path, { text }]) => `${path}: ${text}`).sort();
    assertEquals(here, seen.map(([path, { text }]) => `${path}: ${text}`).sort(), `what ${"ABC"[actor]} has`);
  }
}

/** What somebody does in his folder, or nothing if it is not possible now. */
function act(w: World, random: SeededRandom, actor: number, n: number): void {
  const places = MINE[actor]!;
  w.act(actor, (user) => {
    const inside = [...user.tree()].filter(([path]) =>
      !PLACES.includes(path) && !PLACES.some((place) => place.startsWith(`${path}/`)) &&
      places.some((place) => path.startsWith(`${place}/`)) && rightsOf(actor).at(path as SyncPath) === "write"
    );
    const [path, thing] = inside.length > 0 ? random.pick(inside) : [null, null];
    const to = `${random.pick(places)}/${random.pick(["x", "y", "z"])}`;
    const kind = random.weighted(
      [["write", 5], ["edit", 3], ["move", 5], ["dir", 3], ["delete", 2]] as const,
    );
    const text = `${actor} wrote ${n}`;
    if (rightsOf(actor).at(to as SyncPath) !== "write") return;
    try {
      if (kind === "dir") user.mkdir(`${to}/d`);
      else if (kind === "write") user.write(random.chance(0.5) ? `${to}/d/f` : to, text);
      else if (path === null) return;
      else if (kind === "edit" && thing.kind === "file") user.write(path, text);
      else if (kind === "move") user.rename(path, to);
      else if (kind === "delete") user.removeTree(path);
    } catch {
      // Something stands in its way, or is not there: the kernel refused.
    }
  });
}

for (const mode of ["pass", "watch"] as const) {
  Deno.test(`grants: everybody has what it may see, ${mode}, seeds ${BASE_SEED} and on`, async () => {
    for (let i = 0; i < SEEDS; i++) {
      const seed = BASE_SEED + BigInt(i);
      try {
        const random = new SeededRandom(seed);
        await using w = await restrictedWorld(seed, mode);
        for (let n = 0; n < STEPS; n++) {
          const actor = random.pick([A, A, B, C]);
          act(w, random, actor, n);
          if (mode === "pass" && random.chance(0.4)) w.beginPass(random.pick([A, B, C]));
          await w.pause(random.int(mode === "watch" ? 400 : 60));
        }
        await rest(w, mode);
        checkSight(w);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
}

/** One pass that must end soon: a change that is refused must not be tried again and again. */
async function soon(w: World, actor: number): Promise<string[]> {
  const began = w.clock.monotonic();
  const { problems } = await w.sync(actor);
  const took = w.clock.monotonic() - began;
  if (took > 8000) throw new Error(`the pass took ${took} ms`);
  return problems.map(({ reason }) => reason);
}

/** A world in which B may write all that `grants` say, and A is the owner of the rest. */
async function worldFor(grants: Grants): Promise<World> {
  const w = await world({ clients: 2, seed: 5n });
  grant(w, B, grants);
  return w;
}

Deno.test("grants: a directory with something hidden in it is renamed piece by piece, and stays where it was", async () => {
  await using w = await worldFor({ "": "write", "d/secret": "none" });
  w.put(A, { "d/f": "seen", "d/secret/g": "hidden" });
  await w.sync(A);
  await w.sync(B);
  w.check(B, { "d/f": "seen" });
  w.rename(B, "d", "e");
  await soon(w, B);
  await soon(w, B);
  await w.sync(A);
  w.check(A, { "d/secret/g": "hidden", "e/f": "seen" });
  w.check(B, { "d/": "", "e/f": "seen" });
});

Deno.test("grants: what was copied or touched while away is sent as bytes, for the version is not to be named any more", async () => {
  await using w = await worldFor({ "": "write" });
  w.put(A, { "f": "first", "g": "other" });
  await w.sync(A);
  await w.sync(B);
  w.put(A, { "f": "second" });
  w.remove(A, "g");
  await w.sync(A);
  await w.pause(5000);
  w.act(B, (user) => {
    user.touch("f", w.clients[B]!.clock.now());
    user.write("h", "other");
    user.remove("g");
  });
  assertEquals(await soon(w, B), []);
  await w.sync(A);
  w.check(A, { "f": "first", "h": "other" });
  assertEquals(w.conflicts().length, 1);
});

Deno.test("grants: a large file that was replaced while away is sent whole", async () => {
  await using w = await worldFor({ "": "write" });
  const bytes = (first: number) => new Uint8Array(400_000).map((_, i) => (i * 7 + (i >> 8) * first) & 255);
  w.put(A, { "f": bytes(1) });
  await w.sync(A);
  await w.sync(B);
  w.put(A, { "f": bytes(2) });
  await w.sync(A);
  await w.pause(5000);
  w.put(B, { "f": bytes(3) });
  assertEquals(await soon(w, B), []);
  await w.sync(A);
  w.check(A, { "f": bytes(3) });
});

Deno.test("grants: what lacks a directory that only others may make waits for it, and goes when it is there", async () => {
  await using w = await world({ clients: 2, seed: 5n, mode: "watch" });
  grant(w, B, { "a/b": "write" });
  await w.pause(3000);
  w.put(B, { "a/b/c/f": "mine" });
  await w.pause(10_000);
  w.check(S, {});
  assertEquals(w.clients[B]!.engine!.status().state, "problems");
  const { bytesCarried } = w.network;
  await w.pause(10_000);
  assertEquals(w.network.bytesCarried - bytesCarried < 100, true, "only heartbeats, nothing is tried again");
  w.act(A, (user) => user.mkdir("a"));
  await w.pause(10_000);
  w.check(S, { "a/b/c/f": "mine" });
});

Deno.test("grants: a file over the quota is a problem, does not stop others, and goes when there is room", async () => {
  await using w = await worldFor({ "": "write" });
  w.server.accounts.setQuota("userB", 300_000);
  w.put(B, { "large": new Uint8Array(400_000).fill(1), "small": "small", "middle": new Uint8Array(100_000) });
  assertEquals((await soon(w, B)).sort(), [
    "Cannot upload: the quota of 292.97 KiB is used up: large",
  ]);
  await w.sync(A);
  w.check(A, { "small": "small", "middle": new Uint8Array(100_000) });
  w.put(B, { "more": new Uint8Array(131_000), "yet": new Uint8Array(130_000).fill(2) });
  assertEquals((await soon(w, B)).length, 2);
  w.server.accounts.setQuota("userB", null);
  assertEquals(await soon(w, B), []);
  await w.sync(A);
  assertEquals(w.tree(A).size, 5);
});
