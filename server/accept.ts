/**
 * Judges the uploads of one commit group, one after the other, against the heads. Nothing is durable or told to anybody
 * yet: what is accepted stands in the {@link Draft}.
 *
 * Who may write what is asked for here, at the last moment, so a grant that was taken back holds for what waits already.
 * The rules decide by paths and never by what is hidden there: a refusal is the same whether there is something or not.
 */
import type { Rights } from "../core/access.ts";
import type { ChunkList } from "../core/chunk.ts";
import { conflictPath } from "../core/conflict_name.ts";
import { type Entry, type FileEntry, sameContent } from "../core/entry.ts";
import { type Incoming, judgeDelete, judgePut, type PutVerdict } from "../core/judge.ts";
import { ancestorsOf, isAtOrBelow, type SyncPath } from "../core/path.ts";
import type { Revision, UploadItem, UploadResult } from "../protocol/messages.ts";
import type { Caller } from "./caller.ts";
import type { Draft } from "./draft.ts";
import type { Actor, Head } from "./heads.ts";
import { knownFile } from "./known.ts";

/** Whether the bytes of an item are there; decided before judging. */
export type ContentCheck =
  | { readonly ready: true; readonly chunks: ChunkList | null }
  | { readonly ready: false; readonly result: UploadResult };

/** Whether somebody may read something at or below `to` that it may not read at the same place at or below `from`. */
export type Opens = (from: SyncPath, to: SyncPath) => boolean;

type PutItem = Extract<UploadItem, { op: "put" }>;
type RenameItem = Extract<UploadItem, { op: "rename" }>;

/** The same for all that may not be written, whatever stands there. */
export const FORBIDDEN: UploadResult = forbidden("Cannot upload: you may not write here");
const FORBIDDEN_DELETE = forbidden("Cannot delete the directory: it may hold what you may not delete");
const FORBIDDEN_PARENT = forbidden("Cannot upload: the directory is missing, and you may not make it");
const FORBIDDEN_ASIDE = forbidden(
  "Cannot upload: it would need another name, in a place where you may not write",
);

export class Acceptance {
  readonly draft: Draft;

  readonly #opens: Opens;

  constructor(draft: Draft, opens: Opens) {
    this.draft = draft;
    this.#opens = opens;
  }

  apply(caller: Caller, item: UploadItem, content: ContentCheck): UploadResult {
    const rights = caller.rights();
    if (item.op === "rename") return this.#rename(caller.actor, rights, item);
    if (rights.at(item.path) !== "write") return FORBIDDEN;
    if (item.op === "delete") return this.#delete(caller.actor, rights, item.path, item.base);
    if (!this.draft.heads.hasParent(item.path)) return this.#withoutParent(rights, item.path);
    if (!content.ready) return content.result;
    const result = this.#put(caller.actor, rights, item);
    const isNamed = result.status === "ok" || result.status === "conflict";
    if (isNamed && content.chunks !== null && item.entry.kind === "file") {
      this.draft.noteChunks(item.entry.content, content.chunks);
    }
    return result;
  }

  #incoming(actor: Actor, base: Revision): Incoming {
    return { base, replica: actor.replica, time: this.draft.now, clockOffset: actor.clockOffset };
  }

  /** What is answered if the directory is not there: to make it first helps only who may. */
  #withoutParent(rights: Rights, path: SyncPath): UploadResult {
    for (const dir of ancestorsOf(path)) {
      if (this.draft.heads.get(dir)?.entry.kind === "dir") break;
      if (rights.at(dir) !== "write") return FORBIDDEN_PARENT;
    }
    return { status: "stale" };
  }

  #put(actor: Actor, rights: Rights, item: PutItem): UploadResult {
    const { heads } = this.draft;
    const { path, entry, base } = item;
    const head = heads.get(path);
    const holds = heads.hasChildren(path) || this.#mayHide(rights, path, head);
    const verdict = judgePut(head, holds, entry, this.#incoming(actor, base));
    const concurrent = head !== null && head.revision !== base && head.replica !== actor.replica;
    if (verdict.verdict === "skip" || (concurrent && this.#isOutdated(path, entry, base))) {
      return { status: "skip", revision: head!.revision, entry: head!.entry };
    }
    if (verdict.verdict === "accept") {
      const operation = head === null ? "created" : "modified";
      return { status: "ok", revision: this.draft.setHead(actor, path, entry, operation, base, null) };
    }
    if (verdict.verdict === "conflict") return this.#conflict(actor, item, head!, verdict);
    return verdict.aside === "incoming"
      ? this.#stepAside(actor, rights, item, head!)
      : this.#makeRoom(actor, rights, item, head!);
  }

  /**
   * Whether the directory at `path` has places that this user may not write. It then counts as one that holds something,
   * or trying to replace it would tell whether it does.
   */
  #mayHide(rights: Rights, path: SyncPath, head: Head | null): boolean {
    return head?.entry.kind === "dir" && !rights.allowsTree(path, "write");
  }

  /**
   * Whether a replica merely forgot that it had this version (a power cut, a lost state): what it holds was the head
   * once, later than the base that it remembers, and the path was never empty since. That is no edit, and nothing is
   * lost: the history has it. Whoever would try contents this way must have them, with their times, and may write here.
   */
  #isOutdated(path: SyncPath, entry: Entry, base: Revision): boolean {
    if (entry.kind === "dir") return false;
    const same = (old: Entry | null) =>
      old?.kind === entry.kind && sameContent(old, entry) &&
      (old.kind !== "file" || entry.kind !== "file" || old.mtime === entry.mtime);
    const versions = this.draft.records.versions(path);
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
      ? this.draft.setHead(actor, path, entry, "modified", base, null)
      : this.draft.keep(actor, path, entry, base);
    this.draft.noteConflict({
      path,
      winner: won ? revision : head.revision,
      loser: won ? head.revision : revision,
      base,
      winnerUser: won ? actor.user : head.actor.user,
      loserUser: won ? head.actor.user : actor.user,
      reason,
    });
    return { status: "conflict", won, revision, storedAs: null, reason };
  }

  /** A file meets a directory that holds something: the file gets another name. */
  #stepAside(actor: Actor, rights: Rights, { path, entry, base }: PutItem, head: Head): UploadResult {
    const aside = this.#nameBeside(path, actor.user);
    if (rights.at(aside) !== "write") return FORBIDDEN_ASIDE;
    const revision = this.draft.setHead(actor, aside, entry, "conflict", base, path);
    const reason = "a directory has the name, the file was kept beside it";
    this.draft.noteConflict({
      path,
      winner: head.revision,
      loser: revision,
      base,
      winnerUser: head.actor.user,
      loserUser: actor.user,
      reason,
    });
    return { status: "conflict", won: false, revision, storedAs: aside, reason };
  }

  /** A directory with content meets a file: the file gets another name, for everybody. */
  #makeRoom(actor: Actor, rights: Rights, { path, entry, base }: PutItem, head: Head): UploadResult {
    const aside = this.#nameBeside(path, head.actor.user);
    if (rights.at(aside) !== "write") return FORBIDDEN_ASIDE;
    // Nobody knows this name yet, not even the author of the file.
    const server: Actor = { ...head.actor, replica: "" };
    const moved = this.draft.setHead(server, aside, head.entry, "conflict", head.revision, path);
    const revision = this.draft.setHead(actor, path, entry, "modified", base, null);
    this.draft.noteConflict({
      path,
      winner: revision,
      loser: moved,
      base,
      winnerUser: actor.user,
      loserUser: head.actor.user,
      reason: "a directory took the name, the file was kept beside it",
    });
    return { status: "ok", revision };
  }

  #nameBeside(path: SyncPath, user: string): SyncPath {
    const { heads, now } = this.draft;
    return conflictPath(path, user, now, (name) => heads.get(name) !== null);
  }

  #delete(actor: Actor, rights: Rights, path: SyncPath, base: Revision): UploadResult {
    const { heads } = this.draft;
    const head = heads.get(path);
    if (this.#mayHide(rights, path, head)) return FORBIDDEN_DELETE;
    const verdict = judgeDelete(head, heads.hasChildren(path), this.#incoming(actor, base));
    if (verdict === "stale") return { status: "stale" };
    if (verdict === "skip") return { status: "skip", revision: this.draft.revision, entry: null };
    return { status: "ok", revision: this.draft.delete(actor, path, base) };
  }

  /**
   * Who may not write all of both ends is told to send single changes, each of which is judged by itself; so is whoever
   * moves a directory to where others read it, since the rename shows it as it was, and not as it is.
   */
  #rename(actor: Actor, rights: Rights, { from, to, base, count }: RenameItem): UploadResult {
    if (isAtOrBelow(to, from)) {
      return { status: "error", code: "protocol", message: "Cannot rename a directory into itself" };
    }
    if (!rights.allowsTree(from, "write") || !rights.allowsTree(to, "write")) return { status: "stale" };
    const { heads } = this.draft;
    const subtree = heads.subtree(from);
    const known = subtree.length === count && subtree.length > 0 &&
      subtree.every(([, head]) => head.revision <= base);
    if (!known || heads.get(to) !== null || !heads.hasParent(to)) return { status: "stale" };
    // What was deleted or edited in it before it was moved would be shown, and stand in the history there.
    if (subtree.length > 1 && this.#opens(from, to)) return { status: "stale" };
    return { status: "ok", revision: this.draft.move(actor, subtree, { from, to }) };
  }

  /** The content of a version that `caller` names instead of sending bytes, if it may. */
  versionContent(caller: Caller, path: SyncPath, revision: Revision): FileEntry | null {
    const { draft } = this;
    return knownFile({ heads: draft.heads, records: draft.records, draft }, caller, path, revision);
  }
}

function forbidden(message: string): UploadResult {
  return { status: "error", code: "forbidden", message };
}

/** `13:12:03` in local time. */
function clock(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, "0")).join(
    ":",
  );
}
