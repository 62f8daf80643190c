/**
 * The conversation of the server's own plain tree with its folder: the same interface as over the wire, in the same
 * process. Large contents do not travel at all; the plain file and the store are two names of one file.
 */
import { type ChunkList, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import { Rights } from "../core/access.ts";
import type { ContentId } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import { packBlock } from "../protocol/block.ts";
import { RemoteError } from "../protocol/errors.ts";
import { HEARTBEAT_MS } from "../protocol/limits.ts";
import type { Changes, Id, UploadResult, Welcome } from "../protocol/messages.ts";
import type {
  Connector,
  LargeSink,
  LargeSource,
  Remote,
  UploadRequest,
  VersionRef,
} from "../protocol/remote.ts";
import type { Clock } from "../system/clock.ts";
import type { Disk } from "../system/disk.ts";
import { EVERYTHING } from "./accounts/accounts.ts";
import type { Folder } from "./folder.ts";
import type { Caller } from "./caller.ts";
import type { Actor } from "./heads.ts";
import { restoreLarge } from "./restore_large.ts";
import type { Staging } from "./staging.ts";
import { ContentsError } from "./store/contents.ts";
import { RecordsError } from "./store/records.ts";
import type { Subscriber } from "./subscriber.ts";

export interface OwnerParts {
  readonly folder: Folder;
  /** The plain tree; its private area is the store's directory. */
  readonly disk: Disk;
  readonly clock: Clock;
  readonly user: string;
  readonly device: string;
  readonly software: string;
  /** A large content was overwritten in place, directly in the plain tree: that version is lost. */
  readonly onDamaged: (path: SyncPath) => void;
}

/** Connects the plain tree's replica. */
export function ownerConnector(parts: OwnerParts): Connector {
  return { connect: (hello) => Promise.resolve(new OwnerRemote(parts, hello.replica)) };
}

class OwnerRemote implements Remote {
  readonly welcome: Welcome;
  readonly closed: Promise<Error>;
  readonly #parts: OwnerParts;
  readonly #caller: Caller;
  readonly #staging: Staging;
  #subscriber: Subscriber | null = null;
  #end: (reason: Error) => void = () => {};

  constructor(parts: OwnerParts, replica: Id) {
    this.#parts = parts;
    const { folder, clock, user, device, software } = parts;
    const actor: Actor = { user, device, replica, clockOffset: 0 };
    this.#caller = { actor, rights: () => Rights.ALL };
    this.#staging = folder.beginStaging(user);
    this.closed = new Promise((resolve) => this.#end = resolve);
    this.welcome = {
      type: "welcome",
      version: 0,
      software,
      ...folder.records.identity(),
      head: folder.revision,
      clock: clock.now(),
      user,
      deviceName: device,
      folderName: "",
      view: EVERYTHING,
      rules: Rights.ALL.rules,
      conflicts: folder.openConflicts(this.#caller),
      heartbeatMs: HEARTBEAT_MS,
    };
  }

  async subscribe(
    since: number,
    live: boolean,
    onChanges: (changes: Changes) => void | Promise<void>,
  ): Promise<void> {
    const { folder } = this.#parts;
    this.#subscriber = await folder.feed({
      since,
      live,
      caller: this.#caller,
      tell: async (news) => {
        // Results that came before must have become what both sides agree on.
        await this.#parts.clock.yield();
        if (news.type === "changes") return await onChanges(news);
        // Too slow: the engine connects again and goes on from its cursor.
        this.close();
      },
      page: async (changes) => await onChanges(changes),
    });
  }

  async upload(batch: readonly UploadRequest[]): Promise<readonly UploadResult[]> {
    const { folder } = this.#parts;
    const parts = batch.flatMap(({ bytes }) => bytes === null ? [] : [bytes]);
    const block = packBlock(parts);
    const raw = concat(parts);
    const items = batch.map(({ item }) => item);
    const results = await storeErrors(() =>
      folder.upload({ caller: this.#caller, items, block, raw, staged: this.#staging.complete })
    );
    this.#staging.settle(items, results);
    folder.answered(this.#caller.actor.replica);
    return results;
  }

  async stage(source: LargeSource, where: SyncPath): Promise<void> {
    const { disk, folder } = this.#parts;
    const stat = disk.stat(where);
    const id = source.chunks.contentId();
    if (this.#holds(id, source.chunks)) return;
    const before = stat?.nlink ?? 1;
    if (stat === null || !disk.linkPrivate(where, folder.contents.largeName(id), stat).done) {
      throw new RemoteError("corrupt", "Cannot take in the file: it is being changed");
    }
    // The content, which somebody else wrote, and its new name.
    await disk.syncFile(where);
    await disk.sync();
    this.#staging.complete.set(id, source.chunks);
    // A file with a second name was changed in place: perhaps that name is a version's.
    if (before > 1 && source.base !== null) this.#checkDamage(source.base.ref, where);
  }

  /** Whether the store has the content from elsewhere, or from an attempt that was interrupted. */
  #holds(id: ContentId, chunks: ChunkList): boolean {
    const { contents } = this.#parts.folder;
    if (!contents.hasLarge(id)) return false;
    if (isIntact(this.#parts.folder, id, chunks)) {
      this.#staging.complete.set(id, chunks);
      return true;
    }
    contents.dropLarge(id);
    return false;
  }

  #checkDamage(ref: VersionRef, where: SyncPath): void {
    const { folder, onDamaged } = this.#parts;
    const base = folder.baseContent(this.#caller, ref.path, ref.revision);
    if (base === null || isIntact(folder, base.id, base.chunks)) return;
    folder.contents.dropLarge(base.id);
    onDamaged(where);
  }

  download(
    items: readonly VersionRef[],
    onContent: (index: number, bytes: Uint8Array | null) => void,
  ): Promise<void> {
    const { folder } = this.#parts;
    items.forEach(({ path, revision }, i) => {
      const entry = folder.file(this.#caller, path, revision);
      onContent(i, entry === null || entry.size > SINGLE_CHUNK_MAX ? null : folder.readableContent(entry));
    });
    return Promise.resolve();
  }

  async fetch(
    item: VersionRef,
    _base: VersionRef | null,
    _sink: LargeSink,
  ): Promise<{ readonly privateName: string }> {
    const { folder } = this.#parts;
    const { contents } = folder;
    const entry = folder.file(this.#caller, item.path, item.revision);
    if (entry === null || !contents.hasLarge(entry.content)) {
      throw new RemoteError("notFound", "Cannot read the content: it is not there any more");
    }
    const chunks = contents.hasLargeFile(entry.content) ? null : folder.chunkList(entry.content);
    if (chunks !== null) await storeErrors(() => restoreLarge(contents, entry.content, chunks));
    return { privateName: contents.largeName(entry.content) };
  }

  close(): void {
    const { folder } = this.#parts;
    if (this.#subscriber !== null) folder.leave(this.#subscriber);
    // What cannot be removed now is found by the store's upkeep.
    folder.endStaging(this.#staging).catch(() => {});
    this.#end(new RemoteError("closing", "the folder was closed"));
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether every chunk of a large content still has its digest. */
function isIntact(folder: Folder, id: ContentId, chunks: ChunkList): boolean {
  const offsets = chunks.offsets();
  for (let i = 0; i < chunks.length; i++) {
    const bytes = new Uint8Array(chunks.sizeAt(i));
    if (folder.contents.readLarge(id, bytes, offsets[i]!) !== bytes.length) return false;
    if (!chunks.matches(i, bytes)) return false;
  }
  return true;
}

/** Failures of the store, as a client over the wire would see them. */
async function storeErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ContentsError) {
      throw new RemoteError(error.code === "no_space" ? "noSpace" : "internal", error.message);
    }
    // There may be room again later; records that are damaged need a person.
    if (error instanceof RecordsError && error.code === "no_space") {
      throw new RemoteError("noSpace", error.message);
    }
    throw error;
  }
}
