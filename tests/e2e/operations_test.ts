/** What operators look at: metrics, health, logs, their levels and their rotation. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { until, worldTest } from "./_world.ts";

worldTest("watch tells numbers and health on loopback", async (world) => {
  await world.startServer();
  const watch = world.start("watch", [
    "watch",
    "a",
    "--server",
    world.address,
    "--metrics",
    "0",
    "--verbose",
  ]);
  const line = await watch.line("Metrics on http://");
  const base = /http:\/\/127\.0\.0\.1:\d+/.exec(line)![0];
  const get = async (path: string) => {
    const response = await fetch(base + path);
    return { status: response.status, text: await response.text() };
  };
  Deno.writeTextFileSync(world.path("a/file"), "text");
  await until("the file is counted", async () => {
    const { text } = await get("/metrics");
    return text.includes('fsync_files{folder="a"} 1') && text.includes('fsync_in_sync{folder="a"} 1');
  });
  assertEquals(await get("/healthz"), { status: 200, text: "ok\n" });
  assertEquals((await get("/readyz")).status, 200);
  assertEquals((await get("/")).status, 404);
  await world.server.stop();
  await until("it is no longer ready", async () => (await get("/readyz")).status === 503);
  assertEquals(
    (await get("/healthz")).status,
    200,
    "a server that is away is no reason to restart the client",
  );
  assertEquals((await watch.stop()).code, 0);
});

worldTest(
  "the level says what the terminal shows, the log keeps everything, in files of a bounded size",
  async (world) => {
    await world.startServer();
    const flags = ["--log-level", "warn", "--log-size", "4K", "--log-keep", "2"];
    const watch = world.start("watch", ["watch", "a", "--server", world.address, ...flags]);
    await watch.line("Watching: ");
    for (let n = 0; n < 400; n++) {
      Deno.writeTextFileSync(world.path(`a/file${n}`), `text ${n}`);
      if (n % 40 === 39) await world.equal("a");
    }
    await watch.stop();
    assertEquals(watch.stdout, ["Watching: a"]);
    const logs = [...Deno.readDirSync(world.path("a/.fsync/log"))].map(({ name }) => name).sort();
    assertEquals(logs, ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]);
    for (const name of logs) assert(Deno.statSync(world.path(`a/.fsync/log/${name}`)).size < 8192, name);
    const { stdout } = await world.run(["log", "--dir", "a", "--json"]);
    const records = stdout.trim().split("\n").map((line) =>
      JSON.parse(line) as { type: string; level: string }
    );
    assert(records.length > 20 && records.length < 400, `${records.length} lines`);
    for (const { type, level } of records) {
      assertEquals(
        level,
        type === "disconnected" ? "warn" : "info",
        type,
      );
    }
  },
);

worldTest("a trace tells of its areas and holds no content", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeTextFileSync(world.path("a/file"), "the-secret-text");
  const { code, stderr } = await world.syncAll("a", "--debug", "link,push");
  assertEquals(code, 0);
  assertStringIncludes(stderr, " link: ");
  assertStringIncludes(stderr, " push: ");
  assert(!stderr.includes(" plan: ") && !stderr.includes("the-secret-text"), stderr);
  const wrong = await world.syncAll("a", "--debug", "plans");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.stderr, "areas: ");
});
