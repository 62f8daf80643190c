/** Reads the fields of a message. Whatever is wrong is a `ProtocolError`; no length is believed before it was checked. */
import { Buffer } from "node:buffer";
import { MTIME_MS_MAX } from "../core/entry.ts";
import { parsePath, PATH_BYTES_MAX, PathError, type SyncPath } from "../core/path.ts";
import { ProtocolError } from "./errors.ts";
import { MESSAGE_TEXT_BYTES_MAX, TEXT_BYTES_MAX } from "./limits.ts";

const VARINT_BYTES_MAX = 8;

// A byte order mark is part of a name like any other character.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #textBytes = 0;
  #subject = "a frame";

  constructor(frame: Uint8Array) {
    this.#bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  }

  /** Names the message, for errors. */
  begin(type: string): void {
    this.#subject = `message "${type}"`;
  }

  /** @throws {ProtocolError} if bytes are left over */
  end(): void {
    if (this.#at !== this.#bytes.length) this.fail("bytes follow its end");
  }

  fail(problem: string): never {
    throw new ProtocolError(`Cannot read ${this.#subject}: ${problem}`);
  }

  /** Fails if there is a problem. */
  check(problem: string | null): void {
    if (problem !== null) this.fail(problem);
  }

  u8(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  u32(): number {
    return this.#i32() >>> 0;
  }

  bool(what: string): boolean {
    const value = this.u8();
    if (value > 1) this.fail(`${what} is neither 0 nor 1`);
    return value === 1;
  }

  /** A whole number from 0 to `max`, seven bits a byte, the lowest first, in its shortest form. */
  uint(what: string, max = Number.MAX_SAFE_INTEGER): number {
    const first = this.u8();
    const value = first < 128 ? first : this.#restOfUint(what, first);
    if (value > max) this.fail(`${what} is out of bounds`);
    return value;
  }

  #restOfUint(what: string, first: number): number {
    let value = first & 127;
    let unit = 128;
    for (let i = 1; i < VARINT_BYTES_MAX; i++) {
      const byte = this.u8();
      // Exact up to 2^53; what is greater only has to come out as greater than the bound.
      value += (byte & 127) * unit;
      if (byte === 0) this.fail(`${what} is not in its shortest form`);
      if (byte < 128) return value;
      unit *= 128;
    }
    return this.fail(`${what} is out of bounds`);
  }

  /** A time in whole milliseconds: a signed 64-bit number, big endian. */
  time(what: string): number {
    const high = this.#i32();
    const ms = high * 2 ** 32 + this.u32();
    if (ms < -MTIME_MS_MAX || ms > MTIME_MS_MAX) this.fail(`${what} is out of bounds`);
    return ms;
  }

  /** A text of up to `max` bytes: its length in bytes, then its UTF-8. */
  text(what: string, max: number): string {
    return this.#decode(what, this.#textLength(what, max));
  }

  /** A text that counts towards the bytes that the paths and targets of one message may have. */
  countedText(what: string, max: number): string {
    const length = this.#textLength(what, max);
    this.#textBytes += length;
    if (this.#textBytes > TEXT_BYTES_MAX) this.fail(`its texts are longer than ${TEXT_BYTES_MAX} bytes`);
    return this.#decode(what, length);
  }

  #textLength(what: string, max: number): number {
    const length = this.uint(what);
    if (length > max) this.fail(`${what} is longer than ${max} bytes`);
    this.#need(length);
    return length;
  }

  #decode(what: string, length: number): string {
    const start = this.#at;
    const end = start + length;
    this.#at = end;
    const bytes = this.#bytes;
    for (let i = start; i < end; i++) if (bytes[i]! > 127) return this.#decodeUtf8(what, start, end);
    return bytes.toString("latin1", start, end);
  }

  #decodeUtf8(what: string, start: number, end: number): string {
    // Twice as fast as the strict decoder, which has to decide only where there is a replacement character.
    const text = this.#bytes.toString("utf8", start, end);
    if (!text.includes("\ufffd")) return text;
    try {
      return decoder.decode(this.#bytes.subarray(start, end));
    } catch (error) {
      if (error instanceof TypeError) return this.fail(`${what} is not valid UTF-8`);
      throw error;
    }
  }

  message(what: string): string {
    return this.text(what, MESSAGE_TEXT_BYTES_MAX);
  }

  path(): SyncPath {
    const raw = this.countedText("the path", PATH_BYTES_MAX);
    try {
      return parsePath(raw);
    } catch (error) {
      if (error instanceof PathError) return this.fail(error.message);
      throw error;
    }
  }

  /** The next `count` bytes as lower-case hex digits. */
  hex(count: number): string {
    this.#need(count);
    const start = this.#at;
    this.#at += count;
    return this.#bytes.subarray(start, this.#at).toHex();
  }

  /** The next `count` bytes: a view on the frame, not a copy. */
  raw(count: number): Uint8Array {
    this.#need(count);
    const start = this.#at;
    this.#at += count;
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, count);
  }

  #need(count: number): void {
    if (count > this.#bytes.length - this.#at) this.fail("it ends too early");
  }

  #i32(): number {
    this.#need(4);
    const b = this.#bytes;
    const at = this.#at;
    this.#at += 4;
    return b[at]! << 24 | b[at + 1]! << 16 | b[at + 2]! << 8 | b[at + 3]!;
  }
}
