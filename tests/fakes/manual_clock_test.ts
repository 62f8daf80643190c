import { assertEquals, assertRejects } from "@std/assert";
import { Bug } from "../../core/invariant.ts";
import { ManualClock } from "./manual_clock.ts";

Deno.test("time moves only by hand, and sleepers wake in the order of their time, then of their asking", async () => {
  const clock = new ManualClock(1000);
  const woken: string[] = [];
  const sleeper = async (name: string, ms: number) => {
    await clock.sleep(ms);
    woken.push(`${name} ${clock.now()} ${clock.monotonic()}`);
  };
  for (const [name, ms] of [["c", 30], ["a", 10], ["d", 30], ["b", 20]] as const) sleeper(name, ms);
  await clock.settle();
  assertEquals([woken, clock.pending, clock.nextIn()], [[], 4, 10]);
  await clock.advance(20);
  assertEquals(woken, ["a 1010 10", "b 1020 20"]);
  assertEquals(await clock.runNext(), true);
  assertEquals(woken.slice(2), ["c 1030 30"]);
  assertEquals(await clock.runNext(), true);
  assertEquals(woken.slice(3), ["d 1030 30"]);
  assertEquals(await clock.runNext(), false);
  await clock.advance(5);
  assertEquals([clock.now(), clock.pending], [1035, 0]);
});

Deno.test("what a sleeper does on waking is done before the next one wakes", async () => {
  const clock = new ManualClock();
  const log: string[] = [];
  const worker = async (name: string) => {
    for (let step = 0; step < 3; step++) {
      await clock.sleep(10);
      for (let i = 0; i < 20; i++) await Promise.resolve();
      await clock.yield();
      log.push(`${name}${step}`);
    }
  };
  const both = Promise.all([worker("a"), worker("b")]);
  await clock.runUntil(both);
  assertEquals(log, ["a0", "b0", "a1", "b1", "a2", "b2"]);
});

Deno.test("an abort ends a sleep at once and forgets its timer", async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const sleeping = clock.sleep(1000, stop.signal);
  stop.abort();
  await sleeping;
  await clock.sleep(1000, stop.signal);
  assertEquals([clock.pending, clock.nextIn(), clock.monotonic()], [0, null, 0]);
});

Deno.test("a cancelled timer never runs", async () => {
  const clock = new ManualClock();
  const run: string[] = [];
  const cancel = clock.schedule(5, () => run.push("cancelled"));
  clock.schedule(6, () => run.push("kept"));
  cancel();
  cancel();
  await clock.advance(10);
  assertEquals(run, ["kept"]);
});

Deno.test("a thousand timers come in order", async () => {
  const clock = new ManualClock();
  const times: number[] = [];
  for (let i = 0; i < 1000; i++) clock.schedule((i * 7919) % 1009, () => times.push(clock.monotonic()));
  await clock.advance(2000);
  assertEquals(times, times.toSorted((a, b) => a - b));
  assertEquals(times.length, 1000);
});

Deno.test("a skewed view differs in the wall clock alone", async () => {
  const clock = new ManualClock(50_000);
  const view = clock.skewed(-20_000);
  await clock.runUntil(view.sleep(100));
  assertEquals([clock.now(), view.now(), view.monotonic()], [50_100, 30_100, 100]);
  view.offsetMs = 5;
  assertEquals(view.now(), 50_105);
});

Deno.test("waiting for what never comes is a bug, not a hang", async () => {
  const clock = new ManualClock();
  await assertRejects(() => clock.runUntil(new Promise(() => {})), Bug, "no timer");
  await assertRejects(() => clock.runUntil(clock.sleep(100), 99), Bug, "99 ms");
  await assertRejects(
    async () => {
      for (;;) await clock.yield();
    },
    Bug,
    "yields for ever",
  );
});
