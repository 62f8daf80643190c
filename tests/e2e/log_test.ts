/** The log, on the real program: of a folder and of the server, filtered and followed. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type World, worldTest } from "./_world.ts";

async function ok(world: World, ...args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await world.run(["log", ...args]);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout.split("\n").slice(0, -1);
}

const STAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}/;
const words = (lines: readonly string[]) => lines.map((line) => line.replace(STAMP, ""));

worldTest("the log says what happened, on the client and on the server", async (world, t) => {
  const server = await world.startServer();
  for (const name of ["a", "b"]) Deno.mkdirSync(world.path(name));
  Deno.mkdirSync(world.path("a/d"));
  Deno.writeTextFileSync(world.path("a/d/x"), "x");
  Deno.writeTextFileSync(world.path("a/tricky\n\x1b[2Jname"), "y");
  assertEquals((await world.syncAll("a")).code, 0);
  assertEquals((await world.syncAll("b")).code, 0);

  await t.step("a folder's log has its uploads and downloads, one line each", async () => {
    const a = await ok(world, "a");
    assert(a.every((line) => STAMP.test(line)), a.join("\n"));
    assertEquals(words(a), [
      "Connected as ann",
      "File uploaded: d",
      "File uploaded: d/x",
      "File uploaded: tricky\\n\\e[2Jname",
    ]);
    const b = words(await ok(world, "--dir", "b"));
    assert(b[2]!.startsWith("File downloaded: d/x (by ann@"), b.join("\n"));
  });

  await t.step("the server's log has who did it, also when the server does not run", async () => {
    const before = await ok(world, "--data", "server_files");
    assert(words(before).some((line) => line.startsWith("File uploaded: d/x (by ann@")), before.join("\n"));
    assertEquals((await server.stop()).code, 0);
    assertEquals((await ok(world, "server_files")).slice(0, before.length), before);
  });

  await t.step("it is filtered by path, user and time", async () => {
    assertEquals(words(await ok(world, "a/d")), ["File uploaded: d", "File uploaded: d/x"]);
    assertEquals((await ok(world, "a/d/x", "--user", "ann")).length, 1);
    assertEquals(await ok(world, "a", "--user", "ben"), []);
    assertEquals((await ok(world, "a", "--since", "1h")).length, 4);
    assertEquals(await ok(world, "a", "--since", "2999-01-01"), []);
    const { code, stderr } = await world.run(["log", "a", "--since", "noon"]);
    assertEquals(code, 2);
    assertStringIncludes(stderr, "it is no time");
  });

  await t.step("JSON has one object a line", async () => {
    const records = (await ok(world, "a/d", "--json")).map((line) => JSON.parse(line));
    assertEquals(records.map(({ type, path }) => [type, path]), [["uploaded", "d"], ["uploaded", "d/x"]]);
    assertEquals(records[1].text, "File uploaded: d/x");
  });

  await t.step("it is followed as it grows, until a signal", async () => {
    await world.startServer();
    const follow = world.start("log", ["log", "--data", "server_files", "--follow", "--since", "2s"]);
    Deno.writeTextFileSync(world.path("a/late"), "late");
    assertEquals((await world.syncAll("a")).code, 0);
    await follow.line("File uploaded: late (by ann@");
    assertEquals((await follow.stop()).code, 0);
  });
});
