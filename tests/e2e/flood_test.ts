/** Many who only take up room, all from the address of those who have a right to be there. */
import { assertEquals, assertLess } from "@std/assert";
import { assertQuick } from "./_quick.ts";
import { readCredential } from "../../client/credentials.ts";
import { talk, type WireRemote } from "../../client/wire_remote.ts";
import { digestHex } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import { parsePath } from "../../core/path.ts";
import { parseAddress } from "../../system/address.ts";
import { systemClock } from "../../system/clock.ts";
import { serverNameOf } from "../../system/identity.ts";
import { openFilesMax } from "../../system/open_files.ts";
import { connectTcp } from "../../system/tcp_link.ts";
import { until, type World, worldTest } from "./_world.ts";

const EACH = Math.min(1000, Math.floor(openFilesMax() / 4));
/** What an honest client may take to connect and to have a change stored, whatever others do, ms. */
const HONEST_MS_MAX = 2000;
/** What a second wave of strangers may take beyond the first, KiB. */
const GROWTH_KIB_MAX = 24 * 1024;
const BYTE_EVERY_MS = 1000;
/** Connections that are made at once, half of them silent. */
const BATCH = 50;

class Flood implements Disposable {
  readonly #conns: Deno.Conn[] = [];
  readonly #timers: ReturnType<typeof setInterval>[] = [];

  /** As many silent connections as such that send the beginning of `first`, byte by byte. */
  async begin(port: number, first: Uint8Array): Promise<void> {
    for (let wave = 0; wave < EACH; wave += BATCH) {
      await Promise.all(Array.from({ length: BATCH }, async () => {
        await this.#connect(port);
        this.#trickle(await this.#connect(port), first);
      }));
    }
  }

  async #connect(port: number): Promise<Deno.Conn> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    this.#conns.push(conn);
    return conn;
  }

  #trickle(conn: Deno.Conn, first: Uint8Array): void {
    let sent = 0;
    const send = () => void conn.write(first.subarray(sent, ++sent)).catch(() => {});
    send();
    this.#timers.push(setInterval(send, BYTE_EVERY_MS));
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const conn of this.#conns) conn.close();
  }
}

async function connect(world: World): Promise<WireRemote> {
  const { device, token, tls } = readCredential(world.address, `${world.cwd}/state`)!;
  const { host, port } = parseAddress(world.address);
  const pinned = tls === null ? null : { caPem: tls.caPem, serverName: serverNameOf(tls.caPem) };
  const link = await connectTcp(host, port, { tls: pinned });
  const secret = Uint8Array.fromBase64(token, { alphabet: "base64url" });
  const replica = crypto.getRandomValues(new Uint8Array(16)).toHex();
  return await talk(link, { software: "test", folder: "", replica, device, token: secret }, systemClock);
}

/** One client's whole work. @returns how long it took, ms */
async function honestClient(world: World, name: string): Promise<number> {
  const began = performance.now();
  const remote = await connect(world);
  const bytes = new TextEncoder().encode(name);
  const entry = {
    kind: "file",
    size: bytes.length,
    mtime: Date.now(),
    mode: 0o644,
    content: digestHex(bytes) as ContentId,
  } as const;
  const source = { from: "inline" } as const;
  const [result] = await remote.upload([
    { item: { op: "put", path: parsePath(name), base: 0, entry, source }, bytes },
  ]);
  assertEquals(result?.status, "ok");
  remote.close();
  return performance.now() - began;
}

function residentKib(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return Number(line?.[1]);
}

const kinds = [
  { name: "TLS", server: [], first: new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]) },
  { name: "no TLS", server: ["--no-tls"], first: new Uint8Array([0, 0, 4, 0, 1, 0, 0, 0, 0]) },
];
for (const { name, server, first } of kinds) {
  worldTest(
    `2,000 connections of strangers, silent and slow, keep no client from syncing (${name})`,
    async (world) => {
      await world.startServer();
      const { pid } = world.server;
      await honestClient(world, "before");
      const resident: number[] = [];
      for (let wave = 0; wave < 3; wave++) {
        using flood = new Flood();
        await flood.begin(world.port, first);
        for (let i = 0; i < 3; i++) {
          await assertQuick(world, await honestClient(world, `during ${wave} ${i}`), HONEST_MS_MAX);
          await systemClock.sleep(BYTE_EVERY_MS / 3);
        }
        resident.push(residentKib(pid));
      }
      Deno.mkdirSync(world.path("a"));
      assertEquals((await world.syncAll("a")).code, 0);
      assertEquals(world.tree("a").size, 10);
      assertLess(resident[2]! - resident[1]!, GROWTH_KIB_MAX, `KiB resident: ${resident.join(", ")}`);
      assertEquals(world.server.stderr, []);
    },
    { server },
  );
}

worldTest("with few descriptors strangers take none from the store", async (world) => {
  const wrapper = ["sh", "-c", 'ulimit -Sn 400; ulimit -Hn 400; exec "$0" "$@"'];
  await world.startServer({ wrapper });
  using flood = new Flood();
  await flood.begin(world.port, new Uint8Array([0x16, 3, 1]));
  // Those who were let go take a moment to be closed; those who may stay would stay for longer than this.
  const used = () => [...Deno.readDirSync(`/proc/${world.server.pid}/fd`)].length;
  await until("strangers have few descriptors", () => used() < 250, 5000);
  for (let i = 0; i < 3; i++) {
    await assertQuick(world, await honestClient(world, `during ${i}`), HONEST_MS_MAX);
  }
  Deno.mkdirSync(world.path("a"));
  Deno.writeFileSync(world.path("a/large"), crypto.getRandomValues(new Uint8Array(60_000)));
  assertEquals((await world.syncAll("a")).code, 0);
  await world.equal("a");
  assertEquals(world.server.stderr, []);
});
