/** The configuration file and the bounds of the line, on the real program. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type World, worldTest } from "./_world.ts";

function writeSettings(world: World, text: string): void {
  Deno.mkdirSync(world.path("state"), { recursive: true });
  Deno.writeTextFileSync(world.path("state/config.toml"), text);
}

/** Bytes that no compression makes smaller. */
function random(bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(whole.subarray(at, at + 65536));
  return whole;
}

worldTest("the rate of the file holds, and SIGHUP takes up another one", async (world) => {
  writeSettings(world, `[watch]\nlimit-up = "200K"\n`);
  await world.startServer();
  const watch = await world.startWatch("a");
  const began = performance.now();
  Deno.writeFileSync(world.path("a/slow"), random(600 * 1024));
  await world.equal("a");
  const slow = performance.now() - began;
  assert(slow > 2500, `600 KiB at 200 KiB/s took only ${slow} ms`);

  writeSettings(world, `[watch]\nlimit-up = 17\n`);
  watch.signal("SIGHUP");
  assertStringIncludes(await watch.line("limit-up is not"), "the settings stay as they were");
  writeSettings(world, `[watch]\nlimit-up = "none"\n`);
  watch.signal("SIGHUP");
  await watch.line("Settings read again");
  const again = performance.now();
  Deno.writeFileSync(world.path("a/fast"), random(4 * 1024 * 1024));
  await world.equal("a");
  const fast = performance.now() - again;
  assert(fast < 18_000, `4 MiB without a bound took ${fast} ms; with the first bound it were 20 s`);
});

worldTest(
  "a flag goes before the environment, that before the file, and a wrong file is told",
  async (world) => {
    const value = async (env: { [name: string]: string } = {}) => {
      const { code, stdout } = await world.run(["config", "--json", "--command", "server"], { env });
      assertEquals(code, 0);
      const { settings } = JSON.parse(stdout) as {
        settings: { setting: string; value: string; from: string }[];
      };
      return settings.find(({ setting }) => setting === "port")!;
    };
    assertEquals(
      await value(),
      { command: "server", setting: "port", value: "65432", from: "default" } as unknown,
    );
    writeSettings(world, "[server]\nport = 7000\n");
    const inFile = await value();
    assertEquals(inFile.value, "7000");
    assertStringIncludes(inFile.from, "config.toml [server]");
    assertEquals((await value({ FSYNC_PORT: "7001" })).from, "environment FSYNC_PORT");
    // The flag of startServer goes before the file.
    await world.startServer();
    assert(world.port !== 7000);

    writeSettings(world, "[server]\nprot = 7000\n");
    const wrong = await world.syncAll("a");
    assertEquals(wrong.code, 3);
    assertStringIncludes(wrong.stderr, 'has no setting "prot"');
    assertStringIncludes(wrong.stderr, "did you mean port?");
    const help = await world.run(["watch", "--help"]);
    assertEquals(help.code, 0);
  },
);

worldTest("config init writes a file that says everything and sets nothing", async (world) => {
  const first = await world.run(["config", "init"]);
  assertEquals([first.code, first.stderr], [0, ""]);
  const again = await world.run(["config", "init"]);
  assertEquals(again.code, 1);
  assertStringIncludes(again.stderr, "there is one already");
  const { code, stdout } = await world.run(["config"]);
  assertEquals(code, 0);
  assertEquals(stdout.split("\n").filter((line) => line.includes("config.toml")), []);
});
