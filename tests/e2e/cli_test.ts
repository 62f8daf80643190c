/** What every command promises to whoever types it, or runs it from a script. */
import { assert, assertEquals, assertLessOrEqual, assertMatch, assertStringIncludes } from "@std/assert";
import { assertQuick } from "./_quick.ts";
import { until, worldTest } from "./_world.ts";

const COMMANDS = ["server", "watch", "sync-all", "upload", "download", "status", "start", "version"];

worldTest("every command explains itself", async (world) => {
  for (const command of COMMANDS) {
    for (const args of [[command, "--help"], ["help", command]]) {
      const { code, stdout, stderr } = await world.run(args);
      assertEquals([code, stderr], [0, ""], args.join(" "));
      assertLessOrEqual(stdout.trimEnd().split("\n").length, 24, stdout);
      assertMatch(stdout, new RegExp(`^fsync ${command}: .*\n\nusage: fsync ${command}`));
      assertMatch(stdout, /\nexample:\n {2}.*fsync /);
      assert(stdout.split("\n").every((line) => line.length <= 80), stdout);
    }
  }
  const { code, stdout } = await world.run([]);
  assertEquals(code, 0);
  for (const command of COMMANDS) assertMatch(stdout, new RegExp(`[ ,]${command}[ ,\n]`));
  assertLessOrEqual(stdout.trimEnd().split("\n").length, 24);
  assertEquals((await world.run(["--help"])).stdout, stdout);
  assertEquals((await world.run(["-h"])).stdout, stdout);
});

worldTest("what is not known is a usage error with the nearest name", async (world) => {
  const cases: [string[], string][] = [
    [["sync"], "did you mean fsync sync-all?"],
    [["wach"], "did you mean fsync watch?"],
    [["stauts"], "did you mean fsync status?"],
    [["server", "--prot", "1"], "did you mean --port?"],
    [["watch", "--serer=x"], "did you mean --server?"],
    [["status", "a", "b"], "one word too many"],
    [["upload"], "something is missing"],
    [["watch", "--server"], "--server needs a value"],
    [["server", "--port", "many"], "--port takes a whole number"],
    [["sync-all", "--server", "host:99999"], "99999"],
    [["client", "uplaod"], "did you mean fsync upload?"],
  ];
  for (const [args, hint] of cases) {
    const { code, stdout, stderr } = await world.run(args);
    assertEquals([code, stdout], [2, ""], `${args.join(" ")}: ${stderr}`);
    assertStringIncludes(stderr, hint);
    assertMatch(stderr, /^fsync: [A-Z].*\n(hint: .*\n)?$/);
  }
});

worldTest("--json is one document, errors included", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeTextFileSync(world.path("a/f"), "x");
  const cases: [string[], string | undefined][] = [
    [["sync-all", "a", "--json", "--server", world.address], "ok"],
    [["sync-all", "a", "--json", "--dry-run"], "ok"],
    [["status", "a", "--json"], "ok"],
    [["upload", "a/f", "--json"], "ok"],
    [["download", "a/f", "--json"], "ok"],
    [["status", "server_files", "--json"], "ok"],
    [["version", "--json"], undefined],
    [["status", "nowhere", "--json"], "failed"],
    [["sync-all", "nowhere", "--json"], "failed"],
    [["frobnicate", "--json"], "usage"],
  ];
  for (const [args, result] of cases) {
    const { code, stdout } = await world.run(args);
    const document = JSON.parse(stdout);
    assertEquals(document.result, result, `${args.join(" ")}: ${stdout}`);
    assertEquals(code === 0, result === undefined || result === "ok");
    assertEquals(stdout.trimEnd().split("\n").length, 1);
  }
});

worldTest(
  "streams are one object a line under --json, and ready lines come first, also under --quiet",
  async (world) => {
    await world.startServer();
    const quiet = world.start("quiet", ["watch", "./a/", "--quiet", "--server", world.address]);
    await quiet.line("Watching: ");
    assertEquals(quiet.stdout, ["Watching: a"]);
    const json = world.start("json", ["watcher", "b", "--json", "--server", world.address]);
    await json.line("Watching: b");
    Deno.writeTextFileSync(world.path("a/f"), "x");
    await world.inSync("a", "b");
    assertEquals(quiet.stdout, ["Watching: a"]);
    await json.line('"downloaded"');
    for (const line of json.stdout.slice(1)) assertEquals(typeof JSON.parse(line).type, "string");
    const log = Deno.readTextFileSync(world.path("b/.fsync/log/events.jsonl")).trimEnd().split("\n");
    const event = log.map((line) => JSON.parse(line)).find(({ type }) => type === "downloaded");
    assertEquals([event.path, event.author.user], ["f", "ann"]);
    const served = Deno.readTextFileSync(`${world.serverDir}/.fsync/log/events.jsonl`);
    assertMatch(served, /"type":"uploaded","path":"f","revision":1,"bytes":1,"by":\{"user":"ann"/);
  },
);

worldTest("no colour and no progress unless a terminal wants them", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  const { stdout, stderr } = await world.syncAll("a", "--verbose");
  assert(!(stdout + stderr).includes("\x1b"));
  const status = await world.run(["status", "a"], { env: { NO_COLOR: "" } });
  assert(!status.stdout.includes("\x1b"), status.stdout);
});

worldTest("flags come from the environment too, and a server is remembered", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  const given = await world.run(["sync-all", "a"], { env: { FSYNC_SERVER: world.address } });
  assertEquals([given.code, given.stderr], [0, ""]);
  assertEquals((await world.run(["sync-all", "a"])).code, 0);
  const dry = await world.run(["client", "sync-all", "a", "--json"], { env: { FSYNC_DRY_RUN: "1" } });
  assertEquals(JSON.parse(dry.stdout), { result: "ok", steps: [], unforeseen_rules: [] });
});

worldTest("start is a server and a folder in one", async (world) => {
  const start = world.start("start", ["start", "--port", "0", "--host", "127.0.0.1"]);
  await start.line("Server listening on 127.0.0.1:");
  await start.line("Watching: client_files");
  assertMatch(start.stdout[0]!, /^Server listening on /);
  Deno.writeTextFileSync(world.path("client_files/f"), "x");
  await until("it is there", () => world.tree("server_files").has("f"));
  const { code, ms } = await start.stop("SIGINT");
  assertEquals(code, 0);
  await assertQuick(world, ms, 2000, "its end");
});

worldTest("users are named by the login, or by the user database", async (world) => {
  const env = { USER: "", LOGNAME: "" };
  await world.startServer({ env });
  Deno.mkdirSync(world.path("a"));
  assertEquals((await world.syncAll("a")).code, 0);
  const line = await world.server.line("Connected: ");
  const id = new TextDecoder().decode(new Deno.Command("id", { args: ["-un"] }).outputSync().stdout).trim();
  assertStringIncludes(line, `Connected: ${id}@`);
});

worldTest("the first five minutes of the README", async (world) => {
  const server = world.start("server", ["server"], { env: { FSYNC_PORT: "0" } });
  const ready = await server.line("Server listening on 0.0.0.0:");
  const env = { FSYNC_SERVER: `localhost:${ready.slice(ready.lastIndexOf(":") + 1)}` };
  for (const name of ["ann", "ben"]) {
    await world.start(name, ["watch", `./${name}`], { env }).line(`Watching: ${name}`);
  }
  Deno.writeTextFileSync(world.path("ann/note.txt"), "hello\n");
  await world.equal("ann", "ben");
  assertEquals(Deno.readTextFileSync(world.path("ben/note.txt")), "hello\n");
  Deno.renameSync(world.path("ben/note.txt"), world.path("ben/letter.txt"));
  assertEquals([...(await world.inSync("ann", "ben")).keys()], ["letter.txt"]);
  const status = await world.run(["status", "./ann"]);
  assertEquals(status.code, 0);
  assertMatch(status.stdout, /^in sync: 1 file, localhost:/);
});
