/** Flags that say what is logged: how much on the terminal, how long in the folder's log, and what for finding faults. */
import { displayPath } from "../core/path.ts";
import { TRACE_AREAS, type TraceArea, traceTo } from "../system/trace.ts";
import type { Context, Flag } from "./_command.ts";
import { UsageError } from "./_exit.ts";
import { parseBytes } from "./_quantity.ts";

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
/** `error`: somebody is needed. `warn`: something is not as it should be. `info`: each change. `debug`: each step. */
export type LogLevel = (typeof LOG_LEVELS)[number];

export const DEBUG_FLAG: Flag = {
  name: "debug",
  value: "AREAS",
  help: `trace ${TRACE_AREAS.slice(0, 4).join(", ")}, … or all`,
};

export const LOG_FLAGS: readonly Flag[] = [
  { name: "log-level", value: "LEVEL", help: "on the terminal: error, warn, info or debug" },
  { name: "log-size", value: "SIZE", help: "begin a new log file at this size (default 16M)" },
  { name: "log-keep", value: "N", help: "keep so many full log files (default 2)" },
  DEBUG_FLAG,
];

export interface JournalOptions {
  /** What the terminal shows; the folder's log has everything from `info` on. */
  readonly level: LogLevel;
  /** Size at which a log file is full, bytes. */
  readonly bytesMax: number;
  /** Full files that are kept. */
  readonly keep: number;
}

export const JOURNAL_DEFAULTS: JournalOptions = { level: "info", bytesMax: 16 * 2 ** 20, keep: 2 };

const KEEP_MAX = 1000;
const BYTES_MIN = 4096;

/** @throws {UsageError} */
export function journalOptions(context: Context): JournalOptions {
  return {
    level: readLevel(context),
    bytesMax: readSize(context),
    keep: context.number("log-keep", JOURNAL_DEFAULTS.keep, { min: 0, max: KEEP_MAX }),
  };
}

function readLevel(context: Context): LogLevel {
  const text = context.value("log-level");
  if (text === undefined) return context.on("verbose") ? "debug" : context.on("quiet") ? "warn" : "info";
  const level = LOG_LEVELS.find((one) => one === text);
  if (level !== undefined) return level;
  throw new UsageError(
    `Cannot run ${context.command.name}: --log-level is one of ${LOG_LEVELS.join(", ")}, not "${text}"`,
  );
}

function readSize(context: Context): number {
  const text = context.value("log-size");
  if (text === undefined) return JOURNAL_DEFAULTS.bytesMax;
  const bytes = parseBytes(text);
  if (bytes !== null && bytes >= BYTES_MIN) return bytes;
  throw new UsageError(
    `Cannot run ${context.command.name}: --log-size takes a size of 4K or more, not "${text}"`,
  );
}

/** Traces what `--debug` names, on stderr: one line each, as JSON under `--json`. @throws {UsageError} */
export function startTracing(context: Context): void {
  const text = context.value("debug");
  const areas = text === undefined ? new Set<TraceArea>() : readAreas(context, text);
  traceTo(areas, (area, what, details) => {
    const time = new Date().toISOString();
    if (context.output.json) {
      return context.output.warn(JSON.stringify({ time, level: "debug", area, what, ...details }));
    }
    const rest = Object.entries(details).map(([name, value]) =>
      ` ${name}=${displayPath(JSON.stringify(value) ?? "")}`
    );
    context.output.warn(`${time} ${area}: ${what}${rest.join("")}`);
  });
}

function readAreas(context: Context, text: string): Set<TraceArea> {
  if (text === "all") return new Set(TRACE_AREAS);
  return new Set(
    text.split(",").map((word) => {
      const area = TRACE_AREAS.find((one) => one === word.trim());
      if (area !== undefined) return area;
      throw new UsageError(
        `Cannot run ${context.command.name}: --debug knows no area "${word.trim()}"`,
        `areas: ${TRACE_AREAS.join(", ")}, or all; several with commas between`,
      );
    }),
  );
}

/** Whether a line of `level` is shown where `shown` is the level. */
export function isShown(level: LogLevel, shown: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(shown);
}
