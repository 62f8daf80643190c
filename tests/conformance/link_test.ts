import { setImmediate } from "node:timers";
import { createIdentity } from "../../system/identity.ts";
import { connectTcp, listen, type PinnedServer } from "../../system/tcp_link.ts";
import type { Link } from "../../system/link.ts";
import { ManualClock } from "../fakes/manual_clock.ts";
import { type MemLinkOptions, memLinkPair } from "../fakes/mem_link.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { type LinkPair, linkSuite, type RawPeer } from "./link_suite.ts";

const HOST = "127.0.0.1";
const identity = await createIdentity();

linkSuite({ name: "TCP", pair: () => tcpPair(false), raw: () => tcpRaw(false) });
linkSuite({ name: "TLS", pair: () => tcpPair(true), raw: () => tcpRaw(true) });
linkSuite({ name: "memory", pair: () => memPair({}), raw: () => memRaw({}) });
linkSuite({ name: "memory with delays", pair: () => memPair(delays()), raw: () => memRaw(delays()) });

/** Starts a listener, connects to it by `connect`, and hands out both sides. */
async function connected<T>(
  secure: boolean,
  connect: (port: number, tls: PinnedServer | null) => Promise<T>,
): Promise<[T, Link]> {
  const listener = listen({ hostname: HOST, port: 0, tls: secure ? identity : null });
  try {
    const accepting = listener.accept();
    // TLS is negotiated when the accepted side reads, which the test does later.
    const client = connect(listener.port, secure ? identity : null);
    const accepted = (await accepting)!;
    return [await client, accepted];
  } finally {
    listener.close();
  }
}

async function tcpPair(secure: boolean): Promise<LinkPair> {
  const [a, b] = await connected(secure, (port, tls) => connectTcp(HOST, port, { tls }));
  return {
    a,
    b,
    [Symbol.asyncDispose]: async () => {
      a.close();
      b.close();
      await Promise.all([a.ended, b.ended]);
    },
  };
}

async function tcpRaw(secure: boolean): Promise<RawPeer> {
  const [conn, link] = await connected<Deno.Conn>(secure, async (port, tls) => {
    const tcp = await Deno.connect({ hostname: HOST, port });
    tcp.setNoDelay(true);
    return tls === null ? tcp : await Deno.startTls(tcp, { hostname: tls.serverName, caCerts: [tls.caPem] });
  });
  let ended = false;
  const end = () => {
    if (!ended) conn.close();
    ended = true;
  };
  return {
    link,
    announce: async (length) => {
      await conn.write(new Uint8Array([length >>> 24, length >>> 16, length >>> 8, length]));
    },
    end,
    [Symbol.asyncDispose]: async () => {
      end();
      link.close();
      await link.ended;
    },
  };
}

function delays(): MemLinkOptions {
  return { clock: new ManualClock(), random: new SeededRandom(5), delayMs: [0, 30] };
}

function memPair(options: MemLinkOptions): Promise<LinkPair> {
  const { a, b } = memLinkPair(options);
  return Promise.resolve({ a, b, [Symbol.asyncDispose]: pump(options.clock) });
}

function memRaw(options: MemLinkOptions): Promise<RawPeer> {
  const wire = memLinkPair(options);
  return Promise.resolve({
    link: wire.b,
    announce: (length) => Promise.resolve(wire.announce("a", length)),
    end: () => wire.a.close(),
    [Symbol.asyncDispose]: pump(options.clock),
  });
}

/** Lets the time of `clock` pass until the returned function is called. */
function pump(clock: ManualClock | undefined): () => Promise<void> {
  let stopped = false;
  const running = (async () => {
    while (clock !== undefined && !stopped) {
      if (!await clock.runNext()) await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  return () => {
    stopped = true;
    return running;
  };
}
