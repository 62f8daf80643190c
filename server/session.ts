/**
 * One client's conversation after its handshake: requests, several at a time. Whatever a client does wrong ends its session
 * and nothing else.
 */
import { type ChunkList, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import type { ContentId } from "../core/entry.ts";
import { invariant } from "../core/invariant.ts";
import { packBlock, unpackBlock } from "../protocol/block.ts";
import { decode, encode } from "../protocol/codec.ts";
import { ContentChanged, dataMessages } from "../protocol/data_stream.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import {
  BLOCK_BYTES_MAX,
  CONFLICTS_MAX,
  HEARTBEAT_MS,
  ITEMS_MAX,
  PAST_VERSIONS_MAX,
  REQUESTS_IN_FLIGHT_MAX,
  SILENCE_MS_MAX,
} from "../protocol/limits.ts";
import {
  type Data,
  type Download,
  type Fetch,
  type Message,
  type Read,
  type Stage,
  type Subscribe,
  type Upload,
} from "../protocol/messages.ts";
import type { Clock } from "../system/clock.ts";
import { type Link, LinkClosed } from "../system/link.ts";
import { trace } from "../system/trace.ts";
import { deathOf } from "../system/pulse.ts";
import type { Caller } from "./caller.ts";
import type { Folder } from "./folder.ts";
import { FolderHistory } from "./history/folder_history.ts";
import { refuse, Refused } from "./refuse.ts";
import { ContentsError, type Incoming } from "./store/contents.ts";
import { RecordsError } from "./store/records.ts";
import type { Subscriber } from "./subscriber.ts";

export interface SessionParts {
  readonly folder: Folder;
  readonly clock: Clock;
  readonly caller: Caller;
  /** A request failed in a way that nobody foresaw: a bug. */
  readonly onBug: (error: unknown) => void;
}

/** A request about the past. */
type PastRequest = Extract<Message, { type: "versions" | "read" | "restore" | "conflicts" | "resolve" }>;

export class Session {
  readonly caller: Caller;
  readonly #link: Link;
  readonly #folder: Folder;
  readonly #clock: Clock;
  readonly #onBug: (error: unknown) => void;
  readonly #history: FolderHistory;
  readonly #incoming = new Map<number, { incoming: Incoming; content: ContentId }>();
  readonly #staged = new Map<ContentId, ChunkList>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #subscriber: Subscriber | null = null;
  #failure: unknown = null;

  constructor(link: Link, parts: SessionParts) {
    this.#link = link;
    this.#folder = parts.folder;
    this.#clock = parts.clock;
    this.#onBug = parts.onBug;
    this.caller = parts.caller;
    const { actor } = parts.caller;
    this.#history = new FolderHistory({ folder: parts.folder, actor, clock: parts.clock });
  }

  /** Serves the link until it ends. Never throws. @returns why it ended */
  async run(): Promise<string> {
    let reason = "closed";
    try {
      void this.#watchPulse();
      await this.#serve();
    } catch (error) {
      const cause = this.#failure ?? error;
      reason = cause instanceof Error ? cause.message : String(cause);
      if (this.#failure === null) refuse(this.#link, error);
    } finally {
      this.#stop.abort();
      if (this.#subscriber !== null) this.#folder.leave(this.#subscriber);
      for (const { incoming } of this.#incoming.values()) incoming.pause();
      this.#link.close();
      await Promise.allSettled(this.#running);
    }
    return reason;
  }

  /** Ends it, with a reason for the other side. */
  end(error: Refused): void {
    this.#failure ??= error;
    refuse(this.#link, error);
    this.#link.close();
  }

  async #serve(): Promise<void> {
    for (;;) {
      const frame = await this.#link.receive();
      if (frame === null) return;
      const { id, message } = decode(frame);
      this.#dispatch(id, message);
      while (this.#running.size >= REQUESTS_IN_FLIGHT_MAX) await Promise.race(this.#running);
      if (this.#failure !== null) throw this.#failure;
    }
  }

  #dispatch(id: number, message: Message): void {
    trace("session", "asked", { peer: this.#link.peer, id, type: message.type });
    switch (message.type) {
      case "ping":
        return this.#start(id, () => this.#send(id, { type: "pong" }));
      case "pong":
        return;
      case "subscribe":
        return this.#start(id, () => this.#subscribe(id, message));
      case "upload":
        return this.#start(id, () => this.#upload(id, message));
      case "stage":
        return this.#start(id, () => this.#stage(id, message));
      case "data":
        return this.#start(id, () => this.#data(id, message));
      case "download":
        return this.#start(id, () => this.#download(id, message));
      case "fetch":
        return this.#start(id, () => this.#fetch(id, message));
      case "versions":
      case "read":
      case "restore":
      case "conflicts":
      case "resolve":
        return this.#start(id, () => this.#past(id, message));
      default:
        throw new ProtocolError(`a client does not send ${message.type}`);
    }
  }

  /** Runs a request beside the others. A store that fails is answered; a client that misbehaves ends the session. */
  #start(id: number, work: () => Promise<void>): void {
    const running = work().catch(async (error) => {
      const answer = answerFor(error);
      if (answer === null) {
        this.#failure ??= error;
        if (!(error instanceof LinkClosed) && !(error instanceof ProtocolError)) this.#onBug(error);
        refuse(this.#link, error);
        this.#link.close();
        return;
      }
      await this.#send(id, answer).catch(() => {});
    }).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #send(id: number, message: Message): Promise<void> {
    await this.#link.send(encode({ id, message }));
  }

  /** Ends a session whose other side is dead. */
  async #watchPulse(): Promise<void> {
    const options = {
      link: this.#link,
      clock: this.#clock,
      everyMs: HEARTBEAT_MS,
      silenceMs: SILENCE_MS_MAX,
    };
    const ping = () => void this.#send(0, { type: "ping" }).catch(() => {});
    const death = await deathOf({ ...options, ping }, this.#stop.signal);
    if (death === null) return;
    this.#failure ??= new LinkClosed(death);
    this.#link.close();
  }

  async #subscribe(id: number, message: Subscribe): Promise<void> {
    if (this.#subscriber !== null) this.#folder.leave(this.#subscriber);
    this.#subscriber = null;
    const subscriber = await this.#folder.feed({
      since: message.since,
      live: message.live,
      caller: this.caller,
      tell: (news) => this.#send(0, news),
      page: (changes) => this.#send(id, changes),
    });
    if (this.#stop.signal.aborted && subscriber !== null) this.#folder.leave(subscriber);
    else this.#subscriber = subscriber;
  }

  async #upload(id: number, message: Upload): Promise<void> {
    const raw = unpackBlock(message.block);
    const { items, block } = message;
    const results = await this.#folder.upload({
      caller: this.caller,
      items,
      block,
      raw,
      staged: this.#staged,
    });
    for (const item of items) {
      if (item.op === "put" && item.source?.from === "staged" && item.entry.kind === "file") {
        this.#staged.delete(item.entry.content);
      }
    }
    try {
      await this.#send(id, { type: "results", results });
    } finally {
      this.#folder.answered(this.caller.actor.replica);
    }
  }

  async #stage(id: number, message: Stage): Promise<void> {
    if (message.size <= SINGLE_CHUNK_MAX) throw new ProtocolError("a small content is not staged");
    if (this.#incoming.has(id)) throw new ProtocolError("a request id is used twice");
    const base = message.base === null
      ? null
      : this.#folder.baseContent(message.base.path, message.base.revision);
    if (message.base !== null && base === null) {
      throw new Refused("notFound", "Cannot use the base: its content is not in the store");
    }
    const incoming = await this.#folder.contents.receive(message.content, message.size, base);
    this.#incoming.set(id, { incoming, content: message.content });
    await this.#send(id, {
      type: "staged",
      chunks: incoming.chunks,
      prefix: incoming.prefix(),
      complete: false,
    });
  }

  async #data(id: number, message: Data): Promise<void> {
    const entry = this.#incoming.get(id);
    // After a failure was answered, what was already on its way is ignored.
    if (entry === undefined) return;
    try {
      // Calls that come before it has ended wait for their turn.
      await entry.incoming.accept(message.ops, unpackBlock(message.block));
      if (!message.last) return;
      this.#incoming.delete(id);
      const list = await entry.incoming.finish();
      this.#staged.set(entry.content, list);
      const { length } = list;
      await this.#send(id, {
        type: "staged",
        chunks: length,
        prefix: list.prefixDigest(length),
        complete: true,
      });
    } catch (error) {
      if (this.#incoming.delete(id)) entry.incoming.pause();
      throw error;
    }
  }

  async #download(id: number, message: Download): Promise<void> {
    let sizes: number[] = [];
    let parts: Uint8Array[] = [];
    let bytes = 0;
    for (const [i, item] of message.items.entries()) {
      const entry = this.#folder.file(item.path, item.revision);
      const content = entry === null || entry.size > SINGLE_CHUNK_MAX
        ? null
        : this.#folder.smallContent(entry);
      sizes.push(content === null ? -1 : content.length);
      if (content !== null) parts.push(content);
      bytes += content?.length ?? 0;
      if (bytes < BLOCK_BYTES_MAX && i < message.items.length - 1) continue;
      const last = i === message.items.length - 1;
      const block = packBlock(parts);
      const answer: Message = { type: "contents", sizes, block, last };
      [sizes, parts, bytes] = [[], [], 0];
      await this.#send(id, answer);
    }
  }

  async #past(id: number, message: PastRequest): Promise<void> {
    switch (message.type) {
      case "versions": {
        const all = await this.#history.versions(message.path);
        return await pages(
          all,
          PAST_VERSIONS_MAX,
          (versions, more) => this.#send(id, { type: "versionList", versions, more }),
        );
      }
      case "read":
        return await this.#read(id, message);
      case "restore": {
        const all = await this.#history.restore(message.path, message.goal, message.dryRun);
        return await pages(
          all,
          ITEMS_MAX,
          (steps, more) => this.#send(id, { type: "restored", steps, more }),
        );
      }
      case "conflicts": {
        const all = await this.#history.conflicts(message);
        return await pages(
          all,
          CONFLICTS_MAX,
          (conflicts, more) => this.#send(id, { type: "conflictList", conflicts, more }),
        );
      }
      case "resolve": {
        const resolution = await this.#history.resolve(message.conflict, message.keep);
        return await this.#send(id, { type: "resolved", ...resolution });
      }
    }
  }

  async #read(id: number, { path, revision }: Read): Promise<void> {
    for await (const bytes of this.#history.content(path, revision)) {
      if (this.#stop.signal.aborted) return;
      await this.#send(id, { type: "bytes", block: packBlock([bytes]), last: false });
    }
    await this.#send(id, { type: "bytes", block: packBlock([]), last: true });
  }

  async #fetch(id: number, message: Fetch): Promise<void> {
    const { contents } = this.#folder;
    const entry = this.#folder.file(message.path, message.revision);
    const chunks = entry === null ? null : this.#folder.chunkList(entry.content);
    if (entry === null || chunks === null || !contents.hasLarge(entry.content)) {
      throw new Refused("notFound", "Cannot send the content: it is not there any more");
    }
    const base = message.base === null
      ? null
      : this.#folder.baseContent(message.base.path, message.base.revision);
    const first = resumePoint(chunks, message);
    await this.#send(id, { type: "fetching", first, chunks: chunks.length });
    const messages = dataMessages({
      chunks,
      base: base?.chunks ?? null,
      first,
      read: (into, offset) => contents.readLarge(entry.content, into, offset),
    });
    for (const data of messages) {
      if (this.#stop.signal.aborted) return;
      await this.#send(id, data);
      await this.#clock.yield();
    }
  }
}

/** How many chunks the client really holds of this content. */
function resumePoint(chunks: ChunkList, message: Fetch): number {
  if (message.chunks === 0 || message.chunks > chunks.length) return 0;
  const held = chunks.prefixDigest(message.chunks);
  invariant(held.length === 32, "a digest has 32 bytes");
  return held.every((byte, i) => byte === message.prefix[i]) ? message.chunks : 0;
}

/** Sends a list page by page, an empty one as one page. */
async function pages<T>(
  all: readonly T[],
  size: number,
  send: (page: readonly T[], more: boolean) => Promise<void>,
): Promise<void> {
  for (let at = 0; at === 0 || at < all.length; at += size) {
    await send(all.slice(at, at + size), at + size < all.length);
  }
}

/** The answer to a request that failed, or `null` if the session has to end. */
function answerFor(error: unknown): Message | null {
  if (error instanceof Refused || error instanceof RemoteError) {
    return { type: "error", code: error.code, message: error.message, hint: error.hint };
  }
  if (error instanceof ContentsError) {
    const code = error.code === "corrupt" ? "corrupt" : error.code === "no_space" ? "noSpace" : "internal";
    return { type: "error", code, message: error.message, hint: "" };
  }
  if (error instanceof RecordsError) {
    const code = error.code === "no_space" ? "noSpace" : "internal";
    return { type: "error", code, message: error.message, hint: error.hint };
  }
  if (error instanceof ContentChanged) {
    return {
      type: "error",
      code: "corrupt",
      message: `Cannot send: ${error.message}`,
      hint: "run fsync check",
    };
  }
  return null;
}
