import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { GUARD_AT_REST, GUARD_WINDOW_MS, guardDeletes, GUARDED_FILES_MIN } from "./guard.ts";

const MINUTE = 60_000;

interface GuardCase {
  readonly name: string;
  /** Deletes that come one after the other: files there before, files that go, when (ms). */
  readonly runs: readonly (readonly [files: number, deletes: number, at: number])[];
  /** Whether each of them is held. */
  readonly held: readonly boolean[];
}

const CASES: readonly GuardCase[] = [
  { name: "half of 20 passes", runs: [[20, 10, 0]], held: [false] },
  { name: "more than half of 20 is held", runs: [[20, 11, 0]], held: [true] },
  { name: "all of 19 passes", runs: [[19, 19, 0]], held: [false] },
  { name: "all of very many is held", runs: [[100_000, 100_000, 0]], held: [true] },
  { name: "nothing is never held", runs: [[20, 0, 0]], held: [false] },
  {
    name: "in small parts, the part that passes half is held",
    runs: [[40, 15, 0], [25, 5, 10], [20, 1, 20]],
    held: [false, false, true],
  },
  {
    name: "a part that is held stays held",
    runs: [[20, 11, 0], [20, 11, 500], [20, 12, 1000]],
    held: [true, true, true],
  },
  {
    name: "fewer pass after more were held",
    runs: [[20, 11, 0], [20, 3, 10]],
    held: [true, false],
  },
  {
    name: "parts below 20 files belong to the folder that had more",
    runs: [[21, 8, 0], [13, 3, 10]],
    held: [false, true],
  },
  { name: "parts a minute apart are one event", runs: [[40, 20, 0], [20, 1, MINUTE]], held: [false, true] },
  { name: "parts further apart are not", runs: [[40, 20, 0], [20, 10, MINUTE + 1]], held: [false, false] },
  {
    name: "each part renews the minute",
    runs: [[40, 10, 0], [30, 10, MINUTE], [20, 1, 2 * MINUTE]],
    held: [false, false, true],
  },
  {
    name: "what is held stays so for ever, though few files are left by then",
    runs: [[20, 7, 0], [13, 13, 10], [13, 13, 10 * MINUTE], [13, 13, 100 * MINUTE]],
    held: [false, true, true, true],
  },
  {
    name: "what was taken back is held no longer",
    runs: [[20, 7, 0], [13, 13, 10], [13, 0, 20], [13, 3, 30], [10, 1, 40]],
    held: [false, true, false, false, true],
  },
  {
    name: "a folder that grows meanwhile counts as what it is",
    runs: [[20, 10, 0], [60, 20, 10]],
    held: [false, false],
  },
];

for (const { name, runs, held } of CASES) {
  Deno.test(`guard: ${name}`, () => {
    let state = GUARD_AT_REST;
    const seen = runs.map(([files, deletes, at]) => {
      const verdict = guardDeletes(state, files, deletes, at);
      state = verdict.state;
      return verdict.held;
    });
    assertEquals(seen, held);
  });
}

Deno.test("guard: it tells of the whole run", () => {
  const { state } = guardDeletes(GUARD_AT_REST, 40, 15, 0);
  const { held, deletes, files } = guardDeletes(state, 25, 6, 10);
  assertEquals({ held, deletes, files }, { held: true, deletes: 21, files: 40 });
});

Deno.test("guard: within a window never more than half of a guarded folder goes", () => {
  const part = fc.record({ deletes: fc.integer({ min: 1, max: 30 }), after: fc.nat(GUARD_WINDOW_MS) });
  fc.assert(
    fc.property(fc.integer({ min: GUARDED_FILES_MIN, max: 200 }), fc.array(part), (files, parts) => {
      let state = GUARD_AT_REST;
      let left = files;
      let now = 0;
      for (const { deletes, after } of parts) {
        now += after;
        const verdict = guardDeletes(state, left, Math.min(deletes, left), now);
        state = verdict.state;
        if (!verdict.held) left -= Math.min(deletes, left);
      }
      assertEquals(left * 2 >= files, true);
    }),
  );
});
