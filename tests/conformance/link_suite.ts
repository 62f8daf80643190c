/** What every {@link Link} does. Run by `link_test.ts` over TCP, TLS and memory. */
import { assert, assertEquals, assertGreater, assertLessOrEqual, assertRejects } from "@std/assert";
import { type Link, LinkClosed } from "../../system/link.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";

/** Two connected links. */
export interface LinkPair extends AsyncDisposable {
  readonly a: Link;
  readonly b: Link;
}

/** A link whose other side is under the hand of the test. */
export interface RawPeer extends AsyncDisposable {
  readonly link: Link;
  /** Sends the length prefix of a frame, and nothing of the frame. */
  announce(length: number): Promise<void>;
  /** Ends the connection in an orderly way. */
  end(): void;
}

export interface LinkHarness {
  readonly name: string;
  pair(): Promise<LinkPair>;
  raw(): Promise<RawPeer>;
}

const MIB = 1024 * 1024;
/** What may be under way at most: our own queue of 4 MiB and what the kernel's buffers can grow to, with some room. */
const UNDERWAY_FRAMES_MAX = 40;

export function linkSuite({ name, pair, raw }: LinkHarness): void {
  Deno.test(`${name}: frames of all sizes arrive whole and in order, both ways at once`, async () => {
    await using links = await pair();
    const sizes = [
      1,
      2,
      3,
      4,
      5,
      100,
      4095,
      4096,
      32767,
      32768,
      65531,
      65532,
      65536,
      262144,
      MIB,
      8 * MIB,
      7,
    ];
    links.a.frameMax = links.b.frameMax = 8 * MIB;
    const random = new SeededRandom(1);
    const frames = sizes.map((size) => filled(size, random.uint32()));
    const turned = frames.toReversed();
    await Promise.all([
      sendAll(links.a, frames),
      sendAll(links.b, turned),
      expectAll(links.b, frames),
      expectAll(links.a, turned),
    ]);
  });

  Deno.test(`${name}: many small frames arrive in order, and both sides count the same bytes`, async () => {
    await using links = await pair();
    const count = 20_000;
    const sending = (async () => {
      for (let i = 0; i < count; i++) await links.a.send(numbered(i));
    })();
    for (let i = 0; i < count; i++) {
      assertEquals(numberOf(await links.b.receive()), i);
    }
    await sending;
    assertEquals(links.b.bytesReceived, count * 8);
    assertEquals(links.a.bytesSent, count * 8);
  });

  Deno.test(`${name}: frames that are sent without waiting keep their order`, async () => {
    await using links = await pair();
    links.b.frameMax = MIB;
    const frames = [numbered(0), filled(MIB, 1), numbered(1), numbered(2), filled(70_000, 2), numbered(3)];
    const sending = Promise.all(frames.map((frame) => links.a.send(frame)));
    await expectAll(links.b, frames);
    await sending;
  });

  Deno.test(`${name}: a request and its answer, a thousand times`, async () => {
    await using links = await pair();
    const answering = (async () => {
      for (let i = 0; i < 1000; i++) await links.b.send((await links.b.receive())!);
    })();
    for (let i = 0; i < 1000; i++) {
      await links.a.send(numbered(i));
      assertEquals(numberOf(await links.a.receive()), i);
    }
    await answering;
  });

  Deno.test(`${name}: a sender is held back while nobody receives`, async () => {
    await using links = await pair();
    links.b.frameMax = MIB;
    const frame = filled(MIB, 3);
    const total = 2 * UNDERWAY_FRAMES_MAX;
    let sent = 0;
    const sending = (async () => {
      for (; sent < total; sent++) await links.a.send(frame);
    })();
    for (let received = 1; received <= total; received++) {
      assertEquals((await links.b.receive())?.length, MIB);
      assertLessOrEqual(sent, received + UNDERWAY_FRAMES_MAX);
    }
    await sending;
  });

  Deno.test(`${name}: a frame that was received belongs to the receiver`, async () => {
    await using links = await pair();
    const frames = [filled(10, 4), filled(10, 5), filled(3000, 6)];
    const copies = frames.map((frame) => frame.slice());
    await sendAll(links.a, frames);
    const received: Uint8Array[] = [];
    for (const copy of copies) {
      const frame = (await links.b.receive())!;
      assertEquals(frame, copy);
      received.push(frame);
    }
    received[0]!.fill(0);
    assertEquals(received.slice(1), copies.slice(1));
    assertEquals(frames, copies);
  });

  Deno.test(`${name}: the largest frame is accepted, a longer one ends the link, and the bound can be raised`, async () => {
    await using links = await pair();
    links.b.frameMax = 1000;
    await sendAll(links.a, [filled(1000, 7), filled(2000, 8), filled(2001, 9)]);
    assertEquals((await links.b.receive())?.length, 1000);
    links.b.frameMax = 2000;
    assertEquals((await links.b.receive())?.length, 2000);
    await assertRejects(() => links.b.receive(), LinkClosed, "2001");
    await assertEnds(links.a);
  });

  for (const length of [0, 4097, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    Deno.test(`${name}: a frame of ${length} bytes is refused at its announcement`, async () => {
      await using peer = await raw();
      peer.link.frameMax = 4096;
      const receiving = assertRejects(() => peer.link.receive(), LinkClosed);
      await peer.announce(length);
      await receiving;
      await assertRejects(() => peer.link.receive(), LinkClosed);
      await assertRejects(() => peer.link.send(numbered(1)), LinkClosed);
    });
  }

  Deno.test(`${name}: an end within a frame is no orderly end`, async () => {
    await using peer = await raw();
    const receiving = assertRejects(() => peer.link.receive(), LinkClosed);
    await peer.announce(100);
    peer.end();
    await receiving;
  });

  Deno.test(`${name}: what was sent before an orderly close arrives, then the end, each time one asks`, async () => {
    await using links = await pair();
    links.b.frameMax = MIB;
    const frames = [filled(MIB, 10), filled(MIB, 11), filled(MIB, 12), numbered(1)];
    const sending = frames.map((frame) => links.a.send(frame));
    links.a.close();
    await expectAll(links.b, frames);
    assertEquals(await links.b.receive(), null);
    assertEquals(await links.b.receive(), null);
    await Promise.all(sending);
  });

  Deno.test(`${name}: what was sent before a close arrives, whatever the closing side did not read`, async () => {
    await using links = await pair();
    links.b.frameMax = MIB;
    const sending = sendAll(links.b, Array(50).fill(filled(4000, 14))).catch(() => {});
    assertEquals((await links.a.receive())?.length, 4000);
    // More than the other side's buffers take as long as it does not read: some of it waits on this side.
    const frames = [filled(MIB, 1), filled(MIB, 2)];
    const leaving = frames.map((frame) => links.a.send(frame).catch(() => {}));
    links.a.close();
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setTimeout(resolve, 1));
    await expectAll(links.b, frames);
    assertEquals(await links.b.receive(), null);
    await Promise.all([sending, ...leaving]);
  });

  Deno.test(`${name}: a link has ended when both sides have closed`, async () => {
    await using links = await pair();
    await links.a.send(numbered(1));
    await links.b.send(numbered(2));
    links.a.close();
    assertEquals(numberOf(await links.b.receive()), 1);
    assertEquals(await links.b.receive(), null);
    links.b.close();
    await Promise.all([links.a.ended, links.b.ended]);
  });

  Deno.test(`${name}: it can be seen that a link waits to receive, and what waits to leave`, async () => {
    await using links = await pair();
    assertEquals([links.a.receiving, links.a.bytesWaiting], [false, 0]);
    const receiving = links.a.receive();
    assertEquals(links.a.receiving, true);
    await links.b.send(numbered(1));
    await receiving;
    assertEquals(links.a.receiving, false);
    const frame = filled(MIB, 1);
    let sent = 0;
    // In the end nothing moves any more, because the other side does not read.
    void (async () => {
      for (;; sent++) await links.a.send(frame);
    })().catch(() => {});
    for (let before = -1; before < sent;) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assertGreater(links.a.bytesWaiting, MIB);
    const { bytesSent } = links.a;
    links.b.frameMax = MIB;
    while (links.a.bytesSent === bytesSent) assertEquals((await links.b.receive())?.length, MIB);
  });

  Deno.test(`${name}: sending to a side that has closed ends with LinkClosed`, async () => {
    await using links = await pair();
    links.a.close();
    assertEquals(await links.b.receive(), null);
    await assertEnds(links.b);
  });

  Deno.test(`${name}: closing ends a receive that waits, and all later calls`, async () => {
    await using links = await pair();
    const receiving = assertRejects(() => links.a.receive(), LinkClosed);
    links.a.close();
    links.a.close();
    await receiving;
    await assertRejects(() => links.a.receive(), LinkClosed);
    await assertRejects(() => links.a.send(numbered(1)), LinkClosed);
  });

  for (const side of ["this", "the other"] as const) {
    Deno.test(`${name}: a sender that is held back hears when ${side} side closes`, async () => {
      await using links = await pair();
      const frame = filled(MIB, 13);
      const sending = assertRejects(async () => {
        for (;;) await links.a.send(frame);
      }, LinkClosed);
      if (side === "the other") links.b.close();
      else queueMicrotask(() => links.a.close());
      await sending;
    });
  }
}

async function sendAll(link: Link, frames: readonly Uint8Array[]): Promise<void> {
  for (const frame of frames) await link.send(frame);
}

async function expectAll(link: Link, frames: readonly Uint8Array[]): Promise<void> {
  for (const frame of frames) {
    const received = await link.receive();
    assert(
      received !== null && sameBytes(received, frame),
      `a frame of ${frame.length} bytes arrived damaged`,
    );
  }
}

/** Sends until the link says that it has ended. */
async function assertEnds(link: Link): Promise<void> {
  await assertRejects(async () => {
    for (;;) {
      await link.send(numbered(1));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }, LinkClosed);
}

function filled(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = seed + i + (i >> 8);
  return bytes;
}

function numbered(n: number): Uint8Array {
  return new Uint8Array([n >>> 24, n >>> 16, n >>> 8, n]);
}

function numberOf(frame: Uint8Array | null): number {
  assertEquals(frame?.length, 4);
  return new DataView(frame!.buffer, frame!.byteOffset).getUint32(0);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
