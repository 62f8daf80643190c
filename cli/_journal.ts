/**
 * The log of a folder: one line for one change, in the words that users of the first version know, and the same event
 * as a JSON line in `.fsync/log/`.
 */
import { displayPath } from "../core/path.ts";
import type { EngineEvent } from "../client/events.ts";
import { ensureDirSync } from "@std/fs";
import { dirname } from "@std/path";
import { openAreaFile, shareNew } from "../system/group_area.ts";
import { isShown, JOURNAL_DEFAULTS, type JournalOptions, type LogLevel } from "./_logging.ts";
import { formatTime, type Output, plural } from "./_output.ts";
import { ownerNames } from "./_user.ts";

/** An event as it stands in the log's file. */
export interface LogRecord {
  readonly type: string;
  readonly [key: string]: unknown;
}

export class Journal {
  readonly #path: string;
  readonly #output: Output;
  /** Changes while the program runs: the level that the terminal shows. */
  options: JournalOptions;
  readonly #encoder = new TextEncoder();
  readonly #ownerOf: (path: string) => string | null;
  #file: Deno.FsFile | null = null;
  #bytes = 0;
  /** Lines of one turn go out in one write. */
  #waiting: string[] = [];

  /** @param dir the `.fsync` directory */
  constructor(dir: string, output: Output, options: JournalOptions = JOURNAL_DEFAULTS) {
    this.options = options;
    this.#path = `${dir}/log/events.jsonl`;
    this.#output = output;
    this.#ownerOf = ownerNames(dirname(dir));
  }

  /** Logs what an engine tells. */
  note(event: EngineEvent): void {
    const now = Date.now();
    const owner = event.type === "uploaded" ? this.#ownerOf(event.path) : null;
    const words = sentence(event, now);
    const text = words === null || owner === null ? words : `${words} (saved by ${owner})`;
    if (text !== null) this.#say(event, text);
    // What was detected is logged when it is uploaded; a delete has nothing to upload.
    if (event.type === "state" || (event.type === "detected" && event.change !== "deleted")) return;
    const level = levelOf(event.type);
    const time = new Date(now).toISOString();
    this.#append({ time, level, ...event, ...(owner === null ? {} : { owner }) }, text);
  }

  /** Logs something else, as an object and, if it has words, as a line. */
  write(record: LogRecord, text: string | null): void {
    if (text !== null) this.#print(record, text);
    this.#append({ time: new Date().toISOString(), level: levelOf(record.type), ...record }, text);
  }

  /** Logs several things at once; what a commit brings may be a thousand changes. */
  writeAll(changes: readonly { readonly record: LogRecord; readonly text: string }[]): void {
    if (changes.length === 0) return;
    if (isShown("info", this.options.level)) {
      if (this.#output.json) { for (const { record } of changes) this.#output.document(record); }
      else this.#output.info(changes.map(({ text }) => text).join("\n"));
    }
    const time = new Date().toISOString();
    for (const { record, text } of changes) {
      this.#append({ time, level: levelOf(record.type), ...record }, text);
    }
  }

  close(): void {
    this.#flush();
    this.#file?.close();
    this.#file = null;
  }

  #say(event: EngineEvent, text: string): void {
    const level = levelOf(event.type);
    if (!isShown(level, this.options.level)) return;
    if (this.#output.json) return this.#output.document(event);
    if (level === "error" || level === "warn") this.#output.warn(text);
    else this.#output.info(text);
  }

  #print(record: LogRecord, text: string): void {
    if (!isShown(levelOf(record.type), this.options.level)) return;
    if (this.#output.json) this.#output.document(record);
    else this.#output.info(text);
  }

  /** The words go into the file too: who reads it later need not know every type. */
  #append(record: { readonly [key: string]: unknown }, text: string | null): void {
    if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
    this.#waiting.push(JSON.stringify(text === null ? record : { ...record, text }));
  }

  /** A log that cannot be written must not keep files from being synced. */
  #flush(): void {
    if (this.#waiting.length === 0) return;
    const bytes = this.#encoder.encode(this.#waiting.join("\n") + "\n");
    this.#waiting = [];
    try {
      this.#open();
      this.#file!.writeSync(bytes);
      this.#bytes += bytes.length;
    } catch (error) {
      this.#output.detail(`The log cannot be written: ${error instanceof Error ? error.message : error}`);
    }
  }

  #open(): void {
    const full = this.#bytes >= this.options.bytesMax;
    if (this.#file !== null && !full) return;
    this.#file?.close();
    this.#file = null;
    const dir = this.#path.slice(0, this.#path.lastIndexOf("/"));
    ensureDirSync(dir);
    shareNew(dir);
    if (full) rotate(this.#path, this.options.keep);
    this.#file = openAreaFile(this.#path, { append: true, create: true });
    this.#bytes = this.#file.statSync().size;
  }
}

/** Full files are `.1`, `.2` and so on, the newest first. */
function rotate(path: string, keep: number): void {
  for (let n = keep; n >= 1; n--) renameIfThere(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`);
  if (keep === 0) Deno.removeSync(path);
}

function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

const LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ["held", "error"],
  ["damaged", "error"],
  ["stuck", "error"],
  ["problem", "warn"],
  ["disconnected", "warn"],
  ["denied", "warn"],
  ["state", "debug"],
]);

function levelOf(type: string): LogLevel {
  return LEVELS.get(type) ?? "info";
}

/** The event in words, `null` if it has none. */
function sentence(event: EngineEvent, now: number): string | null {
  const at = formatTime(now);
  switch (event.type) {
    case "detected":
      return `${{ new: "New", modified: "Modified", deleted: "Deleted" }[event.change]} file detected: ${
        displayPath(event.path)
      } at ${at}`;
    case "renamed":
      return `File renamed: ${displayPath(event.from)} to ${displayPath(event.path)} at ${at}`;
    case "uploaded":
      return `File uploaded: ${displayPath(event.path)}`;
    case "downloaded":
      return `File downloaded: ${displayPath(event.path)}${by(event.author)}`;
    case "removed":
      return `File removed: ${displayPath(event.path)}${by(event.author)}`;
    case "moved":
      return `File moved: ${displayPath(event.from)} to ${displayPath(event.path)}${by(event.author)}`;
    case "conflict":
      return `Conflict detected: ${displayPath(event.path)}: ${displayPath(event.reason)}${
        event.storedAs === null ? "" : `, as ${displayPath(event.storedAs)}`
      }`;
    case "problem":
      return `Problem: ${displayPath(event.reason)}`;
    case "undone":
      return `Deleted here, but you may only read: ${displayPath(event.path)}; it is fetched again`;
    case "rules":
      return rulesSentence(event);
    case "kept":
      return `Directory kept: ${
        displayPath(event.path)
      } (removed on the server; here it holds ignored files)`;
    case "held":
      return `Held: ${event.deletes} of ${event.files} files were deleted ${
        event.side === "here" ? "here" : "on the server"
      }; run sync-all --approve-deletes if this is meant`;
    case "connected":
      return `Connected as ${displayPath(event.user)}`;
    case "disconnected":
      return `Disconnected: ${displayPath(event.reason)}; trying again`;
    case "stuck":
      return `Stuck: ${displayPath(event.reason)}; it goes on by itself when that has passed${
        event.hint === "" ? "" : ` (${event.hint})`
      }`;
    case "state":
      return `State: ${event.state}`;
  }
}

function by(author: { user: string; device: string }): string {
  return author.user === "" ? "" : ` (by ${displayPath(author.user)}@${displayPath(author.device)})`;
}

function rulesSentence({ sources, stopped, started }: Extract<EngineEvent, { type: "rules" }>): string {
  const named = sources.slice(0, 3).map(displayPath).join(", ") + (sources.length > 3 ? ", …" : "");
  const what = sources.length === 0
    ? "Ignore rules changed since the last run"
    : `Ignore rules changed (${named})`;
  const are = (count: number) => `${plural(count, "path")} ${count === 1 ? "is" : "are"}`;
  const effects = [
    ...(stopped > 0 ? [`${are(stopped)} no longer synced`] : []),
    ...(started > 0 ? [`${are(started)} synced again`] : []),
  ];
  return `${what}: ${effects.length === 0 ? "no path is affected" : effects.join(", ")}`;
}
