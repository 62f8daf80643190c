/**
 * File events from `Deno.watchFs`, for where libc may not be called. It misses more than inotify_source.ts does (mod.ts
 * says what), so new directories are looked at several times, and {@link WatchSource.alive} is worth asking.
 */
import { parentOf, parsePath, PathError, RESERVED_NAME, type SyncPath } from "../core/path.ts";
import type { Clock } from "../system/clock.ts";
import { inotifyDescriptors, readWatched, shortageOf } from "./inotify_budget.ts";
import { type Shortage, ShortageError, type SourceEvent, type WatchSource } from "./source.ts";

/** An event takes a fraction of this. */
const ALIVE_MS_MAX = 1_000;
/** What a decoder puts in place of bytes that are not UTF-8. */
const REPLACEMENT = "\uFFFD";

/**
 * Opens the source for the folder at the absolute `root`.
 * @throws {ShortageError} if there are more directories than may be watched
 */
export function openWatchFsSource(root: string, clock: Clock): WatchSource {
  const before = new Set(inotifyDescriptors());
  try {
    // Events name real paths.
    const real = Deno.realPathSync(root);
    const watcher = Deno.watchFs(real, { recursive: true });
    return new WatchFsSource(real, clock, watcher, inotifyDescriptors().filter((fd) => !before.has(fd)));
  } catch (error) {
    const shortage = shortageOf(error);
    throw shortage === null ? error : new ShortageError(shortage);
  }
}

class WatchFsSource implements WatchSource {
  readonly coversNewDirectories = false;
  readonly ready = Promise.resolve();
  readonly shortage: Shortage | null = null;
  readonly #root: string;
  readonly #clock: Clock;
  readonly #watcher: Deno.FsWatcher;
  readonly #events: AsyncIterator<Deno.FsEvent>;
  readonly #descriptors: readonly number[];
  #closed = false;
  #rootSeen = Promise.withResolvers<void>();

  constructor(root: string, clock: Clock, watcher: Deno.FsWatcher, descriptors: readonly number[]) {
    this.#root = root;
    this.#clock = clock;
    this.#watcher = watcher;
    this.#events = watcher[Symbol.asyncIterator]();
    this.#descriptors = descriptors;
  }

  watchedInodes(): ReadonlySet<number> {
    return this.#closed ? new Set() : readWatched(this.#descriptors);
  }

  /** Sets the mode of the root to what it is, which is an event, and waits for it. */
  async alive(): Promise<boolean> {
    if (this.#closed) return false;
    this.#rootSeen = Promise.withResolvers();
    try {
      Deno.chmodSync(this.#root, Deno.statSync(this.#root).mode! & 0o7777);
    } catch {
      // Not the owner of the folder: it cannot be tried.
      return true;
    }
    const given = new AbortController();
    const seen = this.#rootSeen.promise.then(() => true);
    const late = this.#clock.sleep(ALIVE_MS_MAX, given.signal).then(() => false);
    const alive = await Promise.race([seen, late]);
    given.abort();
    return alive;
  }

  close(): Promise<void> {
    if (!this.#closed) this.#watcher.close();
    this.#closed = true;
    return Promise.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SourceEvent> {
    for (;;) {
      const event = await this.#next();
      if (event === null) return;
      if (event === "lost" || event.flag === "rescan") yield { type: "rescan" };
      else for (const path of event.paths) yield* this.#translate(path, event.kind);
    }
  }

  async #next(): Promise<Deno.FsEvent | "lost" | null> {
    try {
      const next = await this.#events.next();
      return next.done ? null : next.value;
    } catch (error) {
      // A name that is not UTF-8: what happened, and where, is not told. The next event comes as ever.
      if (error instanceof TypeError && !this.#closed) return "lost";
      throw error;
    }
  }

  *#translate(absolute: string, kind: Deno.FsEvent["kind"]): Generator<SourceEvent> {
    if (absolute === this.#root) {
      this.#rootSeen.resolve();
      if (kind === "remove") yield { type: "root", lost: true };
      return;
    }
    const raw = absolute.slice(this.#root === "/" ? 1 : this.#root.length + 1);
    if (raw === RESERVED_NAME || raw.startsWith(`${RESERVED_NAME}/`)) return;
    const { path, exact } = nearestPath(raw);
    if (!exact) yield { type: "path", path, deep: true, busy: true };
    else yield { type: "path", path, ...this.#manner(absolute, kind) };
  }

  #manner(absolute: string, kind: Deno.FsEvent["kind"]): { deep: boolean; busy: boolean } {
    if (kind === "modify") return { deep: false, busy: true };
    if (kind === "access" || kind === "remove") return { deep: false, busy: false };
    const isDirectory = looksLikeDirectory(absolute);
    return { deep: isDirectory, busy: kind === "create" && !isDirectory };
  }
}

/** If it cannot be told, it may be one. */
function looksLikeDirectory(absolute: string): boolean {
  try {
    return Deno.lstatSync(absolute).isDirectory;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** `raw`, or the nearest directory above it that has a valid path; `null` is the root. */
export function nearestPath(raw: string): { path: SyncPath | null; exact: boolean } {
  const path = checked(raw);
  if (path !== null && !raw.includes(REPLACEMENT)) return { path, exact: true };
  if (path !== null) return { path: parentOf(path), exact: false };
  for (let end = raw.lastIndexOf("/"); end > 0; end = raw.lastIndexOf("/", end - 1)) {
    const up = checked(raw.slice(0, end));
    if (up !== null) return { path: up, exact: false };
  }
  return { path: null, exact: false };
}

function checked(raw: string): SyncPath | null {
  try {
    return parsePath(raw);
  } catch (error) {
    if (error instanceof PathError) return null;
    throw error;
  }
}
