import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  KEEP_EVERYTHING,
  type RetentionRules,
  type SizedCandidate,
  versionsBeyond,
  versionsToPrune,
} from "./retention.ts";

const NOW = Date.UTC(2025, 3, 30, 12);
const at = (month: number, day: number, hour = 12) => Date.UTC(2025, month - 1, day, hour);

interface Case {
  readonly name: string;
  readonly times: readonly number[];
  readonly rules: Partial<RetentionRules>;
  /** Indexes of the versions that stay; the newest is the head. */
  readonly kept: readonly number[];
  /** Indexes that an open conflict needs. */
  readonly conflict?: readonly number[];
}

const week = [at(4, 24), at(4, 25), at(4, 26), at(4, 27), at(4, 28), at(4, 29), at(4, 30, 8)];
const cases: Case[] = [
  { name: "no rule → all stay", times: week, rules: {}, kept: [0, 1, 2, 3, 4, 5, 6] },
  { name: "the last 3", times: week, rules: { last: 3 }, kept: [4, 5, 6] },
  { name: "the last of more than there are", times: week, rules: { last: 9 }, kept: [0, 1, 2, 3, 4, 5, 6] },
  { name: "all of 2 days", times: week, rules: { allDays: 2 }, kept: [4, 5, 6] },
  {
    name: "one a day, its newest",
    times: [at(4, 28, 1), at(4, 28, 2), at(4, 29, 1), at(4, 29, 23), at(4, 30, 0)],
    rules: { daily: 2 },
    kept: [3, 4],
  },
  {
    name: "days without a change do not count",
    times: [at(1, 1), at(2, 1), at(3, 1), at(4, 1)],
    rules: { daily: 3 },
    kept: [1, 2, 3],
  },
  // 2025-04-28 is a Monday.
  { name: "weeks begin on Monday", times: week, rules: { weekly: 2 }, kept: [3, 6] },
  {
    name: "months",
    times: [at(2, 27), at(2, 28), at(3, 1), at(4, 1)],
    rules: { monthly: 3 },
    kept: [1, 2, 3],
  },
  { name: "what any rule keeps stays", times: week, rules: { last: 2, weekly: 2 }, kept: [3, 5, 6] },
  { name: "the head stays, however old", times: [at(1, 1), at(1, 2)], rules: { allDays: 1 }, kept: [1] },
  { name: "open conflicts stay", times: week, rules: { last: 1 }, kept: [0, 2, 6], conflict: [0, 2] },
];

for (const { name, times, rules, kept, conflict } of cases) {
  Deno.test(`retention: ${name}`, () => {
    const needed = (i: number) => i === times.length - 1 || (conflict?.includes(i) ?? false);
    const versions = times.map((time, i) => ({ time, needed: needed(i), i }));
    const gone = versionsToPrune(versions, { ...KEEP_EVERYTHING, ...rules }, NOW);
    const stays = versions.filter((version) => !gone.includes(version)).map(({ i }) => i);
    assertEquals(stays, [...kept]);
  });
}

const candidates = fc.array(
  fc.record({
    time: fc.integer({ min: 0, max: NOW }),
    needed: fc.boolean(),
    content: fc.option(fc.constantFrom("a", "b", "c", "d")),
  }),
  { maxLength: 30 },
).map((all) =>
  all.sort((a, b) => a.time - b.time).map((one): SizedCandidate => ({
    ...one,
    size: one.content === null ? 0 : one.content.charCodeAt(0),
  }))
);
const small = fc.integer({ min: 0, max: 5 });
const rules = fc.record({ last: small, allDays: small, daily: small, weekly: small, monthly: small });

Deno.test("retention: what is needed never goes, and a second time nothing goes", () => {
  fc.assert(fc.property(candidates, rules, (versions, rules) => {
    const gone = new Set(versionsToPrune(versions, rules, NOW));
    assert([...gone].every(({ needed }) => !needed));
    const rest = versions.filter((version) => !gone.has(version));
    if (rules.last > 0) assert(rest.length >= Math.min(rules.last, versions.length));
    assertEquals(versionsToPrune(rest, rules, NOW), []);
  }));
});

Deno.test("retention: a limit of size takes the oldest, no more than it must, and nothing needed", () => {
  fc.assert(fc.property(candidates, fc.integer({ min: 0, max: 500 }), (versions, limit) => {
    const gone = versionsBeyond(versions, limit);
    assert(gone.every(({ needed }) => !needed));
    const bytes = (all: readonly SizedCandidate[]) => {
      const needed = new Set(all.filter((one) => one.needed).map(({ content }) => content));
      const rest = new Map(all.map(({ content, size }) => [content, size]));
      return [...rest].reduce((sum, [content, size]) => sum + (needed.has(content) ? 0 : size), 0);
    };
    const left = versions.filter((version) => !gone.includes(version));
    assert(bytes(left) <= limit);
    const last = gone.at(-1);
    if (last !== undefined) assert(bytes([...left, last]) > limit);
  }));
});
