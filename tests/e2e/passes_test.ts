/** `sync-all`: one pass, its exit codes, and what happens offline. */
import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { growTree } from "./_tree.ts";
import { readContents } from "./_records.ts";
import { fresh, unprivileged, until, type World, worldTest } from "./_world.ts";

interface Pass {
  readonly result: string;
  readonly uploaded: number;
  readonly downloaded: number;
  readonly moved_or_removed: number;
  readonly bytes_sent: number;
}

/** A pass that must end well. */
async function pass(world: World, name: string): Promise<Pass> {
  const { code, stdout, stderr } = await world.syncAll(name, "--json");
  assertEquals([code, stderr], [0, ""], `${name}: ${stdout}`);
  return JSON.parse(stdout) as Pass;
}

worldTest("passes over several folders meet, say nothing, and then move nothing", async (world) => {
  await world.startServer();
  for (const name of ["a", "b"]) Deno.mkdirSync(world.path(name));
  growTree(world.path("a"), 300, 1);
  growTree(world.path("b"), 200, 2);
  for (const name of ["a", "b", "a"]) {
    const { code, stdout, stderr } = await world.syncAll(name);
    assertEquals([code, stdout, stderr], [0, "", ""]);
  }
  const before = await world.equal("a", "b");
  const versions = world.versions().length;
  const ctimes = ["a", "b"].map((name) => changeTimes(world.path(name), before.keys()));
  for (const name of ["a", "b", "a", "b"]) {
    const { uploaded, downloaded, moved_or_removed, bytes_sent } = await pass(world, name);
    assertEquals([uploaded, downloaded, moved_or_removed], [0, 0, 0]);
    assert(bytes_sent < 500, `${bytes_sent} bytes for nothing`);
  }
  assertEquals(await world.equal("a", "b"), before);
  assertEquals(["a", "b"].map((name) => changeTimes(world.path(name), before.keys())), ctimes);
  assertEquals(world.versions().length, versions);
});

worldTest("what was done offline on both sides merges", async (world) => {
  await world.startServer();
  const watches = await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
  growTree(world.path("a"), 100, 3);
  Deno.writeTextFileSync(world.path("a/both"), "base");
  Deno.writeTextFileSync(world.path("a/gone-edited"), "base");
  Deno.mkdirSync(world.path("a/dir"));
  Deno.writeTextFileSync(world.path("a/dir/f"), "f");
  await world.inSync("a", "b");
  for (const watch of watches) assertEquals((await watch.stop()).code, 0);

  Deno.writeTextFileSync(world.path("a/new-a"), "a");
  Deno.renameSync(world.path("a/dir"), world.path("a/moved"));
  Deno.removeSync(world.path("a/gone-edited"));
  Deno.writeTextFileSync(world.path("b/new-b"), "b");
  Deno.writeTextFileSync(world.path("b/gone-edited"), "edited");
  Deno.writeTextFileSync(world.path("b/both"), "changed by b");
  Deno.chmodSync(world.path("b/both"), 0o755);

  await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
  const tree = await world.inSync("a", "b");
  for (const path of ["new-a", "new-b", "moved/f", "gone-edited"]) assert(tree.has(path), path);
  assert(!tree.has("dir"));
  assertEquals(Deno.readTextFileSync(world.path("a/gone-edited")), "edited");
  assertEquals(Deno.readTextFileSync(world.path("a/both")), "changed by b");
  assertEquals(world.conflicts(), []);
});

worldTest("a conflict keeps both versions, and is told until it is resolved", async (world) => {
  const server = await world.startServer();
  for (const name of ["a", "b"]) Deno.mkdirSync(world.path(name));
  Deno.writeTextFileSync(world.path("a/f"), "base");
  await pass(world, "a");
  await pass(world, "b");
  Deno.writeTextFileSync(world.path("a/f"), "older edit");
  Deno.utimeSync(world.path("a/f"), new Date(Date.now() - 5000), new Date(Date.now() - 5000));
  Deno.writeTextFileSync(world.path("b/f"), "newer edit");
  await pass(world, "a");
  const second = await world.syncAll("b");
  assertEquals(second.code, 7);
  assertStringIncludes(second.stderr, "1 conflict open");
  const third = await world.syncAll("a");
  assertEquals([third.code, third.stdout], [7, ""]);
  await world.equal("a", "b");
  assertEquals(Deno.readTextFileSync(world.path("a/f")), "newer edit");
  assertEquals(world.conflicts().length, 1);
  assertEquals(server.stdout.filter((line) => line.startsWith("Conflict detected: f")).length, 1);
  assertEquals((await server.stop()).code, 0);
  const texts = readContents(world.serverDir, "f").map(({ text }) => text);
  assertEquals(texts, ["base", "older edit", "newer edit"]);
});

worldTest("equal edits on both sides are no conflict", async (world) => {
  await world.startServer();
  for (const name of ["a", "b"]) Deno.mkdirSync(world.path(name));
  Deno.writeTextFileSync(world.path("a/f"), "base");
  await pass(world, "a");
  await pass(world, "b");
  for (const name of ["a", "b"]) Deno.writeTextFileSync(world.path(`${name}/f`), "same");
  await pass(world, "a");
  await pass(world, "b");
  await pass(world, "a");
  await world.equal("a", "b");
  assertEquals(world.conflicts(), []);
});

worldTest("exit codes say what happened", async (world, t) => {
  const server = await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.mkdirSync(world.path("b"));
  for (let i = 0; i < 30; i++) Deno.writeTextFileSync(world.path(`a/f${i}`), `${i}`);
  await pass(world, "a");
  await pass(world, "b");

  await t.step("2: usage", async () => {
    const { code, stdout, stderr } = await world.run(["sync-all", "a", "--sever", "x"]);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, "did you mean --server?");
  });

  await t.step("1: a folder that is not there", async () => {
    const { code, stderr } = await world.syncAll("nowhere");
    assertEquals(code, 1);
    assertStringIncludes(stderr, "nowhere");
    assertEquals(stderr.trim().split("\n").length, 2);
  });

  await t.step("6: a file that cannot be read is named, the others go on", async () => {
    Deno.writeTextFileSync(world.path("a/secret"), "x");
    Deno.chmodSync(world.path("a/secret"), 0);
    Deno.writeTextFileSync(world.path("a/open"), "y");
    const wrapper = unprivileged();
    if (wrapper === null) return console.log("not tried: privileges cannot be dropped here");
    const { code, stdout, stderr } = await world.run(["sync-all", "a"], { wrapper });
    assertEquals([code, stdout], [6, ""]);
    assertMatch(stderr, /^fsync: Cannot .*"secret": permission denied\n$/);
    Deno.removeSync(world.path("a/secret"));
    await pass(world, "a");
    await pass(world, "b");
    await world.equal("a", "b");
  });

  await t.step("8: a mass delete is held until it is approved", async () => {
    for (let i = 0; i < 20; i++) Deno.removeSync(world.path(`a/f${i}`));
    const held = await world.syncAll("a");
    assertEquals([held.code, held.stdout], [8, ""]);
    assertMatch(held.stderr, /^fsync: 20 of 31 files were deleted here.*\nhint: .*--approve-deletes.*\n$/);
    assertEquals([...world.tree("server_files").keys()].length, 31);
    assertEquals((await world.syncAll("a", "--approve-deletes")).code, 0);
    await until("the server's tree follows", () => world.tree("server_files").size === 11);
    const other = await world.syncAll("b");
    assertEquals(other.code, 8);
    assertStringIncludes(other.stderr, "on the server");
    assertEquals((await world.syncAll("b", "--approve-deletes")).code, 0);
    await world.equal("a", "b");
  });

  await t.step("9: a second run while one runs, quietly", async () => {
    Deno.writeFileSync(world.path("a/big"), fresh(60_000_000));
    const first = world.start("first", ["sync-all", "a"]);
    const lock = world.path("a/.fsync/lock");
    await until(
      "the first run holds the folder",
      () => Deno.readTextFileSync(lock) === `sync-all ${first.pid}\n`,
    );
    // It is held there, so that the second run meets it however fast the machine is.
    Deno.kill(first.pid, "SIGSTOP");
    try {
      const { code, stdout, stderr } = await world.syncAll("a");
      assertEquals([code, stdout, stderr], [9, "", ""]);
    } finally {
      Deno.kill(first.pid, "SIGCONT");
    }
    assertEquals(await first.exited, 0);
  });

  await t.step("0: a watch keeps the folder in sync", async () => {
    const watch = await world.startWatch("b");
    const { code, stdout, stderr } = await world.syncAll("b");
    assertEquals([code, stdout, stderr], [0, "", ""]);
    await watch.stop();
  });

  await t.step("5: the server is down", async () => {
    assertEquals((await server.stop()).code, 0);
    const { code, stdout, stderr } = await world.syncAll("a");
    assertEquals([code, stdout], [5, ""]);
    assertMatch(stderr, /^fsync: Cannot .*refused\nhint: .*\n$/);
    const json = await world.syncAll("a", "--json");
    assertEquals([json.code, JSON.parse(json.stdout).result], [5, "unreachable"]);
    const status = await world.run(["status", "a"]);
    assertEquals(status.code, 5);
    assertStringIncludes(status.stdout, "unknown");
  });
});

worldTest("upload and download move single files by the same rules", async (world) => {
  await world.startServer();
  for (const name of ["a", "b"]) Deno.mkdirSync(world.path(name));
  Deno.writeTextFileSync(world.path("a/one"), "1");
  await pass(world, "a");
  await pass(world, "b");
  Deno.writeTextFileSync(world.path("a/one"), "1 changed");
  Deno.writeTextFileSync(world.path("a/two"), "2");
  const up = await world.run(["client", "upload", "a/one"]);
  assertEquals([up.code, up.stdout], [0, "OK       one\n"]);
  assertEquals((await world.run(["upload", "a/one"])).stdout, "SKIP     one\n");
  assert(!world.tree("server_files").has("two"));
  const down = await world.run(["download", "one", "--dir", "b", "--json"]);
  assertEquals([down.code, JSON.parse(down.stdout)], [0, {
    result: "ok",
    paths: [{ path: "one", result: "OK" }],
  }]);
  assertEquals(Deno.readTextFileSync(world.path("b/one")), "1 changed");
  const outside = await world.run(["upload", world.path("server_files/../nothing")]);
  assertEquals(outside.code, 2);
  await world.startWatch("a");
  assertEquals((await world.run(["upload", "a/one"])).code, 0);
});

worldTest("a dry run and status tell, and change nothing", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeTextFileSync(world.path("a/f"), "x");
  await pass(world, "a");
  Deno.writeTextFileSync(world.path("a/g"), "new");
  Deno.removeSync(world.path("a/f"));
  const dry = await world.syncAll("a", "--dry-run");
  assertEquals(dry.code, 0);
  assertMatch(dry.stdout, /upload {4}g .*\n/);
  assertMatch(dry.stdout, /delete {4}f/);
  const status = await world.run(["status", "a"]);
  assertEquals(status.code, 1);
  assertStringIncludes(status.stdout, "out of sync");
  assertEquals([...world.tree("server_files").keys()], ["f"]);
  assertGreater(status.stdout.split("\n").length, 2);
});

/** When each path's inode was last touched, to the second: moved by any write, chmod or rename. */
function changeTimes(root: string, paths: Iterable<string>): Map<string, number | undefined> {
  return new Map([...paths].map((path) => [path, Deno.lstatSync(`${root}/${path}`).ctime?.getTime()]));
}
