/** Under a service manager and under cron: no terminal, a small environment, a word when ready, an end in time. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertQuick } from "./_quick.ts";
import { NotifySocket } from "../fakes/notify_socket.ts";
import { programLine } from "./_program.ts";
import { until, type World, worldTest } from "./_world.ts";

/** Where the manager listens: a file, or a name in no file system. */
const SOCKETS: { name: string; at: (world: World) => string }[] = [
  { name: "a path", at: (world) => world.path("notify.sock") },
  { name: "an abstract name", at: () => `@fsync-e2e-${crypto.randomUUID()}` },
];

for (const { name, at } of SOCKETS) {
  worldTest(`a watcher tells its service manager, at ${name}, how it is`, async (world) => {
    await world.startServer();
    Deno.mkdirSync(world.path("docs"));
    const socket = at(world);
    using manager = new NotifySocket(socket);
    const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "200000" };
    const watch = world.start("docs", ["watch", "docs", "--server", world.address], { env });
    const ready = await manager.until("READY=1");
    assertStringIncludes(ready, `STATUS=watching ${world.path("docs")}`);
    await watch.line("Watching: docs");
    await manager.until("STATUS=in sync");
    const before = manager.receive().filter((text) => text === "WATCHDOG=1").length;
    await until(
      "the watchdog is fed",
      () => manager.receive().filter((text) => text === "WATCHDOG=1").length >= before + 2,
    );
    await world.server.stop();
    await manager.until("STATUS=unreachable: ");
    const { code, ms } = await watch.stop("SIGTERM");
    assertEquals([code, watch.stderr.filter((line) => line.includes("bug"))], [0, []]);
    await assertQuick(world, ms, 2000, "its end");
    assertStringIncludes(manager.receive().at(-1)!, "STOPPING=1");
  });
}

worldTest("a server tells its service manager that it listens, and stops in time", async (world) => {
  const socket = world.path("notify.sock");
  using manager = new NotifySocket(socket);
  const server = await world.startServer({ env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "200000" } });
  assertStringIncludes(await manager.until("READY=1"), `STATUS=listening on 127.0.0.1:${world.port}`);
  await manager.until("WATCHDOG=1");
  await world.startWatch("docs");
  Deno.writeTextFileSync(world.path("docs/a"), "a");
  await world.inSync("docs");
  // A real manager reads at once; its queue holds ten messages.
  manager.receive();
  const { code, ms } = await server.stop("SIGTERM");
  assertEquals(code, 0);
  await assertQuick(world, ms, 2000, "its end");
  await manager.until("STOPPING=1");
});

worldTest("what a manager is told comes from the process it started", async (world) => {
  // Without a socket, or with one that nobody listens on, all is as ever.
  await world.startServer({ env: { NOTIFY_SOCKET: world.path("nobody"), WATCHDOG_USEC: "200000" } });
  Deno.mkdirSync(world.path("docs"));
  assertEquals((await world.syncAll("docs")).code, 0);
  assertEquals((await world.server.stop()).code, 0);
});

/** A line as cron runs it: by sh, in the user's home, with next to nothing in the environment, and no terminal. */
async function underCron(
  world: World,
  line: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const kept = ["DENO_DIR", "FSYNC_STATE_DIR", "LD_LIBRARY_PATH"].flatMap((name) => {
    const value = world.env[name] ?? Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  // Where the sources run, Deno looks for its cache below the real home.
  const cache = world.env.DENO_DIR ?? `${Deno.env.get("HOME")}/.cache/deno`;
  const { code, stdout, stderr } = await new Deno.Command("setsid", {
    args: ["-w", "/bin/sh", "-c", line],
    cwd: world.path("home"),
    clearEnv: true,
    env: {
      DENO_DIR: cache,
      ...Object.fromEntries(kept),
      HOME: world.path("home"),
      LOGNAME: "ann",
      PATH: "/usr/bin:/bin",
      SHELL: "/bin/sh",
    },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

worldTest("sync-all under cron works in silence, and says what is wrong in one line", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("home/my docs"), { recursive: true });
  Deno.writeTextFileSync(world.path("home/my docs/größe.txt"), "x");
  const [file, words] = programLine(["sync-all", world.path("home/my docs"), "--server", world.address]);
  const line = [file, ...words].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const silent = { code: 0, stdout: "", stderr: "" };
  assertEquals(await underCron(world, line), silent);
  await until("the server's tree follows", () => world.tree("server_files").has("größe.txt"));
  assertEquals(await underCron(world, line), silent);
  const watch = world.start("watch", ["watch", world.path("home/my docs")]);
  await watch.line("Watching: ");
  assertEquals(await underCron(world, line), silent);
  await watch.stop();
  await world.server.stop();
  const { code, stdout, stderr } = await underCron(world, line);
  assertEquals([code, stdout], [5, ""]);
  assertEquals(stderr.trimEnd().split("\n").filter((text) => !text.startsWith("hint: ")).length, 1, stderr);
});
