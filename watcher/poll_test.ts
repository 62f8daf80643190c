import { assertEquals } from "@std/assert";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { Periodic } from "./poll.ts";

Deno.test("each round comes an interval after the last, and a changed interval counts from there", async () => {
  const clock = new ManualClock();
  const rounds: number[] = [];
  let interval = 100;
  const periodic = new Periodic({
    clock,
    intervalMs: () => interval,
    onDue: () => void rounds.push(clock.monotonic()),
  });
  await clock.advance(250);
  assertEquals(rounds, [100, 200]);

  interval = 1_000;
  await clock.advance(50);
  assertEquals(rounds, [100, 200], "a longer interval holds without a nudge");

  interval = 120;
  periodic.nudge();
  await clock.advance(200);
  assertEquals(rounds, [100, 200, 320, 440]);

  await periodic.close();
  assertEquals(clock.pending, 0);
});

Deno.test("rounds never overlap", async () => {
  const clock = new ManualClock();
  const rounds: number[] = [];
  const periodic = new Periodic({
    clock,
    intervalMs: () => 10,
    onDue: () => {
      rounds.push(clock.monotonic());
      return clock.sleep(100);
    },
  });
  await clock.advance(250);
  assertEquals(rounds, [10, 110, 210]);
  const closed = periodic.close();
  await clock.advance(100);
  await closed;
});
