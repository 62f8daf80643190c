import type { Clock } from "../system/clock.ts";
import { Aggregator } from "./aggregate.ts";
import { type Coverage, measureCoverage } from "./coverage.ts";
import type { Dirty } from "./dirty.ts";
import { watchesMax, watchesShortage } from "./inotify_budget.ts";
import { openInotifySource } from "./inotify_source.ts";
import { Periodic } from "./poll.ts";
import { type RootIdentity, rootIdentity, sameRoot } from "./root.ts";
import { type Shortage, ShortageError, type Skip, type SourceEvent, type WatchSource } from "./source.ts";

/** With working events a full look only has to find what events cannot tell. */
export const FULL_LOOK_MS_MIN = 60_000;
/** Keeps the full looks below 0.2 % of one core, however large the folder. */
export const FULL_LOOK_SHARE = 500;
/** Without events a change waits for half of this on average. */
export const POLL_MS_MIN = 5_000;
export const POLL_SHARE = 10;

/** What the watcher can vouch for. */
export interface WatcherHealth {
  /** `polling`: events do not cover everything, so the whole folder is looked at often. */
  readonly mode: "events" | "polling";
  /** Directories that the kernel was proved to watch. */
  readonly watched: number;
  /** Directories in the folder. */
  readonly directories: number;
  /** `missing`: nothing stands at the root's path; `replaced`: another directory than at the start does. */
  readonly root: "present" | "missing" | "replaced";
  /** Why it is not all well, for a person; `null` if it is. */
  readonly reason: string | null;
  /** What a person can do about it: one line to paste. */
  readonly advice: string | null;
  /** When events were last lost, ms since 1970. The loss was followed by a look at everything. */
  readonly lastOverflow: number | null;
}

export interface WatcherOptions {
  readonly clock: Clock;
  /**
   * Told where to look. The first call says `all`, when everything is watched: what is scanned after it is scanned
   * without a gap. While a returned promise is pending further changes accumulate. A rejection is a bug of the caller.
   */
  readonly onDirty: (dirty: Dirty) => void | Promise<void>;
  /** Other machines may change the folder, and their changes are no events here. */
  readonly network: boolean;
  readonly signal?: AbortSignal;
  /** Directories that are not to be watched. When it would answer otherwise than before, say so: {@link Watcher.skipChanged}. */
  readonly skip?: Skip;
  /** @throws {ShortageError} */
  readonly openSource?: (root: string, clock: Clock, skip?: Skip) => WatchSource;
}

export interface Watcher {
  /** Resolves when everything is watched that can be. */
  readonly ready: Promise<void>;
  /** Measures. Walks over all directories, so not for every second. */
  health(): Promise<WatcherHealth>;
  /**
   * A look at everything took `ms`, and met so many directories (the root included). Sets the pace of the next ones,
   * and makes sure that so many are watched.
   */
  scanned(ms: number, directories?: number): void;
  /** Other directories than before are to be skipped: watches the folder anew, and looks at everything. */
  skipChanged(): void;
  /** Ends everything. Resolves when the last `onDirty` has ended. */
  close(): Promise<void>;
}

/** Watches the folder at `root`. */
export function startWatcher(root: string, options: WatcherOptions): Watcher {
  return new FolderWatcher(root, options);
}

const NETWORK: Shortage = {
  reason: "The folder is on a network file system, where changes by other machines are not reported",
  advice: null,
};

class FolderWatcher implements Watcher {
  readonly #root: string;
  readonly #options: WatcherOptions;
  readonly #clock: Clock;
  readonly #aggregator: Aggregator;
  readonly #periodic: Periodic;
  readonly #ready = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #firstRoot: RootIdentity | null;
  #rootNow: RootIdentity | null;
  #source: WatchSource | null = null;
  /** Reads the events of `#source`. */
  #reading: Promise<void> = Promise.resolve();
  /** Why there are no events. */
  #trouble: Shortage | null = null;
  /** Why the events do not cover every directory. */
  #uncovered: Shortage | null = null;
  #seenShortage: Shortage | null = null;
  /** The limit when it was hit: worth another try when it has changed. */
  #limitSeen: number | null = null;
  #lastOverflow: number | null = null;
  #scanMs = 0;
  #checking: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  constructor(root: string, options: WatcherOptions) {
    this.#root = root;
    this.#options = options;
    this.#clock = options.clock;
    this.#firstRoot = this.#rootNow = rootIdentity(root);
    this.#aggregator = new Aggregator({ clock: options.clock, emit: options.onDirty });
    this.#periodic = new Periodic({
      clock: options.clock,
      intervalMs: () => this.#intervalMs(),
      onDue: () => this.#onPeriod(),
    });
    this.#open();
    if (options.signal?.aborted) void this.close();
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = () => void this.close();

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  async health(): Promise<WatcherHealth> {
    this.#checkRoot();
    const coverage = await this.#measure(this.#source);
    this.#judge(coverage);
    const trouble = this.#rootTrouble() ?? this.#trouble ?? this.#uncovered;
    return {
      mode: this.#trusted ? "events" : "polling",
      ...coverage,
      root: this.#rootState,
      reason: trouble?.reason ?? null,
      advice: trouble?.advice ?? null,
      lastOverflow: this.#lastOverflow,
    };
  }

  #measure(source: WatchSource | null): Promise<Coverage> {
    return measureCoverage(this.#root, source, this.#clock, this.#stop.signal, this.#options.skip);
  }

  skipChanged(): void {
    if (this.#source !== null && !this.#stop.signal.aborted) void this.#reopen();
  }

  scanned(ms: number, directories?: number): void {
    this.#scanMs = ms;
    const source = this.#source;
    if (source === null || this.#uncovered !== null || this.#stop.signal.aborted) return;
    if (directories !== undefined && source.watchedInodes().size >= directories) return;
    this.#checking ??= this.#check(source).finally(() => this.#checking = null);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#stop.abort();
    this.#ready.resolve();
    await this.#periodic.close();
    await this.#shut();
    await this.#checking;
    await this.#aggregator.close();
  }

  get #trusted(): boolean {
    return this.#source !== null && this.#trouble === null && this.#uncovered === null;
  }

  get #rootState(): WatcherHealth["root"] {
    if (this.#rootNow === null) return "missing";
    return sameRoot(this.#firstRoot, this.#rootNow) ? "present" : "replaced";
  }

  #rootTrouble(): Shortage | null {
    switch (this.#rootState) {
      case "present":
        return null;
      case "missing":
        return { reason: "The folder is gone", advice: null };
      case "replaced":
        return { reason: "Another folder stands where the watched one was", advice: null };
    }
  }

  #intervalMs(): number {
    return this.#trusted
      ? Math.max(FULL_LOOK_MS_MIN, FULL_LOOK_SHARE * this.#scanMs)
      : Math.max(POLL_MS_MIN, POLL_SHARE * this.#scanMs);
  }

  async #onPeriod(): Promise<void> {
    this.#checkRoot();
    if (this.#worthAnotherTry()) await this.#reopen();
    this.#aggregator.noteAll();
  }

  #worthAnotherTry(): boolean {
    if (this.#trusted || this.#options.network || this.#rootNow === null) return false;
    return this.#source === null || watchesMax() !== this.#limitSeen;
  }

  #open(): void {
    this.#trouble = this.#options.network ? NETWORK : null;
    this.#uncovered = this.#seenShortage = null;
    if (this.#options.network || this.#rootNow === null) return this.#opened();
    try {
      this.#source = (this.#options.openSource ?? openInotifySource)(
        this.#root,
        this.#clock,
        this.#options.skip,
      );
      this.#reading = this.#read(this.#source);
      this.#periodic.nudge();
    } catch (error) {
      this.#trouble = error instanceof ShortageError ? error.shortage : noEvents(error);
      this.#opened();
    }
  }

  #opened(): void {
    this.#aggregator.noteAll();
    this.#ready.resolve();
  }

  async #shut(): Promise<void> {
    const source = this.#source;
    this.#source = null;
    await source?.close();
    await this.#reading;
  }

  async #reopen(): Promise<void> {
    await this.#shut();
    if (this.#stop.signal.aborted || this.#source !== null) return;
    this.#open();
  }

  async #read(source: WatchSource): Promise<void> {
    try {
      void source.ready.then(() => this.#onReady(source));
      for await (const event of source) {
        if (source !== this.#source) return;
        this.#handle(source, event);
      }
      if (source === this.#source) this.#fail(source, noEvents("they have ended"));
    } catch (error) {
      if (source === this.#source) this.#fail(source, noEvents(error));
    }
  }

  #onReady(source: WatchSource): void {
    if (source !== this.#source) return;
    this.#noticeShortage(source);
    this.#opened();
  }

  #handle(source: WatchSource, event: SourceEvent): void {
    this.#noticeShortage(source);
    if (event.type === "path") return this.#aggregator.note(event.path, event);
    if (event.type === "root") {
      this.#checkRoot();
      // Also if it looks the same: a directory made anew often gets the old inode number.
      if (event.lost && source === this.#source) void this.#reopen();
      return;
    }
    this.#lastOverflow = this.#clock.now();
    this.#aggregator.noteAll();
  }

  #fail(source: WatchSource, trouble: Shortage): void {
    this.#source = null;
    this.#trouble = trouble;
    void source.close();
    this.#checkRoot();
    this.#periodic.nudge();
    this.#opened();
  }

  #noticeShortage(source: WatchSource): void {
    if (source.shortage === null || source.shortage === this.#seenShortage) return;
    this.#seenShortage = source.shortage;
    this.#setUncovered(source.shortage);
  }

  #setUncovered(shortage: Shortage): void {
    const before = this.#uncovered;
    this.#uncovered = shortage;
    this.#limitSeen = watchesMax();
    // From now on the look at everything comes sooner.
    if (before === null) this.#periodic.nudge();
  }

  /** Notices that the root has gone, come back, or become another. */
  #checkRoot(): void {
    const now = rootIdentity(this.#root);
    if (sameRoot(now, this.#rootNow)) return;
    this.#rootNow = now;
    this.#aggregator.noteAll();
    void (now === null ? this.#shut() : this.#reopen());
    this.#periodic.nudge();
  }

  async #check(source: WatchSource): Promise<void> {
    const coverage = await this.#measure(source);
    if (coverage.watched >= coverage.directories) return;
    if (source !== this.#source || this.#stop.signal.aborted) return;
    await this.#reopen();
    await this.#source?.ready;
    this.#judge(await this.#measure(this.#source));
  }

  /** Trusts events only as far as they reach. */
  #judge({ watched, directories }: Coverage): void {
    if (this.#source === null || this.#stop.signal.aborted) return;
    if (watched >= directories) {
      this.#uncovered = null;
      return;
    }
    const shortage = this.#source.shortage;
    if (shortage === null) {
      this.#setUncovered({
        reason: `Only ${watched} of ${directories} directories are watched`,
        advice: null,
      });
    } else {
      this.#setUncovered(shortage.advice === null ? shortage : watchesShortage(directories));
    }
  }
}

function noEvents(error: unknown): Shortage {
  const why = error instanceof Error ? error.message : String(error);
  return { reason: `Cannot get file events: ${why}`, advice: null };
}
