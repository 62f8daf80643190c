/** What somebody runs into in the first hour: directories in one another, no directory named, names that are not there. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Program, type Result, runProgram } from "./_program.ts";
import { type World, worldTest } from "./_world.ts";

function assertRefused(result: Result, code: number, text: string): void {
  assertEquals([result.code, result.stdout], [code, ""], result.stderr);
  assertMatch(result.stderr, /^fsync: [A-Z].*\nhint: .*\n$/);
  assertStringIncludes(result.stderr, text);
}

/** A folder that is in step with the server, with a file in it. */
async function synced(world: World, name: string): Promise<void> {
  Deno.mkdirSync(world.path(`${name}/sub`), { recursive: true });
  Deno.writeTextFileSync(world.path(`${name}/a.txt`), "hello");
  assertEquals((await world.syncAll(name)).code, 0);
}

worldTest("a folder within a folder is refused, whoever lies in whom", async (world) => {
  await world.startServer();
  await synced(world, "docs");
  const { address } = world;
  const cases: readonly (readonly [string, number, string])[] = [
    // The server's tree in a client's folder would be sent to itself without end.
    [`watch . --server ${address}`, 2, "which is synced already"],
    [`sync-all . --server ${address}`, 2, "which is synced already"],
    [`sync-all server_files/below --server ${address}`, 1, "there is no such folder"],
    [`watch server_files/below --server ${address}`, 2, 'server_files", which is synced already'],
    [`watch docs/sub --server ${address}`, 2, 'docs", which is synced already'],
    [`watch docs/sub/new --server ${address}`, 2, 'docs", which is synced already'],
    ["server docs --port 0", 2, "it is a folder that a client syncs"],
    ["server docs/sub --port 0", 2, 'docs", which is synced already'],
    ["server . --port 0", 2, "which is synced already"],
    ["watch server_files", 1, "it is the directory of a server"],
  ];
  for (const [line, code, text] of cases) assertRefused(await world.run(line.split(" ")), code, text);
  assert(!world.tree("docs").has("sub/new"), "nothing was made");
  assert(!world.tree("server_files").has("below"), "nothing was made");
  await world.server.stop();
  assertRefused(await world.run(["sync-all", "server_files"]), 1, "it is the directory of a server");
  assertRefused(await world.run(["watch", ""]), 2, "a word is empty");
  assertRefused(await world.run(["upload", "docs"]), 2, "it is the synced folder itself");
});

worldTest("an invitation for a place in a synced folder, or for a file, is not used up", async (world) => {
  await world.startServer();
  await synced(world, "docs");
  Deno.writeTextFileSync(world.path("file"), "");
  const invited = await world.run(["invite", "ann2", "--host", `127.0.0.1:${world.port}`]);
  const line = invited.stdout.trim();
  assertRefused(await world.run(["join", line, "docs/sub"]), 2, "which is synced already");
  assertRefused(await world.run(["join", line, "file"]), 1, "it is not a directory");
  assertEquals((await world.run(["join", line, "other"])).code, 0);
});

worldTest("without DIR it is the folder around here", async (world) => {
  await world.startServer();
  await synced(world, "docs");
  const here = { cwd: world.path("docs/sub"), env: world.env };
  Deno.writeTextFileSync(world.path("docs/sub/b.txt"), "b");
  assertEquals((await runProgram(here, ["sync-all"])).code, 0);
  assert(world.tree("server_files").has("sub/b.txt"));
  assertStringIncludes((await runProgram(here, ["status"])).stdout, "in sync, not watched");
  const watch = new Program("watch", here, ["watch"]);
  world.programs.push(watch);
  await watch.line(`Watching: ${Deno.realPathSync(world.path("docs"))}`);
  await watch.stop();
  assert(!world.tree("docs").has("sub/client_files"));
});

worldTest("a path that nobody has is no success", async (world) => {
  await world.startServer();
  await synced(world, "docs");
  const wrong = await world.run(["upload", "docs/a.text", "docs/a.txt"]);
  assertEquals(wrong.code, 6);
  assertStringIncludes(wrong.stderr, 'Cannot upload "a.text": neither this device nor the server has it');
  Deno.removeSync(world.path("docs/a.txt"));
  const deleted = await world.run(["upload", "docs/a.txt", "--json"]);
  assertEquals([deleted.code, JSON.parse(deleted.stdout).paths], [0, [{ path: "a.txt", result: "OK" }]]);
  assert(!world.tree("server_files").has("a.txt"));
});

worldTest("a watch without a credential says what it waits for", async (world) => {
  const watch = world.start("watch", ["watch", "docs", "--server", "localhost:1"]);
  await watch.line("Watching: docs");
  await watch.line("hint: start the server on this machine first");
  await watch.stop();
});

worldTest("a server that listens on one address alone is asked about the past there", async (world) => {
  const server = world.start("server", ["server", "srv", "--host", "127.0.0.2", "--port", "0"]);
  await server.line("Server listening on 127.0.0.2:");
  Deno.writeTextFileSync(world.path("srv/a.txt"), "hello");
  await server.line("File uploaded: a.txt");
  const { code, stdout, stderr } = await world.run(["versions", "srv/a.txt"]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /created, now$/m);
  await server.stop();
});

worldTest("a server is remembered when it has been found there", async (world) => {
  await world.startServer();
  await synced(world, "docs");
  assertEquals((await world.run(["sync-all", "docs", "--server", "localhost:1"])).code, 5);
  assertEquals((await world.run(["sync-all", "docs"])).code, 0);
  const other = world.address.replace("localhost", "127.0.0.1");
  assertEquals((await world.run(["sync-all", "docs", "--server", other])).code, 0);
  assertStringIncludes((await world.run(["status", "docs"])).stdout, other);
});
