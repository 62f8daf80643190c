/** Writes the fields of a message, each by its form on the wire, into one buffer that is used again and again. */
import { MTIME_MS_MAX } from "../core/entry.ts";
import { PATH_BYTES_MAX, type SyncPath, utf8Length } from "../core/path.ts";
import { ProtocolError } from "./errors.ts";
import { FRAME_BYTES_MAX, MESSAGE_TEXT_BYTES_MAX, TEXT_BYTES_MAX } from "./limits.ts";

const START_BYTES = 64 * 1024;
/** A greater buffer is let go after the message that needed it. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** Up to this length a text is copied unit by unit, and its length is one byte; a longer one is worth a call. */
const SHORT_TEXT_MAX = 127;
/** Bytes of the longest length prefix of a text (all texts are shorter than 2^21 bytes). */
const TEXT_PREFIX_BYTES_MAX = 3;
const VARINT_BYTES_MAX = 8;

const encoder = new TextEncoder();
const NOTHING: Uint8Array = new Uint8Array(0);
const HEX_VALUES = hexValues();

/** Value of each hex digit by its character code; 255 for what is none. */
function hexValues(): Uint8Array {
  const values = new Uint8Array(128).fill(255);
  for (let n = 0; n < 16; n++) values[n.toString(16).charCodeAt(0)] = n;
  return values;
}

export class Writer {
  #bytes = new Uint8Array(START_BYTES);
  #at = 0;
  #textBytes = 0;
  #tail = NOTHING;
  #type = "";

  /** Starts a new message; forgets what an earlier one left. */
  begin(type: string): void {
    this.#type = type;
    this.#at = 0;
    this.#textBytes = 0;
    this.#tail = NOTHING;
  }

  /** The finished frame, in memory of its own. */
  finish(): Uint8Array {
    const size = this.#at + this.#tail.length;
    if (size > FRAME_BYTES_MAX) this.fail("the frame is too long");
    const frame = new Uint8Array(size);
    frame.set(this.#bytes.subarray(0, this.#at));
    frame.set(this.#tail, this.#at);
    this.#tail = NOTHING;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(START_BYTES);
    return frame;
  }

  fail(problem: string): never {
    throw new ProtocolError(`Cannot write message "${this.#type}": ${problem}`);
  }

  /** Fails if there is a problem. */
  check(problem: string | null): void {
    if (problem !== null) this.fail(problem);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  u32(what: string, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) this.fail(`${what} is out of bounds`);
    this.#reserve(4);
    this.#putU32(value);
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** A whole number from 0 to `max`, seven bits a byte, the lowest first. */
  uint(what: string, value: number, max = Number.MAX_SAFE_INTEGER): void {
    if (!(value >= 0 && value <= max) || !Number.isInteger(value)) this.fail(`${what} is out of bounds`);
    this.#reserve(VARINT_BYTES_MAX);
    this.#putUint(value);
  }

  /** A time in whole milliseconds: a signed 64-bit number, big endian. */
  time(what: string, ms: number): void {
    if (!Number.isInteger(ms) || ms < -MTIME_MS_MAX || ms > MTIME_MS_MAX) {
      this.fail(`${what} is out of bounds`);
    }
    this.#reserve(8);
    const high = Math.floor(ms / 2 ** 32);
    this.#putU32(high);
    this.#putU32(ms - high * 2 ** 32);
  }

  /** A text of up to `max` bytes: its length in bytes, then its UTF-8. Returns the bytes of the UTF-8. */
  text(what: string, value: string, max: number): number {
    if (value.length > max) this.fail(`${what} is longer than ${max} bytes`);
    this.#reserve(TEXT_PREFIX_BYTES_MAX + value.length * 3);
    const length = this.#shortAscii(value) ? value.length : this.#longText(what, value);
    if (length > max) this.fail(`${what} is longer than ${max} bytes`);
    return length;
  }

  /** A text for people; cut to what fits, since it is better short than not sent at all. */
  message(what: string, value: string): void {
    this.text(what, clip(value, MESSAGE_TEXT_BYTES_MAX), MESSAGE_TEXT_BYTES_MAX);
  }

  path(path: SyncPath): void {
    this.countedText("the path", path, PATH_BYTES_MAX);
  }

  /** A text that counts towards the bytes that the paths and targets of one message may have. */
  countedText(what: string, value: string, max: number): void {
    this.#textBytes += this.text(what, value, max);
    if (this.#textBytes > TEXT_BYTES_MAX) this.fail(`its texts are longer than ${TEXT_BYTES_MAX} bytes`);
  }

  /** Lower-case hex digits of `count` bytes, as bytes. */
  hex(what: string, digits: string, count: number): void {
    if (digits.length !== count * 2) this.fail(`${what} does not have ${count} bytes`);
    this.#reserve(count);
    const bytes = this.#bytes;
    let bad = 0;
    for (let i = 0; i < digits.length; i += 2) {
      const high = HEX_VALUES[digits.charCodeAt(i)] ?? 255;
      const low = HEX_VALUES[digits.charCodeAt(i + 1)] ?? 255;
      bad |= high | low;
      bytes[this.#at++] = high << 4 | low;
    }
    if (bad > 15) this.fail(`${what} is not lower-case hex`);
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The last bytes of the frame, which are copied only once. */
  tail(bytes: Uint8Array): void {
    this.#tail = bytes;
  }

  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }

  #putU32(value: number): void {
    const bytes = this.#bytes;
    bytes[this.#at++] = value >>> 24;
    bytes[this.#at++] = value >>> 16;
    bytes[this.#at++] = value >>> 8;
    bytes[this.#at++] = value;
  }

  #putUint(value: number): void {
    const bytes = this.#bytes;
    let rest = value;
    for (; rest > 0x7fffffff; rest = Math.floor(rest / 128)) bytes[this.#at++] = (rest % 128) | 128;
    for (; rest > 127; rest >>>= 7) bytes[this.#at++] = (rest & 127) | 128;
    bytes[this.#at++] = rest;
  }

  /** Writes `value` if it is short and all ASCII. */
  #shortAscii(value: string): boolean {
    const length = value.length;
    if (length > SHORT_TEXT_MAX) return false;
    const bytes = this.#bytes;
    const start = this.#at + 1;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 127) return false;
      bytes[start + i] = unit;
    }
    bytes[this.#at] = length;
    this.#at = start + length;
    return true;
  }

  #longText(what: string, value: string): number {
    if (!value.isWellFormed()) this.fail(`${what} is not well-formed Unicode`);
    const from = this.#at + TEXT_PREFIX_BYTES_MAX;
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(from));
    this.#putUint(written);
    this.#bytes.copyWithin(this.#at, from, from + written);
    this.#at += written;
    return written;
  }
}

/** As much of `text` as fits into `bytesMax` bytes of UTF-8. */
function clip(text: string, bytesMax: number): string {
  const whole = text.toWellFormed();
  if (utf8Length(whole) <= bytesMax) return whole;
  const { read } = encoder.encodeInto(whole, new Uint8Array(bytesMax));
  return whole.slice(0, read);
}
