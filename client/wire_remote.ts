/** The conversation with a server over a link. Whatever a server does wrong ends it; nothing of it is trusted. */
import { SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import type { SyncPath } from "../core/path.ts";
import { packBlock, unpackBlock } from "../protocol/block.ts";
import { decode, encode } from "../protocol/codec.ts";
import { ContentChanged, dataMessages } from "../protocol/data_stream.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import { FRAME_BYTES_MAX, HEARTBEAT_MS_MIN, HEARTBEATS_MISSED_MAX } from "../protocol/limits.ts";
import {
  type Changes,
  type Hello,
  type Message,
  type MessageType,
  PROTOCOL_VERSIONS,
  type UploadResult,
  type Welcome,
} from "../protocol/messages.ts";
import type { LargeSink, LargeSource, Remote, UploadRequest, VersionRef } from "../protocol/remote.ts";
import type { Clock } from "../system/clock.ts";
import { type Link, LinkClosed } from "../system/link.ts";
import { deathOf } from "../system/pulse.ts";
import { UnreachableError } from "./errors.ts";
import { shakeHands } from "./handshake.ts";
import { Patience } from "./patience.ts";

/** Who this client is. */
export type HelloFields = Pick<Hello, "software" | "folder" | "replica" | "device" | "token">;

/**
 * Says hello on `link` and returns the conversation.
 *
 * @throws {UnreachableError} if the link ends or nobody answers in time
 * @throws {RemoteError} if the server refuses
 * @throws {ProtocolError} if it is no server of ours
 */
export async function talk(link: Link, hello: HelloFields, clock: Clock): Promise<WireRemote> {
  const message: Hello = { type: "hello", versions: PROTOCOL_VERSIONS, ...hello, clock: clock.now() };
  // The rules in the Welcome alone may be longer than what a stranger is allowed.
  const welcome = await shakeHands(link, message, { clock, answerMax: FRAME_BYTES_MAX });
  return new WireRemote(link, welcome, clock);
}

/** Messages without anything in them that may follow each other: the server skips what this user may not see. */
const EMPTY_MESSAGES_MAX = 100_000;
/** Notices in one listing: beyond any folder, and an end for one that has none. */
const LISTED_MAX = 50_000_000;
/** Requests given up whose answers may still come. */
const ABANDONED_MAX = 1000;

/** A request that waits for its answers. */
interface Request {
  /** Takes one answer; returns whether it was the last. May be asynchronous, and then holds back the next. */
  readonly take: (message: Message) => boolean | Promise<boolean>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class WireRemote implements Remote {
  readonly welcome: Welcome;
  readonly closed: Promise<Error>;
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #requests = new Map<number, Request>();
  /** Requests that were given up here; the rest of their answers is passed over. */
  readonly #abandoned = new Set<number>();
  readonly #patience: Patience;
  /** Bytes of the frames that were taken, with their lengths, and of data that the link took from us. */
  #bytesTaken = 0;
  #dataSent = 0;
  readonly #stop = new AbortController();
  #onChanges: (changes: Changes) => void | Promise<void> = () => {};
  /** Told how many open conflicts concern this user, whenever that number changes. */
  onConflicts: (count: number) => void = () => {};
  #conflicts: number;
  #nextId = 1;
  #end: (reason: Error) => void = () => {};

  constructor(link: Link, welcome: Welcome, clock: Clock) {
    this.#link = link;
    this.welcome = welcome;
    this.#conflicts = welcome.conflicts;
    this.#clock = clock;
    this.closed = new Promise((resolve) => this.#end = resolve);
    void this.#receiveAll();
    void this.#watchPulse();
    this.#patience = new Patience({
      clock,
      isWaiting: () => this.#requests.size > 0,
      bytesUnderWay: () => link.bytesReceived - this.#bytesTaken + this.#dataSent,
    });
    void this.#waitInPatience();
  }

  /** Bytes on the wire so far. */
  get traffic(): { readonly sent: number; readonly received: number } {
    return { sent: this.#link.bytesSent, received: this.#link.bytesReceived };
  }

  async subscribe(
    since: number,
    live: boolean,
    onChanges: (changes: Changes) => void | Promise<void>,
  ): Promise<void> {
    this.#onChanges = onChanges;
    let listed = 0;
    let empty = 0;
    await this.#ask({ type: "subscribe", since, live }, async (message) => {
      const changes = expect(message, "changes");
      const { length } = changes.notices;
      listed += length;
      empty = length > 0 ? 0 : empty + 1;
      if (changes.more && (listed > LISTED_MAX || empty > EMPTY_MESSAGES_MAX)) {
        throw new ProtocolError("the server's listing has no end");
      }
      await onChanges(changes);
      return !changes.more;
    });
  }

  async upload(batch: readonly UploadRequest[]): Promise<readonly UploadResult[]> {
    const items = batch.map(({ item }) => item);
    const block = packBlock(batch.flatMap(({ bytes }) => bytes === null ? [] : [bytes]));
    let results: readonly UploadResult[] = [];
    await this.#ask({ type: "upload", items, block }, (message) => {
      results = expect(message, "results").results;
      if (results.length !== items.length) {
        throw new ProtocolError("the server answered another number of results");
      }
      return true;
    });
    return results;
  }

  async stage(source: LargeSource, _where: SyncPath): Promise<void> {
    const { chunks, base } = source;
    const content = chunks.contentId();
    let streaming: Promise<void> | null = null;
    const id = this.#nextId++;
    const begin = (first: number) => {
      streaming = this.#stream(id, source, first).catch((error) => {
        this.#abandon(id);
        this.#requests.get(id)?.reject(error);
      });
    };
    await this.#ask(
      { type: "stage", content, size: chunks.totalSize(), chunks: chunks.length, base: base?.ref ?? null },
      (message) => {
        const staged = expect(message, "staged");
        if (staged.complete) return true;
        if (streaming !== null) throw new ProtocolError("the server asked twice for the same content");
        const fits = staged.chunks <= chunks.length &&
          sameBytes(chunks.prefixDigest(staged.chunks), staged.prefix);
        if (!fits) {
          throw new RemoteError("corrupt", "Cannot resume the upload: the server holds something else");
        }
        begin(staged.chunks);
        return false;
      },
      id,
    );
    await streaming;
  }

  async #stream(id: number, source: LargeSource, first: number): Promise<void> {
    const { chunks, base, read } = source;
    try {
      for (const data of dataMessages({ chunks, base: base?.chunks ?? null, first, read })) {
        if (!this.#requests.has(id)) return;
        await this.#send(id, data);
        await this.#clock.yield();
      }
    } catch (error) {
      if (error instanceof ContentChanged) {
        throw new RemoteError("corrupt", "the file changed while it was sent");
      }
      throw error;
    }
  }

  async download(
    items: readonly VersionRef[],
    onContent: (index: number, bytes: Uint8Array | null) => void,
  ): Promise<void> {
    let index = 0;
    await this.#ask({ type: "download", items }, (message) => {
      const { sizes, block, last } = expect(message, "contents");
      if (index + sizes.length > items.length) {
        throw new ProtocolError("the server sent more than was asked for");
      }
      if (sizes.length === 0 && items.length > 0) throw new ProtocolError("the server sent no contents");
      const raw = unpackBlock(block);
      let offset = 0;
      for (const size of sizes) {
        if (size > SINGLE_CHUNK_MAX) {
          throw new ProtocolError("the server sent a large content as a small one");
        }
        onContent(index++, size < 0 ? null : raw.subarray(offset, offset + size));
        offset += Math.max(size, 0);
      }
      if (last && index !== items.length) throw new ProtocolError("the server sent less than was asked for");
      return last;
    });
  }

  async fetch(item: VersionRef, base: VersionRef | null, sink: LargeSink): Promise<null> {
    const { chunks, prefix } = sink.have;
    let started = false;
    await this.#ask({ type: "fetch", ...item, base, chunks, prefix }, async (message) => {
      if (!started) {
        const fetching = expect(message, "fetching");
        started = true;
        sink.start(fetching.first, fetching.chunks);
        return false;
      }
      const data = expect(message, "data");
      if (data.ops.length === 0 && !data.last) throw new ProtocolError("the server sent data without any");
      await sink.accept(data.ops, unpackBlock(data.block));
      return data.last;
    });
    return null;
  }

  close(): void {
    this.#finish(new LinkClosed("closed here"));
  }

  /** Sends a request; `take` gets its answers in order and returns whether one was the last. */
  ask(message: Message, take: (message: Message) => boolean | Promise<boolean>): Promise<void> {
    return this.#ask(message, take);
  }

  #ask(message: Message, take: Request["take"], id = this.#nextId++): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        this.#requests.delete(id);
        then();
      };
      if (this.#stop.signal.aborted) return reject(gone("the connection has ended"));
      this.#requests.set(id, {
        take,
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      });
      this.#send(id, message).catch((error) => this.#requests.get(id)?.reject(error));
    });
  }

  async #send(id: number, message: Message): Promise<void> {
    const frame = encode({ id, message });
    try {
      await this.#link.send(frame);
    } catch (error) {
      throw error instanceof LinkClosed ? gone(error.message) : error;
    }
    if (message.type === "data") this.#dataSent += frame.length;
  }

  async #receiveAll(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#link.receive();
        if (frame === null) return this.#finish(new LinkClosed("the server closed the connection"));
        this.#bytesTaken += LENGTH_BYTES + frame.length;
        const { id, message } = decode(frame);
        await this.#take(id, message);
      }
    } catch (error) {
      this.#finish(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #take(id: number, message: Message): Promise<void> {
    if (message.type === "ping") return await this.#send(id, { type: "pong" });
    if (message.type === "pong") return;
    if (id === 0) return await this.#takeNews(message);
    const request = this.#requests.get(id);
    if (request === undefined) return this.#takeLate(id, message);
    this.#patience.noteProgress();
    if (message.type === "error") {
      return request.reject(new RemoteError(message.code, message.message, message.hint));
    }
    try {
      if (await request.take(message)) request.resolve();
    } catch (error) {
      this.#abandon(id);
      request.reject(error);
      if (error instanceof ProtocolError) throw error;
    }
  }

  #abandon(id: number): void {
    this.#abandoned.add(id);
    for (const oldest of this.#abandoned) {
      if (this.#abandoned.size <= ABANDONED_MAX) break;
      this.#abandoned.delete(oldest);
    }
  }

  /** An answer that nobody waits for (any more). */
  #takeLate(id: number, message: Message): void {
    if (message.type === "error" || this.#abandoned.has(id)) return;
    throw new ProtocolError(`the server sent ${message.type} to a request that is not there`);
  }

  async #takeNews(message: Message): Promise<void> {
    if (message.type === "changes") {
      // Results that came before must have become what both sides agree on, or news of them would be about nothing.
      await this.#clock.yield();
      await this.#onChanges(message);
      if (message.conflicts !== this.#conflicts) this.onConflicts(this.#conflicts = message.conflicts);
      return;
    }
    if (message.type === "error") throw new RemoteError(message.code, message.message, message.hint);
    if (message.type === "lookAgain") throw new LinkClosed("this client was too slow; it connects again");
    throw new ProtocolError(`the server sent ${message.type} without being asked`);
  }

  async #watchPulse(): Promise<void> {
    const everyMs = Math.max(this.welcome.heartbeatMs, HEARTBEAT_MS_MIN);
    const silenceMs = HEARTBEATS_MISSED_MAX * everyMs;
    const ping = () => void this.#send(0, { type: "ping" }).catch(() => {});
    const { signal } = this.#stop;
    const death = await deathOf({ link: this.#link, clock: this.#clock, everyMs, silenceMs, ping }, signal);
    if (death !== null) this.#finish(new LinkClosed(death));
  }

  async #waitInPatience(): Promise<void> {
    if (await this.#patience.runOut(this.#stop.signal)) {
      this.#finish(new LinkClosed("the server does not answer"));
    }
  }

  #finish(reason: Error): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#link.close();
    const error = reason instanceof LinkClosed ? gone(reason.message) : reason;
    for (const request of [...this.#requests.values()]) request.reject(error);
    this.#end(error);
  }
}

/** What stands before each frame. */
const LENGTH_BYTES = 4;

const GONE_HINT = "what was done is kept, and the next run goes on from there; is the server still running?";

function gone(reason: string): UnreachableError {
  const plain = reason.replace(/^Cannot (send|receive): /, "");
  return new UnreachableError(`Cannot go on: the connection is lost (${plain})`, GONE_HINT);
}

/** An answer of the only type that it may have. @throws {ProtocolError} */
export function expect<T extends MessageType>(message: Message, type: T): Extract<Message, { type: T }> {
  if (message.type !== type) {
    throw new ProtocolError(`the server answered ${message.type} instead of ${type}`);
  }
  return message as Extract<Message, { type: T }>;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
