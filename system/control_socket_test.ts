import { assertEquals, assertInstanceOf, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import {
  askControl,
  askFolder,
  ControlError,
  type ControlHandler,
  controlSocketPath,
  serveControl,
} from "./control_socket.ts";

Deno.test("a request gets its answer, again and again, also many at once", async () => {
  await using control = await serving((request) => ({ echo: request }));
  assertEquals(await askControl(control.path, { ask: "status", n: 1 }), { echo: { ask: "status", n: 1 } });
  const many = Array.from({ length: 60 }, (_, n) => askControl(control.path, n));
  assertEquals(await Promise.all(many), Array.from({ length: 60 }, (_, n) => ({ echo: n })));
});

Deno.test("a handler may take its time, answer nothing, or answer much", async () => {
  const big = "ü".repeat(1_000_000);
  await using control = await serving(async (request) => {
    await Promise.resolve();
    return request === "big" ? big : undefined;
  });
  assertEquals(await askControl(control.path, "nothing"), null);
  assertEquals(await askControl(control.path, "big"), big);
});

Deno.test("what a handler throws is the asker's error", async () => {
  await using control = await serving((request) => {
    throw new Error(`Cannot do ${request}`);
  });
  const error = await assertControlError("refused", askControl(control.path, "that"));
  assertEquals(error.message, "Cannot do that");
});

Deno.test("nobody listening is not running", async () => {
  using dir = tempDir();
  await assertControlError("not_running", askControl(`${dir.path}/none.sock`, 1));
});

Deno.test("an answer that does not come is a timeout", async () => {
  await using control = await serving(() => new Promise(() => {}));
  await assertControlError("timeout", askControl(control.path, 1, 20));
});

Deno.test("a request that is too long or no JSON is refused, and the next one is served", async () => {
  await using control = await serving((request) => request);
  await assertControlError("broken", askControl(control.path, "x".repeat(70_000)));
  const conn = await Deno.connect({ transport: "unix", path: control.path });
  await conn.write(new TextEncoder().encode("no json\n"));
  const buffer = new Uint8Array(1000);
  const count = await conn.read(buffer);
  assertMatch(new TextDecoder().decode(buffer.subarray(0, count!)), /^\{"error":".*"\}\n$/);
  conn.close();
  assertEquals(await askControl(control.path, 1), 1);
});

Deno.test("only the user can reach the socket, and closing removes it", async () => {
  const control = await serving((request) => request);
  const { mode, isSocket } = Deno.lstatSync(control.path);
  assertEquals([isSocket, mode! & 0o777], [true, 0o600]);
  control.server.close();
  await assertRejects(() => Deno.lstat(control.path), Deno.errors.NotFound);
  await control[Symbol.asyncDispose]();
});

Deno.test("the socket of a killed process is replaced, that of a living one is not", async () => {
  using dir = tempDir();
  const path = `${dir.path}/a.sock`;
  leaveStaleSocket(path);
  assertEquals(Deno.lstatSync(path).isSocket, true);
  const living = await serveControl(path, () => "living");
  await assertControlError("in_use", serveControl(path, () => "second"));
  assertEquals(await askControl(path, 1), "living");
  living.close();
});

Deno.test("a file that is no socket is left alone", async () => {
  using dir = tempDir();
  const path = `${dir.path}/a.sock`;
  Deno.writeTextFileSync(path, "mine");
  await assertControlError("in_use", serveControl(path, () => 1));
  assertEquals(Deno.readTextFileSync(path), "mine");
});

Deno.test("closing leaves a socket alone that somebody else has put there", async () => {
  using dir = tempDir();
  const path = `${dir.path}/a.sock`;
  const first = await serveControl(path, () => "first");
  Deno.removeSync(path);
  const second = await serveControl(path, () => "second");
  first.close();
  assertEquals(await askControl(path, 1), "second");
  second.close();
});

Deno.test("a directory with a long name is no hindrance", async () => {
  using dir = tempDir();
  const path = `${dir.path}/${"long".repeat(40)}/a.sock`;
  const server = await serveControl(path, (request) => request);
  assertEquals(await askControl(path, "hello"), "hello");
  server.close();
});

Deno.test("a folder has one socket, by whatever path it is named", () => {
  using dir = tempDir();
  Deno.mkdirSync(`${dir.path}/a`);
  Deno.mkdirSync(`${dir.path}/b`);
  Deno.symlinkSync("a", `${dir.path}/link`);
  const path = controlSocketPath(`${dir.path}/a`, "/run/x");
  assertMatch(path, /^\/run\/x\/[0-9a-f]{32}\.sock$/);
  assertEquals(controlSocketPath(`${dir.path}/link/../link`, "/run/x"), path);
  assertNotEquals(controlSocketPath(`${dir.path}/b`, "/run/x"), path);
});

Deno.test("whoever works on a folder is found where it listens", async () => {
  using dir = tempDir();
  Deno.mkdirSync(`${dir.path}/docs`);
  const dirs = ["a", "b", "c"].map((name) => `${dir.path}/${name}`);
  const ask = () => askFolder(`${dir.path}/docs`, "who?", 1000, dirs);
  const error = await assertRejects(ask, ControlError);
  assertEquals(error.code, "not_running");
  const server = await serveControl(controlSocketPath(`${dir.path}/docs`, dirs[1]), () => "b");
  Deno.mkdirSync(dirs[0]!);
  leaveStaleSocket(controlSocketPath(`${dir.path}/docs`, dirs[0]));
  assertEquals(await ask(), "b");
  server.close();
});

/** Deno removes the path that a listener was bound to; a killed process does not. */
function leaveStaleSocket(path: string): void {
  using _listener = Deno.listen({ transport: "unix", path: `${path}.bound` });
  Deno.renameSync(`${path}.bound`, path);
}

async function serving(handler: ControlHandler) {
  const dir = tempDir();
  const path = `${dir.path}/run/control.sock`;
  const server = await serveControl(path, handler);
  return {
    path,
    server,
    [Symbol.asyncDispose]: () => {
      server.close();
      dir[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

function tempDir() {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

async function assertControlError(
  code: ControlError["code"],
  promise: Promise<unknown>,
): Promise<ControlError> {
  const error = await promise.then(() => null, (thrown: unknown) => thrown);
  assertInstanceOf(error, ControlError);
  assertEquals(error.code, code, error.message);
  return error;
}
