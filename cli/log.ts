import { displayPath, isAtOrBelow, type SyncPath } from "../core/path.ts";
import { systemClock } from "../system/clock.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, SetupError } from "./_exit.ts";
import { findPlace, PLACE_FLAGS } from "./_history.ts";
import { onInterrupt } from "./_interrupt.ts";
import { type LogLine, LogReader } from "./_log_file.ts";
import { parseWhen, shortTime } from "./_when.ts";

export const log: Command = {
  name: "log",
  summary: "what happened, when, and by whom",
  usage: "[PATH] [--since TIME] [--user NAME] [--follow]",
  about: [
    "Each change that was made, when, by whom and from which device, in the order in which it happened here.",
  ],
  flags: [
    { name: "since", value: "TIME", help: 'only from then on: 2h (ago), or "2025-04-07 13:11"' },
    { name: "user", value: "NAME", help: "only what this user did" },
    { name: "follow", help: "go on as it happens, until stopped" },
    ...PLACE_FLAGS,
  ],
  example: "fsync log ./client_files/notes.txt --since 2d\n" +
    "fsync log --data ./server_files --user ann --follow",
  words: { min: 0, max: 1 },
  run: runLog,
};

/** How often a followed log is looked at, ms. */
const FOLLOW_MS = 200;

async function runLog(context: Context): Promise<number> {
  const place = findPlace(context, context.words[0]);
  const since = context.value("since");
  const filter = new Filter({
    path: place.path,
    since: since === undefined ? -Infinity : parseWhen("since", since, Date.now()),
    user: context.value("user") ?? null,
  });
  const reader = openLog(place.root);
  const interrupt = onInterrupt();
  try {
    for (;;) {
      for (const line of reader.next()) if (filter.passes(line)) print(context, line);
      if (!context.on("follow") || interrupt.signal.aborted) return EXIT.ok;
      await systemClock.sleep(FOLLOW_MS, interrupt.signal);
    }
  } finally {
    interrupt.end();
    reader.close();
  }
}

function openLog(root: string): LogReader {
  try {
    return new LogReader(`${root}/.fsync`);
  } catch (error) {
    const reason = error instanceof Deno.errors.PermissionDenied ? "permission denied" : String(error);
    throw new SetupError("state", `Cannot read the log of "${root}": ${reason}`);
  }
}

interface Wanted {
  /** With all below it. */
  readonly path: SyncPath | null;
  readonly since: number;
  readonly user: string | null;
}

class Filter {
  readonly #wanted: Wanted;
  /** As whom the folder is synced: what it sends bears no name of its own. */
  #self = "";

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  passes({ record, time }: LogLine): boolean {
    const { path, since, user } = this.#wanted;
    if (record.type === "connected" && typeof record.user === "string") this.#self = record.user;
    if (time < since || (user !== null && record.owner !== user && this.#userOf(record) !== user)) {
      return false;
    }
    return path === null ||
      [record.path, record.from, record.storedAs].some((other) =>
        typeof other === "string" && isAtOrBelow(other as SyncPath, path)
      );
  }

  #userOf(record: LogLine["record"]): string {
    for (const who of [record.by, record.author]) {
      if (typeof who === "object" && who !== null && "user" in who && who.user !== "") {
        return String(who.user);
      }
    }
    return typeof record.user === "string" ? record.user : this.#self;
  }
}

function print(context: Context, { record, time }: LogLine): void {
  const { output } = context;
  if (output.json) return output.document(record);
  const { type, path, text } = record;
  const words = typeof text === "string"
    ? text
    : [type, path].filter((part) => typeof part === "string").join(": ");
  output.line(`${shortTime(time)}  ${displayPath(words)}`);
}
