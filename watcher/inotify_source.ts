/** File events from inotify itself: every directory is watched before what is in it is listed, so nothing is missed. */
import { RESERVED_NAME, type SyncPath } from "../core/path.ts";
import type { Clock } from "../system/clock.ts";
import { EACCES, ENAMETOOLONG } from "../system/errno.ts";
import {
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
  type Inotify,
  InotifyError,
  openInotify,
  type RawEvent,
} from "../system/inotify.ts";
import { instancesShortage, readWatched, watchesShortage } from "./inotify_budget.ts";
import { type Shortage, ShortageError, type Skip, type SourceEvent, type WatchSource } from "./source.ts";
import { placeIn, type WatchedDir, WatchedTree } from "./watched_tree.ts";

const ENOMEM = 12;
const EMFILE = 24;
const ENOSPC = 28;
/** Work between two turns of the event loop, milliseconds. */
const SLICE_MS = 8;

const NO_LIBC: Shortage = { reason: "Cannot watch files: this program may not call libc", advice: null };

/**
 * Opens the source for the folder at `root`.
 * @throws {ShortageError} if libc may not be called, or this user has no event queue left
 */
export function openInotifySource(root: string, clock: Clock, skip: Skip = () => false): WatchSource {
  try {
    // The kernel is told not to follow links; one in front of the folder is its owner's choice.
    const real = Deno.realPathSync(root);
    const queue = openInotify();
    if (queue === null) throw new ShortageError(NO_LIBC);
    return new InotifySource(real, clock, queue, skip);
  } catch (error) {
    if (!(error instanceof InotifyError)) throw error;
    throw new ShortageError(
      error.errno === EMFILE ? instancesShortage() : { reason: error.message, advice: null },
    );
  }
}

class InotifySource implements WatchSource {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #queue: Inotify;
  readonly #skip: Skip;
  readonly #tree = new WatchedTree();
  /** Directories that left their place and may turn up at another, by the cookie of the rename. */
  readonly #moving = new Map<number, WatchedDir>();
  readonly #ready = Promise.withResolvers<void>();
  #shortage: Shortage | null = null;
  #closed = false;

  constructor(root: string, clock: Clock, queue: Inotify, skip: Skip) {
    this.#root = root;
    this.#clock = clock;
    this.#queue = queue;
    this.#skip = skip;
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get shortage(): Shortage | null {
    return this.#shortage;
  }

  watchedInodes(): ReadonlySet<number> {
    return this.#closed ? new Set() : readWatched(this.#queue.fd, this.#queue.wakeWd);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#ready.resolve();
    await this.#queue.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SourceEvent> {
    await this.#watch(this.#tree.root);
    this.#ready.resolve();
    if (this.#tree.root.wd < 0 && this.#shortage === null && !this.#closed) {
      throw new Error("the folder may not be watched");
    }
    for (;;) {
      const raw = await this.#queue.read();
      if (raw === null) return;
      yield* await this.#translate(raw);
    }
  }

  async #translate(raw: readonly RawEvent[]): Promise<SourceEvent[]> {
    const events: SourceEvent[] = [];
    for (const event of raw) {
      const appeared = this.#apply(event, events);
      if (appeared !== null) await this.#watch(appeared);
    }
    // The two halves of a rename inside the folder stand together. If they were torn apart, the second half counts
    // as a new directory.
    for (const dir of this.#moving.values()) this.#drop(dir);
    this.#moving.clear();
    return events;
  }

  /** Adds what `event` means to `events`. Returns a directory that has to be watched, with all below. */
  #apply(event: RawEvent, events: SourceEvent[]): WatchedDir | null {
    const { wd, mask, name } = event;
    if ((mask & IN_Q_OVERFLOW) !== 0) {
      events.push({ type: "rescan" });
      return this.#tree.root;
    }
    const dir = this.#tree.find(wd);
    if (dir === undefined) {
      if ((mask & IN_IGNORED) === 0) this.#queue.remove(wd);
      return null;
    }
    if (name === "") return this.#applySelf(dir, mask, events);
    if (dir === this.#tree.root && name === RESERVED_NAME) return null;
    const at = this.#tree.pathOf(dir);
    // In the middle of a rename; its end looks at everything below.
    if (at === undefined) return null;
    const path = name === null ? undefined : placeIn(at, name);
    if (name === null || path === undefined) {
      events.push({ type: "path", path: at, deep: true, busy: true });
      return null;
    }
    if ((mask & IN_ISDIR) !== 0) return this.#applyDir(dir, name, path, event, events);
    events.push({ type: "path", path, deep: false, busy: (mask & (IN_MODIFY | IN_CREATE)) !== 0 });
    return null;
  }

  #applySelf(dir: WatchedDir, mask: number, events: SourceEvent[]): WatchedDir | null {
    if ((mask & IN_IGNORED) !== 0) this.#tree.unbind(dir);
    if (dir === this.#tree.root) {
      const lost = (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) !== 0;
      if (lost || (mask & IN_ATTRIB) !== 0) events.push({ type: "root", lost });
      return null;
    }
    if ((mask & IN_UNMOUNT) === 0) return null;
    const path = this.#tree.pathOf(dir);
    if (path === undefined) return null;
    events.push({ type: "path", path, deep: true, busy: false });
    return dir;
  }

  #applyDir(
    parent: WatchedDir,
    name: string,
    path: SyncPath,
    { mask, cookie }: RawEvent,
    events: SourceEvent[],
  ): WatchedDir | null {
    const tree = this.#tree;
    const known = parent.children.get(name);
    if ((mask & (IN_MOVED_FROM | IN_DELETE)) !== 0) {
      events.push({ type: "path", path, deep: false, busy: false });
      if (known === undefined) return null;
      if ((mask & IN_DELETE) !== 0) this.#drop(known);
      else this.#moving.set(cookie, this.#tree.detach(known));
      return null;
    }
    if ((mask & IN_ATTRIB) !== 0 && known !== undefined && known.wd >= 0) {
      events.push({ type: "path", path, deep: false, busy: false });
      return null;
    }
    events.push({ type: "path", path, deep: true, busy: false });
    if (this.#skip(path)) {
      if (known !== undefined) this.#drop(known);
      return null;
    }
    const moved = (mask & IN_MOVED_TO) !== 0 ? this.#moving.get(cookie) : undefined;
    if (moved === undefined) return tree.child(parent, name);
    this.#moving.delete(cookie);
    if (known !== undefined) this.#drop(known);
    tree.attach(moved, parent, name);
    return moved;
  }

  #drop(dir: WatchedDir): void {
    for (const wd of this.#tree.forget(dir)) this.#queue.remove(wd);
  }

  /** Watches `start` and all below it, then knows what is there; only once watched is a directory listed. */
  async #watch(start: WatchedDir): Promise<void> {
    const stack = [start];
    let sliceStart = this.#clock.monotonic();
    for (let dir = stack.pop(); dir !== undefined && !this.#closed; dir = stack.pop()) {
      const path = this.#tree.pathOf(dir);
      if (path === undefined) continue;
      const absolute = path === null ? this.#root : `${this.#root}/${path}`;
      if (!this.#bind(dir, this.#queue.add(absolute))) continue;
      this.#children(dir, path, absolute, stack);
      if (this.#clock.monotonic() - sliceStart < SLICE_MS) continue;
      await this.#clock.yield();
      sliceStart = this.#clock.monotonic();
    }
  }

  #bind(dir: WatchedDir, wd: number): boolean {
    if (wd >= 0) {
      this.#tree.bind(dir, wd);
      return true;
    }
    this.#tree.unbind(dir);
    if (wd === -ENOSPC || wd === -ENOMEM) this.#shortage = watchesShortage();
    else if (wd === -ENAMETOOLONG) {
      this.#shortage = { reason: "A path is too long to be watched", advice: null };
    } // What may not be read cannot be watched, and not be synced either; its place stays, for when it may.
    else if (wd !== -EACCES && dir.parent !== null) this.#drop(dir);
    return false;
  }

  #children(dir: WatchedDir, path: SyncPath | null, absolute: string, stack: WatchedDir[]): void {
    const gone = new Set(dir.children.keys());
    for (const name of subdirectories(absolute)) {
      if (dir === this.#tree.root && name === RESERVED_NAME) continue;
      const place = placeIn(path, name);
      if (place === undefined || this.#skip(place)) continue;
      gone.delete(name);
      stack.push(this.#tree.child(dir, name));
    }
    for (const name of gone) this.#drop(dir.children.get(name)!);
  }
}

/** What cannot be listed has gone or may not be read; an event or the next scan tells. */
function subdirectories(absolute: string): string[] {
  const names: string[] = [];
  try {
    for (const entry of Deno.readDirSync(absolute)) if (entry.isDirectory) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  return names;
}
