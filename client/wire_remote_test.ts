/** How long a client waits for a server: that says nothing, that lives and does not answer, that is only slow. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { packBlock } from "../protocol/block.ts";
import { decode, encode } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { HANDSHAKE_MS_MAX, SILENCE_MS_MAX } from "../protocol/limits.ts";
import type { Message, Welcome } from "../protocol/messages.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { memLinkPair } from "../tests/fakes/mem_link.ts";
import { UnreachableError } from "./errors.ts";
import { ANSWER_MS_MAX } from "./patience.ts";
import { talk, type WireRemote } from "./wire_remote.ts";

const ITEM = { path: parsePath("a"), revision: 1 };
const HELLO = {
  software: "test",
  folder: "",
  replica: "a".repeat(32),
  device: "d".repeat(32),
  token: new Uint8Array(32),
};
const WELCOME: Welcome = {
  type: "welcome",
  version: 2,
  software: "test",
  folderName: "main",
  folder: "f".repeat(32),
  epoch: "e".repeat(32),
  head: 1,
  clock: 0,
  user: "ann",
  deviceName: "laptop",
  view: "0".repeat(32),
  rules: [],
  conflicts: 0,
  heartbeatMs: 15_000,
};

/** A client and the other end of its line. */
class Line {
  readonly clock = new ManualClock();
  readonly wire = memLinkPair({ clock: this.clock, delayMs: [1, 1] });
  readonly asked: number[] = [];

  begin(): Promise<WireRemote> {
    const talking = talk(this.wire.a, HELLO, this.clock);
    talking.catch(() => {});
    return talking;
  }

  async welcomed(welcome: Partial<Welcome> = {}): Promise<WireRemote> {
    const talking = this.begin();
    void this.wire.b.receive().then(() => this.say(0, { ...WELCOME, ...welcome }));
    const remote = await this.clock.runUntil(talking, 1000);
    void this.#listen();
    return remote;
  }

  async #listen(): Promise<void> {
    for (;;) {
      const frame = await this.wire.b.receive().catch(() => null);
      if (frame === null) return;
      const { id, message } = decode(frame);
      if (message.type !== "ping" && message.type !== "pong") this.asked.push(id);
    }
  }

  say(id: number, message: Message): void {
    this.wire.b.send(encode({ id, message })).catch(() => {});
  }

  /** The server shows every second that it is alive, until the line ends. */
  async keepAlive(untilMs: number): Promise<void> {
    for (let ms = 0; ms < untilMs && !this.wire.ended; ms += 1000) {
      this.say(0, { type: "ping" });
      await this.clock.advance(1000);
    }
  }
}

Deno.test("MS07: a server that accepts and says nothing is given up when its time is over", async () => {
  const line = new Line();
  const talking = line.begin();
  await line.clock.advance(HANDSHAKE_MS_MAX - 10);
  assertEquals(line.wire.ended, false);
  await line.clock.advance(1000);
  await assertRejects(() => talking, UnreachableError);
});

Deno.test("MS07: a server that falls silent in a session is given up after three heartbeats", async () => {
  const line = new Line();
  const remote = await line.welcomed();
  const waiting = remote.download([ITEM], () => {});
  waiting.catch(() => {});
  await line.clock.advance(SILENCE_MS_MAX + 15_000);
  await assertRejects(() => waiting, UnreachableError, "silent");
  assert((await remote.closed) instanceof UnreachableError);
});

Deno.test("MS07: a server that lives and never answers is given up too", async () => {
  const line = new Line();
  const remote = await line.welcomed();
  const waiting = remote.download([ITEM], () => {});
  waiting.catch(() => {});
  await line.keepAlive(ANSWER_MS_MAX - 60_000);
  assertEquals(line.wire.ended, false);
  await line.keepAlive(120_000);
  await assertRejects(() => waiting, UnreachableError, "does not answer");
});

Deno.test("a server that has nothing to answer may stay silent but for its heartbeats for ever", async () => {
  const line = new Line();
  await line.welcomed();
  await line.keepAlive(3 * ANSWER_MS_MAX);
  assertEquals(line.wire.ended, false);
});

Deno.test("a request that goes on slowly is not given up", async () => {
  const line = new Line();
  const remote = await line.welcomed();
  const items = Array.from({ length: 5 }, () => ITEM);
  let got = 0;
  const waiting = remote.download(items, () => void got++);
  for (let i = 0; i < 5; i++) {
    await line.keepAlive(ANSWER_MS_MAX - 60_000);
    const block = packBlock([new Uint8Array(1)]);
    line.say(line.asked.at(-1)!, { type: "contents", sizes: [1], block, last: i === 4 });
  }
  await line.clock.runUntil(waiting, 1000);
  assertEquals(got, 5);
});

Deno.test("a server that chooses a version that was not offered is no server of ours", async () => {
  const line = new Line();
  await assertRejects(() => line.welcomed({ version: 3 }), ProtocolError, "version 3");
});

Deno.test("a Welcome may have more rules than a stranger's frame holds", async () => {
  const line = new Line();
  const rules = Array.from({ length: 900 }, (_, i) => {
    return { prefix: parsePath(`some/directory/number/${i}`), access: "read", history: false } as const;
  });
  assertEquals((await line.welcomed({ rules })).welcome.rules.length, 900);
});
