/** Processes that are killed in the middle, and started again: nothing else has to be done. */
import { assert, assertEquals } from "@std/assert";
import { assertQuick } from "./_quick.ts";
import { growTree, type Tree } from "./_tree.ts";
import { fresh, until, worldTest } from "./_world.ts";

worldTest("clients and the server are killed in the middle of thousands of files", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.mkdirSync(world.path("b"));
  growTree(world.path("a"), 2000, 5);
  const made = world.tree("a");
  const arrived = (name: string) => world.tree(name).size;
  const ofServer = () => arrived("server_files");

  let a = await world.startWatch("a");
  await until("a part is there", () => ofServer() > made.size / 10);
  await a.kill();
  a = await world.startWatch("a");
  await until("more is there", () => ofServer() > made.size / 4);
  await world.server.kill();
  let b = await world.startWatch("b");
  await world.startServer();
  await until("some came to b", () => arrived("b") > made.size / 10);
  await b.kill();
  b = await world.startWatch("b");
  await until("more came to b", () => arrived("b") > made.size / 3);
  await world.server.kill();
  await world.startServer();
  assertEquals(await world.inSync("a", "b"), made);
  assertEquals(world.conflicts(), []);
  assertEquals([a.code, b.code], [null, null]);
});

worldTest("a large file is cut off, again and again", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeFileSync(world.path("a/big"), fresh(80_000_000));
  await (await killedAfterSome(world.startWatch("a"), 300)).exited;
  const seen = world.server.count("Connected");
  const up = world.start("sync-all", ["sync-all", "a"]);
  await until("a pass has connected", () => world.server.count("Connected") > seen);
  await world.server.kill();
  await up.exited;
  assert(up.code !== 9);
  await world.startServer();
  await world.startWatch("a");
  await world.equal("a");
  await (await killedAfterSome(world.startWatch("b"), 100)).exited;
  await world.startWatch("b");
  await world.equal("a", "b");
  Deno.writeTextFileSync(world.path("b/big"), "an end", { append: true });
  await world.inSync("a", "b");
  const kinds = world.versions().map(({ path, operation }) => [path, operation]);
  assertEquals(kinds, [["big", "created"], ["big", "modified"]]);
  for (const name of ["a", "b", "server_files"]) {
    assertEquals([...Deno.readDirSync(world.path(`${name}/.fsync/stage`))], [], `staged in ${name}`);
  }
});

/** Starts, waits a given time (any moment is as good as another) and kills. */
async function killedAfterSome<T extends { kill(): Promise<void> }>(
  started: Promise<T>,
  ms: number,
): Promise<T> {
  const program = await started;
  await new Promise((resolve) => setTimeout(resolve, ms));
  await program.kill();
  return program;
}

worldTest("the server is restarted while folders wait: nothing is missed", async (world) => {
  await world.startServer();
  const watches = await Promise.all(["a", "b", "c"].map((name) => world.startWatch(name)));
  Deno.writeTextFileSync(world.path("a/f"), "one");
  await world.equal("a", "b", "c");
  assertEquals((await world.server.stop()).code, 0);
  await Promise.all(watches.map((watch) => watch.line("Disconnected")));
  Deno.writeTextFileSync(world.path("a/f"), "two");
  Deno.writeTextFileSync(world.path("b/g"), "new");
  Deno.writeTextFileSync(`${world.serverDir}/h`, "by hand");
  await world.startServer();
  const tree = await world.inSync("a", "b", "c");
  assertEquals([...tree.keys()].sort(), ["f", "g", "h"]);
  assertEquals(world.conflicts(), []);
  for (const watch of watches) assertEquals(watch.count("File uploaded: h"), 0);
});

worldTest("a lost state makes a merge, never a delete", async (world) => {
  await world.startServer();
  for (const name of ["a", "b"]) Deno.mkdirSync(world.path(name));
  growTree(world.path("a"), 60, 6);
  for (const name of ["a", "b"]) assertEquals((await world.syncAll(name)).code, 0);
  const before = await world.equal("a", "b");
  Deno.removeSync(world.path("b/.fsync"), { recursive: true });
  Deno.writeTextFileSync(world.path("b/new"), "n");
  const merged = await world.syncAll("b");
  assertEquals([merged.code, merged.stderr], [0, ""]);
  assertEquals((await world.syncAll("a")).code, 0);
  assertEquals((await world.equal("a", "b")).size, before.size + 1);
  assertEquals(world.conflicts(), []);
  assertEquals(world.versions().filter(({ operation }) => operation === "deleted"), []);
});

worldTest("a watch that starts before its server finds it when it comes", async (world) => {
  await world.startServer();
  await world.server.stop();
  const watch = await world.startWatch("a");
  await watch.line("Disconnected: Cannot connect");
  Deno.writeTextFileSync(world.path("a/f"), "x");
  assertEquals((await world.run(["status", "a"])).code, 5);
  await world.startServer();
  await world.inSync("a");
  assertEquals(watch.stderr.length, 1);
});

worldTest("an interrupted pass ends with 130 and needs no repair", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeFileSync(world.path("a/big"), fresh(80_000_000));
  const pass = world.start("sync-all", ["sync-all", "a", "--server", world.address]);
  await world.server.line("Connected");
  const { code, ms } = await pass.stop("SIGINT");
  assertEquals([code, pass.stdout, pass.stderr], [130, [], []]);
  await assertQuick(world, ms, 2000, "the end of a pass");
  assertEquals((await world.syncAll("a")).code, 0);
  await world.equal("a");
});

worldTest("the server is killed in the middle of bringing back 1,500 files", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a/d/sub"), { recursive: true });
  const write = (text: string, from: number, to: number) => {
    for (let i = from; i < to; i++) {
      Deno.writeTextFileSync(world.path(`a/d/${i % 2 === 0 ? "" : "sub/"}f${i}`), `${text} ${i}`);
    }
  };
  const pass = async () => assertEquals((await world.syncAll("a")).code, 0);
  const moment = async () => {
    await pass();
    const [time, tree] = [Date.now(), await world.equal("a")];
    await until("the next millisecond", () => Date.now() > time);
    return { at: localTime(time), tree };
  };
  write("first", 0, 1500);
  const first = await moment();
  write("second", 0, 1000);
  for (let i = 1000; i < 1250; i += 2) Deno.removeSync(world.path(`a/d/f${i}`));
  write("new", 1500, 1600);
  const second = await moment();

  const committed = () => world.versions().length;
  const standing = (tree: Tree) => {
    const now = world.tree("server_files");
    return [...tree].filter(([path, line]) => now.get(path) === line).length;
  };
  // In the request itself, when it has been decided, and while the server's own folder follows.
  const moments: ((before: number, wanted: Tree, same: number) => boolean)[] = [
    () => true,
    (before) => committed() > before,
    (_before, wanted, same) => standing(wanted) > same + 200,
  ];
  for (const [n, come] of moments.entries()) {
    const { at, tree } = n % 2 === 0 ? first : second;
    const [before, same] = [committed(), standing(tree)];
    const seen = world.server.count("Connected");
    const restore = world.start("restore", ["restore", "a/d", "--at", at]);
    await until("the restore has connected", () => world.server.count("Connected") > seen);
    await until("the moment has come", () => come(before, tree, same));
    await world.server.kill();
    await restore.exited;
    await world.startServer();
    const checked = await world.run(["check", "server_files"]);
    assertEquals([checked.code, checked.stderr], [0, ""], checked.stdout);
    const again = await world.run(["restore", "a/d", "--at", at]);
    assertEquals([again.code, again.stderr], [0, ""]);
    await until("the server holds it", () => standing(tree) === tree.size);
    await pass();
    assertEquals(await world.equal("a"), tree);
  }
  assertEquals(world.conflicts(), []);
});

/** Local time to the millisecond, as `--at` takes it. */
function localTime(ms: number): string {
  const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 23).replace("T", " ");
}
