/** What came out, as a table and as verdicts. */
import type { Comparison } from "./compare.ts";
import type { Latency } from "./latency.ts";
import type { Measurement } from "./rig.ts";
import { median } from "./stats.ts";

export interface Results {
  readonly comparisons: readonly Comparison[];
  /** `null` if it was not measured. */
  readonly latency: Latency | null;
}

export interface Verdict {
  readonly name: string;
  readonly value: string;
  readonly limit: string;
  readonly pass: boolean;
}

/** What a pass without a change may take, as a multiple of rsync's time. */
const NO_CHANGE_RATIO_MAX = 3;
/** The same for the first sync of small files. */
const FIRST_SYNC_RATIO_MAX = 4;
const MEMORY_BYTES_MAX = 300e6;
const LATENCY_MEDIAN_MS_MAX = 50;
const LATENCY_WORST_MS_MAX = 300;

/** The median of the ratios fsync/rsync, repeat by repeat; `null` without a rival. */
export function ratio({ fsync, rsync }: Comparison): number | null {
  if (rsync.length === 0) return null;
  return median(fsync.map(({ seconds }, i) => seconds / rsync[i]!.seconds));
}

/** The lines of the table: medians of times and bytes, the largest of the memory peaks. */
export function formatTable(comparisons: readonly Comparison[]): string[] {
  const head = [
    "workload",
    "fsync s",
    "rsync s",
    "ratio",
    "fsync wire",
    "rsync wire",
    "fsync client+server MB",
    "rsync client+server MB",
  ];
  const rows = comparisons.map((comparison) => {
    const { title, fsync, rsync } = comparison;
    const found = ratio(comparison);
    return [
      title,
      seconds(fsync),
      seconds(rsync),
      found === null ? "–" : found.toFixed(2),
      wire(fsync),
      wire(rsync),
      memory(fsync),
      memory(rsync),
    ];
  });
  return align([head, ...rows]);
}

export function formatLatency({ saves, medianMs, p99Ms, worstMs }: Latency): string {
  const [half, most, all] = [medianMs, p99Ms, worstMs].map((ms) => ms.toFixed(1));
  return `latency of ${saves} saves, A to B: median ${half} ms, p99 ${most} ms, worst ${all} ms`;
}

/** What was asked of it, as far as it was measured. */
export function judge({ comparisons, latency }: Results): Verdict[] {
  const verdicts: Verdict[] = [];
  const times = (name: string, limit: number) => {
    const comparison = comparisons.find((each) => each.name === name);
    const found = comparison === undefined ? null : ratio(comparison);
    if (found === null) return;
    verdicts.push({
      name: `${comparison!.title}, compared with rsync`,
      value: found.toFixed(2),
      limit: `< ${limit}`,
      pass: found < limit,
    });
  };
  times("no-change", NO_CHANGE_RATIO_MAX);
  times("first-sync", FIRST_SYNC_RATIO_MAX);
  verdicts.push(...judgeMemory({ comparisons, latency }));
  if (latency !== null) {
    verdicts.push(milliseconds("latency, median", latency.medianMs, LATENCY_MEDIAN_MS_MAX));
    verdicts.push(milliseconds("latency, worst", latency.worstMs, LATENCY_WORST_MS_MAX));
  }
  return verdicts;
}

function judgeMemory({ comparisons, latency }: Results): Verdict[] {
  const runs = [...comparisons.flatMap(({ fsync }) => fsync), ...(latency === null ? [] : [latency])];
  if (runs.length === 0) return [];
  const peak = (name: string, bytes: number): Verdict => ({
    name,
    value: `${megabytes(bytes)} MB`,
    limit: `< ${megabytes(MEMORY_BYTES_MAX)} MB`,
    pass: bytes < MEMORY_BYTES_MAX,
  });
  return [
    peak("memory of a client, peak", Math.max(...runs.map((run) => run.clientPeakBytes))),
    peak("memory of the server, peak", Math.max(...runs.map((run) => run.serverPeakBytes))),
  ];
}

function milliseconds(name: string, ms: number, limit: number): Verdict {
  return { name, value: `${ms.toFixed(1)} ms`, limit: `< ${limit} ms`, pass: ms < limit };
}

export function formatVerdicts(verdicts: readonly Verdict[]): string[] {
  return align(
    verdicts.map(({ name, value, limit, pass }) => [name, value, limit, pass ? "pass" : "FAIL"]),
  );
}

function seconds(runs: readonly Measurement[]): string {
  return runs.length === 0 ? "–" : median(runs.map((run) => run.seconds)).toFixed(3);
}

function wire(runs: readonly Measurement[]): string {
  const counts = runs.map(({ wireBytes }) => wireBytes).filter((count) => count !== null);
  return counts.length === 0 ? "–" : median(counts).toLocaleString("en");
}

function memory(runs: readonly Measurement[]): string {
  if (runs.length === 0) return "–";
  const client = Math.max(...runs.map((run) => run.clientPeakBytes));
  const server = Math.max(...runs.map((run) => run.serverPeakBytes));
  return `${megabytes(client)}+${megabytes(server)}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** The first column to the left, the others to the right. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))
      .join("  ")
  );
}
