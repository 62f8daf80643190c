/**
 * What one commit group is going to write: heads that are changed already, versions and conflicts that are not durable
 * yet, and what others will be told of them.
 */
import type { ChunkList } from "../core/chunk.ts";
import type { ContentId, Entry } from "../core/entry.ts";
import { rebase, type SyncPath } from "../core/path.ts";
import type { Id, Notice, Revision } from "../protocol/messages.ts";
import { type Actor, Head, type Heads } from "./heads.ts";
import type { Commit, Conflict, Operation, Records, Settled, Version } from "./store/records.ts";

/** A notice about one path. */
export type PathNotice = Exclude<Notice, { kind: "moved" }>;

/** A committed change as others are told of it. */
export interface Published {
  readonly notice: Notice;
  /** Who knows it already. */
  readonly replica: Id;
  /** What a `moved` says, path by path, for those who may not see all of it. */
  readonly paths?: () => readonly PathNotice[];
}

export class Draft {
  readonly heads: Heads;
  readonly records: Records;
  /** ms */
  readonly now: number;
  readonly published: Published[] = [];
  #revision: Revision;
  readonly #versions: Version[] = [];
  readonly #conflicts: Omit<Conflict, "id">[] = [];
  readonly #chunkLists = new Map<ContentId, Uint8Array>();
  readonly #resolved: Settled[] = [];

  constructor(heads: Heads, records: Records, revision: Revision, now: number) {
    this.heads = heads;
    this.records = records;
    this.#revision = revision;
    this.now = now;
  }

  get revision(): Revision {
    return this.#revision;
  }

  get isEmpty(): boolean {
    return this.#versions.length === 0 && this.#resolved.length === 0;
  }

  commit(locations: Commit["locations"]): Commit {
    return {
      versions: this.#versions,
      conflicts: this.#conflicts,
      locations,
      chunkLists: [...this.#chunkLists],
      resolved: this.#resolved,
    };
  }

  /** A version of this group. */
  version(path: SyncPath, revision: Revision): Version | null {
    return this.#versions.findLast((version) => version.path === path && version.revision === revision) ??
      null;
  }

  /** Contents that the versions of this group name. */
  contents(): Set<ContentId> {
    const named = new Set<ContentId>();
    for (const { entry } of this.#versions) if (entry?.kind === "file") named.add(entry.content);
    return named;
  }

  /** The last revision that each replica's changes got in this group. */
  lastRevisions(): Map<Id, Revision> {
    const last = new Map<Id, Revision>();
    for (const { replica, revision } of this.#versions) last.set(replica, revision);
    return last;
  }

  noteChunks(content: ContentId, chunks: ChunkList): void {
    this.#chunkLists.set(content, chunks.bytes);
  }

  setHead(
    actor: Actor,
    path: SyncPath,
    entry: Entry,
    operation: Operation,
    base: Revision,
    from: SyncPath | null,
  ): Revision {
    const revision = ++this.#revision;
    this.heads.set(path, new Head(entry, revision, this.now, actor));
    this.#write(actor, path, entry, operation, revision, base, from, true);
    this.#publish(actor, { kind: "set", path, revision, entry, from, author: authorOf(actor) });
    return revision;
  }

  /** A version that is history from the start: the loser of a conflict. */
  keep(actor: Actor, path: SyncPath, entry: Entry, base: Revision): Revision {
    const revision = ++this.#revision;
    this.#write(actor, path, entry, "conflict", revision, base, null, false);
    return revision;
  }

  delete(actor: Actor, path: SyncPath, base: Revision): Revision {
    const revision = ++this.#revision;
    this.#dropHead(actor, path, "deleted", revision, base);
    this.#publish(actor, { kind: "gone", path, revision, author: authorOf(actor) });
    return revision;
  }

  /** Gives what stands at and below `from` its place at `to`, all with one revision. */
  move(
    actor: Actor,
    subtree: readonly (readonly [SyncPath, Head])[],
    { from, to }: { readonly from: SyncPath; readonly to: SyncPath },
  ): Revision {
    const revision = ++this.#revision;
    for (const [path, head] of [...subtree].reverse()) {
      this.#dropHead(actor, path, "renamed", revision, head.revision);
    }
    for (const [path, head] of subtree) {
      const target = rebase(path, from, to);
      this.heads.set(target, new Head(head.entry, revision, this.now, actor));
      this.#write(actor, target, head.entry, "renamed", revision, head.revision, path, true);
    }
    const author = authorOf(actor);
    const paths = () => [
      ...subtree.map(([path]): PathNotice => ({ kind: "gone", path, revision, author })),
      ...subtree.map(([path, { entry }]): PathNotice => (
        { kind: "set", path: rebase(path, from, to), revision, entry, from: path, author }
      )),
    ];
    const notice = { kind: "moved", from, to, revision, author } as const;
    this.published.push({ notice, replica: actor.replica, paths });
    return revision;
  }

  noteConflict(conflict: Omit<Conflict, "id" | "time" | "resolved">): void {
    this.#conflicts.push({ ...conflict, time: this.now, resolved: false });
  }

  /** Somebody has settled a conflict. */
  resolve(settled: Settled): void {
    this.#resolved.push(settled);
  }

  #dropHead(actor: Actor, path: SyncPath, operation: Operation, revision: Revision, base: Revision): void {
    this.heads.delete(path);
    this.#write(actor, path, null, operation, revision, base, null, true);
  }

  #write(
    actor: Actor,
    path: SyncPath,
    entry: Entry | null,
    operation: Operation,
    revision: Revision,
    base: Revision,
    from: SyncPath | null,
    head: boolean,
  ): void {
    const { user, device, replica, clockOffset } = actor;
    const time = this.now;
    this.#versions.push({
      path,
      revision,
      operation,
      entry,
      base,
      from,
      user,
      device,
      replica,
      time,
      clockOffset,
      head,
    });
  }

  #publish(actor: Actor, notice: PathNotice): void {
    this.published.push({ notice, replica: actor.replica });
  }
}

function authorOf(actor: Actor): { user: string; device: string } {
  return { user: actor.user, device: actor.device };
}
