import { assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { memLinkPair } from "../tests/fakes/mem_link.ts";
import type { Link } from "./link.ts";
import { deathOf } from "./pulse.ts";

const EVERY_MS = 15_000;
const SILENCE_MS = 45_000;
/** A look may come this much later than what it sees, ms. */
const STEP_MS = EVERY_MS / 3;

type Counters = { -readonly [K in "bytesReceived" | "bytesSent" | "bytesWaiting" | "receiving"]: Link[K] };

/** Watches a link that is only numbers; `change` moves them once a second. @returns how it died, and when */
async function watch(
  change: (link: Counters, second: number) => void,
): Promise<{ readonly death: string | null; readonly ms: number; readonly pings: readonly number[] }> {
  const clock = new ManualClock();
  const link: Counters = { bytesReceived: 100, bytesSent: 100, bytesWaiting: 0, receiving: true };
  const pings: number[] = [];
  const stop = new AbortController();
  const ping = () => {
    pings.push(clock.monotonic());
    link.bytesSent += 9;
  };
  const options = { link: link as Link, clock, everyMs: EVERY_MS, silenceMs: SILENCE_MS, ping };
  let ms = 0;
  const dying = deathOf(options, stop.signal).then((death) => {
    ms = clock.monotonic();
    return death;
  });
  for (let second = 0; second < 200; second++) {
    change(link, second);
    await clock.advance(1000);
  }
  stop.abort();
  const death = await dying;
  assertEquals(clock.pending, 0);
  return { death, ms, pings };
}

const lives: { name: string; change: (link: Counters, second: number) => void }[] = [
  { name: "hears something every 44 s", change: (link, s) => void (s % 44 === 43 && link.bytesReceived++) },
  { name: "hears one byte of a large frame now and then", change: (link) => void link.bytesReceived++ },
  { name: "is too busy to listen", change: (link) => void (link.receiving = false) },
  {
    name: "sends to a slow reader",
    change: (link, s) => {
      link.bytesReceived++;
      link.bytesWaiting = 4_000_000;
      if (s % 44 === 43) link.bytesSent++;
    },
  },
];
for (const { name, change } of lives) {
  Deno.test(`pulse: a side that ${name} lives on`, async () => {
    assertEquals((await watch(change)).death, null);
  });
}

Deno.test("pulse: a silent side is found dead after three heartbeats, and at most a third of one later", async () => {
  const { death, ms } = await watch((link, s) => void (s === 21 && link.bytesReceived++));
  assertEquals(death, "the other side is silent");
  assertGreaterOrEqual(ms, 21_000 + SILENCE_MS);
  assertLessOrEqual(ms, 21_000 + SILENCE_MS + 2 * STEP_MS);
});

Deno.test("pulse: a side that talks but does not read is found dead as soon", async () => {
  const { death, ms } = await watch((link, s) => {
    link.bytesReceived++;
    if (s === 21) link.bytesWaiting = 1;
  });
  assertEquals(death, "the other side does not read what it is sent");
  assertGreaterOrEqual(ms, 21_000 + SILENCE_MS - STEP_MS);
  assertLessOrEqual(ms, 21_000 + SILENCE_MS + 2 * STEP_MS);
});

Deno.test("pulse: it says something at least every heartbeat, and nothing needless", async () => {
  const quiet = await watch((link) => void link.bytesReceived++);
  const gaps = quiet.pings.map((at, i) => at - (quiet.pings[i - 1] ?? 0));
  assertLessOrEqual(Math.max(...gaps), EVERY_MS);
  assertGreaterOrEqual(Math.min(...gaps), EVERY_MS - STEP_MS);
  const talking = await watch((link) => void (link.bytesReceived++, link.bytesSent++));
  assertEquals(talking.pings, []);
});

Deno.test("pulse: two sides keep each other alive, and both find out when the line goes dead", async () => {
  const clock = new ManualClock();
  const wire = memLinkPair({ clock });
  const stop = new AbortController();
  const deaths: number[] = [];
  for (const link of [wire.a, wire.b]) {
    const ping = () => void link.send(new Uint8Array([1])).catch(() => {});
    const options = { link, clock, everyMs: EVERY_MS, silenceMs: SILENCE_MS, ping };
    void (async () => {
      while (await link.receive() !== null);
    })().catch(() => {});
    void deathOf(options, stop.signal).then(() => {
      deaths.push(clock.monotonic());
      link.close();
    });
  }
  await clock.advance(3_600_000);
  assertEquals(deaths, []);
  wire.blackHole(true);
  await clock.advance(60_000);
  assertEquals(deaths.length, 2);
  for (const at of deaths) assertLessOrEqual(at - 3_600_000, SILENCE_MS + STEP_MS);
  stop.abort();
});
