/** Writes frames to a stream in order, many small ones at once, and holds senders back when the stream is slow. */
import { invariant } from "../core/invariant.ts";
import { LinkClosed } from "./link.ts";
import { noteUsedUp } from "./memory.ts";

export interface ByteSink {
  /** Writes a part of `bytes`; the number of bytes written. */
  write(bytes: Uint8Array): Promise<number>;
}

const PREFIX_BYTES = 4;
/** Frames are gathered up to here; more in one write gains nothing, and the copy would begin to cost. */
const GATHER_BYTES_MAX = 64 * 1024;
const GATHER_BYTES_MIN = 512;
/** Enough to keep a fast line busy, little enough that a thousand slow peers do not exhaust memory. */
export const QUEUED_BYTES_MAX = 4 * 1024 * 1024;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: LinkClosed) => void;
}

const ROOM = Promise.resolve();

export class FrameWriter {
  /** Bytes written to the stream so far. */
  bytesSent = 0;
  readonly #sink: ByteSink;
  #queue: Uint8Array[] = [];
  #head = 0;
  #queuedBytes = 0;
  #waiters: Waiter[] = [];
  #gathered = new Uint8Array(0);
  #draining: Promise<void> | null = null;
  #ended: LinkClosed | null = null;
  #broken = false;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Bytes that were sent and are not written yet. */
  get bytesWaiting(): number {
    return this.#queuedBytes;
  }

  /** Whether the stream takes nothing any more. */
  get broken(): boolean {
    return this.#broken;
  }

  /**
   * Queues `frame`, which must not be changed any more. Resolves when less than {@link QUEUED_BYTES_MAX} wait.
   * @throws {LinkClosed} if the stream has ended
   */
  send(frame: Uint8Array): Promise<void> {
    invariant(frame.length > 0 && frame.length <= 0xffff_ffff, "a frame has an impossible length");
    if (this.#ended !== null) return Promise.reject(new LinkClosed(this.#ended.message));
    this.#queue.push(frame);
    this.#queuedBytes += PREFIX_BYTES + frame.length;
    this.#draining ??= this.#drain();
    if (this.#queuedBytes < QUEUED_BYTES_MAX) return ROOM;
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Takes no more frames. Resolves when those that are queued are written, or cannot be. */
  end(reason: string): Promise<void> {
    this.#stop(new LinkClosed(reason));
    return this.#draining ?? ROOM;
  }

  /** Takes no more frames and forgets those that are queued. */
  abort(reason: string): void {
    this.#stop(new LinkClosed(reason));
    this.#forget();
  }

  async #drain(): Promise<void> {
    // Frames that are sent in the same turn go out together.
    await ROOM;
    try {
      while (this.#head < this.#queue.length) await this.#writeSome();
    } catch (error) {
      this.#broken = true;
      this.#forget();
      this.#stop(new LinkClosed(`Cannot send: ${error instanceof Error ? error.message : String(error)}`));
    } finally {
      this.#draining = null;
    }
  }

  async #writeSome(): Promise<void> {
    const { size, rest } = this.#gather();
    await this.#writeAll(this.#gathered.subarray(0, size));
    if (rest !== null) await this.#writeAll(rest);
    this.#queuedBytes -= size + (rest?.length ?? 0);
    if (this.#queuedBytes < QUEUED_BYTES_MAX) this.#wake();
  }

  /** Moves frames into the gather buffer until it is full; of the last one a `rest` may be left. */
  #gather(): { size: number; rest: Uint8Array | null } {
    const buffer = this.#gatherBuffer();
    let size = 0;
    while (this.#head < this.#queue.length && size + PREFIX_BYTES < buffer.length) {
      const frame = this.#queue[this.#head++]!;
      const length = frame.length;
      buffer[size++] = length >>> 24;
      buffer[size++] = length >>> 16;
      buffer[size++] = length >>> 8;
      buffer[size++] = length;
      const fits = Math.min(length, buffer.length - size);
      buffer.set(fits === length ? frame : frame.subarray(0, fits), size);
      size += fits;
      if (fits < length) return { size, rest: this.#compact(frame.subarray(fits)) };
    }
    return { size, rest: this.#compact(null) };
  }

  /** A small link keeps a small buffer. */
  #gatherBuffer(): Uint8Array {
    if (this.#gathered.length < GATHER_BYTES_MAX && this.#queuedBytes > this.#gathered.length) {
      const wanted = Math.max(this.#queuedBytes, 2 * this.#gathered.length, GATHER_BYTES_MIN);
      this.#gathered = new Uint8Array(Math.min(wanted, GATHER_BYTES_MAX));
    }
    return this.#gathered;
  }

  /** Lets go of the frames that were taken; passes `rest` through. */
  #compact(rest: Uint8Array | null): Uint8Array | null {
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return rest;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const count = await this.#sink.write(at === 0 ? bytes : bytes.subarray(at));
      this.bytesSent += count;
      noteUsedUp(count);
      at += count;
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    if (waiters.length === 0) return;
    this.#waiters = [];
    for (const waiter of waiters) waiter.resolve();
  }

  #stop(error: LinkClosed): void {
    this.#ended ??= error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(this.#ended);
  }

  #forget(): void {
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
  }
}
