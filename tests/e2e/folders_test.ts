/** Several folders of one server, on the real program. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { until, type World, World as OtherWorld, worldTest } from "./_world.ts";

/** Runs a command that must succeed; what it says on stdout. */
async function ok(world: World, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await world.run(args);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

async function fails(world: World, code: number, text: string, ...args: string[]): Promise<void> {
  const result = await world.run(args);
  assertEquals(result.code, code, `${args.join(" ")}: ${result.stdout}${result.stderr}`);
  assertMatch(result.stderr, /^fsync: [A-Z].*\n(hint: .*\n)?$/);
  assertStringIncludes(result.stderr, text);
}

function write(world: World, path: string, text: string): void {
  Deno.writeTextFileSync(world.path(path), text);
}

function read(world: World, path: string): string | null {
  try {
    return Deno.readTextFileSync(world.path(path));
  } catch {
    return null;
  }
}

const comes = (world: World, path: string, text: string) =>
  until(`${path} holds "${text}"`, () => read(world, path) === text);

const add = (world: World, name: string) => ok(world, "folder", "add", name, "--path", name);

async function watch(world: World, name: string, folder: string): Promise<void> {
  const client = world.start(name, ["watch", name, "--server", world.address, "--folder", folder]);
  await client.line(`Watching: ${name}`);
}

worldTest("two folders of one server live their own lives", async (world, t) => {
  await world.startServer();
  await add(world, "docs");
  await watch(world, "m", "main");
  await watch(world, "d", "docs");

  await t.step("what is put into one is in that one alone", async () => {
    write(world, "m/same", "main's");
    write(world, "d/same", "docs's");
    await comes(world, "server_files/same", "main's");
    await comes(world, "docs/same", "docs's");
    write(world, "docs/by-owner", "x");
    await comes(world, "d/by-owner", "x");
    assertEquals([read(world, "m/by-owner"), read(world, "server_files/by-owner")], [null, null]);
  });

  await t.step("each has its own history, log, status and upkeep, while the server runs", async () => {
    write(world, "d/same", "docs's second");
    await comes(world, "docs/same", "docs's second");
    assertEquals((await ok(world, "versions", "same", "--data", "docs")).trim().split("\n").length, 3);
    assertEquals(
      (await ok(world, "versions", "same", "--data", "server_files")).trim().split("\n").length,
      2,
    );
    assertStringIncludes(await ok(world, "restore", "docs/same", "--version", "1"), "");
    await comes(world, "d/same", "docs's");
    assertEquals(read(world, "m/same"), "main's");
    const log = await ok(world, "log", "--data", "docs");
    assertMatch(log, /by-owner/);
    assertEquals(/by-owner/.test(await ok(world, "log", "--data", "server_files")), false);
    for (const command of [["status"], ["check"]]) await ok(world, ...command, "docs");
    await ok(world, "prune", "--data", "docs", "--dry-run");
    // Users are the server's: asked by any of its folders.
    assertEquals(await ok(world, "user", "list", "--data", "docs"), await ok(world, "user", "list"));
    assertMatch(world.server.stdout.join("\n"), /^\[docs\] File uploaded: same/m);
  });

  await t.step("a restart serves them again, to the same clients", async () => {
    assertEquals((await world.server.stop()).code, 0);
    write(world, "docs/offline", "1");
    assertStringIncludes(await ok(world, "versions", "docs/same"), "created");
    await world.startServer();
    await comes(world, "d/offline", "1");
    write(world, "d/again", "2");
    await comes(world, "docs/again", "2");
    assertEquals((await world.run(["status", "d"])).code, 0);
  });

  await t.step("a folder that is removed is not served, and is left as it is", async () => {
    await ok(world, "folder", "remove", "docs");
    await world.programs.find(({ name }) => name === "d")!.exited;
    write(world, "docs/after", "3");
    assertEquals((await world.syncAll("d")).code, 4);
    assertEquals([read(world, "d/after"), read(world, "docs/same"), read(world, "d/same")], [
      null,
      "docs's",
      "docs's",
    ]);
    write(world, "m/goes-on", "4");
    await comes(world, "server_files/goes-on", "4");
    assertStringIncludes(await ok(world, "versions", "docs/same"), "created");
  });

  await t.step("added again it goes on where it was", async () => {
    await add(world, "docs");
    await until("the client syncs again", async () => (await world.syncAll("d")).code === 0);
    assertEquals(read(world, "d/after"), "3");
  });
  assertEquals(world.server.stderr, []);
});

worldTest("whoever is in one folder does not get into another one", async (world) => {
  await world.startServer();
  await add(world, "docs");
  write(world, "docs/secret", "of docs");
  write(world, "server_files/open", "of main");
  const line = (await ok(world, "invite", "bob", "--host", world.address, "--quiet")).trim();
  const bob = { env: { FSYNC_STATE_DIR: world.path("bob"), USER: "bob" } };
  const joined = await world.run(["join", line, "b"], bob);
  assertEquals([joined.code, joined.stderr], [0, ""]);
  assertEquals((await world.run(["sync-all", "b"], bob)).code, 0);
  assertEquals([...world.tree("b").keys()], ["open"]);
  for (const name of ["x", "y"]) Deno.mkdirSync(world.path(name));
  const other = await world.run(["sync-all", "x", "--server", world.address, "--folder", "docs"], bob);
  const nowhere = await world.run(["sync-all", "y", "--server", world.address, "--folder", "no"], bob);
  assertEquals([other.code, nowhere.code], [4, 4]);
  assertEquals(other.stderr, nowhere.stderr);
  await ok(world, "grant", "/", "--folder", "docs", "--user", "bob", "read");
  assertEquals((await world.run(["sync-all", "x"], bob)).code, 0);
  assertEquals([...world.tree("x").keys()], ["secret"]);
});

worldTest("what cannot be a folder is refused, and nothing is made", async (world) => {
  await world.startServer();
  await add(world, "docs");
  Deno.mkdirSync(world.path("c"));
  assertEquals((await world.syncAll("c")).code, 0);
  Deno.mkdirSync(world.path("holds"));
  Deno.renameSync(world.path("c"), world.path("holds/c"));
  write(world, "file", "");
  Deno.symlinkSync(world.path("docs"), world.path("link"));
  await using other = new OtherWorld();
  await other.startServer();
  const cases: [path: string, name: string, reason: string][] = [
    ["docs", "other", 'folder "docs" is at'],
    ["new", "docs", "there is one of that name"],
    ["new", "main", "there is one of that name"],
    ["docs/below", "below", "which is synced already"],
    ["link/below", "below", "which is synced already"],
    [".", "around", "the server's own folder is at"],
    ["server_files/below", "below", "the server's own folder is at"],
    ["holds/c", "c", "it is a folder that a client syncs"],
    ["holds/c/below", "c", "which is synced already"],
    ["holds", "c", "which is synced already"],
    ["file", "f", "it is not a directory"],
    [other.serverDir, "theirs", "it is a server's own folder"],
  ];
  const before = [...Deno.readDirSync(world.cwd)].map(({ name }) => name).sort();
  for (const live of [true, false]) {
    if (!live) assertEquals((await world.server.stop()).code, 0);
    // Without a server the rules are the same; a few show that they are asked.
    for (const [path, name, reason] of live ? cases : cases.slice(2, 5)) {
      const result = await world.run(["folder", "add", name, "--path", path]);
      assert(result.code !== 0, `${path} was accepted`);
      assertStringIncludes(result.stderr, reason);
    }
    assertEquals((await ok(world, "folder", "list")).trim().split("\n").length, 3);
  }
  assertEquals(
    [...Deno.readDirSync(world.cwd)].map(({ name }) => name).sort().filter((n) => n !== "new"),
    before,
  );
  assertEquals([...Deno.readDirSync(world.path("docs"))].map(({ name }) => name), [".fsync"]);

  // Two servers do not share a folder, until one lets go of it.
  await fails(other, 2, "of the server in", "folder", "add", "docs", "--path", world.path("docs"));
  await fails(world, 1, "start that one", "server", "docs", "--port", "0");
  await ok(world, "folder", "remove", "docs");
  await ok(other, "folder", "add", "docs", "--path", world.path("docs"));
  await fails(world, 2, "of the server in", "folder", "add", "docs", "--path", "docs");
});

worldTest("a folder that cannot be served keeps no other from being served", async (world, t) => {
  await world.startServer();
  for (const name of ["docs", "gone", "damaged"]) await add(world, name);
  await watch(world, "d", "docs");
  write(world, "d/before", "1");
  await comes(world, "docs/before", "1");
  assertEquals((await world.server.stop()).code, 0);
  Deno.renameSync(world.path("gone"), world.path("away"));
  Deno.writeTextFileSync(world.path("damaged/.fsync/server.db"), "this is no database".repeat(1000));

  await t.step("it is told, and the rest goes on", async () => {
    const server = await world.startServer();
    await server.line('Cannot serve folder "gone": its directory');
    await server.line(/damaged.*server.db|server.db.*damaged/);
    write(world, "d/during", "2");
    await comes(world, "docs/during", "2");
    const status = await world.run(["status", "server_files"]);
    assertEquals(status.code, 6, status.stdout);
    assertStringIncludes(status.stdout, 'problem: Cannot serve folder "gone"');
    assertEquals((await world.run(["status", "docs"])).code, 6);
    assertEquals((await world.server.stop()).code, 6);
  });

  await t.step("an empty directory in its place is not taken for it", async () => {
    Deno.mkdirSync(world.path("gone"));
    const server = await world.startServer();
    await server.line("its marker .fsync is gone");
    assertEquals([...Deno.readDirSync(world.path("gone"))], []);
    await server.stop();
  });

  await t.step("when it is back, all is well; what stays damaged can be let go of", async () => {
    Deno.removeSync(world.path("gone"));
    Deno.renameSync(world.path("away"), world.path("gone"));
    await world.startServer();
    await ok(world, "folder", "remove", "damaged");
    await until("all is well", async () => (await world.run(["status", "server_files"])).code === 0);
    assertEquals((await world.server.stop()).code, 0);
  });

  await t.step("one that goes while it is served ends alone", async () => {
    const server = await world.startServer();
    await until("it is served", async () => (await world.run(["status", "gone"])).code === 0);
    Deno.renameSync(world.path("gone"), world.path("away"));
    await server.line(/Cannot sync ".*gone"/);
    write(world, "d/after", "3");
    await comes(world, "docs/after", "3");
    assertEquals((await server.stop()).code, 6);
  });
});
