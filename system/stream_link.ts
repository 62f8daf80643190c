/** A {@link Link} over a stream of bytes: TCP, TLS. */
import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { type Link, LinkClosed } from "./link.ts";
import { reasonOf } from "./link_errors.ts";
import { invariant } from "../core/invariant.ts";

export interface ByteStream {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** Before authentication a peer may make us allocate no more than this, bytes. */
const FRAME_BYTES_MAX_AT_FIRST = 4 * 1024;
/** After `close`, frames that were sent before get this long to leave, ms. */
const FLUSH_MS_MAX = 2_000;
const CLOSED_HERE = "The connection was closed on this side";

type Fail = (error: LinkClosed) => void;

export class StreamLink implements Link {
  readonly peer: string;
  readonly #stream: ByteStream;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  #failReceive: Fail | null = null;
  #closed: LinkClosed | null = null;
  #hungUp = false;

  constructor(stream: ByteStream, peer: string) {
    this.peer = peer;
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

  send(frame: Uint8Array): Promise<void> {
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
    const patience = setTimeout(() => this.#hangUp(), FLUSH_MS_MAX);
    this.#writer.end(CLOSED_HERE).then(() => {
      clearTimeout(patience);
      this.#hangUp();
    });
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
    if (this.#hungUp) return;
    this.#hungUp = true;
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
