/** What a careless person, a broken machine or a stranger does to the program. */
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
} from "@std/assert";
import { decode, encode } from "../../protocol/codec.ts";
import { readTree } from "./_tree.ts";
import {
  fresh,
  onSmallDisk,
  unprivileged,
  until,
  type World,
  World as OtherWorld,
  worldTest,
} from "./_world.ts";
import type { Result } from "./_program.ts";

/** An error as all commands tell it: what, about which thing, why; then at most a hint. No stack, no bug. */
function assertTold(result: Result, code: number, text: string | RegExp): void {
  assertEquals(result.code, code, result.stderr);
  assertMatch(result.stderr, /^fsync: [A-Z].*\n(hint: .*\n)?$/);
  assertMatch(result.stderr, typeof text === "string" ? new RegExp(RegExp.escape(text)) : text);
  assertNotMatch(result.stderr, /bug|Uncaught| at file:/);
}

worldTest("a server that cannot start says why", async (world) => {
  await world.startServer();
  const port = String(world.port);
  const taken = await world.run(["server", "other_files", "--host", "127.0.0.1", "--port", port]);
  assertTold(taken, 1, "the port is in use");
  assertTold(await world.run(["server", "server_files", "--port", "0"]), 9, "a running server holds it");
  assertTold(await world.run(["server", "x", "--port", "99999"]), 2, "--port takes a whole number");
  Deno.writeTextFileSync(world.path("file"), "");
  assertTold(await world.run(["server", "file", "--port", "0"]), 1, "it is not a directory");
  const wrapper = unprivileged();
  if (wrapper === null) return console.log("not tried: privileges cannot be dropped here");
  Deno.mkdirSync(world.path("locked"), { mode: 0o555 });
  const denied = await world.run(["server", "locked", "--host", "127.0.0.1", "--port", "0"], { wrapper });
  assertTold(denied, 1, "permission denied");
  const below = await world.run(["server", "locked/below", "--port", "0"], { wrapper });
  assertTold(below, 1, "permission denied");
});

worldTest("a folder without permission is an error, not an empty folder", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a/sub"), { recursive: true });
  for (let i = 0; i < 5; i++) Deno.writeTextFileSync(world.path(`a/sub/f${i}`), "x");
  assertEquals((await world.syncAll("a")).code, 0);
  const wrapper = unprivileged();
  if (wrapper === null) return console.log("not tried: privileges cannot be dropped here");
  const before = world.tree("server_files");
  Deno.chmodSync(world.path("a/sub"), 0);
  const part = await world.run(["sync-all", "a"], { wrapper });
  assertEquals(part.code, 6, part.stderr);
  assertStringIncludes(part.stderr, "sub");
  Deno.chmodSync(world.path("a/sub"), 0o755);
  Deno.chmodSync(world.path("a"), 0);
  assertTold(await world.run(["sync-all", "a"], { wrapper }), 1, "permission denied");
  assertTold(await world.run(["watch", "a"], { wrapper }), 1, "permission denied");
  Deno.chmodSync(world.path("a"), 0o755);
  assertEquals((await world.syncAll("a")).code, 0);
  assertEquals(new Set(world.tree("server_files").keys()), new Set(before.keys()));
});

worldTest("something else answers on the server's port", async (world, t) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeTextFileSync(world.path("a/f"), "x");
  assertEquals((await world.syncAll("a")).code, 0);
  await world.server.stop();

  await t.step("an HTTP server", async () => {
    const http = Deno.serve(
      { hostname: "127.0.0.1", port: world.port, onListen: () => {} },
      () => new Response("hi"),
    );
    assertTold(await world.syncAll("a"), 5, "does not speak TLS");
    await http.shutdown();
  });

  await t.step("an fsync server with another identity gets no token", async () => {
    await using other = new OtherWorld();
    const flags = ["--host", "127.0.0.1", "--port", String(world.port)];
    const impostor = other.start("impostor", ["server", "server_files", ...flags]);
    await impostor.line("Server listening on ");
    assertTold(await world.syncAll("a"), 4, "certificate is not the pinned one");
    const watch = await world.run(["watch", "a"]);
    assertEquals([watch.code, watch.stdout], [4, "Watching: a\n"]);
    await impostor.stop();
    assertNotMatch(impostor.stdout.join("\n"), /Connected|Refused|Joined/);
  });

  await t.step("an fsync server without TLS gets no token either", async () => {
    await using other = new OtherWorld();
    const flags = ["--no-tls", "--host", "127.0.0.1", "--port", String(world.port)];
    const impostor = other.start("impostor", ["server", "server_files", ...flags]);
    await impostor.line("Server listening on ");
    assertEquals((await world.syncAll("a")).code, 5);
    await impostor.stop();
    assertNotMatch(impostor.stdout.join("\n"), /Connected|Refused|Joined/);
  });

  await t.step("a server made anew deletes nothing", async () => {
    Deno.removeSync(world.path("server_files"), { recursive: true });
    await world.startServer();
    const held = await world.syncAll("a");
    assertEquals(held.code, 8, held.stderr);
    assertStringIncludes(held.stderr, "--accept-server");
    assertEquals(Deno.readTextFileSync(world.path("a/f")), "x");
    assertEquals((await world.syncAll("a", "--accept-server")).code, 0);
    await world.equal("a");
  });
});

worldTest("strangers and garbage on the port leave the server as it was", async (world) => {
  await world.startServer();
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: world.port });
  const pieces: Uint8Array<ArrayBuffer>[] = [
    new Uint8Array([0, 0, 0, 0]),
    new Uint8Array([0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
    new Uint8Array([0, 0, 0, 9, 1]),
    new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    ...Array.from({ length: 40 }, (_, i) => fresh(1 + 97 * i)),
  ];
  for (const bytes of pieces) {
    using conn = await connect();
    await conn.write(bytes);
  }
  // Some that say nothing and stay.
  const silent = await Promise.all(Array.from({ length: 50 }, connect));
  Deno.mkdirSync(world.path("a"));
  Deno.writeTextFileSync(world.path("a/f"), "x");
  assertEquals((await world.syncAll("a")).code, 0);
  for (const conn of silent) conn.close();
  assertEquals(world.server.stderr, []);
}, { server: ["--no-tls"] });

worldTest("a client of another protocol version is told so", async (world) => {
  await world.startServer();
  const answer = await askServer(
    world,
    encode(
      {
        id: 0,
        message: {
          type: "hello",
          versions: [99],
          software: "fsync 99",
          folder: "",
          replica: "0".repeat(32),
          device: "0".repeat(32),
          token: new Uint8Array(32),
          clock: Date.now(),
        },
      } as Parameters<typeof encode>[0],
    ),
  );
  assert(answer.type === "error" && answer.code === "version", JSON.stringify(answer));
  assertStringIncludes(answer.message, "version");
}, { server: ["--no-tls"] });

async function askServer(world: World, frame: Uint8Array) {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: world.port });
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, frame.length);
  await conn.write(new Uint8Array([...head, ...frame]));
  const bytes = new Uint8Array(4096);
  let size = 0;
  for (let n; (n = await conn.read(bytes.subarray(size))) !== null;) size += n;
  return decode(bytes.slice(4, size)).message;
}

worldTest("a folder that is moved away, or another in its place, deletes nothing", async (world, t) => {
  await world.startServer();
  const started = await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
  for (let i = 0; i < 30; i++) Deno.writeTextFileSync(world.path(`a/f${i}`), `${i}`);
  const before = await world.inSync("a", "b");

  await t.step("moved away while it is watched", async () => {
    Deno.renameSync(world.path("a"), world.path("away"));
    Deno.mkdirSync(world.path("a"));
    assertEquals(await started[0]!.exited, 8);
    assertMatch(started[0]!.stderr.join("\n"), /Cannot sync ".*a"/);
  });

  await t.step("an empty folder in its place is a new folder", async () => {
    assertEquals((await world.syncAll("a")).code, 0);
    assertEquals(await world.equal("a", "b"), before);
  });

  await t.step("emptied at once", async () => {
    for (const { name } of Deno.readDirSync(world.path("b"))) {
      if (name !== ".fsync") Deno.removeSync(world.path(`b/${name}`));
    }
    await started[1]!.line("Held: 30 of 30");
    const status = await world.run(["status", "b"]);
    assertEquals(status.code, 8);
    assertStringIncludes(status.stdout, "--approve-deletes");
    assertEquals(world.tree("server_files"), before);
  });
});

worldTest("the disk of a folder is full", async (world) => {
  const small = onSmallDisk(world.path("b"), 4);
  if (small === null) return console.log("not tried: no disk can be mounted here");
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeFileSync(world.path("a/big"), fresh(10_000_000));
  for (const name of ["x", "y", "z"]) Deno.writeTextFileSync(world.path(`a/${name}`), name);
  assertEquals((await world.syncAll("a")).code, 0);
  const watch = await world.startWatch("b", { wrapper: small });
  const inside = `/proc/${watch.pid}/root${world.path("b")}`;
  await watch.line(/Problem: .*big.*no space/);
  await until("the small ones are there", () => readTree(inside).size === 3);
  Deno.writeTextFileSync(world.path("a/x"), "changed");
  Deno.removeSync(world.path("a/big"));
  assertEquals((await world.syncAll("a")).code, 0);
  await until("all is well again", () => Deno.readTextFileSync(`${inside}/x`) === "changed");
  assertEquals(readTree(inside), world.tree("a"));
  assertEquals((await watch.stop()).code, 0);
});

worldTest(
  "the disk of a folder is full to the last byte, so that its state cannot be written",
  async (world) => {
    const small = onSmallDisk(world.path("b"), 4);
    if (small === null) return console.log("not tried: no disk can be mounted here");
    await world.startServer();
    for (const name of ["x", "y", "z"]) Deno.mkdirSync(world.path(`a/${name}`), { recursive: true });
    assertEquals((await world.syncAll("a")).code, 0);
    const watch = await world.startWatch("b", { wrapper: small });
    const inside = `/proc/${watch.pid}/root${world.path("b")}`;
    await until("all is there", () => readTree(inside).size === 3);
    fill(`${inside}/.fsync/filler`);
    // More than what is left in the files of the state.
    for (let i = 0; i < 300; i++) Deno.mkdirSync(world.path(`a/x/${i}-${"n".repeat(200)}`));
    assertEquals((await world.syncAll("a")).code, 0);
    const told = await watch.line("Stuck: ");
    assertMatch(
      told,
      /^Stuck: Cannot write the state ".+": .*full; it goes on by itself .* \(make room on the device\)$/,
    );
    const status = await world.run(["status", "b"], { wrapper: besides(watch.pid) });
    assertEquals(status.code, 10, status.stderr);
    assertMatch(status.stdout, /^stuck: .*\n(.*\n)* {2}Cannot write the state .*\n(.*\n)*.*nothing is lost/);
    assertStringIncludes(status.stdout, "hint: make room on the device");
    const tries = () => world.server.count("Connected: ann");
    const before = tries();
    // Before, it tried every five seconds or less.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    assertEquals([watch.count("Connected as"), tries() - before], [1, 0]);
    Deno.removeSync(`${inside}/.fsync/filler`);
    await until("all is well again", () => readTree(inside).size === 303);
    assertEquals(readTree(inside), world.tree("a"));
    await until("it says so", () => watch.count("Connected as") === 2);
    assertEquals([...watch.stdout, ...watch.stderr].filter((line) => line.startsWith("Stuck")).length, 1);
    assertEquals((await watch.stop()).code, 0);
  },
);

worldTest("the disk of the server is full", async (world) => {
  const small = onSmallDisk(world.serverDir, 8);
  if (small === null) return console.log("not tried: no disk can be mounted here");
  for (const name of ["a", "b"]) Deno.mkdirSync(world.path(name));
  const server = await world.startServer({ wrapper: small });
  const inside = `/proc/${server.pid}/root${world.serverDir}`;
  Deno.writeTextFileSync(world.path("a/small"), "small");
  assertEquals((await world.syncAll("a")).code, 0);
  Deno.writeFileSync(world.path("a/big"), fresh(20_000_000));
  const full = await world.syncAll("a");
  assert(full.code === 10 || full.code === 6, `${full.code} ${full.stderr}`);
  assertStringIncludes(full.stderr, "space");
  assertEquals((await world.syncAll("b")).code, 0);
  assertEquals(Deno.readTextFileSync(world.path("b/small")), "small");
  Deno.removeSync(world.path("a/big"));
  Deno.writeTextFileSync(world.path("a/after"), "after");
  assertEquals((await world.syncAll("a")).code, 0);
  await until("the server's tree follows", () => readTree(inside).has("after"));
  assertEquals(readTree(inside), world.tree("a"));

  // Now to the last byte, so that not even what was renamed by hand can be noted.
  fill(`${inside}/.fsync/filler`);
  Deno.renameSync(`${inside}/after`, `${inside}/later`);
  Deno.writeTextFileSync(world.path("a/more"), "more");
  assertEquals((await world.syncAll("a")).code, 10);
  Deno.removeSync(`${inside}/.fsync/filler`);
  await until("there is room again", async () => (await world.syncAll("a")).code === 0);
  await until("both sides meet", async () => {
    assertEquals((await world.syncAll("a")).code, 0);
    return readTree(inside).has("more") && world.tree("a").has("later");
  });
  assertEquals(readTree(inside), world.tree("a"));
  assertGreater(server.stdout.length, 1);
  assertEquals((await server.stop()).code, 0);
});

/** To run a command where the process `pid` sees its disks. */
function besides(pid: number): readonly string[] {
  const own = Deno.uid() === 0 ? [] : ["-U", "--preserve-credentials"];
  return ["nsenter", "-t", String(pid), "-m", ...own, `--wd=${Deno.realPathSync(`/proc/${pid}/cwd`)}`];
}

function fill(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  for (let size = 65_536; size >= 1; size /= 16) {
    try {
      for (;;) file.writeSync(new Uint8Array(size));
    } catch (error) {
      if (!(error instanceof Error && error.message.includes("No space"))) throw error;
    }
  }
}
