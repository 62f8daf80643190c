import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { Throttle, throttled } from "./throttle.ts";

/** Writes `bytes` through `throttle` as fast as it lets them; returns the seconds that it took. */
async function secondsFor(bytes: number, rate: number | null, writers = 1): Promise<number> {
  const clock = new ManualClock();
  const up = new Throttle(clock, rate);
  const limits = { up, down: new Throttle(clock) };
  let passed = 0;
  const stream = throttled({
    read: () => Promise.resolve(null),
    write: (part) => {
      passed += part.length;
      return Promise.resolve(part.length);
    },
    closeWrite: () => Promise.resolve(),
    close: () => {},
  }, limits);
  const write = async () => {
    const whole = new Uint8Array(bytes / writers);
    for (let at = 0; at < whole.length;) at += await stream.write(whole.subarray(at));
  };
  await clock.runUntil(Promise.all(Array.from({ length: writers }, write)));
  assertEquals(passed, bytes);
  return clock.monotonic() / 1000;
}

Deno.test("a throttle lets its rate pass, whatever the number of connections", async () => {
  for (const writers of [1, 4]) {
    const seconds = await secondsFor(4_000_000, 1_000_000, writers);
    assert(seconds > 3.8 && seconds < 4.05, `${writers} writers took ${seconds} s`);
  }
  const slow = await secondsFor(20_000, 2_000);
  assert(slow > 9.3 && slow < 10.1, `at 2 kB/s it took ${slow} s`);
  assertEquals(await secondsFor(4_000_000, null), 0);
});

Deno.test("a throttle holds reading back too, and takes up another rate", async () => {
  const clock = new ManualClock();
  const down = new Throttle(clock, 100_000);
  const stream = throttled({
    read: (into) => Promise.resolve(into.length),
    write: (part) => Promise.resolve(part.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  }, { up: new Throttle(clock), down });
  const read = async (bytes: number) => {
    const buffer = new Uint8Array(1 << 20);
    for (let left = bytes; left > 0;) left -= await stream.read(buffer) ?? left;
  };
  await clock.runUntil(read(1_000_000));
  const first = clock.monotonic();
  assert(first > 9_500 && first < 10_200, `it took ${first} ms`);
  down.rate = 1_000_000;
  await clock.runUntil(read(1_000_000));
  const second = clock.monotonic() - first;
  assert(second > 800 && second < 1_100, `it took ${second} ms`);
  down.rate = null;
  await clock.runUntil(read(50_000_000));
  assert(clock.monotonic() - first - second < 100);
});
