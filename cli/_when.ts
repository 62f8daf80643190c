/** Points in time as people write them, and as tables show them; local time. */
import { UsageError } from "./_exit.ts";

const ABSOLUTE = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?$/;
const AGO = /^(\d+)(s|m|h|d|w)$/;
const UNIT_MS = new Map([["s", 1e3], ["m", 60e3], ["h", 3600e3], ["d", 86400e3], ["w", 7 * 86400e3]]);

/**
 * Reads `2025-04-07 13:11[:05]` (local time), `2025-04-07`, or how long ago: `90s`, `15m`, `2h`, `3d`, `1w`.
 *
 * @returns milliseconds since 1970
 * @throws {UsageError}
 */
export function parseWhen(flag: string, text: string, now: number): number {
  const ago = AGO.exec(text);
  if (ago !== null) return now - Number(ago[1]) * UNIT_MS.get(ago[2]!)!;
  const parts = ABSOLUTE.exec(text);
  const [year, month, day, hour, minute, second] = (parts ?? []).slice(1, 7).map((part) => Number(part ?? 0));
  const date = new Date(
    year!,
    month! - 1,
    day!,
    hour,
    minute,
    second,
    Number((parts?.[7] ?? "").padEnd(3, "0")),
  );
  // A thirteenth month would otherwise be next year's first.
  const real = date.getMonth() === month! - 1 && date.getDate() === day && hour! < 24 && minute! < 60 &&
    second! < 60;
  if (parts !== null && real) return date.getTime();
  throw new UsageError(
    `Cannot read --${flag} "${text}": it is no time`,
    `like this: --${flag} "2025-04-07 13:11" or --${flag} 2h (ago)`,
  );
}

/**
 * The same, to the end of the second that it names: tables show whole seconds, and what is copied from there means
 * what stands there.
 *
 * @throws {UsageError}
 */
export function parseWhenInclusive(flag: string, text: string, now: number): number {
  const time = parseWhen(flag, text, now);
  return AGO.test(text) || text.includes(".") ? time : time + 999;
}

/** `2025-04-07 13:11:05`, local time. */
export function shortTime(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2025-04-07`, local time; `never` for 0. */
export function dayOrNever(ms: number): string {
  return ms === 0 ? "never" : shortTime(ms).slice(0, "2025-04-07".length);
}

const SPAN = /^(\d+)(s|m|h|d|w)$/;

/** How long `90s`, `15m`, `24h`, `3d`, `1w` is, ms. @throws {UsageError} */
export function parseSpan(flag: string, text: string): number {
  const parts = SPAN.exec(text);
  if (parts !== null) return Number(parts[1]) * UNIT_MS.get(parts[2]!)!;
  throw new UsageError(
    `Cannot read --${flag} "${text}": it is no length of time`,
    `like this: --${flag} 24h, 7d`,
  );
}
