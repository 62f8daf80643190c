import { assertEquals } from "@std/assert";
import type { SyncPath } from "../core/path.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { Aggregator, type AggregatorOptions, QUIET_MS, WAIT_MS_MAX } from "./aggregate.ts";
import type { Dirty } from "./dirty.ts";

const QUIET = { deep: false, busy: false };
const BUSY = { deep: false, busy: true };
const DEEP = { deep: true, busy: false };

const p = (text: string) => text as SyncPath;

/** `at: what` for each batch, as in `2: a b/`, where `/` is a deep look and `*` one at everything. */
function setUp(options: Partial<AggregatorOptions> = {}) {
  const clock = new ManualClock();
  const log: string[] = [];
  const emit = (dirty: Dirty) => {
    const paths = [...dirty.paths].map(([path, depth]) => depth === "deep" ? `${path}/` : path);
    log.push(`${clock.monotonic()}: ${dirty.all ? "*" : paths.join(" ")}`);
  };
  const aggregator = new Aggregator({ clock, emit, ...options });
  return { clock, log, aggregator };
}

Deno.test("create, modify and close of one file are one look, just after the close", async () => {
  const { clock, log, aggregator } = setUp();
  aggregator.note(p("a"), BUSY);
  await clock.advance(5);
  aggregator.note(p("a"), BUSY);
  aggregator.note(p("a"), QUIET);
  await clock.advance(5_000);
  assertEquals(log, ["7: a"]);
  assertEquals(clock.pending, 0);
});

Deno.test("a writer that does not close is looked at when it pauses", async () => {
  const { clock, log, aggregator } = setUp();
  for (let i = 0; i < 5; i++) {
    aggregator.note(p("log"), BUSY);
    await clock.advance(10);
  }
  await clock.advance(1_000);
  assertEquals(log, [`${40 + QUIET_MS}: log`]);
});

Deno.test("a path that is written without pause is looked at within the bound", async () => {
  const { clock, log, aggregator } = setUp();
  for (let i = 0; i < 250; i++) {
    aggregator.note(p("log"), BUSY);
    await clock.advance(10);
  }
  assertEquals(log, [`${WAIT_MS_MAX}: log`, `${2 * WAIT_MS_MAX}: log`]);
});

Deno.test("a busy path does not hold up a quiet one", async () => {
  const { clock, log, aggregator } = setUp();
  aggregator.note(p("busy"), BUSY);
  await clock.advance(1);
  aggregator.note(p("done"), QUIET);
  await clock.advance(1_000);
  assertEquals(log, ["3: done", "20: busy"]);
});

Deno.test("a hundred atomic saves in a row are one look", async () => {
  const { clock, log, aggregator } = setUp();
  for (let i = 0; i < 100; i++) {
    aggregator.note(p("f.tmp"), BUSY);
    aggregator.note(p("f.tmp"), QUIET);
    aggregator.note(p("f"), QUIET);
    await clock.advance(1);
  }
  await clock.advance(1_000);
  assertEquals(log, ["101: f.tmp f"]);
});

Deno.test("what lies below a deep look is not listed beside it", async () => {
  const { clock, log, aggregator } = setUp();
  for (const path of ["d", "d/e"]) aggregator.note(p(path), DEEP);
  for (const path of ["d/e/f", "d/g", "dd", "x"]) aggregator.note(p(path), QUIET);
  await clock.advance(10);
  assertEquals(log, ["2: d/ dd x"]);
});

Deno.test("too many waiting paths become one look at everything", async () => {
  const { clock, log, aggregator } = setUp({ waitingMax: 10 });
  for (let i = 0; i < 990; i++) {
    aggregator.note(p(`d${i}`), DEEP);
    assertEquals(aggregator.waiting <= 11, true);
  }
  await clock.advance(10_000);
  assertEquals(log, ["2: *"]);
  assertEquals(clock.pending, 0);
});

Deno.test("a look at everything takes the waiting paths with it", async () => {
  const { clock, log, aggregator } = setUp();
  aggregator.note(p("a"), BUSY);
  aggregator.noteAll();
  aggregator.note(p("b"), QUIET);
  await clock.advance(2);
  aggregator.note(p("c"), QUIET);
  await clock.advance(10_000);
  assertEquals(log, ["2: *", "4: c"]);
});

Deno.test("looks at everything keep a distance in a storm of overflows", async () => {
  const { clock, log, aggregator } = setUp();
  for (let i = 0; i < 250; i++) {
    aggregator.noteAll();
    await clock.advance(10);
  }
  assertEquals(log, ["2: *", "1002: *", "2002: *"]);
});

Deno.test("the root itself means everything", async () => {
  const { clock, log, aggregator } = setUp();
  aggregator.note(null, QUIET);
  await clock.advance(10);
  assertEquals(log, ["2: *"]);
});

Deno.test("while the receiver is busy events accumulate, bounded, and go out together", async () => {
  const clock = new ManualClock();
  const log: Dirty[] = [];
  let release = Promise.withResolvers<void>();
  const aggregator = new Aggregator({
    clock,
    waitingMax: 100,
    emit: (dirty) => {
      log.push(dirty);
      return release.promise;
    },
  });
  aggregator.note(p("first"), QUIET);
  await clock.advance(10);
  for (let i = 0; i < 50; i++) aggregator.note(p(`f${i}`), QUIET);
  await clock.advance(10_000);
  assertEquals(log.length, 1);

  release.resolve();
  release = Promise.withResolvers();
  await clock.advance(1);
  assertEquals(log.map((dirty) => dirty.paths.size), [1, 50]);

  for (let i = 0; i < 5_000; i++) aggregator.note(p(`f${i}`), QUIET);
  release.resolve();
  await clock.advance(2_000);
  assertEquals(log.slice(2), [{ paths: new Map(), all: true }]);
  await aggregator.close();
});

Deno.test("an event that arrives the moment the last one went out is not forgotten", async () => {
  const clock = new ManualClock();
  const log: SyncPath[] = [];
  const aggregator = new Aggregator({
    clock,
    emit: (dirty) => {
      log.push(...dirty.paths.keys());
      if (log.length >= 20) return;
      // After the microtask in which the loop finds that nothing waits, and around it.
      let turn = Promise.resolve();
      for (let i = 0; i < log.length; i++) turn = turn.then(() => {});
      void turn.then(() => aggregator.note(p(`f${log.length}`), QUIET));
    },
  });
  aggregator.note(p("f0"), QUIET);
  await clock.advance(1_000);
  assertEquals(log.length, 20);
});

Deno.test("after close nothing is sent and no timer is left", async () => {
  const { clock, log, aggregator } = setUp();
  aggregator.note(p("d"), DEEP);
  await clock.advance(10);
  await aggregator.close();
  aggregator.note(p("a"), QUIET);
  aggregator.noteAll();
  await clock.advance(10_000);
  assertEquals(log, ["2: d/"]);
  assertEquals(clock.pending, 0);
});
