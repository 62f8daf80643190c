/** `fsync check` on the real program: damage is found and named, and brought back from the other side. */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { parsePath } from "../../core/path.ts";
import { openDisk } from "../../system/real_disk.ts";
import { fresh, type World, worldTest } from "./_world.ts";

async function check(world: World, code: number, ...args: string[]): Promise<string> {
  const result = await world.run(["check", ...args]);
  assertEquals([result.code, result.stderr], [code, ""], result.stdout);
  return result.stdout;
}

/** Changes a byte of a file and sets the times back, as a failing disk would leave it. */
function rot(path: string, at: number): void {
  const { mtime, atime } = Deno.statSync(path);
  using file = Deno.openSync(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  file.seekSync(at, Deno.SeekMode.Start);
  file.readSync(byte);
  byte[0]! ^= 1;
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(byte);
  file.utimeSync(atime!, mtime!);
}

/** No program can set a ctime back, so the state is told the new one. */
function hideChange(root: string, path: string): void {
  const disk = openDisk(root);
  const { ctimeUs, mtimeUs } = disk.stat(parsePath(path))!;
  disk.close();
  const db = new DatabaseSync(`${root}/.fsync/state.db`);
  db.prepare("UPDATE synced SET stat_ctime = ?, stat_mtime = ? WHERE path = ?").run(ctimeUs, mtimeUs, path);
  db.close();
}

async function filled(world: World): Promise<void> {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeTextFileSync(world.path("a/small"), "old ".repeat(200));
  Deno.writeFileSync(world.path("a/big"), fresh(400_000));
  assertEquals((await world.syncAll("a")).code, 0);
  Deno.writeTextFileSync(world.path("a/small"), "new ".repeat(200));
  Deno.writeFileSync(world.path("a/big"), fresh(400_000));
  assertEquals((await world.syncAll("a")).code, 0);
  await world.equal("a");
}

worldTest("all is well, with the server running and without, and on a client", async (world) => {
  await filled(world);
  assert((await check(world, 0, "--data", "server_files")).includes("all is well"));
  assert((await check(world, 0, "a")).includes("all is well"));
  await world.server.stop();
  assert((await check(world, 0, "--data", "server_files")).includes("all is well"));
});

worldTest("a flipped byte in a pack and in a large file is found and named", async (world) => {
  await filled(world);
  await world.server.stop();
  rot(world.path("server_files/.fsync/packs/000001.pack"), 30);
  const large = [...Deno.readDirSync(world.path("server_files/.fsync/large"))]
    .map(({ name }) => world.path(`server_files/.fsync/large/${name}`));
  for (const path of large.filter((path) => Deno.statSync(path).nlink === 1)) rot(path, 200_000);
  const said = await check(world, 1, "--data", "server_files");
  assert(said.includes("pack 1 is damaged"), said);
  assert(/small \(\d+\)/.test(said), said);
  assert(/big \(\d+\): the file large/.test(said), said);
  await world.startServer();
  const asked = JSON.parse(await check(world, 1, "--data", "server_files", "--json")) as {
    findings: unknown[];
  };
  assertEquals(asked.findings.length, 2);
});

worldTest("a content of a head comes back from the plain tree", async (world) => {
  await filled(world);
  const pack = world.path("server_files/.fsync/packs/000001.pack");
  rot(pack, Deno.statSync(pack).size - 1);
  assert((await check(world, 1, "--data", "server_files")).includes("small ("));
  assert((await check(world, 0, "--data", "server_files", "--repair")).includes("repaired"));
  assert((await check(world, 0, "--data", "server_files")).includes("all is well"));
  Deno.mkdirSync(world.path("b"));
  assertEquals((await world.syncAll("b")).code, 0);
  await world.equal("a", "b");
});

worldTest("a plain file that is lost or damaged is put back by the server", async (world) => {
  await filled(world);
  await world.server.stop();
  const before = world.tree("a");
  Deno.removeSync(world.path("server_files/big"));
  const said = await check(world, 1, "--data", "server_files");
  assert(said.includes("big: it is missing"), said);
  await check(world, 0, "--data", "server_files", "--repair");
  await world.startServer();
  assertEquals(await world.equal("a"), before);
  await check(world, 0, "--data", "server_files");
});

worldTest(
  "a file that rots on a client comes again from the server, and its bytes are put aside",
  async (world) => {
    await filled(world);
    const before = Deno.readTextFileSync(world.path("a/small"));
    rot(world.path("a/small"), 10);
    hideChange(world.path("a"), "small");
    const said = await check(world, 1, "a");
    assert(said.includes("small: its bytes are not what was synced"), said);
    assert((await check(world, 0, "a", "--repair")).includes("repaired"));
    assertEquals(Deno.readTextFileSync(world.path("a/small")), before);
    assertEquals([...Deno.readDirSync(world.path("a/.fsync/damaged"))].length, 1);
    assertEquals((await world.syncAll("a")).code, 0);
    await world.equal("a");
    assertEquals(world.conflicts(), []);
  },
);
