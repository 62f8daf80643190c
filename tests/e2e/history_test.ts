/** Past versions, on the real program: shown, compared, brought back, handed out. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fresh, shell, until, type World, worldTest } from "./_world.ts";

interface Row {
  readonly path: string;
  readonly revision: number;
  readonly operation: string;
  readonly head: boolean;
}

async function versionsOf(world: World, ...args: readonly string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await world.run(["versions", ...args, "--json"]);
  assertEquals([code, stderr], [0, ""]);
  return (JSON.parse(stdout) as { versions: Row[] }).versions;
}

async function ok(world: World, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await world.run(args);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

async function pass(world: World, name: string): Promise<void> {
  const { code, stderr } = await world.syncAll(name);
  assertEquals([code, stderr], [0, ""]);
}

worldTest("50 edits are 50 versions, each restored byte for byte (V01)", async (world) => {
  const server = await world.startServer();
  const watch = await world.startWatch("a");
  // The last ones are large: another way into the store.
  const contents = Array.from({ length: 50 }, (_, i) => fresh(i < 47 ? 10 + i * 37 : 300_000 + i));
  for (const [i, bytes] of contents.entries()) {
    // Whole at once, or what a watcher reads of it halfway would be a version too.
    Deno.writeFileSync(world.path("next"), bytes);
    Deno.renameSync(world.path("next"), world.path("a/f"));
    await until(`version ${i + 1} is there`, () => world.versions().length === i + 1);
  }
  await world.inSync("a");
  const rows = await versionsOf(world, "a/f");
  assertEquals(rows.map(({ operation }) => operation), ["created", ...Array(49).fill("modified")]);
  assertEquals(rows.filter(({ head }) => head).map(({ revision }) => revision), [rows[49]!.revision]);

  await ok(world, "restore", "a/f", "--version", String(rows[20]!.revision));
  await until("the old content is back", () => same(world.path("a/f"), contents[20]!));
  await ok(world, "restore", "a/f", "--version", String(rows[48]!.revision));
  await until("the old large content is back", () => same(world.path("a/f"), contents[48]!));
  await world.inSync("a");
  assertEquals((await watch.stop()).code, 0);
  assertEquals((await server.stop()).code, 0);

  // No server runs now: the owner's commands open the stores themselves.
  for (const [i, bytes] of contents.entries()) {
    const to = world.path(`out-${i}`);
    await ok(
      world,
      "restore",
      "f",
      "--data",
      "server_files",
      "--version",
      String(rows[i]!.revision),
      "--to",
      to,
    );
    assert(same(to, bytes), `version ${i}`);
  }
  assertEquals((await versionsOf(world, "f", "--data", "server_files")).length, 52);
  const again = await world.run(["restore", "server_files/f", "--version", "1", "--to", world.path("out-0")]);
  assertEquals(again.code, 1);
  assertStringIncludes(again.stderr, "it is there already");
  await ok(world, "restore", "server_files/f", "--version", String(rows[3]!.revision));
  assert(same(world.path("server_files/f"), contents[3]!));
});

function same(path: string, bytes: Uint8Array): boolean {
  const there = Deno.readFileSync(path);
  return there.length === bytes.length && there.every((byte, i) => byte === bytes[i]);
}

worldTest("a directory of 1,000 files comes back as it was at a time, on every client", async (world) => {
  await world.startServer();
  await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
  Deno.mkdirSync(world.path("a/d/sub/deep"), { recursive: true });
  const dirs = ["a/d", "a/d/sub", "a/d/sub/deep"];
  for (let i = 0; i < 1000; i++) Deno.writeTextFileSync(world.path(`${dirs[i % 3]}/f${i}`), `content ${i}`);
  Deno.symlinkSync("f0", world.path("a/d/link"));
  Deno.writeTextFileSync(world.path("a/other"), "before");
  await world.inSync("a", "b");
  const before = [...world.tree("a")].filter(([path]) => path === "d" || path.startsWith("d/"));
  const time = local(Date.now());
  await until("the next millisecond", () => local(Date.now()) !== time);

  const a = world.path("a");
  for (let i = 0; i < 300; i++) Deno.writeTextFileSync(`${world.path(dirs[i % 3]!)}/f${i}`, `changed ${i}`);
  Deno.renameSync(`${a}/d/sub/deep`, `${a}/d/moved`);
  for (let i = 300; i < 420; i += 3) Deno.removeSync(`${a}/d/f${i}`);
  Deno.mkdirSync(`${a}/d/new/new`, { recursive: true });
  Deno.writeTextFileSync(`${a}/d/new/new/file`, "new");
  Deno.removeSync(`${a}/d/link`);
  Deno.mkdirSync(`${a}/d/link`);
  Deno.writeTextFileSync(`${a}/d/link/inside`, "x");
  Deno.writeTextFileSync(`${a}/other`, "after");
  await world.inSync("a", "b");

  const planned = await ok(world, "restore", "a/d", "--at", time, "--dry-run");
  assertStringIncludes(planned, "none of them made");
  assertEquals(Deno.readTextFileSync(`${a}/other`), "after");
  await ok(world, "restore", "b/d", "--at", time);
  for (const name of ["a", "b", "server_files"]) {
    await until(`${name} is as it was`, () => {
      const now = [...world.tree(name)].filter(([path]) => path === "d" || path.startsWith("d/"));
      return now.length === before.length && JSON.stringify(now.sort()) === JSON.stringify(before.sort());
    });
  }
  assertEquals(Deno.readTextFileSync(`${a}/other`), "after");
  assertStringIncludes(await ok(world, "restore", "a/d", "--at", time), "Nothing to restore");
  // What was restored away is history, and comes back too.
  await ok(world, "restore", "a/d/new/new/file");
  await until("the file is back", () => world.tree("b").has("d/new/new/file"));
  assertEquals(world.conflicts(), []);
});

/** Local time to the millisecond, as `--at` takes it. */
function local(ms: number): string {
  const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 23).replace("T", " ");
}

worldTest("deleted and renamed things keep their history and come back", async (world, t) => {
  const server = await world.startServer();
  const a = world.path("a");
  Deno.mkdirSync(`${a}/dir/below`, { recursive: true });
  Deno.writeTextFileSync(`${a}/dir/below/x`, "x");
  Deno.writeTextFileSync(`${a}/first`, "one\ntwo\n");
  await pass(world, "a");
  Deno.renameSync(`${a}/first`, `${a}/second`);
  await pass(world, "a");
  Deno.writeTextFileSync(`${a}/second`, "one\n2\n");
  Deno.removeSync(`${a}/dir`, { recursive: true });
  await pass(world, "a");
  const rows = await versionsOf(world, "a/second");

  await t.step("a history follows a rename, both ways", async () => {
    assertEquals(rows.map(({ operation, path }) => `${operation} ${path}`), [
      "created first",
      "renamed second",
      "modified second",
    ]);
    assertEquals(await versionsOf(world, "a/first"), rows);
  });

  await t.step("two versions are compared as texts", async () => {
    const numbers = [rows[0]!.revision, rows[2]!.revision].map(String);
    const expected = [
      `--- first, version ${numbers[0]}`,
      `+++ second, version ${numbers[1]}`,
      "@@ -1,2 +1,2 @@",
      " one",
      "-two",
      "+2",
    ].join("\n");
    assertEquals((await ok(world, "versions", "a/second", "--diff", ...numbers)).trim(), expected);
    assertEquals((await ok(world, "versions", "--diff", numbers[0]!, "a/second")).trim(), expected);
  });

  await t.step("a table has a row for each version", async () => {
    const lines = (await ok(world, "versions", "a/second")).trimEnd().split("\n");
    assertEquals(lines.length, 4);
    assert(/^VERSION +WHEN +WHO +SIZE +WHAT$/.test(lines[0]!), lines[0]);
    assert(
      /^ +\d+ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}ann@\S+ +8 B {2}created \(as first\)$/.test(lines[1]!),
      lines[1],
    );
    assertStringIncludes(lines[2]!, "renamed from first to second");
    assertStringIncludes(lines[3]!, "modified, now");
  });

  await t.step("a deleted directory is undeleted with all that it held", async () => {
    assertStringIncludes(await ok(world, "restore", "a/dir"), "3 changes");
    await pass(world, "a");
    assertEquals(Deno.readTextFileSync(`${a}/dir/below/x`), "x");
    const again = await world.run(["restore", "a/dir"]);
    assertEquals([again.code, again.stderr], [1, 'fsync: Cannot undelete "dir": it is not deleted\n']);
  });

  await t.step("an old file takes the place of a link, and nothing outside is touched (V04)", async () => {
    Deno.writeTextFileSync(world.path("outside"), "mine");
    Deno.removeSync(`${a}/second`);
    Deno.symlinkSync("../outside", `${a}/second`);
    await pass(world, "a");
    await ok(world, "restore", "a/second", "--version", String(rows[0]!.revision));
    await pass(world, "a");
    assert(Deno.lstatSync(`${a}/second`).isFile);
    assertEquals(Deno.readTextFileSync(`${a}/second`), "one\ntwo\n");
    assertEquals(Deno.readTextFileSync(world.path("outside")), "mine");
  });

  await t.step("a file that would destroy a directory is not restored, only handed out", async () => {
    await shell("rm second && mkdir second && echo in > second/it", a);
    await pass(world, "a");
    const { code, stderr } = await world.run(["restore", "a/second", "--version", String(rows[0]!.revision)]);
    assertEquals([code, stderr], [6, 'fsync: Cannot restore "second": something stands in its way\n']);
    await pass(world, "a");
    assertEquals(Deno.readTextFileSync(`${a}/second/it`), "in\n");
  });

  await t.step("what is not there, or not to be understood, is said in one line", async () => {
    const cases: [readonly string[], number, string][] = [
      [["versions", "a/never"], 1, 'Cannot show versions of "never": the server never had it'],
      [["versions", "a"], 2, "Cannot show versions of the whole folder"],
      [["versions", world.cwd], 2, "it is not in a synced folder"],
      [
        ["restore", "a/second", "--version", "99"],
        1,
        'Cannot restore version 99: "second" has no such version',
      ],
      [["restore", "a"], 2, "Cannot restore the whole folder without a time"],
      [["restore", "a", "--at", "noon"], 2, "it is no time"],
      [["restore", "../x", "--data", "server_files"], 2, 'has a ".." part'],
    ];
    for (const [args, expected, text] of cases) {
      const { code, stderr } = await world.run(args);
      assertEquals(code, expected, args.join(" ") + stderr);
      assertStringIncludes(stderr, text);
      assert(!stderr.includes("    at "), stderr);
    }
  });

  await t.step("everything comes back as it was, without a server", async () => {
    await server.stop();
    await ok(world, "restore", "--data", "server_files", "--at", "2020-01-01", "--dry-run");
    assert(world.tree("server_files").has("dir/below/x"));
    const { code } = await world.run(["versions", "a/second"]);
    assertEquals(code, 5);
  });
});

worldTest("a large version that was archived comes back, with and without a server", async (world) => {
  const server = await world.startServer();
  Deno.mkdirSync(world.path("a"));
  const contents = [0, 1, 2].map((i) => fresh(600_000 + i));
  for (const bytes of contents) {
    Deno.writeFileSync(world.path("a/f"), bytes);
    await pass(world, "a");
  }
  const rows = await versionsOf(world, "a/f");
  assertEquals((await server.stop()).code, 0);
  assertEquals((await world.run(["prune", "--data", "server_files"])).code, 0);
  // Only the newest has a file of its own now.
  assertEquals([...Deno.readDirSync(world.path("server_files/.fsync/large"))].length, 1);

  await ok(world, "restore", "server_files/f", "--version", String(rows[0]!.revision));
  assert(same(world.path("server_files/f"), contents[0]!));
  await world.startServer();
  await pass(world, "a");
  assert(same(world.path("a/f"), contents[0]!));
  await ok(world, "restore", "a/f", "--version", String(rows[1]!.revision));
  await pass(world, "a");
  assert(same(world.path("a/f"), contents[1]!));
  await ok(world, "restore", "a/f", "--version", String(rows[2]!.revision), "--to", world.path("out"));
  assert(same(world.path("out"), contents[2]!));
  await world.equal("a");
});
