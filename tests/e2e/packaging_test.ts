/**
 * The self-extracting file with a real runtime: the Deno that runs this test, so that nothing is fetched. What its shell
 * part does in odd places is tried in `scripts/compile/stub_test.ts`.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertQuick } from "./_quick.ts";
import { fromFileUrl } from "@std/path";
import { ownTarget } from "../../scripts/compile/targets.ts";
import { type World, worldTest } from "./_world.ts";

const SCRIPT = fromFileUrl(new URL("../../scripts/compile.ts", import.meta.url));
const TARGET = ownTarget();
/** Longest that a unit may take to stop, ms. */
const STOP_MS_MAX = 2_000;

async function build(world: World): Promise<string> {
  const how = [
    "--target",
    TARGET!.name,
    "--runtime",
    Deno.execPath(),
    "--fast",
    "--outdir",
    world.path("dist"),
  ];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", SCRIPT, ...how],
    stdout: "null",
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return world.path(`dist/fsync-${TARGET!.name}`);
}

worldTest("the built file alone is the program", async (world, t) => {
  assert(TARGET !== null, "there is no built file for this machine");
  const program = await build(world);
  const cache = world.path("cache");
  // As cron starts it: no terminal, no language, a short path.
  const cron = [`HOME=${world.path("home")}`, `XDG_CACHE_HOME=${cache}`, "PATH=/usr/bin:/bin"];
  const clean = { program, wrapper: ["env", "-i", ...cron] };

  await t.step("its checksum is beside it", async () => {
    const check = new Deno.Command("sha256sum", { args: ["-c", "SHA256SUMS"], cwd: world.path("dist") });
    assert((await check.output()).success);
  });

  await t.step("twenty first starts at once all work, and unpack once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => world.run(["version", "--json"], clean)),
    );
    for (const { code, stdout, stderr } of answers) {
      assertEquals([code, stderr], [0, ""]);
      const { built, executable, deno, target, commit } = JSON.parse(stdout);
      assertEquals([built, executable, deno, target], [
        "self-extracting",
        program,
        Deno.version.deno,
        TARGET.name,
      ]);
      assertMatch(commit, /^([0-9a-f]{12}(-dirty)?|unknown)$/);
    }
    assertEquals([...Deno.readDirSync(`${cache}/fsync`)].length, 2, "the version and the lock");
  });

  await t.step("from the sources it says so", async () => {
    if (Deno.env.get("FSYNC_BIN")) return;
    const { built, executable, commit } = JSON.parse((await world.run(["version", "--json"])).stdout);
    assertEquals([built, executable], ["sources", null]);
    assertMatch(commit, /^([0-9a-f]{12}|unknown)$/);
  });

  await t.step("help and wrong words answer as from the sources", async () => {
    for (const args of [["help", "sync-all"], ["a\nb", "c d"]]) {
      const [built, sources] = [await world.run(args, clean), await world.run(args)];
      assertEquals([built.code, built.stdout, built.stderr], [sources.code, sources.stdout, sources.stderr]);
    }
  });

  await t.step("under cron a server and two folders come together, in silence", async () => {
    const server = await world.startServer(clean);
    const sync = (name: string) => world.run(["sync-all", name, "--server", world.address], clean);
    Deno.mkdirSync(world.path("a"));
    Deno.mkdirSync(world.path("b"));
    Deno.writeTextFileSync(world.path("a/one two"), "hello");
    for (const name of ["a", "b"]) {
      const { code, stdout, stderr } = await sync(name);
      assertEquals([code, stdout, stderr], [0, "", ""]);
    }
    assertEquals(Deno.readTextFileSync(world.path("b/one two")), "hello");

    const watch = await world.startWatch("b", clean);
    Deno.writeTextFileSync(world.path("b/three"), "more");
    await watch.line("File uploaded: three");
    for (const program of [watch, server]) {
      const { code, ms } = await program.stop("SIGTERM");
      assertEquals(code, 0);
      await assertQuick(world, ms, STOP_MS_MAX, `the end of ${program.name}`);
    }
  });

  await t.step("a runtime that was cut off is unpacked anew", async () => {
    const versions = [...Deno.readDirSync(`${cache}/fsync`)].filter(({ isDirectory }) => isDirectory);
    const runtime = `${cache}/fsync/${versions[0]!.name}/fsync`;
    const { size } = Deno.statSync(runtime);
    Deno.chmodSync(runtime, 0o700);
    Deno.truncateSync(runtime, size / 2);
    const { code, stdout, stderr } = await world.run(["version"], clean);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /self-extracting/);
    assertEquals(Deno.statSync(runtime).size, size);
  });
});
