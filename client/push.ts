/**
 * Carries out the uploads and deletes of a plan: many changes in one frame, several frames under way, large contents
 * beside them. What the server answers becomes what both sides agree on.
 */
import { type ChunkList, SINGLE_CHUNK_MAX, singleChunkId } from "../core/chunk.ts";
import { type Entry, type FileEntry, sameEntry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Step } from "../core/plan.ts";
import type { ContentSource, UploadItem, UploadResult } from "../protocol/messages.ts";
import { BLOCK_BYTES_MAX, ITEMS_MAX } from "../protocol/limits.ts";
import type { Remote, UploadRequest, VersionRef } from "../protocol/remote.ts";
import { type ErrorCode, RemoteError } from "../protocol/errors.ts";
import { DiskError, sameStat, type Stat } from "../system/disk.ts";
import { trace } from "../system/trace.ts";
import type { Replica } from "./replica.ts";
import type { Transfers } from "./transfers.ts";
import type { Found } from "./trees.ts";

export type PushStep = Extract<Step, { do: "upload" | "delete" }>;

/** Frames that may wait for an answer: enough to keep both sides busy, few enough to bound memory. */
const BATCHES_IN_FLIGHT_MAX = 4;

/** How long a large file that was refused as stale waits for the news that made it so, milliseconds. */
const STALE_WAIT_MS = 1000;

interface Sent {
  readonly step: PushStep;
  readonly found: Found | null;
}

export class Push {
  readonly #replica: Replica;
  readonly #remote: Remote;
  readonly #transfers: Transfers;
  #batch: { sent: Sent[]; requests: UploadRequest[]; bytes: number } = { sent: [], requests: [], bytes: 0 };
  readonly #inFlight = new Set<Promise<void>>();
  #failure: unknown = null;
  /** Answers after which the plan looks different: the server holds something else than what was sent. */
  again = 0;
  /** Changes that the server refused because they were made on something that is no longer so. */
  stale = 0;
  /** Contents that the server has under another name: gone or changed here, so perhaps moved. */
  #known: Map<string, VersionRef> | null = null;

  constructor(replica: Replica, remote: Remote, transfers: Transfers) {
    this.#replica = replica;
    this.#remote = remote;
    this.#transfers = transfers;
  }

  /** Takes one step; returns when there is room for the next. Steps are sent in the order they come. */
  async add(step: PushStep): Promise<void> {
    const { trees } = this.#replica;
    if (step.do === "delete") {
      this.#replica.announceDelete(step.path);
      return await this.#enqueue(
        { step, found: null },
        { op: "delete", path: step.path, base: step.base },
        null,
      );
    }
    const found = trees.local.get(step.path) ?? null;
    if (found !== null) this.#replica.announce(step.path, found);
    const item = (source: ContentSource | null): UploadItem => ({
      op: "put",
      path: step.path,
      base: step.base,
      entry: step.entry,
      source,
    });
    if (step.entry.kind !== "file") return await this.#enqueue({ step, found }, item(null), null);
    const elsewhere = this.#replica.unshared.has(step.path) ? null : this.#elsewhere(step.entry, step.path);
    if (elsewhere !== null) {
      return await this.#enqueue({ step, found }, item({ from: "version", ...elsewhere }), null);
    }
    if (found === null) return;
    if (step.entry.size > SINGLE_CHUNK_MAX) {
      return await this.#addLarge(step, found, item({ from: "staged" }));
    }
    const bytes = found.bytes ?? this.#reread(step.path, found, step.entry);
    if (bytes === null) return;
    found.bytes = null;
    await this.#enqueue({ step, found }, item({ from: "inline" }), bytes);
  }

  /** Sends what waits and resolves when every answer is in. @throws what ended the conversation */
  async drain(): Promise<void> {
    this.#send();
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
    if (this.#failure !== null) throw this.#failure;
  }

  async #enqueue(sent: Sent, item: UploadItem, bytes: Uint8Array | null): Promise<void> {
    this.#batch.sent.push(sent);
    this.#batch.requests.push({ item, bytes });
    this.#batch.bytes += bytes?.length ?? 0;
    if (this.#batch.bytes < BLOCK_BYTES_MAX && this.#batch.sent.length < ITEMS_MAX) return;
    this.#send();
    while (this.#inFlight.size >= BATCHES_IN_FLIGHT_MAX) await Promise.race(this.#inFlight);
    if (this.#failure !== null) throw this.#failure;
  }

  #send(): void {
    const { sent, requests } = this.#batch;
    if (sent.length === 0) return;
    trace("push", "sends", { changes: sent.length, bytes: this.#batch.bytes });
    this.#batch = { sent: [], requests: [], bytes: 0 };
    const answer = this.#replica.unanswered.upload(this.#remote, requests, (results) => {
      sent.forEach((one, i) => this.settle(one.step, one.found, results[i]!));
    }).catch((error) => {
      this.#failure ??= error;
    }).finally(() => this.#inFlight.delete(answer));
    this.#inFlight.add(answer);
  }

  /** A version with this content that the server has, so that no bytes need to cross the wire. */
  #elsewhere(entry: FileEntry, path: SyncPath): VersionRef | null {
    const { trees } = this.#replica;
    const node = trees.synced.get(path);
    if (node?.entry.kind === "file" && node.entry.content === entry.content && node.revision > 0) {
      return { path, revision: node.revision };
    }
    if (this.#known === null) {
      this.#known = new Map();
      for (const changed of trees.local.keys()) {
        const old = trees.synced.get(changed);
        if (old?.entry.kind === "file" && old.entry.size > 0 && old.revision > 0) {
          this.#known.set(old.entry.content, { path: changed, revision: old.revision });
        }
      }
    }
    return this.#known.get(entry.content) ?? null;
  }

  /** The content again, if it still is what was found; otherwise the path is looked at again. */
  #reread(path: SyncPath, found: Found, entry: FileEntry): Uint8Array | null {
    try {
      const handle = this.#replica.disk.open(path);
      try {
        const bytes = new Uint8Array(entry.size);
        let filled = 0;
        while (filled < bytes.length) {
          const n = handle.read(bytes.subarray(filled), filled);
          if (n === 0) break;
          filled += n;
        }
        if (
          filled === bytes.length && sameStat(handle.stat(), found.stat) &&
          singleChunkId(bytes) === entry.content
        ) {
          return bytes;
        }
      } finally {
        handle.close();
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
    this.#replica.lookAgain.set(path, "deep");
    return null;
  }

  async #addLarge(step: PushStep & { do: "upload" }, found: Found, item: UploadItem): Promise<void> {
    // Directories above must be on their way before.
    this.#send();
    const chunks = found.chunks;
    if (chunks === null) {
      this.#replica.lookAgain.set(step.path, "deep");
      return;
    }
    await this.#transfers.start(step.path, chunks.contentId(), async () => {
      if (!await this.#stageLarge(step.path, found, chunks)) return;
      let stale = false;
      await this.#replica.unanswered.upload(this.#remote, [{ item, bytes: null }], ([result]) => {
        this.settle(step, found, result!);
        stale = result!.status === "stale";
      });
      // The cycle that began this has ended: without a wait the next one would send it all again at once.
      if (stale) await this.#replica.clock.sleep(STALE_WAIT_MS);
      await this.#replica.flush();
    });
  }

  async #stageLarge(path: SyncPath, found: Found, chunks: ChunkList): Promise<boolean> {
    const { disk, trees } = this.#replica;
    let handle;
    try {
      handle = disk.open(path);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#replica.lookAgain.set(path, "deep");
      return false;
    }
    const node = trees.synced.get(path);
    const baseChunks = node?.entry.kind === "file" && node.revision > 0 ? this.#replica.chunks(path) : null;
    const base = baseChunks === null ? null : { ref: { path, revision: node!.revision }, chunks: baseChunks };
    try {
      if (!sameStat(handle.stat(), found.stat)) {
        this.#replica.lookAgain.set(path, "deep");
        return false;
      }
      const source = { chunks, read: (into: Uint8Array, offset: number) => handle.read(into, offset) };
      await this.#remote.stage({ ...source, base }, path).catch((error: unknown) => {
        // The server has the base no more, or we could not have read it since we are connected.
        if (base === null || !(error instanceof RemoteError) || error.code !== "notFound") throw error;
        return this.#remote.stage({ ...source, base: null }, path);
      });
      return true;
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      // The file was changed under our hands: what the server got did not match.
      if (error.code === "corrupt") this.#replica.lookAgain.set(path, "deep");
      else if (error.code === "forbidden") this.#refused(path);
      else if (error.code === "noSpace" || error.code === "limit") this.#noRoom(path, error);
      else throw error;
      return false;
    } finally {
      handle.close();
    }
  }

  /** One file that there is no room for does not stop the others. */
  #noRoom(path: SyncPath, { code, message }: { readonly code: ErrorCode; readonly message: string }): void {
    this.#replica.problem(path, `${message}: ${path}`, "push", code === "noSpace");
  }

  /** Makes the server's answer to one step what both sides agree on. */
  settle(step: PushStep, found: Found | null, result: UploadResult): void {
    if (result.status === "ok" || result.status === "conflict") this.#replica.noteOwn(result.revision);
    if (result.status === "stale") {
      this.stale++;
      return;
    }
    if (result.status === "error") {
      if (result.code === "corrupt") this.#replica.lookAgain.set(step.path, "deep");
      else if (result.code === "forbidden") this.#refused(step.path);
      else if (result.code === "noSpace") this.#noRoom(step.path, result);
      else if (result.code === "notFound" && !this.#replica.unshared.has(step.path)) {
        this.#sendBytes(step.path);
      } else this.#replica.problem(step.path, result.message, "push");
      return;
    }
    this.#replica.unshared.delete(step.path);
    this.#replica.clearProblem(step.path);
    if (step.do === "delete") return this.#settleDelete(step, result);
    if (result.status === "conflict") return this.#settleConflict(step, found, result);
    this.#replica.announced.delete(step.path);
    this.#agree(step, found, result.revision, result.status === "skip" ? result.entry : step.entry);
    if (result.status === "ok") {
      this.#replica.emit({
        type: "uploaded",
        path: step.path,
        bytes: step.entry.kind === "file" ? step.entry.size : 0,
      });
    }
  }

  /** The server does not take the content from the version that we named. */
  #sendBytes(path: SyncPath): void {
    this.#replica.unshared.add(path);
    this.again++;
  }

  /** The server lets us less than its rules said: the next plan keeps the change here, or undoes it. */
  #refused(path: SyncPath): void {
    this.#replica.writes.refuse(path);
    this.again++;
  }

  #settleDelete(step: PushStep, result: UploadResult): void {
    const { trees } = this.#replica;
    if (result.status !== "ok" && result.status !== "skip") return;
    trees.agreeGone(step.path, result.revision);
    this.#replica.announced.delete(step.path);
    if (trees.local.get(step.path) === null) trees.local.delete(step.path);
  }

  /** The server has our entry; `head` is what it holds now, which may be another one. */
  #agree(step: PushStep & { do: "upload" }, found: Found | null, revision: number, head: Entry | null): void {
    const { trees } = this.#replica;
    const { path, entry } = step;
    const isHead = head !== null && sameEntry(head, entry);
    if (!isHead) this.again++;
    const stat = found === null
      ? trees.synced.get(path)?.stat ?? null
      : found.racy || !sameEntry(found.entry, entry)
      ? null
      : found.stat;
    // What is not the head is no version that the server could be asked for, and the head must stay news.
    trees.agree(
      path,
      entry,
      isHead ? revision : 0,
      stat,
      found?.chunks ?? this.#keptChunks(path, entry),
    );
    if (found !== null && trees.local.get(path) === found) trees.local.delete(path);
    if (!isHead && !trees.remote.has(path)) {
      trees.remote.set(path, { entry: head, revision, author: { user: "", device: "" } });
    }
  }

  #keptChunks(path: SyncPath, entry: Entry): ChunkList | null {
    return entry.kind === "file" && entry.size > SINGLE_CHUNK_MAX ? this.#replica.chunks(path) : null;
  }

  #settleConflict(
    step: PushStep & { do: "upload" },
    found: Found | null,
    result: Extract<UploadResult, { status: "conflict" }>,
  ): void {
    const { trees } = this.#replica;
    const { path } = step;
    if (!result.won) this.again++;
    this.#replica.emit({
      type: "conflict",
      path,
      won: result.won,
      reason: result.reason,
      storedAs: result.storedAs,
    });
    if (result.storedAs !== null) return this.#stepAside(step, found, result.storedAs, result.revision);
    if (result.won) return this.#agree(step, found, result.revision, step.entry);
    // Our content is safe in the server's history; now the winner may replace it here.
    const stat = found === null || found.racy ? null : found.stat;
    trees.agree(path, step.entry, 0, stat, found?.chunks ?? null);
    if (found !== null && trees.local.get(path) === found) trees.local.delete(path);
    if (!trees.remote.has(path)) this.stale++;
  }

  /** The stat of what stands at `path` if it is the file that was found, which may have got another name since. */
  #stillAt(path: SyncPath, found: Stat): Stat | null {
    const now = this.#replica.disk.stat(path);
    const same = now !== null && now.ino === found.ino && now.size === found.size &&
      now.mtimeUs === found.mtimeUs && now.mode === found.mode;
    return same ? now : null;
  }

  /** Our file met a directory: the server keeps it under another name, and so do we. */
  #stepAside(step: PushStep & { do: "upload" }, found: Found | null, to: SyncPath, revision: number): void {
    const { trees, disk } = this.#replica;
    const { path } = step;
    if (found === null) return;
    const expected = this.#stillAt(path, found.stat);
    const number = this.#replica.begun.begin({ moved: [[path, to, step.entry]] });
    const moved = expected === null ? null : disk.move(path, to, expected);
    this.#replica.begun.finish(number);
    if (!moved?.done) {
      // It was changed meanwhile; what the server keeps under the other name comes as any other head.
      trees.remote.set(to, { entry: step.entry, revision, author: { user: "", device: "" } });
      this.#replica.lookAgain.set(path, "deep");
      this.#replica.lookAgain.set(to, "deep");
      return;
    }
    const directory = trees.remoteEntry(path);
    const stat = sameStat(expected, found.stat) ? moved.value : null;
    if (stat === null) this.#replica.lookAgain.set(to, "deep");
    trees.agree(to, step.entry, revision, stat, found.chunks);
    if (trees.local.get(path) === found || trees.local.get(path) === null) trees.local.delete(path);
    const known = trees.remote.get(path);
    const agreed = trees.synced.get(path)?.revision ?? 0;
    trees.agreeGone(path, 0);
    if (known === undefined && directory?.kind === "dir") {
      trees.remote.set(path, {
        entry: directory,
        revision: Math.max(agreed, 1),
        author: { user: "", device: "" },
      });
    }
  }
}
