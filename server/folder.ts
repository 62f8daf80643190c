/**
 * One shared folder on the server: accepts uploads in groups, one durability point each, and tells everybody.
 *
 * The order is fixed (`docs/store.md`): contents durable, records durable, then the heads in memory are final, others
 * are told, and the uploader is answered.
 */
import { ChunkList, digestHex, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import type { ContentId, FileEntry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import { packBlock } from "../protocol/block.ts";
import { ITEMS_MAX } from "../protocol/limits.ts";
import type { Block, Changes, Notice, Revision, UploadItem, UploadResult } from "../protocol/messages.ts";
import type { Clock } from "../system/clock.ts";
import { trace } from "../system/trace.ts";
import { Acceptance, type ContentCheck, type Published } from "./accept.ts";
import type { Caller } from "./caller.ts";
import { Heads } from "./heads.ts";
import { type Contents, ContentsError, type Location } from "./store/contents.ts";
import { type Commit, type Records, RecordsError, type Version } from "./store/records.ts";
import { RecentContents } from "./recent_contents.ts";
import { Subscriber, type Tell } from "./subscriber.ts";

export interface FolderParts {
  readonly records: Records;
  readonly contents: Contents;
  readonly clock: Clock;
  /** Called after each commit with what it wrote, for the log. */
  readonly onCommit: (commit: Commit) => void;
}

/** An upload with its decompressed bytes, and the large contents that its session has staged. */
export interface UploadJob {
  readonly caller: Caller;
  readonly items: readonly UploadItem[];
  readonly block: Block;
  readonly raw: Uint8Array;
  readonly staged: ReadonlyMap<ContentId, ChunkList>;
}

type Check = (acceptance: Acceptance) => ContentCheck;

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
  readonly #subscribers = new Set<Subscriber>();
  readonly #waiting: Waiting[] = [];
  /** Work of the store's upkeep that may not run while a group is written. */
  readonly #between: (() => Promise<void>)[] = [];
  readonly #conflicts = new Map<string, number>();
  readonly #recent = new RecentContents();
  #revision: Revision;
  #committing: Promise<void> | null = null;

  constructor(parts: FolderParts) {
    this.records = parts.records;
    this.contents = parts.contents;
    this.#clock = parts.clock;
    this.#onCommit = parts.onCommit;
    this.heads.load(parts.records.liveHeads());
    this.#revision = parts.records.headRevision();
  }

  get revision(): Revision {
    return this.#revision;
  }

  /** Open conflicts that concern `user`. */
  openConflicts(user: string): number {
    let count = this.#conflicts.get(user);
    if (count === undefined) {
      count = this.records.openConflicts(user);
      this.#conflicts.set(user, count);
    }
    return count;
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
  change<T>(work: (acceptance: Acceptance) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const judge = (acceptance: Acceptance) => {
        const value = work(acceptance);
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
      const locations = new Map<ContentId, Location>();
      const checks = group.map(({ job }) => job === null ? [] : this.#takeContents(job, locations));
      if (locations.size > 0) await this.contents.sync();
      const acceptance = new Acceptance(this.heads, this.records, this.#revision, this.#clock.now());
      const settle = group.map(({ judge }, n) => judge(acceptance, checks[n]!));
      this.#write(acceptance, locations);
      const authors = group.flatMap(({ job }) => job === null ? [] : [job.caller.actor.replica]);
      this.#publish(acceptance.published, authors);
      for (const done of settle) done();
    } catch (error) {
      this.heads.revert();
      for (const { reject } of group) reject(error);
      if (!(error instanceof ContentsError) && !(error instanceof RecordsError)) throw error;
    }
  }

  #write(acceptance: Acceptance, locations: ReadonlyMap<ContentId, Location>): void {
    if (acceptance.isEmpty) return;
    const commit = acceptance.commit([...locations]);
    trace("store", "commits", { versions: commit.versions.length, contents: locations.size });
    this.records.commit(commit);
    this.heads.keep();
    this.#revision = acceptance.revision;
    if (commit.conflicts.length + (commit.resolved?.length ?? 0) > 0) this.#conflicts.clear();
    this.#onCommit(commit);
  }

  /** Verifies inline contents and appends those that are new; says for each item how to know that its bytes are there. */
  #takeContents(
    job: UploadJob,
    locations: Map<ContentId, Location>,
  ): Check[] {
    const checks: Check[] = [];
    const fresh: { id: ContentId; offset: number; size: number }[] = [];
    let offset = 0;
    let freshBytes = 0;
    for (const item of job.items) {
      if (item.op !== "put" || item.entry.kind !== "file" || item.source?.from !== "inline") {
        checks.push((acceptance) => this.#contentOf(acceptance, job, item));
        continue;
      }
      const { size, content } = item.entry;
      const bytes = job.raw.subarray(offset, offset + size);
      const good = bytes.length === size && digestHex(bytes) === content;
      checks.push(() => good ? { ready: true, chunks: null } : corrupt());
      if (good) this.#recent.add(content, bytes);
      if (good && !locations.has(content) && this.records.location(content) === null) {
        fresh.push({ id: content, offset, size });
        freshBytes += size;
      }
      offset += size;
    }
    if (fresh.length > 0) this.#append(job, fresh, freshBytes, locations);
    return checks;
  }

  #append(
    job: UploadJob,
    fresh: readonly { id: ContentId; offset: number; size: number }[],
    freshBytes: number,
    locations: Map<ContentId, Location>,
  ): void {
    // A block that is mostly known already is packed anew, with only what is not.
    const whole = freshBytes * 2 >= job.raw.length;
    const block = whole
      ? job.block
      : packBlock(fresh.map(({ offset, size }) => job.raw.subarray(offset, offset + size)));
    const place = this.contents.append(block);
    let packed = 0;
    for (const { id, offset, size } of fresh) {
      locations.set(id, { ...place, innerOffset: whole ? offset : packed, size });
      packed += size;
    }
  }

  #contentOf(acceptance: Acceptance, job: UploadJob, item: UploadItem): ContentCheck {
    if (item.op !== "put" || item.entry.kind !== "file" || item.source === null) {
      return { ready: true, chunks: null };
    }
    const { entry, source } = item;
    if (source.from === "staged") {
      const chunks = job.staged.get(entry.content);
      // It may be long since it was staged; what no version names is collected.
      if (chunks?.totalSize() !== entry.size || !this.contents.hasLarge(entry.content)) return corrupt();
      return { ready: true, chunks };
    }
    if (source.from !== "version") return corrupt();
    const named = acceptance.versionContent(source.path, source.revision);
    if (named?.content !== entry.content || named.size !== entry.size) return corrupt();
    return { ready: true, chunks: null };
  }

  #publish(published: readonly Published[], authors: readonly string[]): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.closed) {
        this.#subscribers.delete(subscriber);
        continue;
      }
      for (const author of authors) if (author === subscriber.replica) subscriber.unanswered++;
      const news: Notice[] = [];
      for (const { notice, replica } of published) if (replica !== subscriber.replica) news.push(notice);
      // What it uploaded itself it learns from its answers alone: before it has them, `upTo` would pass over them.
      const upTo = subscriber.unanswered > 0 ? null : this.#revision;
      if (news.length > 0 || upTo !== null) subscriber.push(news, upTo, this.openConflicts(subscriber.user));
    }
  }

  /** The uploader has the answer to one upload: with the last of them it knows everything so far. */
  answered(replica: string): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.replica !== replica) continue;
      // A session that joined meanwhile has heard of the change by itself.
      subscriber.unanswered = Math.max(0, subscriber.unanswered - 1);
      if (subscriber.unanswered === 0) {
        subscriber.push([], this.#revision, this.openConflicts(subscriber.user));
      }
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
    const { since } = options;
    const { actor } = options.caller;
    let from = since;
    let after: SyncPath | null = null;
    for (;;) {
      const versions = this.records.headsSince(from, after, ITEMS_MAX);
      const more = versions.length === ITEMS_MAX;
      const last = versions.at(-1);
      const notices = versions.filter((version) => since > 0 || version.entry !== null).map(noticeOf);
      const upTo = more ? from : this.#revision;
      // Nothing may be awaited between the last page and joining, or a change could fall between them.
      const subscriber = !more && options.live ? this.#join(options.caller, options.tell) : null;
      await options.page({ type: "changes", notices, upTo, more, conflicts: this.openConflicts(actor.user) });
      if (!more) return subscriber;
      from = last!.revision;
      after = last!.path;
    }
  }

  #join({ actor }: Caller, tell: Tell): Subscriber {
    const subscriber = new Subscriber({
      replica: actor.replica,
      user: actor.user,
      upTo: this.#revision,
      conflicts: this.openConflicts(actor.user),
      tell,
    });
    this.#subscribers.add(subscriber);
    return subscriber;
  }

  leave(subscriber: Subscriber): void {
    subscriber.close();
    this.#subscribers.delete(subscriber);
  }

  /** The file that `path` holds as `revision`, if that is its head. */
  file(path: SyncPath, revision: Revision): FileEntry | null {
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

  /** The large content of any version that a client names as its base. */
  baseContent(
    path: SyncPath,
    revision: Revision,
  ): { readonly id: ContentId; readonly chunks: ChunkList } | null {
    const head = this.heads.get(path);
    const entry = head?.revision === revision ? head.entry : this.records.version(path, revision)?.entry;
    if (entry?.kind !== "file" || entry.size <= SINGLE_CHUNK_MAX || !this.contents.hasLarge(entry.content)) {
      return null;
    }
    const chunks = this.chunkList(entry.content);
    return chunks === null ? null : { id: entry.content, chunks };
  }
}

function corrupt(): ContentCheck {
  const message = "Cannot accept the content: it is not what was announced";
  return { ready: false, result: { status: "error", code: "corrupt", message } };
}

function noticeOf(version: Version): Notice {
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
