/** The line that all connections of this process share, held to `--limit-up` and `--limit-down`. */
import { systemClock } from "../system/clock.ts";
import { type LineLimits, Throttle } from "../system/throttle.ts";
import type { Context, Flag } from "./_command.ts";
import { UsageError } from "./_exit.ts";
import { parseBytes } from "./_quantity.ts";

export const LIMIT_FLAGS: readonly Flag[] = [
  { name: "limit-up", value: "RATE", help: "send no more than this a second, e.g. 500K or 2M" },
  { name: "limit-down", value: "RATE", help: "receive no more than this a second" },
];

/** A line slower than this would be taken for dead, bytes a second. */
const RATE_MIN = 1024;

/** @throws {UsageError} if a rate is none */
export function lineOf(context: Context): LineLimits {
  const [up, down] = ratesOf(context);
  return { up: new Throttle(systemClock, up), down: new Throttle(systemClock, down) };
}

/** Takes up what the settings say now. @throws {UsageError}; the line is as before then */
export function adjustLine(line: LineLimits, context: Context): void {
  const [up, down] = ratesOf(context);
  line.up.rate = up;
  line.down.rate = down;
}

function ratesOf(context: Context): [number | null, number | null] {
  return [rateOf(context, "limit-up"), rateOf(context, "limit-down")];
}

function rateOf(context: Context, name: string): number | null {
  const text = context.value(name);
  if (text === undefined || text === "none") return null;
  const rate = parseBytes(text);
  if (rate !== null && rate >= RATE_MIN) return rate;
  throw new UsageError(
    `Cannot run ${context.command.name}: --${name} takes a rate of 1K or more, not "${text}"`,
    "bytes a second, with K, M or G for 1024, 1024² or 1024³; or none",
  );
}
