/** `fsync prune` on the real program, with the server running and without. */
import { assert, assertEquals } from "@std/assert";
import { fresh, until, type World, worldTest } from "./_world.ts";

interface Pruned {
  readonly result: string;
  readonly versions: number;
  readonly freed: number;
}

async function prune(world: World, ...flags: string[]): Promise<Pruned> {
  const { stdout, stderr, code } = await world.run(["prune", "--data", "server_files", "--json", ...flags]);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout) as Pruned;
}

async function wellOff(world: World): Promise<void> {
  const { code, stdout, stderr } = await world.run(["check", "--data", "server_files"]);
  assertEquals([code, stderr], [0, ""], stdout);
}

const revisions = (world: World, path: string) =>
  world.versions().filter((row) => row.path === path).map(({ revision }) => revision);

worldTest("old versions go by rules that are remembered, heads and twins stay", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  const big = fresh(600_000);
  for (let n = 1; n <= 5; n++) {
    Deno.writeTextFileSync(world.path("a/note"), `note ${n}`.repeat(100));
    if (n === 1) Deno.writeTextFileSync(world.path("a/twin"), `note ${n}`.repeat(100));
    big.set(fresh(100), 300_000);
    Deno.writeFileSync(world.path("a/big"), big);
    assertEquals((await world.syncAll("a")).code, 0);
  }
  const before = world.tree("a");
  const all = revisions(world, "note");
  assertEquals([all.length, revisions(world, "big").length], [5, 5]);

  assertEquals((await prune(world)).versions, 0);
  const dry = await prune(world, "--keep-last", "2", "--dry-run");
  assertEquals([dry.versions, revisions(world, "note").length], [6, 5]);
  const done = await prune(world, "--keep-last", "2");
  assertEquals([done.result, done.versions], ["ok", 6]);
  assertEquals(revisions(world, "note"), all.slice(-2));
  await wellOff(world);

  // The history of the large file is chunks by now; an edit is still sent against it, and a new client gets all.
  big.set(fresh(100), 100_000);
  Deno.writeFileSync(world.path("a/big"), big);
  assertEquals((await world.syncAll("a")).code, 0);
  Deno.mkdirSync(world.path("b"));
  assertEquals((await world.syncAll("b")).code, 0);
  assertEquals([...(await world.equal("a", "b")).keys()].sort(), [...before.keys()].sort());

  await world.server.stop();
  assertEquals((await prune(world)).versions, 1);
  await wellOff(world);
  await prune(world, "--keep-everything");
  await world.startServer();
  Deno.mkdirSync(world.path("c"));
  assertEquals((await world.syncAll("c")).code, 0);
  await world.equal("a", "b", "c");
});

worldTest(
  "an archived content that comes back is a file again on the server and on clients",
  async (world) => {
    await world.startServer();
    Deno.mkdirSync(world.path("a"));
    const first = fresh(500_000);
    Deno.writeFileSync(world.path("a/big"), first);
    assertEquals((await world.syncAll("a")).code, 0);
    Deno.writeFileSync(world.path("a/big"), fresh(400_000));
    assertEquals((await world.syncAll("a")).code, 0);
    await prune(world);
    assertEquals([...Deno.readDirSync(world.path("server_files/.fsync/large"))].length, 1);
    Deno.writeFileSync(world.path("a/big"), first);
    assertEquals((await world.syncAll("a")).code, 0);
    Deno.mkdirSync(world.path("b"));
    assertEquals((await world.syncAll("b")).code, 0);
    await world.equal("a", "b");
    assertEquals(Deno.readFileSync(world.path("server_files/big")), first);
    await wellOff(world);
  },
);

worldTest("a server that is killed while it archives loses nothing, and goes on", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  const big = fresh(4_000_000);
  for (let n = 0; n < 6; n++) {
    big.set(fresh(2_000_000), n % 2 === 0 ? 0 : 2_000_000);
    Deno.writeFileSync(world.path("a/big"), big);
    assertEquals((await world.syncAll("a")).code, 0);
  }
  const files = () => [...Deno.readDirSync(world.path("server_files/.fsync/large"))].length;
  const all = files();
  assertEquals(all, 6);
  const pruning = world.start("prune", ["prune", "--data", "server_files"]);
  await until("the first content is archived", () => files() < all);
  await world.server.kill();
  await pruning.exited;
  await wellOff(world);
  await prune(world);
  assertEquals(files(), 1);
  await wellOff(world);
  await world.startServer();
  Deno.mkdirSync(world.path("b"));
  assertEquals((await world.syncAll("b")).code, 0);
  await world.equal("a", "b");
  assertEquals(revisions(world, "big").length, 6);
});

worldTest("a directory that is no server's is refused with a hint", async (world) => {
  const { code, stderr } = await world.run(["prune", "--data", "nowhere"]);
  assertEquals(code, 1);
  assert(stderr.includes("--data"), stderr);
});
