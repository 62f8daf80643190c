import { assertEquals, assertMatch } from "@std/assert";
import type { Comparison } from "./compare.ts";
import { formatTable, judge, ratio } from "./report.ts";
import type { Measurement } from "./rig.ts";

Deno.test("ratios are taken repeat by repeat, then their median", () => {
  // The ratio of the medians would be 3.
  assertEquals(ratio(comparison("no-change", [1, 3, 9], [1, 1, 9])), 1);
});

Deno.test("without a rival there is no ratio, and no verdict on it", () => {
  const alone = comparison("no-change", [1], []);
  assertEquals(ratio(alone), null);
  assertEquals(judge({ comparisons: [alone], latency: null }).map(({ name }) => name), [
    "memory of a client, peak",
    "memory of the server, peak",
  ]);
});

Deno.test("a threshold that is reached is missed", () => {
  const latency = {
    saves: 200,
    timesMs: [],
    medianMs: 49.9,
    p99Ms: 299,
    worstMs: 300,
    clientPeakBytes: 100e6,
    serverPeakBytes: 300e6,
  };
  const comparisons = [comparison("no-change", [2.9], [1]), comparison("first-sync", [4], [1])];
  assertEquals(judge({ comparisons, latency }).map(({ pass }) => pass), [
    true, // pass without a change: 2.9 < 3
    false, // first sync: 4 is not below 4
    true, // memory of a client
    false, // memory of the server
    true, // latency, median
    false, // latency, worst
  ]);
});

Deno.test("the table shows medians of times and the largest peaks", () => {
  const [, row] = formatTable([comparison("rename", [1, 5, 2], [2, 2, 2])]);
  assertMatch(row!, /^title of rename +2\.000 +2\.000 +1\.00 +1,234 +1,234 +10\+20 +10\+20$/);
});

function comparison(name: string, fsync: number[], rsync: number[]): Comparison {
  return { name, title: `title of ${name}`, fsync: fsync.map(measurement), rsync: rsync.map(measurement) };
}

function measurement(seconds: number): Measurement {
  return { seconds, wireBytes: 1234, clientPeakBytes: 10e6, serverPeakBytes: 20e6 };
}
