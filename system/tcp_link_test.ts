import {
  assertEquals,
  assertInstanceOf,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { createIdentity } from "./identity.ts";
import { LinkClosed } from "./link.ts";
import { readProcLinks } from "./proc.ts";
import type { ConnectErrorCode } from "./link_errors.ts";
import { ConnectError, connectTcp, listen, ListenError, type PinnedServer } from "./tcp_link.ts";

const HOST = "127.0.0.1";
const [identity, stranger] = await Promise.all([createIdentity(), createIdentity()]);
const HELLO = new TextEncoder().encode("hello");

Deno.test("the server with the pinned CA and name is accepted", async () => {
  const listener = listen({ hostname: HOST, port: 0, tls: identity });
  const accepting = listener.accept();
  const client = await connectTcp("localhost", listener.port, { tls: identity });
  const server = (await accepting)!;
  await client.send(HELLO);
  assertEquals(await server.receive(), HELLO);
  assertEquals(client.peer, `localhost:${listener.port}`);
  assertMatch(server.peer, /^127\.0\.0\.1:\d+$/);
  client.close();
  server.close();
  listener.close();
});

const mistaken: { name: string; tls: PinnedServer }[] = [
  { name: "another CA", tls: stranger },
  { name: "the right CA, another name", tls: { caPem: identity.caPem, serverName: stranger.serverName } },
  { name: "another CA, the right name", tls: { caPem: stranger.caPem, serverName: identity.serverName } },
];
for (const { name, tls } of mistaken) {
  Deno.test(`a server is refused: ${name}; and it goes on serving others`, async () => {
    const listener = listen({ hostname: HOST, port: 0, tls: identity });
    const served = (async () => {
      const failed = (await listener.accept())!;
      await assertRejects(() => failed.receive(), LinkClosed);
      failed.close();
      const honest = (await listener.accept())!;
      const frame = await honest.receive();
      honest.close();
      return frame;
    })();
    await assertConnectError("tls", connectTcp(HOST, listener.port, { tls }));
    const client = await connectTcp(HOST, listener.port, { tls: identity });
    await client.send(HELLO);
    assertEquals(await served, HELLO);
    client.close();
    listener.close();
  });
}

Deno.test("broken TLS clients neither stop the listener nor hold up an honest one", async () => {
  const listener = listen({ hostname: HOST, port: 0, tls: identity });
  const silent = await Deno.connect({ hostname: HOST, port: listener.port });
  const gone = await Deno.connect({ hostname: HOST, port: listener.port });
  gone.close();
  const garbage = await Deno.connect({ hostname: HOST, port: listener.port });
  await garbage.write(new Uint8Array(300).fill(0x47));
  const [silentLink, goneLink, garbageLink] = [
    await listener.accept(),
    await listener.accept(),
    await listener.accept(),
  ];
  const waiting = assertRejects(() => silentLink!.receive(), LinkClosed);
  await assertRejects(() => goneLink!.receive(), LinkClosed);
  await assertRejects(() => garbageLink!.receive(), LinkClosed);
  const accepting = listener.accept();
  const client = await connectTcp(HOST, listener.port, { tls: identity });
  const server = (await accepting)!;
  await client.send(HELLO);
  assertEquals(await server.receive(), HELLO);
  silentLink!.close();
  await waiting;
  for (const end of [silent, garbage, client, server, listener]) end.close();
});

Deno.test("closing a TLS connection frees its descriptor, though the other side says nothing and stays", async () => {
  const listener = listen({ hostname: HOST, port: 0, tls: identity });
  const before = openSockets();
  const strangers: Deno.Conn[] = [];
  const first = [new Uint8Array(0), new Uint8Array([0x16]), new Uint8Array([0x16, 3, 1, 2, 0, 1, 0])];
  for (let i = 0; i < 30; i++) {
    const accepting = listener.accept();
    const stranger = await Deno.connect({ hostname: HOST, port: listener.port });
    strangers.push(stranger);
    await stranger.write(first[i % 3]!);
    const link = (await accepting)!;
    const receiving = assertRejects(() => link.receive(), LinkClosed);
    // Some are closed while others are still there, so that numbers are used again.
    await new Promise((resolve) => setTimeout(resolve, 0));
    link.close();
    await receiving;
    await link.ended;
    assertEquals(await stranger.read(new Uint8Array(1)).catch(() => null), null);
  }
  assertLessOrEqual(openSockets(), before + strangers.length);
  for (const end of [...strangers, listener]) end.close();
});

function openSockets(): number {
  return [...readProcLinks("/proc/self/fd").values()].filter((target) => target.startsWith("socket:")).length;
}

Deno.test("a plain client at a TLS server, and the reverse, are told what is wrong", async () => {
  const secure = listen({ hostname: HOST, port: 0, tls: identity });
  const accepting = secure.accept();
  const plainClient = await connectTcp(HOST, secure.port, { tls: null });
  await plainClient.send(HELLO);
  const server = (await accepting)!;
  await assertRejects(() => server.receive(), LinkClosed);
  await assertRejects(() => plainClient.receive(), LinkClosed, "speaks TLS");
  secure.close();

  const plain = listen({ hostname: HOST, port: 0, tls: null });
  const refusing = (async () => {
    const link = (await plain.accept())!;
    await assertRejects(() => link.receive(), LinkClosed, "speaks TLS");
  })();
  await assertConnectError("not_fsync", connectTcp(HOST, plain.port, { tls: identity }));
  await refusing;
  plain.close();
});

Deno.test("a service that speaks something else is recognised", async () => {
  const listener = Deno.listen({ hostname: HOST, port: 0 });
  const answering = (async () => {
    using conn = await listener.accept();
    await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await conn.read(new Uint8Array(4096));
  })();
  await assertConnectError("not_fsync", connectTcp(HOST, portOf(listener), { tls: identity }));
  await answering;
  listener.close();
});

Deno.test("nobody listening is refused, an unknown name is unreachable", async () => {
  const listener = Deno.listen({ hostname: HOST, port: 0 });
  const port = portOf(listener);
  listener.close();
  const error = await assertConnectError("refused", connectTcp(HOST, port, { tls: null }));
  assertEquals(error.message, `Cannot connect to "${HOST}:${port}": connection refused`);
  await assertConnectError("unreachable", connectTcp("no such host", port, { tls: null }));
});

Deno.test("a server that never answers times out, or ends at the caller's wish", async () => {
  const listener = Deno.listen({ hostname: HOST, port: 0 });
  const port = portOf(listener);
  await assertConnectError("timeout", connectTcp(HOST, port, { tls: identity, timeoutMs: 30 }));
  const stop = new AbortController();
  const wish = new Error("stop");
  const connecting = connectTcp(HOST, port, { tls: identity, signal: stop.signal });
  const accepted = [await listener.accept(), await listener.accept()];
  stop.abort(wish);
  assertStrictEquals(await connecting.catch((error: unknown) => error), wish);
  const early = connectTcp(HOST, port, { tls: null, signal: AbortSignal.abort(wish) });
  assertStrictEquals(await early.catch((error: unknown) => error), wish);
  for (const end of [...accepted, listener]) end.close();
});

Deno.test("a pinned certificate that is none is an error of TLS", async () => {
  const listener = Deno.listen({ hostname: HOST, port: 0 });
  const caPem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const tls = { caPem, serverName: identity.serverName };
  await assertConnectError("tls", connectTcp(HOST, portOf(listener), { tls }));
  listener.close();
});

Deno.test("a port in use and a foreign address are errors that say so", () => {
  const listener = listen({ hostname: HOST, port: 0, tls: null });
  const { port } = listener;
  const inUse = assertThrows(() => listen({ hostname: HOST, port, tls: identity }), ListenError);
  assertEquals(inUse.code, "in_use");
  assertEquals(inUse.message, `Cannot listen on "${HOST}:${port}": the port is in use`);
  const foreign = assertThrows(() => listen({ hostname: "192.0.2.1", port: 0, tls: null }), ListenError);
  assertEquals(foreign.code, "other");
  listener.close();
});

Deno.test("closing a listener ends its accept, and its port is free at once", async () => {
  const first = listen({ hostname: HOST, port: 0, tls: null });
  const { port } = first;
  const accepting = first.accept();
  const client = await connectTcp(HOST, port, { tls: null });
  const server = (await accepting)!;
  const pending = first.accept();
  first.close();
  first.close();
  assertEquals(await pending, null);
  assertEquals(await first.accept(), null);
  server.close();
  const second = listen({ hostname: HOST, port, tls: null });
  assertEquals(second.port, port);
  second.close();
  client.close();
});

async function assertConnectError(
  code: ConnectErrorCode,
  connecting: Promise<unknown>,
): Promise<ConnectError> {
  const error = await connecting.then(() => null, (thrown: unknown) => thrown);
  assertInstanceOf(error, ConnectError);
  assertEquals(error.code, code, error.message);
  return error;
}

function portOf(listener: Deno.TcpListener): number {
  return listener.addr.port;
}
