/**
 * One client's conversation after its handshake: requests, several at a time. Whatever a client does wrong ends its session
 * and nothing else.
 */
import { decode, encode } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { HEARTBEAT_MS, REQUESTS_IN_FLIGHT_MAX, SILENCE_MS_MAX } from "../protocol/limits.ts";
import type { Message, Subscribe } from "../protocol/messages.ts";
import type { Clock } from "../system/clock.ts";
import { type Link, LinkClosed } from "../system/link.ts";
import { trace } from "../system/trace.ts";
import { deathOf } from "../system/pulse.ts";
import type { Caller } from "./caller.ts";
import type { Folder } from "./folder.ts";
import { refuse, type Refused } from "./refuse.ts";
import type { RequestContext } from "./requests/context.ts";
import { download, fetch } from "./requests/downloads.ts";
import { answerFor } from "./requests/failures.ts";
import { PastRequests } from "./requests/past.ts";
import { Uploads } from "./requests/uploads.ts";
import { ContentsError } from "./store/contents.ts";
import type { Subscriber } from "./subscriber.ts";
import { Turns } from "./turns.ts";

/**
 * Frames whose requests are under way may have so many bytes together, so that a client that sends faster than the disk
 * writes holds little memory here. (Several of the largest frames, or a dozen blocks.)
 */
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;
/** Answers of one kind that are made at a time: each holds a block until there is room for it on the line. */
const ANSWERS_AT_ONCE_MAX = 4;

export interface SessionParts {
  readonly folder: Folder;
  readonly clock: Clock;
  readonly caller: Caller;
  /** A request failed in a way that nobody foresaw: a bug. */
  readonly onBug: (error: unknown) => void;
}

export class Session {
  readonly caller: Caller;
  readonly #link: Link;
  readonly #folder: Folder;
  readonly #clock: Clock;
  readonly #onBug: (error: unknown) => void;
  readonly #context: RequestContext;
  readonly #uploads: Uploads;
  readonly #past: PastRequests;
  /** Requests under way, with the bytes of their frames. */
  readonly #running = new Map<Promise<void>, number>();
  readonly #downloads = new Turns(ANSWERS_AT_ONCE_MAX);
  readonly #fetches = new Turns(ANSWERS_AT_ONCE_MAX);
  #bytesRunning = 0;
  /** Of the frame that is looked at. */
  #frameBytes = 0;
  readonly #stop = new AbortController();
  #subscriber: Subscriber | null = null;
  #failure: unknown = null;

  constructor(link: Link, parts: SessionParts) {
    this.#link = link;
    this.#folder = parts.folder;
    this.#clock = parts.clock;
    this.#onBug = parts.onBug;
    const { caller, folder, clock } = parts;
    this.caller = { ...caller, since: { revision: folder.revision, rights: caller.rights() } };
    this.#context = {
      folder,
      clock,
      caller: this.caller,
      send: (id, message) => this.#send(id, message),
      signal: this.#stop.signal,
    };
    this.#uploads = new Uploads(this.#context);
    this.#past = new PastRequests(this.#context);
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
      this.#uploads.pause();
      this.#link.close();
      await Promise.allSettled(this.#running.keys());
      await this.#uploads.end().catch((error: unknown) => {
        // What could not be removed is found by the store's upkeep.
        if (!(error instanceof ContentsError)) this.#onBug(error);
      });
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
      this.#frameBytes = frame.length;
      this.#dispatch(id, message);
      while (this.#isFull()) await Promise.race(this.#running.keys());
      if (this.#failure !== null) throw this.#failure;
    }
  }

  /** Nothing more is read then: the connection's own flow control holds the client back. */
  #isFull(): boolean {
    const requests = this.#running.size;
    return requests >= REQUESTS_IN_FLIGHT_MAX || (requests > 0 && this.#bytesRunning > REQUEST_BYTES_MAX);
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
        return this.#start(id, () => this.#uploads.upload(id, message));
      case "stage":
        return this.#start(id, () => this.#uploads.stage(id, message));
      case "data":
        return this.#start(id, () => this.#uploads.data(id, message));
      case "download":
        return this.#start(id, () => this.#downloads.run(() => download(this.#context, id, message)));
      case "fetch":
        return this.#start(id, () => this.#fetches.run(() => fetch(this.#context, id, message)));
      case "read":
        return this.#start(id, () => this.#fetches.run(() => this.#past.answer(id, message)));
      case "versions":
      case "restore":
      case "conflicts":
      case "resolve":
        return this.#start(id, () => this.#past.answer(id, message));
      default:
        throw new ProtocolError(`a client does not send ${message.type}`);
    }
  }

  /** Runs a request beside the others. A store that fails is answered; a client that misbehaves ends the session. */
  #start(id: number, work: () => Promise<void>): void {
    const bytes = this.#frameBytes;
    const running = work().catch(async (error) => {
      const answer = answerFor(error, this.caller.rights());
      if (answer === null) {
        this.#failure ??= error;
        if (!(error instanceof LinkClosed) && !(error instanceof ProtocolError)) this.#onBug(error);
        refuse(this.#link, error);
        this.#link.close();
        return;
      }
      await this.#send(id, answer).catch(() => {});
    }).finally(() => {
      this.#bytesRunning -= this.#running.get(running)!;
      this.#running.delete(running);
    });
    this.#running.set(running, bytes);
    this.#bytesRunning += bytes;
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
}
