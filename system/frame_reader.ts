/** Cuts a stream of bytes into frames: a length (u32, big endian), then as many bytes. */
import { LinkClosed } from "./link.ts";
import { noteUsedUp } from "./memory.ts";

export interface ByteSource {
  /** Fills a part of `into`; the number of bytes, or `null` at the end of the stream. */
  read(into: Uint8Array): Promise<number | null>;
}

const PREFIX_BYTES = 4;
/** Room for many small frames in one read; large ones are read straight into their own memory. */
const BUFFER_BYTES_MAX = 64 * 1024;
/** A stranger, whose frames are still small, gets no more than this. */
const BUFFER_BYTES_MIN = 4 * 1024;
/** From here on reading into the frame itself is cheaper than a copy out of the buffer. */
const DIRECT_BYTES_MIN = 32 * 1024;
/** With less free space than this a read brings too little; the rest is moved to the front first. */
const READ_BYTES_MIN = 2 * 1024;
/** First byte of a TLS record: alert or handshake, followed by version 3. */
const TLS_ALERT = 0x15;
const TLS_HANDSHAKE = 0x16;

export class FrameReader {
  /** Largest frame that is accepted, bytes. */
  frameMax: number;
  /** Bytes read from the stream so far. */
  bytesReceived = 0;
  readonly #source: ByteSource;
  #buffer = new Uint8Array(0);
  #start = 0;
  #end = 0;

  constructor(source: ByteSource, frameMax: number) {
    this.#source = source;
    this.frameMax = frameMax;
  }

  /**
   * The next frame in memory of its own if it has arrived already, else `null`.
   * @throws {LinkClosed} if its length is out of bounds
   */
  take(): Uint8Array | null {
    const length = this.#announced();
    if (length === null || this.#end - this.#start < PREFIX_BYTES + length) return null;
    const from = this.#start + PREFIX_BYTES;
    this.#start = from + length;
    return this.#buffer.slice(from, this.#start);
  }

  /**
   * Waits for the next frame; `null` at the end of the stream. Not to be called again before it has answered.
   * @throws {LinkClosed} if a length is out of bounds or the stream ends within a frame
   */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      const frame = this.take();
      if (frame !== null) return frame;
      const length = this.#announced();
      if (length !== null && length >= DIRECT_BYTES_MIN) return await this.#readDirectly(length);
      if (!await this.#fill()) return null;
    }
  }

  /** Length of the frame that begins at the start of the buffer, or `null` if that is not known yet. */
  #announced(): number | null {
    const at = this.#start;
    if (this.#end - at < PREFIX_BYTES) return null;
    const b = this.#buffer;
    const length = ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
    if (length === 0) throw new LinkClosed("The other side sent an empty frame");
    if (length > this.frameMax) throw new LinkClosed(tooLong(length, this.frameMax));
    return length;
  }

  async #readDirectly(length: number): Promise<Uint8Array> {
    const frame = new Uint8Array(length);
    let filled = this.#end - this.#start - PREFIX_BYTES;
    frame.set(this.#buffer.subarray(this.#start + PREFIX_BYTES, this.#end));
    this.#start = this.#end = 0;
    while (filled < length) {
      const count = await this.#source.read(filled === 0 ? frame : frame.subarray(filled));
      if (count === null) throw new LinkClosed("The connection ended within a frame");
      this.bytesReceived += count;
      noteUsedUp(count);
      filled += count;
    }
    return frame;
  }

  /** Reads more into the buffer; false at the end of the stream. */
  async #fill(): Promise<boolean> {
    this.#makeRoom();
    const count = await this.#source.read(this.#buffer.subarray(this.#end));
    if (count === null) {
      if (this.#end > this.#start) throw new LinkClosed("The connection ended within a frame");
      return false;
    }
    this.bytesReceived += count;
    noteUsedUp(count);
    this.#end += count;
    return true;
  }

  #makeRoom(): void {
    const wanted = Math.min(Math.max(this.frameMax + PREFIX_BYTES, BUFFER_BYTES_MIN), BUFFER_BYTES_MAX);
    if (this.#buffer.length < wanted) {
      const larger = new Uint8Array(wanted);
      larger.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = larger;
    } else if (this.#start === this.#end) {
      this.#start = this.#end = 0;
      return;
    } else if (this.#buffer.length - this.#end >= READ_BYTES_MIN && this.#pendingFits()) {
      return;
    } else {
      this.#buffer.copyWithin(0, this.#start, this.#end);
    }
    this.#end -= this.#start;
    this.#start = 0;
  }

  #pendingFits(): boolean {
    const length = this.#announced() ?? 0;
    return this.#start + PREFIX_BYTES + length <= this.#buffer.length;
  }
}

function tooLong(length: number, frameMax: number): string {
  const type = length >>> 24;
  const looksLikeTls = (type === TLS_ALERT || type === TLS_HANDSHAKE) && ((length >>> 16) & 0xff) === 3;
  if (looksLikeTls) return "The other side speaks TLS, this side does not";
  return `The other side announced a frame of ${length} bytes, at most ${frameMax} are accepted`;
}
