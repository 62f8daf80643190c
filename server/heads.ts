/**
 * The heads of a folder in memory: what each path holds now. Changes are made while a group of uploads is judged and
 * taken back if the group cannot be written.
 */
import type { Entry } from "../core/entry.ts";
import type { HeadView } from "../core/judge.ts";
import { isAtOrBelow, parentOf, type SyncPath } from "../core/path.ts";
import type { Author, Id, Revision } from "../protocol/messages.ts";
import type { Version } from "./store/records.ts";

/** Who uploads: a device of a user, with the replica it speaks for. Shared by all heads it made. */
export interface Actor extends Author {
  readonly replica: Id;
  /** Its clock minus the server's, ms. */
  readonly clockOffset: number;
}

export class Head implements HeadView {
  readonly entry: Entry;
  readonly revision: Revision;
  readonly time: number;
  readonly actor: Actor;
  constructor(entry: Entry, revision: Revision, time: number, actor: Actor) {
    this.entry = entry;
    this.revision = revision;
    this.time = time;
    this.actor = actor;
  }
  get replica(): Id {
    return this.actor.replica;
  }
  get clockOffset(): number {
    return this.actor.clockOffset;
  }
}

export class Heads {
  readonly #heads = new Map<SyncPath, Head>();
  /** How many heads lie directly in a directory. */
  readonly #children = new Map<SyncPath, number>();
  #undo: (readonly [SyncPath, Head | undefined])[] = [];

  get size(): number {
    return this.#heads.size;
  }

  load(versions: Iterable<Version>): void {
    const actors = new Map<string, Actor>();
    for (const version of versions) {
      if (version.entry === null) continue;
      const key = `${version.user}\n${version.device}\n${version.replica}\n${version.clockOffset}`;
      let actor = actors.get(key);
      if (actor === undefined) {
        const { user, device, replica, clockOffset } = version;
        actor = { user, device, replica, clockOffset };
        actors.set(key, actor);
      }
      this.set(version.path, new Head(version.entry, version.revision, version.time, actor));
    }
    this.keep();
  }

  get(path: SyncPath): Head | null {
    return this.#heads.get(path) ?? null;
  }

  hasChildren(path: SyncPath): boolean {
    return (this.#children.get(path) ?? 0) > 0;
  }

  /** Whether `path` can hold something: its directory is there. */
  hasParent(path: SyncPath): boolean {
    const parent = parentOf(path);
    return parent === null || this.#heads.get(parent)?.entry.kind === "dir";
  }

  set(path: SyncPath, head: Head): void {
    const before = this.#heads.get(path);
    this.#undo.push([path, before]);
    this.#put(path, before, head);
  }

  delete(path: SyncPath): void {
    const before = this.#heads.get(path);
    this.#undo.push([path, before]);
    this.#put(path, before, undefined);
  }

  #put(path: SyncPath, before: Head | undefined, head: Head | undefined): void {
    if (head === undefined) this.#heads.delete(path);
    else this.#heads.set(path, head);
    const change = (head === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    const parent = parentOf(path);
    if (change === 0 || parent === null) return;
    const count = (this.#children.get(parent) ?? 0) + change;
    if (count === 0) this.#children.delete(parent);
    else this.#children.set(parent, count);
  }

  /** Heads at and below `path`, in the order of their paths. */
  subtree(path: SyncPath): [SyncPath, Head][] {
    const top = this.#heads.get(path);
    if (top === undefined) return [];
    if (top.entry.kind !== "dir") return [[path, top]];
    const found: [SyncPath, Head][] = [];
    for (const entry of this.#heads) if (isAtOrBelow(entry[0], path)) found.push(entry);
    return found.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  }

  entries(): IterableIterator<[SyncPath, Head]> {
    return this.#heads.entries();
  }

  /** What was changed since the last call is final. */
  keep(): void {
    this.#undo = [];
  }

  /** Takes back what was changed since {@link keep}. */
  revert(): void {
    for (const [path, before] of this.#undo.reverse()) this.#put(path, this.#heads.get(path), before);
    this.#undo = [];
  }
}
