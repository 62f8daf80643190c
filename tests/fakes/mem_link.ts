/**
 * Two ends of a connection in memory, with what a network does to one: delay, silence, a sudden end.
 *
 * Frames are copied when they are sent and compared when they arrive, so that code that goes on using a frame it has
 * sent is found out: TCP would send whatever stands there by then.
 */
import { Buffer } from "node:buffer";
import { invariant } from "../../core/invariant.ts";
import { type Link, LinkClosed } from "../../system/link.ts";
import type { ManualClock } from "./manual_clock.ts";
import type { SeededRandom } from "./seeded_random.ts";

export type Side = "a" | "b";

export interface MemLinkOptions {
  /** Without a clock frames arrive at once. */
  readonly clock?: ManualClock;
  /** Decides the delays, and what a cut destroys. */
  readonly random?: SeededRandom;
  /** Shortest and longest time that a frame takes, ms. */
  readonly delayMs?: readonly [min: number, max: number];
  /** Bytes that may be under way, or wait to be received, before `send` holds back. */
  readonly windowBytes?: number;
  /** Names of the two sides; each sees the other's as its peer. */
  readonly names?: readonly [a: string, b: string];
  /** Sees each frame just before it arrives, and may have the connection cut there. */
  readonly onFrame?: (frame: Uint8Array, from: Side) => "deliver" | "cut";
}

const PREFIX_BYTES = 4;
const FRAME_BYTES_MAX_AT_FIRST = 4 * 1024;
const WINDOW_BYTES = 4 * 1024 * 1024;
const DELAY_MS = [1, 20] as const;

/** What travels: a frame, the announcement of one that is never sent, or the end. */
type Cargo =
  | { readonly kind: "frame"; readonly original: Uint8Array; readonly copy: Uint8Array }
  | { readonly kind: "announcement"; readonly length: number }
  | { readonly kind: "end" };

/** Two connected links, `a` and `b`. */
export function memLinkPair(options: MemLinkOptions = {}): MemWire {
  return new MemWire(options);
}

/** The cable between two links. */
export class MemWire {
  readonly a: Link;
  readonly b: Link;
  readonly #ends: Record<Side, MemLink>;
  readonly #options: MemLinkOptions;
  /** The last arrival in each direction, so that frames do not overtake each other, ms. */
  readonly #lastArrival: Record<Side, number> = { a: 0, b: 0 };
  /** What arrives at that moment, all at once, as frames in one packet do. */
  readonly #burst: Record<Side, Cargo[] | null> = { a: null, b: null };
  readonly #underway = new Set<() => void>();
  #held: { from: Side; cargo: Cargo }[] = [];
  #silent = false;
  #cut = false;

  constructor(options: MemLinkOptions) {
    this.#options = options;
    const [nameA, nameB] = options.names ?? ["a", "b"];
    const windowBytes = options.windowBytes ?? WINDOW_BYTES;
    const a = new MemLink(nameB, windowBytes, (cargo) => this.#carry("a", cargo), () => this.cut());
    const b = new MemLink(nameA, windowBytes, (cargo) => this.#carry("b", cargo), () => this.cut());
    a.peerLink = b;
    b.peerLink = a;
    this.#ends = { a, b };
    this.a = a;
    this.b = b;
  }

  /** Both sides know that it is over. */
  get ended(): boolean {
    return !this.#ends.a.alive && !this.#ends.b.alive;
  }

  /** Ends the connection for both sides at once. What is under way is lost; what has arrived, by chance. */
  cut(reason = "The connection was cut"): void {
    if (this.#cut) return;
    this.#cut = true;
    for (const cancel of this.#underway) cancel();
    this.#underway.clear();
    this.#held = [];
    for (const side of ["a", "b"] as const) {
      this.#ends[side].breakOff(reason, this.#options.random?.chance(0.5) ?? false);
    }
  }

  /** While `true` nothing arrives and nobody notices; afterwards what was sent arrives. */
  blackHole(silent: boolean): void {
    this.#silent = silent;
    if (silent) return;
    const held = this.#held;
    this.#held = [];
    for (const { from, cargo } of held) this.#arrive(from, cargo);
  }

  /** Has side `from` announce a frame of `length` bytes without sending one, as a broken or hostile peer may. */
  announce(from: Side, length: number): void {
    this.#carry(from, { kind: "announcement", length });
  }

  #carry(from: Side, cargo: Cargo): void {
    if (this.#cut) return;
    const { clock } = this.#options;
    if (clock === undefined) return queueMicrotask(() => this.#arrive(from, cargo));
    const arrival = Math.max(clock.monotonic() + this.#delay(), this.#lastArrival[from]);
    if (arrival === this.#lastArrival[from] && this.#burst[from] !== null) {
      this.#burst[from].push(cargo);
      return;
    }
    this.#lastArrival[from] = arrival;
    const burst = [cargo];
    this.#burst[from] = burst;
    const cancel = clock.schedule(arrival - clock.monotonic(), () => {
      this.#underway.delete(cancel);
      if (this.#burst[from] === burst) this.#burst[from] = null;
      for (const one of burst) this.#arrive(from, one);
    });
    this.#underway.add(cancel);
  }

  #delay(): number {
    const [min, max] = this.#options.delayMs ?? DELAY_MS;
    return min + (this.#options.random?.fraction() ?? 0) * (max - min);
  }

  #arrive(from: Side, cargo: Cargo): void {
    if (this.#cut) return;
    if (this.#silent) return void this.#held.push({ from, cargo });
    if (cargo.kind === "frame") {
      invariant(Buffer.compare(cargo.original, cargo.copy) === 0, "a frame was changed after it was sent");
      if (this.#options.onFrame?.(cargo.copy, from) === "cut") return this.cut();
    }
    this.#ends[from === "a" ? "b" : "a"].accept(cargo);
  }
}

interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: LinkClosed) => void;
}

class MemLink implements Link {
  readonly peer: string;
  readonly ended: Promise<void>;
  bytesReceived = 0;
  frameMax = FRAME_BYTES_MAX_AT_FIRST;
  /** The other end, for the accounts of what it has not received yet. */
  peerLink!: MemLink;
  readonly #windowBytes: number;
  readonly #carry: (cargo: Cargo) => void;
  readonly #cut: () => void;
  #inbox: Cargo[] = [];
  #receiver: Waiter<Uint8Array | null> | null = null;
  #senders: Waiter<void>[] = [];
  /** Bytes that were sent and not yet received. */
  #outstanding = 0;
  /** The same, and those that were received. */
  #sent = 0;
  #markEnded: () => void = () => {};
  #closedHere = false;
  #sendError: LinkClosed | null = null;
  #receiveError: LinkClosed | null = null;

  constructor(peer: string, windowBytes: number, carry: (cargo: Cargo) => void, cut: () => void) {
    this.peer = peer;
    this.ended = new Promise((resolve) => this.#markEnded = resolve);
    this.#windowBytes = windowBytes;
    this.#carry = carry;
    this.#cut = cut;
  }

  get alive(): boolean {
    return this.#sendError === null;
  }

  get bytesSent(): number {
    return this.#sent - this.#outstanding;
  }

  get bytesWaiting(): number {
    return this.alive ? this.#outstanding : 0;
  }

  get receiving(): boolean {
    return this.#receiver !== null;
  }

  send(frame: Uint8Array): Promise<void> {
    invariant(frame.length > 0 && frame.length <= 0xffff_ffff, "a frame has an impossible length");
    if (this.#sendError !== null) return Promise.reject(new LinkClosed(this.#sendError.message));
    this.#sent += PREFIX_BYTES + frame.length;
    this.#outstanding += PREFIX_BYTES + frame.length;
    this.#carry({ kind: "frame", original: frame, copy: frame.slice() });
    if (this.#outstanding < this.#windowBytes) return Promise.resolve();
    return new Promise((resolve, reject) => this.#senders.push({ resolve, reject }));
  }

  receive(): Promise<Uint8Array | null> {
    invariant(this.#receiver === null, "two receives on one link at once");
    return new Promise((resolve, reject) => {
      this.#receiver = { resolve, reject };
      this.#serve();
    });
  }

  close(): void {
    if (this.#closedHere) return;
    this.#closedHere = true;
    if (this.alive) this.#carry({ kind: "end" });
    this.breakOff("The connection was closed on this side", false);
  }

  /** Something arrives. */
  accept(cargo: Cargo): void {
    if (this.#closedHere) return this.peerLink.#failSends("The other side has closed the connection");
    if (cargo.kind === "frame") this.bytesReceived += PREFIX_BYTES + cargo.copy.length;
    if (cargo.kind === "end") this.#failSends("The other side has closed the connection");
    this.#inbox.push(cargo);
    this.#serve();
  }

  /** The connection is no more; `keep`: what has arrived can still be received. */
  breakOff(reason: string, keep: boolean): void {
    this.#markEnded();
    this.#failSends(reason);
    this.#receiveError ??= new LinkClosed(reason);
    if (!keep) this.#inbox = [];
    this.#serve();
  }

  /** Gives the receiver what there is for it. */
  #serve(): void {
    const receiver = this.#receiver;
    if (receiver === null) return;
    const cargo = this.#inbox[0];
    if (cargo === undefined) return this.#serveError();
    if (cargo.kind === "announcement") return this.#serveAnnouncement(cargo.length);
    this.#receiver = null;
    if (cargo.kind === "end") return receiver.resolve(null);
    const { length } = cargo.copy;
    if (!this.#inBounds(length)) return this.#refuse(receiver, this.#outOfBounds(length));
    this.#inbox.shift();
    this.peerLink.#received(length);
    receiver.resolve(cargo.copy);
  }

  #serveError(): void {
    if (this.#receiveError === null) return;
    this.#receiver?.reject(new LinkClosed(this.#receiveError.message));
    this.#receiver = null;
  }

  /** A frame that never comes: the receiver waits for it until the connection ends. */
  #serveAnnouncement(length: number): void {
    const waits = this.#inbox.length === 1 && this.#receiveError === null;
    if (this.#inBounds(length) && waits) return;
    const receiver = this.#receiver!;
    this.#receiver = null;
    this.#refuse(
      receiver,
      this.#inBounds(length) ? "The connection ended within a frame" : this.#outOfBounds(length),
    );
  }

  #inBounds(length: number): boolean {
    return length > 0 && length <= this.frameMax;
  }

  #outOfBounds(length: number): string {
    return `The other side announced a frame of ${length} bytes, at most ${this.frameMax} are accepted`;
  }

  #refuse(receiver: Waiter<Uint8Array | null>, reason: string): void {
    this.breakOff(reason, false);
    this.#cut();
    receiver.reject(new LinkClosed(reason));
  }

  #received(length: number): void {
    this.#outstanding -= PREFIX_BYTES + length;
    if (this.#outstanding >= this.#windowBytes) return;
    const senders = this.#senders;
    this.#senders = [];
    for (const sender of senders) sender.resolve();
  }

  #failSends(reason: string): void {
    this.#sendError ??= new LinkClosed(reason);
    const senders = this.#senders;
    this.#senders = [];
    for (const sender of senders) sender.reject(new LinkClosed(reason));
  }
}
