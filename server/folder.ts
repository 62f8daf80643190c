/**
 * One shared folder on the server: accepts uploads in groups, one durability point each, and tells everybody.
 *
 * The order is fixed (`docs/store.md`): contents durable, records durable, then the heads in memory are final, others
 * are told, and the uploader is answered.
 */
import { ChunkList, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import type { ContentId, FileEntry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import { ITEMS_MAX } from "../protocol/limits.ts";
import type { Changes, Id, Notice, Revision, UploadResult } from "../protocol/messages.ts";
import type { Clock } from "../system/clock.ts";
import { trace } from "../system/trace.ts";
import { Acceptance, type Opens } from "./accept.ts";
import type { Caller } from "./caller.ts";
import { Draft, type PathNotice } from "./draft.ts";
import { Heads } from "./heads.ts";
import { type Check, Intake, type UploadJob } from "./intake.ts";
import { knownFile } from "./known.ts";
import { RecentContents } from "./recent_contents.ts";
import { seesAll, told, toldOf } from "./sight.ts";
import { type Staging, Stagings } from "./staging.ts";
import { type Contents, ContentsError } from "./store/contents.ts";
import { type Commit, type Records, RecordsError, type Version } from "./store/records.ts";
import { Subscriber, type Tell } from "./subscriber.ts";
import { Usage } from "./usage.ts";

export type { UploadJob };

export interface FolderParts {
  readonly records: Records;
  readonly contents: Contents;
  readonly clock: Clock;
  /** Called after each commit with what it wrote, for the log. */
  readonly onCommit: (commit: Commit) => void;
  /** Whether somebody may read more at or below `to` than at the same place below `from`; absent: nobody. */
  readonly opens?: Opens;
}

/** An upload, or a change that is made here and brings no contents (`job` is `null`). */
interface Waiting {
  readonly job: UploadJob | null;
  /** Decides; what it returns is called once the decision is durable. */
  readonly judge: (acceptance: Acceptance, checks: readonly Check[]) => () => void;
  readonly reject: (error: unknown) => void;
}

/** Uploads that share one durability point. */
const GROUP_UPLOADS_MAX = 32;

export class Folder {
  readonly records: Records;
  readonly contents: Contents;
  readonly heads = new Heads();
  readonly #clock: Clock;
  readonly #onCommit: (commit: Commit) => void;
  readonly #opens: Opens;
  readonly #subscribers = new Set<Subscriber>();
  readonly #waiting: Waiting[] = [];
  /** Work of the store's upkeep that may not run while a group is written. */
  readonly #between: (() => Promise<void>)[] = [];
  /** Paths of open conflicts, by whom they concern. */
  readonly #conflicts = new Map<string, readonly SyncPath[]>();
  readonly #recent = new RecentContents();
  readonly #stagings = new Stagings();
  readonly #usage: Usage;
  #revision: Revision;
  #committing: Promise<void> | null = null;

  constructor(parts: FolderParts) {
    this.records = parts.records;
    this.contents = parts.contents;
    this.#clock = parts.clock;
    this.#onCommit = parts.onCommit;
    this.#opens = parts.opens ?? (() => false);
    this.#usage = new Usage(parts.records);
    this.heads.load(parts.records.liveHeads());
    this.#revision = parts.records.headRevision();
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** How many open conflicts concern the caller, and may be seen by it. */
  openConflicts({ actor: { user }, rights }: Caller): number {
    let paths = this.#conflicts.get(user);
    if (paths === undefined) {
      paths = this.records.openConflicts(user);
      this.#conflicts.set(user, paths);
    }
    const now = rights();
    return seesAll(now) ? paths.length : paths.filter((path) => now.at(path) !== "none").length;
  }

  /** Bytes that the versions of `user` brought in, with what it has staged here. `docs/users.md` says what counts. */
  usage(user: string): number {
    return this.#usage.of(user) + this.contents.stagedBytes(user, null) + this.#stagings.bytesOf(user);
  }

  /** Versions are gone: what each user has is counted anew when somebody asks. */
  forgetUsage(): void {
    this.#usage.forget();
  }

  /**
   * Accepts a batch; resolves when it is durable. {@link answered} must be called when the uploader has the results.
   *
   * @throws {ContentsError | RecordsError} if nothing of it could be written; it may be sent again
   */
  upload(job: UploadJob): Promise<readonly UploadResult[]> {
    return new Promise((resolve, reject) => {
      const judge = (acceptance: Acceptance, checks: readonly Check[]) => {
        const results = job.items.map((item, i) =>
          acceptance.apply(job.caller, item, checks[i]!(acceptance))
        );
        return () => resolve(results);
      };
      this.#enqueue({ job, judge, reject });
    });
  }

  /**
   * Lets `work`, which must not throw, change heads and conflicts together with the uploads of its group; resolves with
   * what it returns when that is durable. Everybody is told, whoever asked for it too.
   *
   * @throws {ContentsError | RecordsError} if nothing of it could be written
   */
  change<T>(work: (draft: Draft) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const judge = ({ draft }: Acceptance) => {
        const value = work(draft);
        return () => resolve(value);
      };
      this.#enqueue({ job: null, judge, reject });
    });
  }

  #enqueue(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#start();
  }

  #start(): void {
    this.#committing ??= this.#commitAll();
  }

  /**
   * Runs `work` while no group of uploads is written: no content that was found there, and is not named yet, can be
   * taken away under it, and what it appends is made durable by nobody else. Uploads wait meanwhile.
   */
  between<T>(work: () => T | Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#between.push(() => Promise.resolve().then(work).then(resolve, reject));
    this.#start();
    return promise;
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#committing !== null) await this.#committing;
  }

  async #commitAll(): Promise<void> {
    try {
      // Uploads that arrive in this turn of the loop join the first group.
      await Promise.resolve();
      while (this.#waiting.length + this.#between.length > 0) {
        await this.#between.shift()?.();
        if (this.#waiting.length > 0) await this.#commitGroup(this.#waiting.splice(0, GROUP_UPLOADS_MAX));
      }
    } finally {
      // Not a turn later: whoever came between would wait for somebody who has gone.
      this.#committing = null;
    }
  }

  async #commitGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const { records, contents, heads } = this;
      const intake = new Intake({ records, contents, heads, recent: this.#recent });
      const { locations } = intake;
      const checks = group.map(({ job }) => job === null ? [] : intake.take(job));
      if (locations.size > 0) await this.contents.sync();
      const draft = new Draft(heads, records, this.#revision, this.#clock.now());
      const acceptance = new Acceptance(draft, this.#opens);
      const settle = group.map(({ judge }, n) => judge(acceptance, checks[n]!));
      for (const [user, bytes] of intake.dropUnnamed(draft)) this.#usage.waste(user, bytes);
      this.#write(draft, intake);
      this.#publish(draft, group.flatMap(({ job }) => job === null ? [] : [job.caller.actor.replica]));
      for (const done of settle) done();
    } catch (error) {
      this.heads.revert();
      for (const { reject } of group) reject(error);
      if (!(error instanceof ContentsError) && !(error instanceof RecordsError)) throw error;
    }
  }

  #write(draft: Draft, { locations }: Intake): void {
    if (draft.isEmpty) return;
    const commit = draft.commit([...locations]);
    trace("store", "commits", { versions: commit.versions.length, contents: locations.size });
    this.records.commit(commit);
    this.heads.keep();
    this.#revision = draft.revision;
    this.#usage.note(commit.versions);
    if (commit.conflicts.length + (commit.resolved?.length ?? 0) > 0) this.#conflicts.clear();
    this.#onCommit(commit);
  }

  /**
   * Tells everybody of what it may see. Who sees everything also hears how far the folder is now. The others hear that
   * only of what they see, or did themselves: a number that grows without news would say that something happened where
   * they may not look. Their cursor stays behind, so after a new connection they ask from further back, and are told
   * the same again: nothing.
   */
  #publish(draft: Draft, authors: readonly Id[]): void {
    const own = draft.lastRevisions();
    for (const subscriber of this.#subscribers) {
      if (subscriber.closed) {
        this.#subscribers.delete(subscriber);
        continue;
      }
      const { replica, caller } = subscriber;
      for (const author of authors) if (author === replica) subscriber.unanswered++;
      subscriber.ownRevision = own.get(replica) ?? subscriber.ownRevision;
      const others = draft.published.filter((change) => change.replica !== replica);
      const rights = caller.rights();
      const all = seesAll(rights);
      const news = all ? others.map(({ notice }) => notice) : toldOf(rights, others);
      // What it uploaded itself it learns from its answers alone: before it has them, `upTo` would pass over them.
      const known = all ? this.#revision : news.at(-1)?.revision ?? null;
      const upTo = subscriber.unanswered > 0 ? null : known;
      if (news.length > 0 || upTo !== null || !all) subscriber.push(news, upTo, this.openConflicts(caller));
    }
  }

  /** The uploader has the answer to one upload: with the last of them it knows everything so far. */
  answered(replica: Id): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.replica !== replica) continue;
      // A session that joined meanwhile has heard of the change by itself.
      subscriber.unanswered = Math.max(0, subscriber.unanswered - 1);
      if (subscriber.unanswered > 0) continue;
      const { caller, ownRevision } = subscriber;
      const upTo = seesAll(caller.rights()) ? this.#revision : ownRevision;
      subscriber.push([], upTo, this.openConflicts(caller));
    }
  }

  /** Pages of all heads after `since`; then, if `live`, the subscriber that hears of every later change. */
  async feed(
    options: {
      since: Revision;
      live: boolean;
      caller: Caller;
      tell: Tell;
      page: (changes: Changes) => Promise<void>;
    },
  ): Promise<Subscriber | null> {
    const { since, caller } = options;
    let from = since;
    let after: SyncPath | null = null;
    for (;;) {
      const versions = this.records.headsSince(from, after, ITEMS_MAX);
      const more = versions.length === ITEMS_MAX;
      const last = versions.at(-1);
      const heads = versions.filter((version) => since > 0 || version.entry !== null).map(noticeOf);
      const notices = seen(caller, heads, since);
      const upTo = more ? from : this.#revision;
      const conflicts = this.openConflicts(caller);
      // Nothing may be awaited between the last page and joining, or a change could fall between them.
      const subscriber = !more && options.live ? this.#join(caller, options.tell) : null;
      // A page of what is hidden is none, and costs time all the same.
      if (more && notices.length === 0) await this.#clock.yield();
      else await options.page({ type: "changes", notices, upTo, more, conflicts });
      if (!more) return subscriber;
      from = last!.revision;
      after = last!.path;
    }
  }

  #join(caller: Caller, tell: Tell): Subscriber {
    const conflicts = this.openConflicts(caller);
    const subscriber = new Subscriber({ caller, upTo: this.#revision, conflicts, tell });
    this.#subscribers.add(subscriber);
    return subscriber;
  }

  leave(subscriber: Subscriber): void {
    subscriber.close();
    this.#subscribers.delete(subscriber);
  }

  /** Begins to keep account of the large contents that one conversation of `user` stages. */
  beginStaging(user: string): Staging {
    return this.#stagings.begin(user);
  }

  /** The conversation has ended: what it staged and no version names is of no use to anybody. */
  async endStaging(staging: Staging): Promise<void> {
    const left = this.#stagings.end(staging);
    if (left.length === 0) return;
    await this.between(() => {
      for (const id of left) {
        if (!this.#stagings.holds(id) && this.records.chunkList(id) === null) this.contents.dropLarge(id);
      }
    });
  }

  /** The file that `path` holds as `revision`, if that is its head and the caller may read it. */
  file({ rights }: Caller, path: SyncPath, revision: Revision): FileEntry | null {
    if (rights().at(path) === "none") return null;
    const head = this.heads.get(path);
    return head !== null && head.revision === revision && head.entry.kind === "file" ? head.entry : null;
  }

  /** The bytes of a small content. @throws {ContentsError} */
  smallContent(entry: FileEntry): Uint8Array {
    const recent = this.#recent.get(entry.content);
    if (recent !== null) return recent;
    const location = this.records.location(entry.content);
    if (location === null) {
      throw new ContentsError("missing", "Cannot read a content: it is not in the store");
    }
    return this.contents.read(entry.content, location);
  }

  /** The same, or `null`: a damaged content must not keep others from being sent. */
  readableContent(entry: FileEntry): Uint8Array | null {
    try {
      return this.smallContent(entry);
    } catch (error) {
      if (error instanceof ContentsError) return null;
      throw error;
    }
  }

  /** The chunk list of a large content, `null` if it has none. */
  chunkList(content: ContentId): ChunkList | null {
    const bytes = this.records.chunkList(content);
    return bytes === null ? null : new ChunkList(bytes);
  }

  /** The large content of a version that a client names as its base, if it may. */
  baseContent(
    caller: Caller,
    path: SyncPath,
    revision: Revision,
  ): { readonly id: ContentId; readonly chunks: ChunkList } | null {
    const entry = knownFile(this, caller, path, revision);
    if (entry === null || entry.size <= SINGLE_CHUNK_MAX || !this.contents.hasLarge(entry.content)) {
      return null;
    }
    const chunks = this.chunkList(entry.content);
    return chunks === null ? null : { id: entry.content, chunks };
  }
}

/** The heads of a page, as far as the caller is told of them. */
function seen({ rights }: Caller, heads: readonly PathNotice[], since: Revision): readonly Notice[] {
  const now = rights();
  if (seesAll(now)) return heads;
  const notices: Notice[] = [];
  for (const head of heads) {
    const notice = told(now, head);
    // Who begins at the beginning is not told of what is not there.
    if (notice !== null && (since > 0 || notice.kind !== "gone")) notices.push(notice);
  }
  return notices;
}

function noticeOf(version: Version): PathNotice {
  const { path, revision, entry, user, device } = version;
  const author = { user, device };
  if (entry === null) return { kind: "gone", path, revision, author };
  return {
    kind: "set",
    path,
    revision,
    entry,
    from: version.operation === "renamed" ? version.from : null,
    author,
  };
}
