import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { describe, Estimate, formatDuration } from "./_progress.ts";

function moment(at: number, sent: number, upBytes: number) {
  return {
    at,
    traffic: { sent, received: 0 },
    work: { up: upBytes === 0 ? 0 : 1, upBytes, down: 0, downBytes: 0 },
  };
}

Deno.test("a large file under way counts by what is on the wire", () => {
  const estimate = new Estimate();
  const size = 10_000_000;
  let left: number | null = null;
  for (let tick = 0; tick <= 20; tick++) left = estimate.note(moment(tick * 250, tick * 250_000, size));
  // 5 MB of 10 are sent at 1 MB/s.
  assertAlmostEquals(left!, 5, 0.1);
  assertAlmostEquals(estimate.rate, 1_000_000, 1000);
});

Deno.test("what is finished is not taken off twice", () => {
  const estimate = new Estimate();
  for (let tick = 0; tick < 8; tick++) estimate.note(moment(tick * 250, tick * 250_000, 4_000_000));
  estimate.settle({ sent: 7 * 250_000, received: 0 });
  const left = estimate.note(moment(8 * 250, 8 * 250_000, 2_000_000));
  assertAlmostEquals(left!, 1.75, 0.1);
});

Deno.test("without a rate, or with nothing to do, no time is named", () => {
  const estimate = new Estimate();
  assertEquals(estimate.note(moment(0, 0, 100)), null);
  assertEquals(estimate.note(moment(250, 100_000, 100)), null, "one period is no rate");
  for (let tick = 2; tick < 8; tick++) estimate.note(moment(tick * 250, tick * 100_000, 100));
  assertEquals(estimate.note(moment(2000, 900_000, 0)), null);
  assert(estimate.rate > 0);
});

Deno.test("progress says only what is known", () => {
  const none = { up: 0, upBytes: 0, down: 0, downBytes: 0 };
  assertEquals(describe(none, 0, null), []);
  assertEquals(describe({ ...none, up: 2, upBytes: 1_500_000 }, 500_000, 3), [
    "2 paths left (1.5 MB)",
    "500 kB/s",
    "about 0:03",
  ]);
  assertEquals([0.2, 42, 727, 11_100].map(formatDuration), ["0:01", "0:42", "12:07", "3:05:00"]);
});
