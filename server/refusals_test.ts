import { assertEquals, assertLessOrEqual } from "@std/assert";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { type FailedSignIns, FAILURES_FREE, REFUSAL_MS, REFUSAL_SLOW_MS, Refusals } from "./refusals.ts";

function setUp(): { clock: ManualClock; told: FailedSignIns[]; refusals: Refusals } {
  const clock = new ManualClock();
  const told: FailedSignIns[] = [];
  return { clock, told, refusals: new Refusals({ clock, onFailed: (failed) => void told.push(failed) }) };
}

function times<T>(count: number, action: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => action(i));
}

Deno.test("refusals: a network that fails too often in a minute is answered later, another one is not", async () => {
  const { clock, refusals } = setUp();
  assertEquals(times(FAILURES_FREE, () => refusals.note("a")), Array(FAILURES_FREE).fill(REFUSAL_MS));
  assertEquals(refusals.note("a"), REFUSAL_SLOW_MS);
  assertEquals(refusals.note("b"), REFUSAL_MS);
  await clock.advance(60_000);
  assertEquals(refusals.note("a"), REFUSAL_MS);
  refusals.close();
});

Deno.test("refusals: one failure is one line, a burst one more, and one a minute as long as it goes on", async () => {
  const { clock, told, refusals } = setUp();
  refusals.note("lone");
  times(57, () => refusals.note("a"));
  assertEquals(told.splice(0), [{ network: "lone", count: 1 }, { network: "a", count: 1 }]);
  await clock.advance(60_000);
  assertEquals(told.splice(0), [{ network: "a", count: 57 }]);
  times(3, () => refusals.note("a"));
  assertEquals(told, []);
  await clock.advance(60_000);
  assertEquals(told.splice(0), [{ network: "a", count: 3 }]);
  await clock.advance(60_000);
  assertEquals([told, clock.pending], [[], 0]);
  refusals.note("a");
  assertEquals(told, [{ network: "a", count: 1 }]);
  refusals.close();
  await clock.settle();
  assertEquals(clock.pending, 0);
});

Deno.test("refusals: whatever strangers do, the log and the memory grow slowly, and nothing is left out", async () => {
  const { clock, told, refusals } = setUp();
  const networks = 10_000;
  for (let round = 0; round < 2; round++) {
    times(networks, (i) => refusals.note(`10.${i >> 8}.${i & 255}.1`));
    refusals.note("10.0.0.1");
    const first = told.splice(0);
    await clock.advance(60_000);
    assertLessOrEqual(first.length, 20);
    assertLessOrEqual(told.length, 21);
    assertEquals(told[0], { network: "10.0.0.1", count: 2 });
    assertEquals(told.at(-1)?.network, null);
    const later = new Set(told.map(({ network }) => network));
    const counted = [...first.filter(({ network }) => !later.has(network)), ...told];
    assertEquals(counted.reduce((sum, { count }) => sum + count, 0), networks + 1);
    told.length = 0;
  }
  refusals.close();
});

Deno.test("refusals: what was not told yet is told at the end", async () => {
  const { clock, told, refusals } = setUp();
  times(5, () => refusals.note("a"));
  refusals.close();
  await clock.settle();
  assertEquals([told, clock.pending], [[{ network: "a", count: 1 }, { network: "a", count: 5 }], 0]);
});
