/** A backup of a server that is used meanwhile, and a server started on it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readVersions } from "./_records.ts";
import { readTree } from "./_tree.ts";
import { until, worldTest } from "./_world.ts";

worldTest("a backup of a running server is a server of its own, with every version", async (world) => {
  await world.startServer();
  const watch = await world.startWatch("a");
  const large = new Uint8Array(400_000);
  for (let at = 0; at < large.length; at += 50_000) crypto.getRandomValues(large.subarray(at, at + 50_000));
  Deno.writeFileSync(world.path("a/large"), large);
  for (let n = 0; n < 50; n++) Deno.writeTextFileSync(world.path(`a/f${n}`), `first ${n}`);
  await world.inSync("a");
  for (let n = 0; n < 50; n += 2) Deno.writeTextFileSync(world.path(`a/f${n}`), `second ${n}`);
  const then = await world.inSync("a");
  const versions = world.versions();

  const first = await world.run(["backup", "copy", "--data", "server_files", "--json"]);
  assertEquals([first.code, first.stderr], [0, ""]);
  const again = await world.run(["backup", "copy", "--data", "server_files", "--json"]);
  assertEquals(JSON.parse(again.stdout).folders[0].files, 0, "nothing had changed");
  assertEquals((await world.run(["check", "--data", "copy"])).code, 0);

  // What comes after the backup is not in it.
  Deno.writeTextFileSync(world.path("a/later"), "later");
  await world.inSync("a");
  await watch.stop();
  await world.server.stop();

  const restored = world.start("restored", [
    "server",
    "copy",
    "--host",
    "127.0.0.1",
    "--port",
    String(world.port),
  ]);
  await restored.line("Server listening on");
  Deno.mkdirSync(world.path("fresh"));
  const fresh = await world.syncAll("fresh");
  assertEquals([fresh.code, fresh.stderr], [0, ""]);
  assertEquals(readTree(world.path("fresh")), then);
  assertEquals(readVersions(world.path("copy")), versions);
  // A client that has seen more stops and asks.
  const ahead = await world.syncAll("a");
  assertEquals(ahead.code, 8);
  assertStringIncludes(ahead.stderr, "older than what this directory has seen");
  assert(Deno.statSync(world.path("a/later")).isFile);
});

worldTest("a backup needs no running server, and no place where something else is", async (world) => {
  const server = await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeTextFileSync(world.path("a/file"), "text");
  assertEquals((await world.syncAll("a")).code, 0);
  await server.stop();
  const offline = await world.run(["backup", "copy", "--data", "server_files"]);
  assertEquals([offline.code, offline.stderr], [0, ""]);
  assertStringIncludes(offline.stdout, "Backed up main to ");
  const wrong = await world.run(["backup", "a", "--data", "server_files"]);
  assertEquals(wrong.code, 1);
  assertStringIncludes(wrong.stderr, "something else is there");
  assertStringIncludes(wrong.stderr, "hint: ");
});

worldTest("the folders that were added to a server are backed up with it, and come back", async (world) => {
  await world.startServer();
  const add = ["folder", "add", "photos", "--path", "photos", "--data", "server_files"];
  assertEquals((await world.run(add)).code, 0);
  Deno.writeTextFileSync(world.path("photos/one.jpg"), "a photo");
  await until("the photo is taken in", async () => {
    const { stdout } = await world.run(["versions", "one.jpg", "--data", "photos", "--json"]);
    return stdout.includes("created");
  });
  const done = await world.run(["backup", "copy", "--data", "server_files", "--json"]);
  assertEquals([done.code, done.stderr], [0, ""]);
  const folders = JSON.parse(done.stdout).folders as { folder: string; directory: string }[];
  assertEquals(folders.map(({ folder }) => folder), ["main", "photos"]);
  await world.server.stop();
  // The disk is gone.
  for (const dir of ["server_files", "photos"]) Deno.removeSync(world.path(dir), { recursive: true });
  Deno.renameSync(world.path("copy/.fsync/folders/photos"), world.path("photos_again"));
  Deno.renameSync(world.path("copy"), world.path("server_files"));
  const back = ["folder", "add", "photos", "--path", "photos_again", "--data", "server_files"];
  assertEquals((await world.run(["folder", "remove", "photos", "--data", "server_files"])).code, 0);
  const added = await world.run(back);
  assertEquals([added.code, added.stderr], [0, ""]);
  await world.startServer();
  await until("the photo is there again", () => {
    try {
      return Deno.readTextFileSync(world.path("photos_again/one.jpg")) === "a photo";
    } catch {
      return false;
    }
  });
});
