/** MC12, MC19, MC21, MC23: frames of impossible sizes, credentials that are none, replays, messages out of their place. */
import { assert, assertEquals } from "@std/assert";
import { assertQuick } from "../e2e/_quick.ts";
import { encode } from "../../protocol/codec.ts";
import type { Message } from "../../protocol/messages.ts";
import { worldTest } from "../e2e/_world.ts";
import frames from "../vectors/frames.json" with { type: "json" };
import {
  checkHonest,
  freeItem,
  hello,
  HostileClient,
  hostileClientTest,
  ownerCredential,
  residentBytes,
  tokenBytes,
} from "./hostile_client.ts";

const LENGTHS = [0, 1, 4, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

hostileClientTest(
  "MC12: a frame of an impossible length ends the connection and takes no memory, signed in or not",
  async (world) => {
    const before = residentBytes(world);
    for (const signedIn of [false, true]) {
      for (const length of LENGTHS) {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port: world.port });
        if (signedIn) {
          const frame = encode({ id: 0, message: hello(ownerCredential(world)) });
          await writeAll(conn, prefixed(frame.length, frame));
          assert((await conn.read(new Uint8Array(65_536)) ?? 0) > 0, "no welcome");
        }
        await writeAll(conn, prefixed(length, new Uint8Array(16)));
        await atEnd(conn);
      }
    }
    assert(residentBytes(world) - before < 30 * 2 ** 20, "the server took memory for what was announced");
  },
);

function prefixed(length: number, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(4 + bytes.length);
  new DataView(whole.buffer).setUint32(0, length >>> 0);
  whole.set(bytes, 4);
  return whole;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Reads until the other side hangs up. */
async function atEnd(conn: Deno.Conn): Promise<void> {
  try {
    while (await conn.read(new Uint8Array(65_536)) !== null);
  } catch {
    // It hung up harder.
  }
  conn.close();
}

hostileClientTest(
  "MC19: whatever is wrong with a credential, the answer and its time are the same",
  async (world) => {
    const credential = ownerCredential(world);
    const token = tokenBytes(credential);
    const attacks: Record<string, Partial<Extract<Message, { type: "hello" }>>> = {
      "an unknown device": { device: "ab".repeat(16) },
      "no token": { token: new Uint8Array(0) },
      "one byte short": { token: token.slice(0, -1) },
      "one byte long": { token: new Uint8Array([...token, 0]) },
      "one bit off": { token: token.map((byte, i) => i === 31 ? byte ^ 1 : byte) },
      "very long": { token: new Uint8Array(256) },
      "another folder": { folder: "no such folder" },
      "an unknown device and folder": { device: "ab".repeat(16), folder: "x" },
    };
    const answers = new Set<string>();
    const measure = async () => {
      const times = new Map<string, number>();
      // The first is not counted: the server warms up with it. More tries than these, and it would answer later.
      for (const [name, over] of [...Object.entries(attacks).slice(0, 1), ...Object.entries(attacks)]) {
        const client = await HostileClient.stranger(world);
        const began = performance.now();
        const answer = await client.ask(hello(credential, over));
        times.set(name, performance.now() - began);
        answers.add(JSON.stringify(answer));
        assertEquals(await client.next(), null);
        client.close();
      }
      return times;
    };
    // What else the machine does can only make an answer later, and not the same one each time.
    const least = await measure();
    const spread = () => Math.max(...least.values()) - Math.min(...least.values());
    for (let round = 1; round < 5 && spread() >= 80; round++) {
      // A server that has not been tried yet.
      await world.server.stop();
      await world.startServer();
      for (const [name, ms] of await measure()) least.set(name, Math.min(ms, least.get(name)!));
    }
    assertEquals(answers.size, 1, [...answers].join("\n"));
    assert([...answers][0]!.includes('"denied"'));
    assert(spread() < 80, `the answers took at least ${JSON.stringify([...least])} ms`);
  },
);

hostileClientTest(
  "MC21: a session that is played again, or a single upload, changes nothing",
  async (world) => {
    const greeting = hello(ownerCredential(world));
    const item = freeItem.file("once", "x");
    for (let round = 0; round < 3; round++) {
      const client = await HostileClient.stranger(world);
      assertEquals((await client.ask(greeting))?.type, "welcome");
      for (let again = 0; again < 2; again++) {
        const status = (await client.upload([item], Uint8Array.of(120)))?.[0]?.status;
        assertEquals(status, round + again === 0 ? "ok" : "skip");
      }
      client.close();
    }
    assertEquals(world.versions().filter(({ path }) => path === "once").length, 1);
  },
);

/** Messages that only a server sends, or that begin a session. */
const NOT_IN_A_SESSION: ReadonlySet<string> = new Set([
  "hello",
  "join",
  "joined",
  "welcome",
  "changes",
  "lookAgain",
  "results",
  "staged",
  "contents",
  "fetching",
  "versionList",
  "bytes",
  "restored",
  "conflictList",
  "resolved",
  "error",
]);

hostileClientTest(
  "MC23: every message before signing in, and those of a server after it, end the connection",
  async (world) => {
    for (const { name, frame, message } of frames) {
      if (message.type === "hello" || message.type === "join") continue;
      const client = await HostileClient.stranger(world);
      await client.link.send(Uint8Array.fromHex(frame));
      const answer = await client.next();
      assert(answer === null || answer.type === "error", `${name}: ${answer?.type}`);
      assertEquals(await client.next(), null, name);
      client.close();
    }
    for (const { name, frame, message } of frames) {
      if (!NOT_IN_A_SESSION.has(message.type)) continue;
      const client = await HostileClient.signedIn(world);
      await client.link.send(Uint8Array.fromHex(frame)).catch(() => {});
      const answer = await client.next();
      assert(
        answer === null || (answer.type === "error" && answer.code === "protocol"),
        `${name}: ${answer?.type}`,
      );
      assertEquals(await client.next(), null, name);
      client.close();
    }
    for (const type of [0, 30, 99, 255]) {
      const client = await HostileClient.signedIn(world);
      await client.send(type, new Uint8Array(8));
      assertEquals((await client.next())?.type, "error");
      assertEquals(await client.next(), null);
    }
  },
);

worldTest(
  "MC13: a thousand who are silent, and a thousand who drip, do not keep an honest client from syncing",
  async (world) => {
    await world.startServer();
    await checkHonest(world);
    const before = residentBytes(world);
    const conns: Deno.Conn[] = [];
    const open = async () => {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: world.port }).catch(() => null);
      if (conn !== null) conns.push(conn);
    };
    for (let n = 0; n < 1000; n++) await open();
    for (let n = 0; n < 1000; n++) {
      await open();
      await conns.at(-1)!.write(Uint8Array.of(22)).catch(() => {});
    }
    const drip = setInterval(() => {
      for (const conn of conns.slice(1000)) void conn.write(Uint8Array.of(3)).catch(() => {});
    }, 5000);
    try {
      for (let round = 0; round < 3; round++) {
        Deno.writeTextFileSync(world.path(`honest/under attack ${round}`), "honest");
        const pass = await world.syncAll("honest");
        assertEquals([pass.code, pass.stderr], [0, ""]);
        // The start of the program is included.
        await assertQuick(world, pass.ms, 2000 + 1000, "a pass");
      }
      const grown = (residentBytes(world) - before) / 2 ** 20;
      assert(grown < 100, `the server grew by ${grown} MiB`);
    } finally {
      clearInterval(drip);
      for (const conn of conns) {
        try {
          conn.close();
        } catch {
          // The server closed it, and so did the runtime.
        }
      }
    }
  },
);
