/**
 * Judges the uploads of one commit group, one after the other, against the heads, and collects what has to be written.
 * Nothing is durable or told to anybody yet.
 */
import type { ChunkList } from "../core/chunk.ts";
import { conflictPath } from "../core/conflict_name.ts";
import { type ContentId, type Entry, type FileEntry, sameContent, sameEntry } from "../core/entry.ts";
import { type Incoming, judgeDelete, judgePut, type PutVerdict } from "../core/judge.ts";
import { ancestorsOf, isAtOrBelow, rebase, type SyncPath } from "../core/path.ts";
import type { Notice, Revision, UploadItem, UploadResult } from "../protocol/messages.ts";
import type { Caller } from "./caller.ts";
import { type Actor, Head, type Heads } from "./heads.ts";
import type { Commit, Conflict, Operation, Records, Settled, Version } from "./store/records.ts";

/** A committed change as others are told of it. */
export interface Published {
  readonly notice: Notice;
  /** Who knows it already. */
  readonly replica: string;
}

/** Whether the bytes of an item are there; decided before judging. */
export type ContentCheck =
  | { readonly ready: true; readonly chunks: ChunkList | null }
  | { readonly ready: false; readonly result: UploadResult };

type PutItem = Extract<UploadItem, { op: "put" }>;
/** Of a directory that was never seen. */
const NEW_DIR_MODE = 0o755;

type RenameItem = Extract<UploadItem, { op: "rename" }>;

export class Acceptance {
  readonly #heads: Heads;
  readonly #records: Records;
  readonly #now: number;
  #revision: Revision;
  readonly #versions: Version[] = [];
  readonly #conflicts: Omit<Conflict, "id">[] = [];
  readonly #chunkLists = new Map<ContentId, Uint8Array>();
  readonly #resolved: Settled[] = [];
  readonly published: Published[] = [];

  constructor(heads: Heads, records: Records, revision: Revision, now: number) {
    this.#heads = heads;
    this.#records = records;
    this.#revision = revision;
    this.#now = now;
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

  apply({ actor, rights }: Caller, item: UploadItem, content: ContentCheck): UploadResult {
    const place = item.op === "rename" ? item.to : item.path;
    if (rights().at(place) !== "write") {
      return { status: "error", code: "forbidden", message: "Cannot upload: you may not write here" };
    }
    if (item.op === "delete") return this.#delete(actor, item.path, item.base);
    if (item.op === "rename") return this.#rename(actor, item);
    return content.ready ? this.#put(actor, item, content.chunks) : content.result;
  }

  #incoming(actor: Actor, base: Revision): Incoming {
    return { base, replica: actor.replica, time: this.#now, clockOffset: actor.clockOffset };
  }

  #put(actor: Actor, item: PutItem, chunks: ChunkList | null): UploadResult {
    const { path, entry, base } = item;
    if (!this.#heads.hasParent(path)) return { status: "stale" };
    const head = this.#heads.get(path);
    const verdict = judgePut(head, this.#heads.hasChildren(path), entry, this.#incoming(actor, base));
    const concurrent = head !== null && head.revision !== base && head.replica !== actor.replica;
    if (verdict.verdict === "skip" || (concurrent && this.#isOutdated(path, entry, base))) {
      return { status: "skip", revision: head!.revision, entry: head!.entry };
    }
    if (chunks !== null && entry.kind === "file") this.#chunkLists.set(entry.content, chunks.bytes);
    if (verdict.verdict === "accept") {
      const revision = this.#setHead(actor, path, entry, head === null ? "created" : "modified", base, null);
      return { status: "ok", revision };
    }
    if (verdict.verdict === "conflict") return this.#conflict(actor, item, head!, verdict);
    return verdict.aside === "incoming"
      ? this.#stepAside(actor, item, head!)
      : this.#makeRoom(actor, item, head!);
  }

  /**
   * Whether a replica merely forgot that it had this version (a power cut, a lost state): what it holds was the head
   * once, later than the base that it remembers, and the path was never empty since. That is no edit, and nothing is
   * lost: the history has it.
   */
  #isOutdated(path: SyncPath, entry: Entry, base: Revision): boolean {
    if (entry.kind === "dir") return false;
    const same = (old: Entry | null) =>
      old?.kind === entry.kind && sameContent(old, entry) &&
      (old.kind !== "file" || entry.kind !== "file" || old.mtime === entry.mtime);
    const versions = this.#records.versions(path);
    const since = versions.findLastIndex((old) => old.entry === null);
    return versions.slice(since + 1).some((old) => old.revision > base && same(old.entry));
  }

  #conflict(
    actor: Actor,
    item: PutItem,
    head: Head,
    verdict: Extract<PutVerdict, { verdict: "conflict" }>,
  ): UploadResult {
    const { path, entry, base } = item;
    const won = verdict.winner === "incoming";
    const reason = won
      ? `kept ${actor.user}'s: ${clock(verdict.incomingTime)} against ${clock(verdict.headTime)}`
      : `kept ${head.actor.user}'s: ${clock(verdict.headTime)} against ${clock(verdict.incomingTime)}`;
    const revision = won
      ? this.#setHead(actor, path, entry, "modified", base, null)
      : this.#keep(actor, path, entry, base);
    this.#recordConflict(path, won ? revision : head.revision, won ? head.revision : revision, base, reason, {
      winner: won ? actor.user : head.actor.user,
      loser: won ? head.actor.user : actor.user,
    });
    return { status: "conflict", won, revision, storedAs: null, reason };
  }

  /** A file meets a directory that holds something: the file gets another name. */
  #stepAside(actor: Actor, item: PutItem, head: Head): UploadResult {
    const aside = conflictPath(item.path, actor.user, this.#now, (path) => this.#heads.get(path) !== null);
    const revision = this.#setHead(actor, aside, item.entry, "conflict", item.base, item.path);
    const reason = "a directory has the name, the file was kept beside it";
    const users = { winner: head.actor.user, loser: actor.user };
    this.#recordConflict(item.path, head.revision, revision, item.base, reason, users);
    return { status: "conflict", won: false, revision, storedAs: aside, reason };
  }

  /** A directory with content meets a file: the file gets another name, for everybody. */
  #makeRoom(actor: Actor, item: PutItem, head: Head): UploadResult {
    const aside = conflictPath(
      item.path,
      head.actor.user,
      this.#now,
      (path) => this.#heads.get(path) !== null,
    );
    // Nobody knows this name yet, not even the author of the file.
    const server: Actor = { ...head.actor, replica: "" };
    const moved = this.#setHead(server, aside, head.entry, "conflict", head.revision, item.path);
    const revision = this.#setHead(actor, item.path, item.entry, "modified", item.base, null);
    const reason = "a directory took the name, the file was kept beside it";
    const users = { winner: actor.user, loser: head.actor.user };
    this.#recordConflict(item.path, revision, moved, item.base, reason, users);
    return { status: "ok", revision };
  }

  #delete(actor: Actor, path: SyncPath, base: Revision): UploadResult {
    const head = this.#heads.get(path);
    const verdict = judgeDelete(head, this.#heads.hasChildren(path), this.#incoming(actor, base));
    if (verdict === "stale") return { status: "stale" };
    if (verdict === "skip") return { status: "skip", revision: this.#revision, entry: null };
    const revision = ++this.#revision;
    this.#dropHead(actor, path, "deleted", revision, base);
    this.#publish(actor, { kind: "gone", path, revision, author: authorOf(actor) });
    return { status: "ok", revision };
  }

  #rename(actor: Actor, item: RenameItem): UploadResult {
    const { from, to, base, count } = item;
    if (isAtOrBelow(to, from)) {
      return { status: "error", code: "protocol", message: "Cannot rename a directory into itself" };
    }
    const subtree = this.#heads.subtree(from);
    const known = subtree.length === count && subtree.length > 0 &&
      subtree.every(([, head]) => head.revision <= base);
    if (!known || this.#heads.get(to) !== null || !this.#heads.hasParent(to)) return { status: "stale" };
    const revision = ++this.#revision;
    for (const [path, head] of [...subtree].reverse()) {
      this.#dropHead(actor, path, "renamed", revision, head.revision);
    }
    for (const [path, head] of subtree) {
      const target = rebase(path, from, to);
      this.#heads.set(target, new Head(head.entry, revision, this.#now, actor));
      this.#write(actor, target, head.entry, "renamed", revision, head.revision, path, true);
    }
    this.#publish(actor, { kind: "moved", from, to, revision, author: authorOf(actor) });
    return { status: "ok", revision };
  }

  /**
   * Makes `entry`, which the folder held before (`null`: absence), the head of `path`, with the directories above it. It
   * is made on the head as it is now, so it is nobody's conflict.
   *
   * @returns false if something stands in its way: nothing that is there is destroyed for it
   */
  restore(actor: Actor, path: SyncPath, entry: Entry | null): boolean {
    const head = this.#heads.get(path);
    if (sameEntry(head?.entry ?? null, entry)) return true;
    if (entry?.kind !== "dir" && this.#heads.hasChildren(path)) return false;
    if (entry === null) {
      const revision = ++this.#revision;
      this.#dropHead(actor, path, "deleted", revision, head!.revision);
      this.#publish(actor, { kind: "gone", path, revision, author: authorOf(actor) });
      return true;
    }
    if (!this.#restoreParents(actor, path)) return false;
    this.#setHead(actor, path, entry, head === null ? "created" : "modified", head?.revision ?? 0, null);
    return true;
  }

  #restoreParents(actor: Actor, path: SyncPath): boolean {
    const above = [...ancestorsOf(path)].reverse();
    if (above.some((dir) => (this.#heads.get(dir)?.entry.kind ?? "dir") !== "dir")) return false;
    for (const dir of above) {
      if (this.#heads.get(dir) !== null) continue;
      const before = this.#records.versions(dir).findLast(({ entry }) => entry?.kind === "dir")?.entry;
      this.#setHead(actor, dir, before ?? { kind: "dir", mode: NEW_DIR_MODE }, "created", 0, null);
    }
    return true;
  }

  /** Puts a version that lost its name beside `path`. @returns where; `null` if something stands in its way */
  placeBeside(actor: Actor, path: SyncPath, loser: Version): SyncPath | null {
    // What lost beside a file that had to step aside itself gets a name like that one's, not a longer one.
    const stepped = this.#records.versions(path).findLast(({ operation, from }) =>
      operation === "conflict" && from !== null
    );
    const name = stepped?.from ?? path;
    if (loser.entry === null || !this.#restoreParents(actor, name)) return null;
    const aside = conflictPath(name, loser.user, loser.time, (taken) => this.#heads.get(taken) !== null);
    this.#setHead(actor, aside, loser.entry, "conflict", loser.revision, path);
    return aside;
  }

  /** Somebody has settled a conflict. */
  resolve(settled: Settled): void {
    this.#resolved.push(settled);
  }

  #setHead(
    actor: Actor,
    path: SyncPath,
    entry: Entry,
    operation: Operation,
    base: Revision,
    from: SyncPath | null,
  ): Revision {
    const revision = ++this.#revision;
    this.#heads.set(path, new Head(entry, revision, this.#now, actor));
    this.#write(actor, path, entry, operation, revision, base, from, true);
    this.#publish(actor, { kind: "set", path, revision, entry, from, author: authorOf(actor) });
    return revision;
  }

  /** A version that is history from the start: the loser of a conflict. */
  #keep(actor: Actor, path: SyncPath, entry: Entry, base: Revision): Revision {
    const revision = ++this.#revision;
    this.#write(actor, path, entry, "conflict", revision, base, null, false);
    return revision;
  }

  #dropHead(actor: Actor, path: SyncPath, operation: Operation, revision: Revision, base: Revision): void {
    this.#heads.delete(path);
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
    const time = this.#now;
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

  #publish(actor: Actor, notice: Notice): void {
    this.published.push({ notice, replica: actor.replica });
  }

  #recordConflict(
    path: SyncPath,
    winner: Revision,
    loser: Revision,
    base: Revision,
    reason: string,
    users: { winner: string; loser: string },
  ): void {
    this.#conflicts.push({
      path,
      winner,
      loser,
      base,
      winnerUser: users.winner,
      loserUser: users.loser,
      reason,
      time: this.#now,
      resolved: false,
    });
  }

  /** The content of a version that the uploader names instead of sending bytes. */
  versionContent(path: SyncPath, revision: Revision): FileEntry | null {
    const head = this.#heads.get(path);
    if (head?.revision === revision) return head.entry.kind === "file" ? head.entry : null;
    const waiting = this.#versions.findLast((version) =>
      version.path === path && version.revision === revision
    );
    const entry = (waiting ?? this.#records.version(path, revision))?.entry;
    return entry?.kind === "file" ? entry : null;
  }
}

function authorOf(actor: Actor): { user: string; device: string } {
  return { user: actor.user, device: actor.device };
}

/** `13:12:03` in local time. */
function clock(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, "0")).join(
    ":",
  );
}
