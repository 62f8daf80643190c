import { assertEquals } from "@std/assert";
import { FakeSource } from "../tests/fakes/fake_source.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import type { Dirty } from "./dirty.ts";
import { ShortageError } from "./source.ts";
import { startWatcher, type Watcher } from "./watcher.ts";

interface World {
  readonly root: string;
  readonly clock: ManualClock;
  /** Every source that was opened, the newest last. */
  readonly sources: FakeSource[];
  readonly watcher: Watcher;
  /** What was reported since the last call: `*`, or paths with `/` for deep. */
  news(): string[];
  /** Number of looks at everything while `ms` pass. */
  looksDuring(ms: number): Promise<number>;
}

interface Given {
  readonly network?: boolean;
  readonly prepare?: (source: FakeSource, root: string) => void;
}

async function withWatcher(given: Given, test: (world: World) => Promise<void>): Promise<void> {
  const parent = Deno.makeTempDirSync();
  const root = `${parent}/root`;
  Deno.mkdirSync(root);
  const clock = new ManualClock();
  const sources: FakeSource[] = [];
  let log: string[] = [];
  const watcher = startWatcher(root, {
    clock,
    network: given.network ?? false,
    onDirty: (dirty: Dirty) => {
      log.push(...dirty.paths.entries().map(([path, depth]) => depth === "deep" ? `${path}/` : path));
      if (dirty.all) log.push("*");
    },
    openSource: () => {
      const source = new FakeSource();
      source.inodes.add(Deno.statSync(root).ino!);
      source.makeReady();
      given.prepare?.(source, root);
      sources.push(source);
      return source;
    },
  });
  const news = () => {
    const before = log;
    log = [];
    return before;
  };
  const looksDuring = async (ms: number) => {
    news();
    await clock.advance(ms);
    return news().length;
  };
  try {
    await test({ root, clock, sources, watcher, news, looksDuring });
  } finally {
    await watcher.close();
    Deno.removeSync(parent, { recursive: true });
  }
}

const HOUR = 3_600_000;

Deno.test("the first look is at everything, then only events and the periodic look cause looks", () =>
  withWatcher({}, async ({ clock, sources, watcher, news, looksDuring }) => {
    await clock.advance(10);
    assertEquals(news(), ["*"]);
    assertEquals(clock.pending, 1, "nothing but the periodic look has a timer");
    sources[0]!.touch("a");
    sources[0]!.touch("d", { deep: true });
    await clock.advance(10);
    assertEquals(news(), ["a", "d/"]);
    assertEquals(await looksDuring(HOUR), 60);

    watcher.scanned(1_000, 1);
    assertEquals(await looksDuring(HOUR), 7, "a slow scan comes less often");
  }));

Deno.test("an overflow is a look at everything and is remembered", () =>
  withWatcher({}, async ({ clock, sources, watcher, news }) => {
    await clock.advance(5_000);
    news();
    sources[0]!.push({ type: "rescan" });
    await clock.advance(10);
    assertEquals(news(), ["*"]);
    assertEquals((await watcher.health()).lastOverflow, clock.now() - 10);
    assertEquals(sources.length, 1);
  }));

Deno.test("a network folder is polled, and no source is opened", () =>
  withWatcher({ network: true }, async ({ clock, sources, watcher, looksDuring }) => {
    await clock.advance(10);
    assertEquals(await looksDuring(60_000), 12);
    assertEquals(sources.length, 0);
    const { mode, watched, directories, reason } = await watcher.health();
    assertEquals({ mode, watched, directories }, { mode: "polling", watched: 0, directories: 1 });
    assertEquals(reason?.startsWith("The folder is on a network file system"), true);
    watcher.scanned(6_000);
    assertEquals(await looksDuring(600_000), 10);
  }));

Deno.test("where the limit refuses events, the folder is polled and the advice is given", () => {
  const shortage = { reason: "Cannot watch all directories", advice: "sudo sysctl …" };
  const refuse = () => {
    throw new ShortageError(shortage);
  };
  return withWatcher({ prepare: refuse }, async ({ clock, watcher, looksDuring }) => {
    await clock.advance(10);
    assertEquals(await looksDuring(60_000), 12);
    const { mode, reason, advice } = await watcher.health();
    assertEquals({ mode, reason, advice }, { mode: "polling", ...shortage });
  });
});

Deno.test("a source that opens later ends the polling", () => {
  let refused = 0;
  const refuseTwice = () => {
    if (++refused <= 2) throw new Error("Nothing there (os error 2)");
  };
  return withWatcher({ prepare: refuseTwice }, async ({ clock, watcher, looksDuring }) => {
    assertEquals((await watcher.health()).reason, "Cannot get file events: Nothing there (os error 2)");
    await clock.advance(20_000);
    assertEquals((await watcher.health()).mode, "events");
    assertEquals(await looksDuring(600_000), 10);
  });
});

Deno.test("directories that are not watched turn on polling, and are told by number", () =>
  withWatcher({}, async ({ root, clock, sources, watcher, looksDuring }) => {
    await clock.advance(10);
    Deno.mkdirSync(`${root}/d/e`, { recursive: true });
    const health = await clock.runUntil(watcher.health());
    assertEquals(health, {
      mode: "polling",
      watched: 1,
      directories: 3,
      root: "present",
      reason: "Only 1 of 3 directories are watched",
      advice: null,
      lastOverflow: null,
    });
    assertEquals(await looksDuring(60_000), 12);

    for (const dir of ["d", "d/e"]) sources.at(-1)!.inodes.add(Deno.statSync(`${root}/${dir}`).ino!);
    assertEquals((await watcher.health()).mode, "events");
  }));

Deno.test("a limit that is hit on the way turns on polling while events go on", () =>
  withWatcher({}, async ({ clock, sources, watcher, news, looksDuring }) => {
    await clock.advance(10);
    news();
    sources[0]!.shortage = { reason: "Cannot watch all directories", advice: "sudo sysctl …" };
    sources[0]!.touch("a");
    await clock.advance(10);
    assertEquals(news(), ["a"]);
    assertEquals(await looksDuring(60_000), 12);
    assertEquals(
      (await watcher.health()).mode,
      "events",
      "every directory was proved to be watched after all",
    );
  }));

Deno.test("a scan that met more directories than are watched has the source opened anew", () =>
  withWatcher({}, async ({ root, clock, sources, watcher }) => {
    await clock.advance(10);
    watcher.scanned(10, 1);
    await clock.advance(1_000);
    assertEquals(sources.length, 1);
    Deno.mkdirSync(`${root}/d`);
    watcher.scanned(10, 2);
    await clock.advance(1_000);
    assertEquals(sources.length, 2);
  }));

Deno.test("a source that breaks is replaced at the next poll", () =>
  withWatcher({}, async ({ clock, sources, watcher, news }) => {
    await clock.advance(2_000);
    news();
    sources[0]!.fail(new Error("the queue is broken"));
    await clock.advance(10);
    assertEquals(news(), ["*"]);
    assertEquals((await watcher.health()).reason, "Cannot get file events: the queue is broken");
    await clock.advance(5_000);
    assertEquals([sources.length, (await watcher.health()).mode], [2, "events"]);
  }));

Deno.test("a root that is renamed away, and back, is noticed", () =>
  withWatcher({}, async ({ root, clock, sources, watcher, news }) => {
    await clock.advance(2_000);
    news();
    Deno.renameSync(root, `${root}2`);
    sources[0]!.push({ type: "root", lost: true });
    await clock.advance(10);
    assertEquals(news(), ["*"]);
    const gone = await watcher.health();
    assertEquals([gone.root, gone.mode, gone.reason], ["missing", "polling", "The folder is gone"]);

    Deno.renameSync(`${root}2`, root);
    await clock.advance(6_000);
    const back = await watcher.health();
    assertEquals([back.root, back.mode, back.reason, sources.length], ["present", "events", null, 2]);
  }));

Deno.test("another folder at the root's place is watched, and told", () =>
  withWatcher({}, async ({ root, clock, sources, watcher, news }) => {
    await clock.advance(2_000);
    news();
    Deno.renameSync(root, `${root}2`);
    Deno.mkdirSync(root);
    const { root: state, reason } = await watcher.health();
    assertEquals([state, reason], ["replaced", "Another folder stands where the watched one was"]);
    await clock.advance(10);
    assertEquals([news(), sources.length], [["*"], 2]);
  }));

Deno.test("a root made anew under the old inode number is watched anew", () =>
  withWatcher({}, async ({ clock, sources }) => {
    await clock.advance(10);
    sources[0]!.push({ type: "root", lost: true }, { type: "root", lost: true });
    await clock.advance(10);
    assertEquals([sources.length, sources[0]!.closed, sources[1]!.closed], [2, true, false]);
  }));

Deno.test("closing, also by the signal, leaves no timer and no source", async () => {
  const root = Deno.makeTempDirSync();
  const clock = new ManualClock();
  const source = new FakeSource();
  const stop = new AbortController();
  const watcher = startWatcher(root, {
    clock,
    network: false,
    onDirty: () => {},
    signal: stop.signal,
    openSource: () => source,
  });
  await clock.advance(10);
  stop.abort();
  await watcher.ready;
  await watcher.close();
  assertEquals([source.closed, clock.pending], [true, 0]);
  Deno.removeSync(root);
});
