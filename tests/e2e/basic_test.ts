/** The everyday life of three watched folders and the server's plain tree. */
import { assertEquals } from "@std/assert";
import { assertQuick } from "./_quick.ts";
import { type World, worldTest } from "./_world.ts";

async function threeWatches(world: World): Promise<void> {
  await world.startServer();
  await Promise.all(["a", "b", "c"].map((name) => world.startWatch(name)));
}

worldTest("what one folder changes comes to the others", async (world, t) => {
  await threeWatches(world);
  const [a, b, c] = ["a", "b", "c"].map((name) => world.path(name));

  await t.step("create", async () => {
    Deno.writeTextFileSync(`${a}/note.txt`, "hello");
    Deno.mkdirSync(`${b}/dir/below`, { recursive: true });
    Deno.writeTextFileSync(`${b}/dir/below/deep.txt`, "deep");
    Deno.writeTextFileSync(`${c}/empty`, "");
    await world.equal("a", "b", "c");
    assertEquals([...world.tree("a").keys()].sort(), [
      "dir",
      "dir/below",
      "dir/below/deep.txt",
      "empty",
      "note.txt",
    ]);
  });

  await t.step("modify, append, truncate", async () => {
    Deno.writeTextFileSync(`${b}/note.txt`, "changed");
    await world.equal("a", "b", "c");
    Deno.writeTextFileSync(`${c}/note.txt`, " and more", { append: true });
    await world.equal("a", "b", "c");
    assertEquals(Deno.readTextFileSync(`${a}/note.txt`), "changed and more");
    Deno.truncateSync(`${a}/note.txt`, 3);
    await world.equal("a", "b", "c");
    assertEquals(Deno.readTextFileSync(`${c}/note.txt`), "cha");
  });

  await t.step("rename, delete", async () => {
    Deno.renameSync(`${a}/note.txt`, `${a}/letter.txt`);
    Deno.renameSync(`${b}/dir`, `${b}/folder`);
    await world.equal("a", "b", "c");
    Deno.removeSync(`${c}/folder`, { recursive: true });
    const tree = await world.equal("a", "b", "c");
    assertEquals([...tree.keys()].sort(), ["empty", "letter.txt"]);
  });

  await world.inSync("a", "b", "c");
});

worldTest("one change is one upload, one version and one line", async (world) => {
  await threeWatches(world);
  Deno.writeTextFileSync(`${world.path("a")}/f`, "one");
  await world.inSync("a", "b", "c");
  Deno.writeTextFileSync(`${world.path("b")}/f`, "two!");
  await world.inSync("a", "b", "c");
  assertEquals(world.versions().map(({ path, operation }) => [path, operation]), [
    ["f", "created"],
    ["f", "modified"],
  ]);
  const [server, a, b, c] = world.programs;
  assertEquals([a, b, c].map((watch) => watch!.count("File uploaded: f")), [1, 1, 0]);
  assertEquals([a, b, c].map((watch) => watch!.count("File downloaded: f")), [1, 1, 2]);
  assertEquals(server!.count("File uploaded: f"), 2);
  assertEquals(server!.count("ownloaded"), 0);
});

worldTest("server and watch end with 0 on SIGTERM and SIGINT", async (world) => {
  await threeWatches(world);
  Deno.writeTextFileSync(`${world.path("a")}/f`, "one");
  await world.inSync("a", "b", "c");
  const [server, a, b, c] = world.programs;
  for (
    const [program, signal] of [[a, "SIGINT"], [b, "SIGTERM"], [server, "SIGTERM"], [c, "SIGINT"]] as const
  ) {
    const { code, ms } = await program!.stop(signal);
    assertEquals(code, 0, `${program!.name} on ${signal}`);
    await assertQuick(world, ms, 2000, `the end of ${program!.name}`);
  }
});
