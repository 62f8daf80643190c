/** What stands in a folder besides plain files with plain names. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { shell, until, type World, worldTest } from "./_world.ts";

const FOLDERS = ["a", "b"] as const;

async function twoWatches(world: World): Promise<{ readonly a: string; readonly b: string }> {
  await world.startServer();
  await Promise.all(FOLDERS.map((name) => world.startWatch(name)));
  return { a: world.path("a"), b: world.path("b") };
}

worldTest("modes, links, empty things, and one kind in place of another", async (world, t) => {
  const { a, b } = await twoWatches(world);
  const same = () => world.equal(...FOLDERS);

  await t.step("the exec bit", async () => {
    Deno.writeTextFileSync(`${a}/run.sh`, "#!/bin/sh\n", { mode: 0o755 });
    Deno.chmodSync(`${a}/run.sh`, 0o755);
    await same();
    assertEquals((Deno.statSync(`${b}/run.sh`).mode ?? 0) & 0o777, 0o755);
    Deno.chmodSync(`${b}/run.sh`, 0o644);
    await same();
    assertEquals((Deno.statSync(`${a}/run.sh`).mode ?? 0) & 0o777, 0o644);
  });

  await t.step("set-id bits stay at home", async () => {
    Deno.writeTextFileSync(`${a}/setid`, "x");
    Deno.chmodSync(`${a}/setid`, 0o4755);
    await same();
    assertEquals((Deno.statSync(`${b}/setid`).mode ?? 0) & 0o7777, 0o755);
  });

  await t.step("links inside, outside, dangling, in loops", async () => {
    Deno.writeTextFileSync(world.path("outside"), "untouched");
    Deno.mkdirSync(`${a}/d`);
    for (
      const [target, name] of [
        ["run.sh", "to-file"],
        ["d", "to-dir"],
        ["..", "d/to-parent"],
        ["../outside", "to-outside"],
        ["/nowhere/at/all", "dangling"],
        ["loop-b", "loop-a"],
        ["loop-a", "loop-b"],
        ["self", "self"],
        ["x".repeat(4000), "long"],
      ] as const
    ) Deno.symlinkSync(target, `${a}/${name}`);
    await same();
    assertEquals(Deno.readLinkSync(`${b}/to-outside`), "../outside");
    assertEquals(Deno.readLinkSync(`${b}/self`), "self");
    Deno.removeSync(`${b}/dangling`);
    Deno.symlinkSync("elsewhere", `${b}/dangling`);
    await same();
    assertEquals(Deno.readLinkSync(`${a}/dangling`), "elsewhere");
    assertEquals(Deno.readTextFileSync(world.path("outside")), "untouched");
  });

  await t.step("empty files and directories", async () => {
    Deno.mkdirSync(`${b}/empty/in/empty`, { recursive: true });
    Deno.writeTextFileSync(`${b}/empty/zero`, "");
    await same();
    Deno.removeSync(`${a}/empty`, { recursive: true });
    await same();
  });

  await t.step("names that differ in case, normal form, or are odd", async () => {
    const names = [
      "Foo",
      "foo",
      "é",
      "e\u0301",
      "-rf",
      "--help",
      "$(id)",
      "a\\b",
      " lead",
      "trail ",
      "new\nline",
      "tab\t",
    ];
    const odd = ["__proto__", "constructor", "*", "[x]", "~", "\u{1f600}".repeat(63), "y".repeat(255)];
    for (const [i, name] of [...names, ...odd].entries()) {
      Deno.writeTextFileSync(`${a}/${name}`, `content ${i}`);
    }
    await same();
    Deno.renameSync(`${b}/y${"y".repeat(254)}`, `${b}/z${"y".repeat(254)}`);
    Deno.renameSync(`${b}/Foo`, `${b}/FOO`);
    Deno.mkdirSync(`${b}/Dir`);
    Deno.writeTextFileSync(`${b}/Dir/f`, "in it");
    await same();
    Deno.renameSync(`${a}/Dir`, `${a}/dIR`);
    Deno.removeSync(`${a}/é`);
    const tree = await same();
    assert(tree.has("dIR/f") && !tree.has("Dir") && tree.has("e\u0301") && !tree.has("é") && tree.has("FOO"));
  });

  await t.step("a file becomes a directory, a directory a file, a link either", async () => {
    Deno.writeTextFileSync(`${a}/x`, "file");
    Deno.mkdirSync(`${a}/y/z`, { recursive: true });
    Deno.writeTextFileSync(`${a}/y/z/f`, "deep");
    Deno.symlinkSync("x", `${a}/l`);
    await same();
    Deno.removeSync(`${b}/x`);
    Deno.mkdirSync(`${b}/x`);
    Deno.writeTextFileSync(`${b}/x/f`, "below");
    Deno.removeSync(`${b}/y`, { recursive: true });
    Deno.writeTextFileSync(`${b}/y`, "now a file");
    Deno.removeSync(`${b}/l`);
    Deno.writeTextFileSync(`${b}/l`, "now a file");
    await same();
    assertEquals(Deno.readTextFileSync(`${a}/x/f`), "below");
    assertEquals(Deno.readTextFileSync(`${a}/y`), "now a file");
    Deno.removeSync(`${a}/x`, { recursive: true });
    Deno.symlinkSync("y", `${a}/x`);
    Deno.removeSync(`${a}/l`);
    Deno.mkdirSync(`${a}/l`);
    await same();
    assertEquals(Deno.readLinkSync(`${b}/x`), "y");
  });

  await t.step("times far away", async () => {
    for (const [i, seconds] of [0, -86_400, 2 ** 31 + 5, 4_102_444_800].entries()) {
      Deno.writeTextFileSync(`${a}/time${i}`, "t");
      Deno.utimeSync(`${a}/time${i}`, seconds, seconds);
    }
    await same();
  });

  await world.inSync(...FOLDERS);
  assertEquals(world.conflicts(), []);
});

worldTest("what cannot be carried is told, and neither stops nor deletes anything", async (world) => {
  const { a, b } = await twoWatches(world);
  Deno.writeTextFileSync(`${a}/good.txt`, "good");
  await world.equal(...FOLDERS);
  await shell(
    `touch "$(printf 'hell\\326')"; echo 1 > "$(printf 'bad-\\377.txt')"; echo 2 > "$(printf 'bad-\\376.txt')"; mkfifo pipe`,
    a,
  );
  using socket = Deno.listen({ transport: "unix", path: `${a}/socket` });
  Deno.writeTextFileSync(`${a}/bad-\uFFFD.txt`, "genuine");
  Deno.writeTextFileSync(`${a}/good.txt`, "better");
  await until("the rest arrives", () => {
    const tree = world.tree("b");
    return tree.size === 2 && Deno.readTextFileSync(`${b}/good.txt`) === "better";
  });
  assertEquals(Deno.readTextFileSync(`${b}/bad-\uFFFD.txt`), "genuine");
  await until("status names all of them", async () => {
    const { code, stdout } = await world.run(["status", "a"]);
    return code === 6 && ["hell", "bad-", "pipe", "socket"].every((name) => stdout.includes(name));
  });
  const told = world.programs[1]!.stderr.filter((line) => line.startsWith("Problem: "));
  assertEquals(told.filter((line) => line.includes("pipe")).length, 1);
  await shell(`rm "$(printf 'hell\\326')" "$(printf 'bad-\\377.txt')" "$(printf 'bad-\\376.txt')" pipe`, a);
  socket.close();
  await world.inSync(...FOLDERS);
  assertEquals(world.versions().filter(({ operation }) => operation === "deleted"), []);
  const { stdout } = await world.run(["status", "a"]);
  assertStringIncludes(stdout, "in sync");
});
