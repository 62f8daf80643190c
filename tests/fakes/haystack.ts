/** All that a client was sent, as one searches it: every frame as it came, and every block in it unpacked. */
import { Buffer } from "node:buffer";
import { unpackBlock } from "../../protocol/block.ts";
import { decode } from "../../protocol/codec.ts";

export class Haystack {
  readonly #bytes: Buffer;

  constructor(frames: readonly Uint8Array[]) {
    const parts: Uint8Array[] = [];
    for (const frame of frames) {
      parts.push(frame);
      const { message } = decode(frame);
      if ("block" in message) parts.push(unpackBlock(message.block));
    }
    this.#bytes = Buffer.concat(parts);
  }

  get length(): number {
    return this.#bytes.length;
  }

  has(needle: string | Uint8Array): boolean {
    return this.#bytes.includes(typeof needle === "string" ? needle : Buffer.from(needle));
  }
}
