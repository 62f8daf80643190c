/** A {@link Link} over a stream of bytes: TCP, TLS. */
import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { type Link, LinkClosed } from "./link.ts";
import { reasonOf } from "./link_errors.ts";
import { invariant } from "../core/invariant.ts";
import { isTraced, trace } from "./trace.ts";

export interface ByteStream {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Says that nothing more comes from this side; what the other side sends can still be read. */
  closeWrite(): Promise<void>;
  close(): void;
}

/** Before authentication a peer may make us allocate no more than this, bytes. */
const FRAME_BYTES_MAX_AT_FIRST = 4 * 1024;
/** After `close`, frames that were sent before get this long to leave, ms. */
const FLUSH_MS_MAX = 2_000;
/** Then the other side gets this long to hang up too, ms: time to read the last frame, and to say good-bye. */
const FAREWELL_MS_MAX = 1_000;
/** Where bytes go that nobody wants any more; all links share it. */
const SINK = new Uint8Array(64 * 1024);
const CLOSED_HERE = "The connection was closed on this side";

type Fail = (error: LinkClosed) => void;

export class StreamLink implements Link {
  readonly peer: string;
  readonly ended: Promise<void>;
  readonly #stream: ByteStream;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  #failReceive: Fail | null = null;
  #closed: LinkClosed | null = null;
  #markEnded: (() => void) | null = null;

  constructor(stream: ByteStream, peer: string) {
    this.peer = peer;
    this.ended = new Promise((resolve) => this.#markEnded = resolve);
    this.#stream = stream;
    this.#reader = new FrameReader(stream, FRAME_BYTES_MAX_AT_FIRST);
    this.#writer = new FrameWriter(stream);
  }

  get frameMax(): number {
    return this.#reader.frameMax;
  }

  set frameMax(bytes: number) {
    this.#reader.frameMax = bytes;
  }

  get bytesSent(): number {
    return this.#writer.bytesSent;
  }

  get bytesReceived(): number {
    return this.#reader.bytesReceived;
  }

  get bytesWaiting(): number {
    return this.#writer.bytesWaiting;
  }

  get receiving(): boolean {
    return this.#failReceive !== null;
  }

  send(frame: Uint8Array): Promise<void> {
    if (isTraced("link")) trace("link", "sent", { peer: this.peer, type: frame[0], bytes: frame.length });
    return this.#writer.send(frame);
  }

  receive(): Promise<Uint8Array | null> {
    invariant(this.#failReceive === null, "two receives on one link at once");
    if (this.#closed !== null) return Promise.reject(new LinkClosed(this.#closed.message));
    try {
      const frame = this.#reader.take();
      if (frame !== null) return Promise.resolve(frame);
    } catch (error) {
      return Promise.reject(this.#broken(error));
    }
    return this.#waitForFrame();
  }

  close(): void {
    if (this.#closed !== null) return;
    this.#end(new LinkClosed(CLOSED_HERE));
    void this.#takeLeave();
  }

  /**
   * Flushes, and hangs up after the other side has. If a socket is closed while something that it received was not read,
   * Linux resets the connection, and what was sent before may be lost on its way to the reader. A refusal must arrive.
   */
  async #takeLeave(): Promise<void> {
    let patience = setTimeout(() => this.#hangUp(), FLUSH_MS_MAX);
    await this.#writer.end(CLOSED_HERE);
    clearTimeout(patience);
    if (this.#markEnded === null) return;
    if (this.#writer.bytesSent === 0 || this.#writer.broken) return this.#hangUp();
    patience = setTimeout(() => this.#hangUp(), FAREWELL_MS_MAX);
    try {
      await this.#stream.closeWrite();
      while (await this.#stream.read(SINK) !== null);
    } catch {
      // The other side was faster.
    }
    clearTimeout(patience);
    this.#hangUp();
  }

  #waitForFrame(): Promise<Uint8Array | null> {
    return new Promise((resolve, reject) => {
      this.#failReceive = reject;
      this.#reader.next().then(
        (frame) => {
          this.#failReceive = null;
          resolve(frame);
        },
        (error) => {
          this.#failReceive = null;
          reject(this.#broken(error));
        },
      );
    });
  }

  /** Ends the link because receiving failed. */
  #broken(error: unknown): LinkClosed {
    if (this.#closed !== null) return this.#closed;
    const reason = error instanceof LinkClosed ? error : new LinkClosed(receiveReason(error));
    this.#end(reason);
    this.#writer.abort(reason.message);
    this.#hangUp();
    return reason;
  }

  #end(reason: LinkClosed): void {
    this.#closed = reason;
    const fail = this.#failReceive;
    this.#failReceive = null;
    fail?.(reason);
  }

  #hangUp(): void {
    if (this.#markEnded === null) return;
    this.#markEnded();
    this.#markEnded = null;
    try {
      this.#stream.close();
    } catch {
      // It is closed already.
    }
  }
}

/** A program that ended leaves TLS no time for a farewell; frames have lengths, so nothing is cut off unseen. */
function receiveReason(error: unknown): string {
  return error instanceof Deno.errors.UnexpectedEof
    ? "the other side hung up"
    : `Cannot receive: ${reasonOf(error)}`;
}
