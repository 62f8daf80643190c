/**
 * Makes few looks out of many events. A path is reported when it has become quiet, or has waited long enough; paths
 * that are due together go out together. Nothing runs while nothing waits.
 */
import { ancestorsOf, type SyncPath } from "../core/path.ts";
import type { Clock } from "../system/clock.ts";
import { type Depth, type Dirty, EVERYTHING } from "./dirty.ts";

/** A writer that has been still for so long has probably finished a piece of work. */
export const QUIET_MS = 20;
/** After a close, a rename or a removal only the rest of the same action is awaited. */
export const COALESCE_MS = 2;
/** A path that is written without pause is looked at this long after its first event all the same. */
export const WAIT_MS_MAX = 1_000;
/** One look at everything costs less than so many looks at places, and memory stays bounded. */
export const WAITING_MAX = 20_000;
/** A storm that overflows again and again may not keep the reader scanning back to back. */
export const ALL_PAUSE_MS = 1_000;

export interface AggregatorOptions {
  readonly clock: Clock;
  /** Receives the looks. While a returned promise is pending, nothing more is sent; it accumulates. */
  readonly emit: (dirty: Dirty) => void | Promise<void>;
  readonly waitingMax?: number;
}

interface Waiting {
  readonly since: number;
  due: number;
  deep: boolean;
}

export class Aggregator {
  readonly #clock: Clock;
  readonly #emit: AggregatorOptions["emit"];
  readonly #waitingMax: number;
  readonly #waiting = new Map<SyncPath, Waiting>();
  /** When to look at everything; infinite: no need. */
  #allDue = Infinity;
  #lastAll = -Infinity;
  /** Not later than the first thing due. */
  #earliest = Infinity;
  #sleepingUntil = -Infinity;
  #alarm = new AbortController();
  #active = false;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: AggregatorOptions) {
    this.#clock = options.clock;
    this.#emit = options.emit;
    this.#waitingMax = options.waitingMax ?? WAITING_MAX;
  }

  /** Something happened at `path` (`null`: the root). `busy`: more is likely to follow. */
  note(path: SyncPath | null, how: { deep: boolean; busy: boolean }): void {
    if (path === null) return this.noteAll();
    // The coming look at everything begins after this event, so it covers it.
    if (this.#closed || this.#allDue !== Infinity) return;
    const now = this.#clock.monotonic();
    const entry = this.#waiting.get(path) ?? { since: now, due: 0, deep: false };
    entry.due = Math.min(entry.since + WAIT_MS_MAX, now + (how.busy ? QUIET_MS : COALESCE_MS));
    entry.deep ||= how.deep;
    this.#waiting.set(path, entry);
    if (this.#waiting.size > this.#waitingMax) return this.noteAll();
    this.#schedule(entry.due);
  }

  /** Everything has to be looked at. */
  noteAll(): void {
    if (this.#closed || this.#allDue !== Infinity) return;
    this.#waiting.clear();
    this.#allDue = Math.max(this.#clock.monotonic() + COALESCE_MS, this.#lastAll + ALL_PAUSE_MS);
    this.#schedule(this.#allDue);
  }

  /** Paths that wait to be reported. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Drops what waits. Resolves when the last emit has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    this.#allDue = Infinity;
    this.#alarm.abort();
    await this.#running;
  }

  #schedule(due: number): void {
    this.#earliest = Math.min(this.#earliest, due);
    if (!this.#active) this.#running = this.#run();
    else if (due < this.#sleepingUntil) this.#alarm.abort();
  }

  async #run(): Promise<void> {
    this.#active = true;
    try {
      while (!this.#closed && this.#earliest !== Infinity) {
        const wait = this.#earliest - this.#clock.monotonic();
        if (wait > 0) await this.#sleep(wait);
        else await this.#send(this.#take(this.#clock.monotonic()));
      }
    } finally {
      // In the same step as the last check: an event in between would wait for ever.
      this.#active = false;
    }
  }

  async #send(dirty: Dirty): Promise<void> {
    if (dirty.all || dirty.paths.size > 0) await this.#emit(dirty);
  }

  async #sleep(ms: number): Promise<void> {
    this.#alarm = new AbortController();
    this.#sleepingUntil = this.#earliest;
    await this.#clock.sleep(ms, this.#alarm.signal);
    this.#sleepingUntil = -Infinity;
  }

  /** Takes out what is due and finds out when the next is. */
  #take(now: number): Dirty {
    this.#earliest = Infinity;
    if (this.#allDue <= now) {
      this.#allDue = Infinity;
      this.#lastAll = now;
      return EVERYTHING;
    }
    const paths = new Map<SyncPath, Depth>();
    for (const [path, entry] of this.#waiting) {
      if (entry.due > now) {
        this.#earliest = Math.min(this.#earliest, entry.due);
        continue;
      }
      this.#waiting.delete(path);
      paths.set(path, entry.deep ? "deep" : "shallow");
    }
    this.#earliest = Math.min(this.#earliest, this.#allDue);
    return { paths: withoutCovered(paths), all: false };
  }
}

/** Leaves out paths below one that is looked at deeply anyway. */
function withoutCovered(paths: Map<SyncPath, Depth>): Map<SyncPath, Depth> {
  if (paths.size < 2 || !paths.values().some((depth) => depth === "deep")) return paths;
  for (const path of [...paths.keys()]) {
    if (ancestorsOf(path).some((up) => paths.get(up) === "deep")) paths.delete(path);
  }
  return paths;
}
