/** Thousands of files at a time: bursts, whole trees, renamed directories, the server's own folder. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { growTree } from "./_tree.ts";
import { shell, worldTest } from "./_world.ts";

const FILES = 3000;

worldTest("whole trees come, move and go", async (world, t) => {
  await world.startServer();
  await Promise.all(["a", "b", "c"].map((name) => world.startWatch(name)));
  Deno.mkdirSync(world.path("made"));
  growTree(world.path("made"), FILES);
  const [a, b, c] = ["a", "b", "c"].map((name) => world.path(name));
  const made = world.tree("made").size;
  const same = () => world.equal("a", "b", "c");

  await t.step("cp -a", async () => {
    await shell(`cp -a made a/copy`, world.cwd);
    assertEquals((await same()).size, made + 1);
    await world.inSync("a", "b", "c");
    // A copy may be met while its times and bits are still being set; then that is a second version.
    const versions = world.versions();
    assertEquals(new Set(versions.map(({ path }) => path)).size, made + 1);
    assertLess(versions.length, 1.2 * made);
  });

  await t.step("tar x", async () => {
    Deno.mkdirSync(world.path("other"));
    growTree(world.path("other"), 1000, 2);
    await shell(`tar cf other.tar other; tar xf other.tar -C b`, world.cwd);
    assertEquals((await same()).size, made + 1 + world.tree("other").size + 1);
  });

  await t.step("a directory is renamed", async () => {
    await world.inSync("a", "b", "c");
    const before = world.versions().length;
    const inode = Deno.statSync(firstFile(`${a}/copy`)).ino;
    Deno.renameSync(`${c}/copy`, `${c}/moved`);
    await same();
    await world.inSync("a", "b", "c");
    const fresh = world.versions().slice(before);
    assertEquals(new Set(fresh.map(({ operation }) => operation)), new Set(["renamed"]));
    assertEquals(Deno.statSync(firstFile(`${a}/moved`)).ino, inode);
    assertEquals(world.programs[0]!.count("File renamed: copy to moved"), 1);
  });

  await t.step("rm -rf of a part", async () => {
    await shell(`rm -rf moved/lib* moved/src*`, b!);
    await same();
    await world.inSync("a", "b", "c");
  });

  assertEquals(world.conflicts(), []);
  assertEquals(world.programs.flatMap(({ stderr }) => stderr), []);
});

worldTest("the owner works in the server's folder by hand", async (world) => {
  await world.startServer();
  await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
  const server = world.serverDir;
  Deno.writeTextFileSync(`${server}/by-hand.txt`, "put");
  Deno.mkdirSync(`${server}/dir`);
  Deno.writeTextFileSync(`${server}/dir/f`, "below");
  await world.equal("a", "b");
  assertEquals(Deno.readTextFileSync(`${world.path("b")}/by-hand.txt`), "put");
  Deno.writeTextFileSync(`${server}/by-hand.txt`, "edited");
  await world.equal("a", "b");
  Deno.renameSync(`${server}/dir`, `${server}/folder`);
  Deno.removeSync(`${server}/by-hand.txt`);
  const tree = await world.inSync("a", "b");
  assertEquals([...tree.keys()].sort(), ["folder", "folder/f"]);
  const log = world.versions().filter(({ path }) => path === "by-hand.txt").map(({ operation }) => operation);
  assertEquals(log, ["created", "modified", "deleted"]);
  assertEquals(world.server.count("File uploaded: by-hand.txt"), 2);
  assertEquals(world.server.count("File deleted: by-hand.txt"), 1);
  assertEquals(world.server.count("File renamed: dir to folder"), 1);
});

worldTest("many small directories in a burst, and bursts of files", async (world) => {
  await world.startServer();
  await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
  await shell(`for i in $(seq 200); do mkdir -p d$i/b/c && echo $i > d$i/b/c/f; done`, world.path("a"));
  for (let i = 0; i < 2000; i++) Deno.writeTextFileSync(`${world.path("b")}/burst${i}`, `${i}`);
  const tree = await world.equal("a", "b");
  assertEquals(tree.size, 200 * 4 + 2000);
});

worldTest("a renamed directory of thousands of files sends no content", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  growTree(world.path("a"), 2500);
  Deno.mkdirSync(world.path("a/big"));
  for (let i = 0; i < 2000; i++) Deno.writeTextFileSync(world.path(`a/big/f${i}`), `file ${i} `.repeat(50));
  const first = JSON.parse((await world.syncAll("a", "--json")).stdout);
  assert(first.bytes_sent > 100_000, "the first pass sends content");
  Deno.mkdirSync(world.path("b"));
  await world.syncAll("b");
  await world.equal("a", "b");

  Deno.renameSync(world.path("a/big"), world.path("a/large"));
  const up = JSON.parse((await world.syncAll("a", "--json")).stdout);
  assertEquals(up.result, "ok");
  assertLess(up.bytes_sent, 2000);
  const down = JSON.parse((await world.syncAll("b", "--json")).stdout);
  assertEquals(down.result, "ok");
  assertLess(down.bytes_received, 200_000);
  console.log(`rename of 2000 files: ${up.bytes_sent} B up, ${down.bytes_received} B down`);
  await world.equal("a", "b");
});

function firstFile(dir: string): string {
  for (const { name, isFile } of [...Deno.readDirSync(dir)].sort((x, y) => x.name < y.name ? -1 : 1)) {
    if (isFile) return `${dir}/${name}`;
  }
  throw new Error(`no file in ${dir}`);
}
