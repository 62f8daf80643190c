/** When a client tries again, and when it does not. */
import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { Rights } from "../core/access.ts";
import { type ErrorCode, RemoteError } from "../protocol/errors.ts";
import type { Remote } from "../protocol/remote.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { MemDisk } from "../tests/fakes/mem_disk.ts";
import { MemState } from "../tests/fakes/mem_state.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { Engine } from "./engine.ts";
import { UnreachableError } from "./errors.ts";

const UNREACHABLE = new UnreachableError("Cannot connect: nobody is there");
const HOUR_MS = 3_600_000;

/** What becomes of a try: no connection, or a session that lasts so long and ends so. */
type Outcome = { readonly refused: Error } | { readonly lasts: number; readonly end: Error };

/** Lets an engine try for an hour. @returns the waits before each try after the first, ms */
async function waits(outcome: (attempt: number) => Outcome): Promise<number[]> {
  const clock = new ManualClock();
  const random = new SeededRandom(3n);
  const tries: { began: number; ended: number }[] = [];
  const stop = new AbortController();
  const engine = new Engine({
    disk: new MemDisk({ clock: () => clock.now(), granularityUs: 1 }),
    state: new MemState(random.fork()),
    clock,
    random,
    onEvent: () => {},
    connector: {
      connect: () => {
        const now = clock.monotonic();
        const it = { began: now, ended: now };
        tries.push(it);
        const what = outcome(tries.length - 1);
        if ("refused" in what) return Promise.reject(what.refused);
        const closed = clock.sleep(what.lasts).then(() => {
          it.ended = clock.monotonic();
          return what.end;
        });
        return Promise.resolve(silentRemote(closed));
      },
    },
    folder: "",
    rootProblem: () => null,
    guard: "on",
  });
  const running = engine.run(stop.signal);
  running.catch(() => {});
  await clock.advance(HOUR_MS);
  stop.abort();
  await clock.runUntil(running);
  return tries.slice(1).map(({ began }, i) => began - tries[i]!.ended);
}

/** A server with an empty folder. */
function silentRemote(closed: Promise<Error>): Remote {
  const nobody = () => Promise.reject(new Error("nothing is to be moved"));
  return {
    welcome: {
      type: "welcome",
      version: 2,
      software: "test",
      folderName: "main",
      folder: "1".repeat(32),
      epoch: "2".repeat(32),
      head: 0,
      clock: 0,
      user: "ann",
      deviceName: "laptop",
      view: "0".repeat(32),
      rules: Rights.ALL.rules,
      conflicts: 0,
      heartbeatMs: 15_000,
    },
    closed,
    subscribe: () => Promise.resolve(),
    upload: nobody,
    stage: nobody,
    download: nobody,
    fetch: nobody,
    close: () => {},
  };
}

function refusal(code: ErrorCode): RemoteError {
  return new RemoteError(code, `refused: ${code}`);
}

Deno.test("reconnect: waits double from 250 ms to 30 s, each with its own jitter", async () => {
  const all = await waits(() => ({ refused: UNREACHABLE }));
  let bound = 250;
  for (const wait of all) {
    assert(wait >= bound * 0.5 && wait <= bound * 1.5, `${wait} ms at ${bound}`);
    bound = Math.min(2 * bound, 30_000);
  }
  const late = all.slice(10);
  assertGreater(new Set(late.map((wait) => Math.round(wait))).size, late.length / 2);
  assertGreater(all.length, HOUR_MS / 45_000);
});

for (const [name, end] of [["a lost line", UNREACHABLE], ["closing", refusal("closing")]] as const) {
  Deno.test(`reconnect: after ${name} a session comes back in a moment, however short it was`, async () => {
    const all = await waits(() => ({ lasts: 2000, end }));
    assertGreater(all.length, 1000);
    assertLess(Math.max(...all), 375 + 1);
  });
}

Deno.test("reconnect: a server that is away for a while is found soon after it is back", async () => {
  const all = await waits((attempt) =>
    attempt % 10 < 5 ? { refused: UNREACHABLE } : { lasts: 60_000, end: UNREACHABLE }
  );
  assertLess(Math.max(...all), 250 * 2 ** 5 * 1.5);
});

Deno.test("reconnect: where the protocol is broken each time, the waits grow all the same", async () => {
  const all = await waits(() => ({ lasts: 100, end: refusal("protocol") }));
  assertLess(all.length, 250);
  assertGreater(Math.max(...all), 15_000);
});

for (const code of ["limit", "internal"] as const) {
  Deno.test(`reconnect: who is refused with ${code} tries again, less and less often`, async () => {
    const all = await waits(() => ({ refused: refusal(code) }));
    assertGreater(all.length, 50);
    assertGreater(Math.max(...all), 15_000);
  });
}

for (const code of ["denied", "version"] as const) {
  Deno.test(`reconnect: who is refused with ${code} does not try again`, async () => {
    await assertRejects(() => waits(() => ({ refused: refusal(code) })), RemoteError, code);
    let tries = 0;
    await waits(() => {
      tries++;
      return tries === 1 ? { lasts: 1000, end: refusal(code) } : { refused: UNREACHABLE };
    }).catch(() => {});
    assertEquals(tries, 1);
  });
}
