import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Bug } from "../../core/invariant.ts";
import { LinkClosed } from "../../system/link.ts";
import { ConnectError } from "../../system/link_errors.ts";
import { ManualClock } from "./manual_clock.ts";
import { memLinkPair } from "./mem_link.ts";
import { MemNetwork } from "./mem_network.ts";
import { SeededRandom } from "./seeded_random.ts";

const frame = (n: number) => new Uint8Array([n]);

Deno.test("a frame arrives when the clock says so, and a later one never before it", async () => {
  const clock = new ManualClock();
  const { a, b } = memLinkPair({ clock, random: new SeededRandom(1), delayMs: [10, 500] });
  const arrivals: number[] = [];
  const receiving = (async () => {
    for (let n = 0; n < 50; n++) {
      assertEquals(await b.receive(), frame(n));
      arrivals.push(clock.monotonic());
    }
  })();
  for (let n = 0; n < 50; n++) await a.send(frame(n));
  assertEquals(arrivals, []);
  await clock.runUntil(receiving);
  assertEquals(arrivals, arrivals.toSorted((x, y) => x - y));
});

Deno.test("a cut ends both sides and loses what is under way", async () => {
  const clock = new ManualClock();
  const wire = memLinkPair({ clock });
  await wire.a.send(frame(1));
  const receiving = assertRejects(() => wire.b.receive(), LinkClosed, "cut");
  wire.cut();
  await receiving;
  await assertRejects(() => wire.a.send(frame(2)), LinkClosed, "cut");
  await assertRejects(() => wire.a.receive(), LinkClosed, "cut");
  assertEquals([clock.pending, wire.ended], [0, true]);
});

Deno.test("a frame hook sees what arrives and can cut there", async () => {
  const seen: number[] = [];
  const wire = memLinkPair({ onFrame: (bytes) => seen.push(bytes[0]!) < 3 ? "deliver" : "cut" });
  for (let n = 1; n <= 2; n++) {
    await wire.a.send(frame(n));
    assertEquals(await wire.b.receive(), frame(n));
  }
  const receiving = assertRejects(() => wire.b.receive(), LinkClosed);
  await wire.a.send(frame(3));
  await receiving;
  assertEquals(seen, [1, 2, 3]);
});

Deno.test("a black hole swallows without a sign; what was sent arrives once it is gone", async () => {
  const clock = new ManualClock();
  const wire = memLinkPair({ clock, windowBytes: 12 });
  wire.blackHole(true);
  await wire.a.send(frame(1));
  await wire.a.send(frame(2));
  const blocked = wire.a.send(frame(3));
  wire.a.close();
  await assertRejects(() => blocked, LinkClosed);
  await clock.advance(60_000);
  wire.blackHole(false);
  for (let n = 1; n <= 3; n++) assertEquals(await wire.b.receive(), frame(n));
  assertEquals(await wire.b.receive(), null);
});

Deno.test("a frame that is changed after it was sent is found out", async () => {
  const clock = new ManualClock();
  const wire = memLinkPair({ clock });
  const reused = frame(1);
  await wire.a.send(reused);
  reused[0] = 2;
  await assertRejects(() => clock.advance(100), Bug, "changed after it was sent");
});

Deno.test("machines connect by name; without a listener they are refused", async () => {
  const { clock, network } = machines();
  const error = await clock.runUntil(assertRejects(() => network.connect("S", "A"), ConnectError));
  assertEquals(error.code, "refused");
  const listener = network.listen("S");
  const accepting = listener.accept();
  const a = await clock.runUntil(network.connect("S", "A"));
  const s = (await accepting)!;
  assertEquals([a.peer, s.peer, network.wires("A").length], ["S", "A", 1]);
  await a.send(frame(1));
  assertEquals(await clock.runUntil(s.receive()), frame(1));
  assertEquals([network.bytesCarried, a.bytesSent, s.bytesReceived], [5, 5, 5]);
  s.close();
  assertEquals(await clock.runUntil(a.receive()), null);
  assertEquals([network.wires().length, network.bytesCarried], [0, 5]);
  assertThrows(() => network.listen("S"), Bug);
  listener.close();
  assertEquals(await listener.accept(), null);
});

Deno.test("a partition cuts one machine off and leaves the others", async () => {
  const { clock, network } = machines();
  const listener = network.listen("S");
  const a = await clock.runUntil(network.connect("S", "A"));
  const b = await clock.runUntil(network.connect("S", "B"));
  network.partition("A");
  await assertRejects(() => a.send(frame(1)), LinkClosed);
  await b.send(frame(1));
  const error = await clock.runUntil(assertRejects(() => network.connect("S", "A"), ConnectError));
  assertEquals(error.code, "unreachable");
  network.heal("A");
  await clock.runUntil(network.connect("S", "A"));
  assertEquals(network.wires("S").length, 2);
  network.cutAll();
  assertEquals(network.wires().length, 0);
  listener.close();
});

Deno.test("a black hole around a machine makes its connections wait, and new ones time out", async () => {
  const { clock, network } = machines();
  const listener = network.listen("S");
  const accepting = listener.accept();
  const a = await clock.runUntil(network.connect("S", "A"));
  const s = (await accepting)!;
  network.blackHole("A");
  await a.send(frame(1));
  const error = await clock.runUntil(assertRejects(() => network.connect("S", "A"), ConnectError));
  assertEquals(error.code, "timeout");
  assertEquals(s.bytesReceived, 0);
  network.heal();
  assertEquals(await clock.runUntil(s.receive()), frame(1));
  listener.close();
});

Deno.test("a connection attempt ends when its signal aborts", async () => {
  const { clock, network } = machines();
  network.blackHole("S");
  const stop = new AbortController();
  const connecting = assertRejects(() => network.connect("S", "A", stop.signal), Error, "stop");
  await clock.advance(1000);
  stop.abort(new Error("stop"));
  await connecting;
  assertEquals(clock.pending, 0);
});

Deno.test("the same seed gives the same run", async () => {
  const run = async (seed: number) => {
    const { clock, network } = machines(seed);
    const listener = network.listen("S");
    const accepting = listener.accept();
    const a = await clock.runUntil(network.connect("S", "A"));
    const s = (await accepting)!;
    const times = [clock.monotonic()];
    for (let n = 0; n < 5; n++) {
      await a.send(frame(n));
      await clock.runUntil(s.receive());
      times.push(clock.monotonic());
    }
    listener.close();
    return times;
  };
  assertEquals(await run(9), await run(9));
});

function machines(seed = 1) {
  const clock = new ManualClock();
  return { clock, network: new MemNetwork({ clock, random: new SeededRandom(seed) }) };
}
