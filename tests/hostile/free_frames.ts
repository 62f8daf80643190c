/** Frames with every field free: what our own codec would refuse to write. Layouts as in docs/protocol.md. */
import { Buffer } from "node:buffer";

/** Writes fields without asking whether they make sense. */
export class FreeFields {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    return this.raw(Uint8Array.of(value));
  }

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return this.raw(bytes);
  }

  uint(value: number): this {
    const bytes: number[] = [];
    for (let rest = value;; rest = Math.floor(rest / 128)) {
      const more = rest >= 128;
      bytes.push((rest % 128) + (more ? 128 : 0));
      if (!more) return this.raw(Uint8Array.from(bytes));
    }
  }

  time(ms: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(ms));
    return this.raw(bytes);
  }

  text(value: string | Uint8Array): this {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    return this.uint(bytes.length).raw(bytes);
  }

  hex(digits: string): this {
    return this.raw(Uint8Array.fromHex(digits));
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

/** An entry with any kind, size, mode and target. */
export function freeFile(content: string, { size = 5, mode = 0o644 } = {}): Uint8Array {
  return new FreeFields().u8(1).uint(size).time(1000).uint(mode).hex(content).bytes();
}

export function freeDir(mode = 0o755): Uint8Array {
  return new FreeFields().u8(2).uint(mode).bytes();
}

export function freeLink(target: string): Uint8Array {
  return new FreeFields().u8(3).text(target).bytes();
}

export type FreePath = string | Uint8Array;

const SET = 1, SET_FROM = 2, GONE = 3, MOVED = 4;

export const freeNotice = {
  set: (path: FreePath, revision: number, entry: Uint8Array) =>
    new FreeFields().u8(SET).uint(0).uint(revision).text(path).raw(entry).bytes(),
  setFrom: (path: FreePath, from: FreePath, revision: number, entry: Uint8Array) =>
    new FreeFields().u8(SET_FROM).uint(0).uint(revision).text(path).text(from).raw(entry).bytes(),
  gone: (path: FreePath, revision: number) =>
    new FreeFields().u8(GONE).uint(0).uint(revision).text(path).bytes(),
  moved: (from: FreePath, to: FreePath, revision: number) =>
    new FreeFields().u8(MOVED).uint(0).uint(revision).text(from).text(to).bytes(),
};

/** A message "changes" with these notices. */
export function freeChanges(
  id: number,
  notices: readonly Uint8Array[],
  { upTo = 1000, more = false, count = notices.length } = {},
): Uint8Array {
  const fields = new FreeFields().u8(4).u32(id).uint(upTo).u8(more ? 1 : 0).uint(0);
  fields.uint(1).text("mallory").text("lair").uint(count);
  for (const notice of notices) fields.raw(notice);
  return fields.bytes();
}

/** A message of any type with any fields. */
export function freeFrame(type: number, id: number, fields: Uint8Array = new Uint8Array(0)): Uint8Array {
  return new FreeFields().u8(type).u32(id).raw(fields).bytes();
}
