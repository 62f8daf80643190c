/**
 * The three trees of a replica in memory. *Synced* is complete; *local* and *remote* hold only what differs from it.
 * What the rules leave out of sync is in none of them; of that, only what the server holds is kept apart.
 * Nothing here touches the disk or the link: the engine reports what it saw and what was done.
 */
import { type ContentId, type Entry, sameEntry } from "../core/entry.ts";
import {
  hasAncestorIn,
  isAtOrBelow,
  isBelow,
  PATH_BYTES_MAX,
  rebase,
  type SyncPath,
  utf8Length,
} from "../core/path.ts";
import { type ChunkList, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import { invariant } from "../core/invariant.ts";
import { ProtocolError } from "../protocol/errors.ts";
import type { Author, Id, Notice, Revision } from "../protocol/messages.ts";
import { sameStat, type Stat } from "../system/disk.ts";
import { IgnoredHeads } from "./ignored_heads.ts";
import type { Binding, IgnoredHead, StateChange, Synced } from "./state.ts";

/** A synced row in memory. `seen` marks the last walk that met it. */
export interface SyncedNode {
  entry: Entry;
  revision: Revision;
  stat: Stat | null;
  seen: number;
}

/** What a look found at a path. */
export interface Found {
  readonly entry: Entry;
  readonly stat: Stat;
  /** It changed so shortly before the look that a later change could look the same. */
  readonly racy: boolean;
  /** Content of a small file, kept for the upload while there is room. */
  bytes: Uint8Array | null;
  /** Chunks of a large file. */
  readonly chunks: ChunkList | null;
  seen: number;
}

export interface RemoteHead {
  readonly entry: Entry | null;
  readonly revision: Revision;
  readonly author: Author;
}

/** A directory that was renamed on the server. */
export interface RemoteMove {
  readonly from: SyncPath;
  readonly to: SyncPath;
  readonly revision: Revision;
  readonly author: Author;
}

/** Why a path is not synced at the moment. */
export interface Problem {
  readonly path: string;
  readonly reason: string;
  /** The look or step that met it; a later success of the same kind clears it. `rights`: `write_gate.ts` keeps it. */
  readonly at: "look" | "push" | "pull" | "rights";
  /** There is no room for it: here (`pull`), or on the server, where a quota may be used up (`push`). */
  readonly noSpace?: boolean;
}

const NOBODY: Author = { user: "", device: "" };
/** Memory that heads may take until they are agreed on, bytes: more than any folder needs, less than a process has. */
const HEADS_BYTES_MAX = 2 * 2 ** 30;
/** What a head takes beside its path. */
const HEAD_BYTES = 300;
/** Hints of renamed directories that wait; without them the same is done path by path. */
const MOVES_MAX = 10_000;

/** A name that is not UTF-8 is shown like one that is, which may stand beside it and be all right. */
export function nameProblemKey(shown: string): string {
  return `${shown}\0`;
}

export class Trees {
  readonly #headsBytesMax: number;
  #headsBytes = 0;
  readonly synced = new Map<SyncPath, SyncedNode>();
  readonly local = new Map<SyncPath, Found | null>();
  readonly remote = new Map<SyncPath, RemoteHead>();
  /** By path; what has a name that cannot be synced, by {@link nameProblemKey}. */
  readonly problems = new Map<string, Problem>();
  /** What the server holds at ignored paths. */
  readonly ignored = new IgnoredHeads();
  /**
   * Those of them that no rule names any more because their directory is gone here, and rules with it. A rename may take
   * them along; if none does, they are news.
   */
  readonly undecided = new Set<SyncPath>();
  /** Directories here that hold something ignored, as far as looks have met it. */
  readonly holders = new Set<SyncPath>();
  /** Whether the rules leave what is at a path out of sync. */
  ignores: (path: SyncPath, isDir: boolean) => boolean = () => false;
  /** Told of each head as it comes, before it counts as news. */
  recognise: (path: SyncPath, entry: Entry | null, revision: Revision) => void = () => {};
  /** Whether the directory in which the server has `path` does not stand here. */
  isDirGone: (path: SyncPath) => boolean = () => false;
  /** A path changed its kind, so that others may be ignored now or not any more. */
  reviewIgnored = false;
  /** Everything that the server accepted up to here is in `remote`, `synced` or `ignored`. */
  upTo: Revision = 0;
  /** What this user could see when everything was last listed; `null`: that was never. */
  view: Id | null = null;
  /** Greatest revision that the server told of. */
  seen: Revision = 0;
  /** Chunk lists of rows that are not written yet. */
  readonly waitingChunks = new Map<SyncPath, Uint8Array>();
  /** Directories that the server renamed since the last cycle, in order. Hints: `remote` says the same path by path. */
  readonly moves: RemoteMove[] = [];
  readonly #movedTo = new Set<SyncPath>();
  /** Files (not directories or links) in the synced tree. */
  files = 0;

  /** Where a large content was last agreed on; may be out of date. */
  readonly #large = new Map<ContentId, SyncPath>();
  /** Known paths that a listing, which is under way, has not named yet. */
  #unnamed: Set<SyncPath> | null = null;
  /** Paths that the last listing did not name and that are not agreed to be gone yet: only a listing can tell of them. */
  readonly #unlisted = new Set<SyncPath>();
  /** Rows whose stat alone was renewed. */
  readonly #refresh = new Set<SyncPath>();
  #pending: {
    set: Map<SyncPath, Uint8Array | null>;
    gone: Set<SyncPath>;
    moved: { from: SyncPath; to: SyncPath; revision: Revision }[];
  } = { set: new Map(), gone: new Set(), moved: [] };

  constructor({ headsBytesMax = HEADS_BYTES_MAX }: { readonly headsBytesMax?: number | undefined } = {}) {
    this.#headsBytesMax = headsBytesMax;
  }

  load(
    rows: ReadonlyMap<SyncPath, Synced>,
    { cursor, seen, view }: Pick<Binding, "cursor" | "seen" | "view">,
    ignored: ReadonlyMap<SyncPath, IgnoredHead> = new Map(),
  ): void {
    this.ignored.load(ignored);
    // By which rules they are ignored nobody has written down.
    this.reviewIgnored = ignored.size > 0;
    this.upTo = cursor;
    this.seen = seen;
    this.view = view;
    for (const [path, row] of rows) {
      this.synced.set(path, { entry: row.entry, revision: row.revision, stat: row.stat, seen: 0 });
      this.#noteLarge(path, row.entry);
      if (row.entry.kind === "file") this.files++;
    }
  }

  /**
   * The server is about to list everything that this user may see. Until {@link endListing} the cursor is 0: a listing
   * that breaks off has to be made again.
   */
  beginListing(): void {
    // What an earlier listing left out may be named now, and with a revision from before that listing.
    for (const path of this.#unlisted) this.#dropHead(path);
    this.#unlisted.clear();
    this.#unnamed = new Set([...this.synced.keys(), ...this.remote.keys(), ...this.ignored.keys()]);
  }

  /** The listing is complete: what it did not name is gone for this user. Returns those paths. */
  endListing(view: Id): ReadonlySet<SyncPath> {
    const gone = this.#unnamed ?? new Set<SyncPath>();
    for (const path of gone) {
      this.ignored.delete(path);
      if (!this.synced.has(path) && !this.remote.has(path)) {
        gone.delete(path);
        continue;
      }
      // Whatever its revision was: nobody says when it went, or went out of sight.
      this.#noteHead(path, { entry: null, revision: this.upTo, author: NOBODY });
      this.#unlisted.add(path);
    }
    this.#unnamed = null;
    this.view = view;
    return gone;
  }

  /** Both sides agree on `entry`. The change waits for {@link takePending}. */
  agree(path: SyncPath, entry: Entry, revision: Revision, stat: Stat | null, chunks: ChunkList | null): void {
    const node = this.synced.get(path);
    this.#noteRevision(revision);
    this.ignored.delete(path);
    if (node === undefined) {
      this.synced.set(path, { entry, revision, stat, seen: 0 });
      if (entry.kind === "file") this.files++;
    } else {
      this.files += (entry.kind === "file" ? 1 : 0) - (node.entry.kind === "file" ? 1 : 0);
      node.entry = entry;
      node.revision = revision;
      node.stat = stat;
    }
    this.#noteLarge(path, entry);
    this.#pending.gone.delete(path);
    this.#pending.set.set(path, chunks?.bytes ?? null);
    if (chunks !== null) this.waitingChunks.set(path, chunks.bytes);
    else this.waitingChunks.delete(path);
    this.#settleRemote(path, revision);
  }

  /** Both sides agree that nothing is at `path`. */
  agreeGone(path: SyncPath, revision: Revision): void {
    const node = this.synced.get(path);
    if (node !== undefined) this.#forget(path, node);
    this.#settleRemote(path, revision);
  }

  /**
   * The subtree at `from` is now at `to` on both sides. Whatever waits must have been taken before.
   *
   * @param looked whether a look has met the subtree at `to` already: what it has not met there is gone
   */
  agreeMoved(from: SyncPath, to: SyncPath, revision: Revision, looked: boolean): void {
    invariant(!this.#hasPendingRows, "a move must not overtake rows that wait to be written");
    const moved: [SyncPath, SyncedNode][] = [];
    for (const [path, node] of this.synced) if (isAtOrBelow(path, from)) moved.push([path, node]);
    for (const [path, node] of moved) {
      const target = rebase(path, from, to);
      const head = this.remote.get(target);
      const isHead = head === undefined || sameEntry(head.entry, node.entry);
      this.synced.delete(path);
      // What was changed there before the move is still to come: it must stay news, also after a restart.
      node.revision = isHead ? revision : 0;
      this.synced.set(target, node);
      this.#noteLarge(target, node.entry);
      this.#settleRemote(path, revision);
      if (isHead) this.#settleRemote(target, revision);
      else this.#pending.set.set(target, null);
      const ignored = this.ignores(target, node.entry.kind === "dir");
      if (looked) this.#rebaseLocal(path, target);
      if (ignored) this.setAside(target);
    }
    this.#pending.moved.push({ from, to, revision });
    this.#moveIgnored(from, to, revision);
  }

  #moveIgnored(from: SyncPath, to: SyncPath, revision: Revision): void {
    for (const [path, { entry }] of [...this.ignored]) {
      if (!isAtOrBelow(path, from)) continue;
      const target = rebase(path, from, to);
      this.ignored.delete(path);
      this.ignored.set(target, { entry, revision });
      if (this.ignores(target, entry.kind === "dir")) continue;
      // Inside the renamed directory another may have been renamed, which shows only now.
      if (this.isDirGone(target)) this.undecided.add(target);
      else this.takeBack(target);
    }
  }

  /** Whether anything but rules is known of `path`. */
  knows(path: SyncPath): boolean {
    return this.synced.has(path) || this.remote.has(path) || this.local.has(path);
  }

  /**
   * `path` is ignored from now on: what stands here is nobody's business, and what the server holds is only remembered.
   * When it is not ignored any more, both sides meet as if for the first time.
   */
  setAside(path: SyncPath): void {
    const node = this.synced.get(path);
    const head = this.remote.get(path) ?? node;
    const wasDir = node?.entry.kind === "dir" || this.local.get(path)?.entry.kind === "dir";
    // Nothing stands below what is no directory.
    if (wasDir && head?.entry !== null && head?.entry.kind !== "dir") this.reviewIgnored = true;
    this.#dropHead(path);
    this.local.delete(path);
    this.problems.delete(path);
    this.#unlisted.delete(path);
    if (node !== undefined) this.#forget(path, node);
    if (head === undefined) return;
    if (head.entry !== null) this.#putAside(path, { entry: head.entry, revision: head.revision });
    else this.ignored.delete(path);
  }

  #putAside(path: SyncPath, head: IgnoredHead): void {
    this.ignored.set(path, head);
    this.#checkMemory();
  }

  #forget(path: SyncPath, node: SyncedNode): void {
    this.synced.delete(path);
    if (node.entry.kind === "file") this.files--;
    this.waitingChunks.delete(path);
    this.#refresh.delete(path);
    this.#pending.set.delete(path);
    this.#pending.gone.add(path);
  }

  /** `path` is not ignored any more: what the server holds is news. */
  takeBack(path: SyncPath): void {
    this.undecided.delete(path);
    const head = this.ignored.get(path);
    if (head === undefined) return;
    this.ignored.delete(path);
    this.#noteHead(path, { ...head, author: NOBODY });
  }

  /** What differs here is now measured against the moved row. */
  #rebaseLocal(from: SyncPath, to: SyncPath): void {
    if (this.local.get(from) === null) this.local.delete(from);
    const found = this.local.get(to);
    if (found === undefined) this.local.set(to, null);
    else if (found !== null) this.noteFound(to, found);
  }

  #noteLarge(path: SyncPath, entry: Entry): void {
    if (entry.kind === "file" && entry.size > SINGLE_CHUNK_MAX) this.#large.set(entry.content, path);
  }

  /** A path that is synced with this large content, so that another copy of it needs no bytes from the server. */
  pathOfLarge(content: ContentId): SyncPath | null {
    const path = this.#large.get(content);
    const entry = path === undefined ? undefined : this.synced.get(path)?.entry;
    if (path !== undefined && entry?.kind === "file" && entry.content === content) return path;
    this.#large.delete(content);
    return null;
  }

  #settleRemote(path: SyncPath, revision: Revision): void {
    const head = this.remote.get(path);
    if (head === undefined || head.revision > revision) return;
    this.#dropHead(path);
    this.#unlisted.delete(path);
  }

  #dropHead(path: SyncPath): void {
    if (!this.remote.delete(path)) return;
    this.#headsBytes = Math.max(0, this.#headsBytes - HEAD_BYTES - path.length);
  }

  #noteHead(path: SyncPath, head: RemoteHead): void {
    if (!this.remote.has(path)) this.#headsBytes += HEAD_BYTES + path.length;
    this.#checkMemory();
    this.remote.set(path, head);
  }

  /** Nobody may fill this side's memory with paths that are nowhere. @throws {ProtocolError} */
  #checkMemory(): void {
    if (this.#headsBytes + this.ignored.size * HEAD_BYTES <= this.#headsBytesMax) return;
    throw new ProtocolError("the server names more paths than this side has memory for");
  }

  #noteRevision(revision: Revision): void {
    if (revision > this.seen) this.seen = revision;
  }

  /** The server said that every head up to here is known. */
  noteUpTo(upTo: Revision): void {
    this.upTo = Math.max(this.upTo, upTo);
    this.#noteRevision(upTo);
  }

  /** A look found `found` at `path`. Returns whether that is a change. */
  noteFound(path: SyncPath, found: Found): boolean {
    const node = this.synced.get(path);
    if (node !== undefined && sameEntry(node.entry, found.entry)) {
      this.local.delete(path);
      const stat = found.racy ? null : found.stat;
      if (!sameStat(node.stat, stat)) {
        node.stat = stat;
        if (!this.#pending.set.has(path)) this.#refresh.add(path);
      }
      return false;
    }
    this.local.set(path, found);
    return true;
  }

  /** A look found nothing at `path`. */
  noteGone(path: SyncPath): void {
    if (this.synced.has(path)) this.local.set(path, null);
    else this.local.delete(path);
  }

  /** The server told of a head. */
  noteNotice(notice: Notice): void {
    if (notice.kind === "moved") return this.#noteMoved(notice);
    this.#unnamed?.delete(notice.path);
    this.#noteRevision(notice.revision);
    const entry = notice.kind === "set" ? notice.entry : null;
    if (this.#noteIgnored(notice.path, entry, notice.revision)) return;
    this.recognise(notice.path, entry, notice.revision);
    const node = this.synced.get(notice.path);
    if (node !== undefined && node.revision >= notice.revision) return;
    const known = this.remote.get(notice.path);
    if (known !== undefined && known.revision >= notice.revision) return;
    // A head that was known may be on its way here at this moment: then its end must not be forgotten. What was deleted in
    // a directory that others renamed still stands here, under the old name.
    const matters = node !== undefined || known !== undefined || this.local.has(notice.path) ||
      this.#isInMoved(notice.path);
    if (entry === null && !matters) return;
    this.#noteHead(notice.path, { entry, revision: notice.revision, author: notice.author });
    this.#unlisted.delete(notice.path);
    // Who was not there when a directory was renamed is told path by path, and of each where it was.
    if (notice.kind === "set" && notice.from !== null && entry?.kind === "dir") {
      this.#noteMove({
        from: notice.from,
        to: notice.path,
        revision: notice.revision,
        author: notice.author,
      });
    }
  }

  #noteMove(move: RemoteMove): void {
    if (this.moves.length === 0) this.#movedTo.clear();
    if (this.moves.length < MOVES_MAX && this.synced.get(move.from)?.entry.kind === "dir") {
      this.moves.push(move);
      this.#movedTo.add(move.to);
    }
  }

  #isInMoved(path: SyncPath): boolean {
    return this.moves.length > 0 && hasAncestorIn(path, this.#movedTo);
  }

  /** Takes note of a head that is ignored, or was until now. Returns whether that was all. */
  #noteIgnored(path: SyncPath, entry: Entry | null, revision: Revision): boolean {
    const known = this.ignored.get(path);
    if (known !== undefined && known.revision >= revision) return true;
    const ignores = entry === null ? known !== undefined : this.ignores(path, entry.kind === "dir");
    if (!ignores) {
      if (known !== undefined && known.entry.kind !== "dir") this.reviewIgnored = true;
      this.ignored.delete(path);
      return false;
    }
    const visible = this.remote.get(path) ?? this.synced.get(path);
    if (visible !== undefined && visible.revision >= revision) return true;
    if (entry === null) {
      this.ignored.delete(path);
      return true;
    }
    if (this.knows(path)) this.setAside(path);
    this.#putAside(path, { entry, revision });
    return true;
  }

  #noteMoved(notice: Extract<Notice, { kind: "moved" }>): void {
    const { from, to, revision, author } = notice;
    const heads = new Map<SyncPath, Entry>();
    for (const [path, node] of this.synced) if (isAtOrBelow(path, from)) heads.set(path, node.entry);
    for (const [path, head] of this.remote) {
      if (!isAtOrBelow(path, from)) continue;
      if (head.entry === null) heads.delete(path);
      else heads.set(path, head.entry);
    }
    for (const [path, head] of this.ignored) if (isAtOrBelow(path, from)) heads.set(path, head.entry);
    if (heads.get(from)?.kind === "dir") this.#noteMove({ from, to, revision, author });
    for (const [path, entry] of heads) {
      const target = rebase(path, from, to);
      if (utf8Length(target) > PATH_BYTES_MAX) throw new ProtocolError("a move makes a path too long");
      this.noteNotice({ kind: "gone", path, revision, author });
      this.noteNotice({ kind: "set", path: target, revision, entry, from: null, author });
    }
  }

  /** The entry that the server holds at `path`, as far as is known here. */
  remoteEntry(path: SyncPath): Entry | null {
    const head = this.remote.get(path);
    return head !== undefined ? head.entry : this.synced.get(path)?.entry ?? null;
  }

  /** The entry that stands here, as of the last look. */
  localEntry(path: SyncPath): Entry | null {
    const found = this.local.get(path);
    return found !== undefined ? found?.entry ?? null : this.synced.get(path)?.entry ?? null;
  }

  /** Every head up to here is agreed on: what is not yet, must be asked for again after a restart. */
  cursor(): Revision {
    if (this.#unnamed !== null || this.#unlisted.size > 0) return 0;
    let cursor = this.upTo;
    for (const head of this.remote.values()) if (head.revision <= cursor) cursor = head.revision - 1;
    return cursor;
  }

  /** Synced paths below any of `roots` (a root itself included), in one pass. */
  *syncedAtOrBelow(roots: ReadonlySet<SyncPath>): Generator<SyncPath> {
    if (roots.size === 0) return;
    for (const path of this.synced.keys()) {
      if (roots.has(path)) {
        yield path;
        continue;
      }
      for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
        if (!roots.has(path.slice(0, slash) as SyncPath)) continue;
        yield path;
        break;
      }
    }
  }

  /** Whether anything that is known here lies below `dir`. */
  hasBelow(dir: SyncPath): boolean {
    for (const path of this.synced.keys()) if (isBelow(path, dir)) return true;
    for (const [path, found] of this.local) if (found !== null && isBelow(path, dir)) return true;
    return false;
  }

  get hasPending(): boolean {
    return this.#hasPendingRows || this.ignored.hasPending;
  }

  get #hasPendingRows(): boolean {
    return this.#pending.set.size + this.#pending.gone.size + this.#pending.moved.length +
        this.#refresh.size > 0;
  }

  /** What has to be written to the state, with the chunk list that `keepChunks` finds for refreshed rows. */
  takePending(
    keepChunks: (path: SyncPath) => Uint8Array | null,
  ): Required<Omit<StateChange, "binding" | "done">> {
    const set: [SyncPath, Synced, Uint8Array | null][] = [];
    for (const [path, chunks] of this.#pending.set) this.#pushRow(set, path, chunks);
    for (const path of this.#refresh) {
      // The database still has the chunks under the name from before the move.
      const move = this.#pending.moved.find(({ to }) => isAtOrBelow(path, to));
      const stored = move === undefined ? path : rebase(path, move.to, move.from);
      if (!this.#pending.set.has(path)) this.#pushRow(set, path, keepChunks(stored));
    }
    const ignored = this.ignored.takePending();
    const change = { set, gone: [...this.#pending.gone], moved: this.#pending.moved, ignored };
    this.#pending = { set: new Map(), gone: new Set(), moved: [] };
    this.#refresh.clear();
    return change;
  }

  /** What {@link takePending} gave out is in the state now. */
  written(change: StateChange): void {
    if (this.waitingChunks.size === 0) return;
    for (const [path, , chunks] of change.set ?? []) {
      if (chunks !== null && this.waitingChunks.get(path) === chunks) this.waitingChunks.delete(path);
    }
  }

  #pushRow(set: [SyncPath, Synced, Uint8Array | null][], path: SyncPath, chunks: Uint8Array | null): void {
    const node = this.synced.get(path);
    if (node !== undefined) {
      set.push([path, { entry: node.entry, revision: node.revision, stat: node.stat }, chunks]);
    }
  }

  /** Forgets everything (the state was reset). */
  clear(): void {
    this.synced.clear();
    this.local.clear();
    this.remote.clear();
    this.problems.clear();
    this.ignored.clear();
    this.undecided.clear();
    this.waitingChunks.clear();
    this.moves.length = 0;
    this.#large.clear();
    this.#pending = { set: new Map(), gone: new Set(), moved: [] };
    this.#refresh.clear();
    this.#headsBytes = 0;
    this.#unnamed = null;
    this.#unlisted.clear();
    this.upTo = 0;
    this.view = null;
    this.seen = 0;
    this.files = 0;
  }
}
