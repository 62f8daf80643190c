/**
 * Holds the rate of a line: all connections that share a {@link Throttle} together pass no more than its bytes a second.
 * What is held back on reading stays in the sender's hands, by the flow control of TCP.
 */
import type { Clock } from "./clock.ts";
import type { ByteStream } from "./stream_link.ts";

/** A line that rested may pass this much of its rate at once, ms. */
const BURST_MS = 100;
/** Bytes that pass in one go: small enough that a slow line is shared evenly and follows a change of its rate. */
const SLICE_BYTES_MIN = 1024;
const SLICE_BYTES_MAX = 64 * 1024;

export class Throttle {
  readonly #clock: Pick<Clock, "monotonic" | "sleep">;
  #rate: number | null;
  /** When what was let pass so far has passed, ms. */
  #free = 0;

  /** @param rate bytes a second; `null`: no bound */
  constructor(clock: Pick<Clock, "monotonic" | "sleep">, rate: number | null = null) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** Bytes a second; `null`: no bound. */
  get rate(): number | null {
    return this.#rate;
  }

  set rate(rate: number | null) {
    if (rate === this.#rate) return;
    this.#rate = rate;
    this.#free = 0;
  }

  /** How many bytes may be asked for at once. */
  get slice(): number {
    if (this.#rate === null) return Infinity;
    const wanted = this.#rate * BURST_MS / 1000;
    return Math.max(SLICE_BYTES_MIN, Math.min(SLICE_BYTES_MAX, Math.floor(wanted)));
  }

  /** Resolves when `bytes` more may pass; callers come in turn. */
  async take(bytes: number): Promise<void> {
    if (this.#rate === null) return;
    const now = this.#clock.monotonic();
    this.#free = Math.max(this.#free, now - BURST_MS) + bytes * 1000 / this.#rate;
    if (this.#free > now) await this.#clock.sleep(this.#free - now);
  }
}

/** The two directions of a program's line, as this side sees them. */
export interface LineLimits {
  readonly up: Throttle;
  readonly down: Throttle;
}

/** `stream`, with both directions held to `limits`. */
export function throttled(stream: ByteStream, { up, down }: LineLimits): ByteStream {
  return {
    async read(into) {
      const count = await stream.read(into.length > down.slice ? into.subarray(0, down.slice) : into);
      if (count !== null && down.rate !== null) await down.take(count);
      return count;
    },
    async write(bytes) {
      const part = bytes.length > up.slice ? bytes.subarray(0, up.slice) : bytes;
      if (up.rate !== null) await up.take(part.length);
      return await stream.write(part);
    },
    closeWrite: () => stream.closeWrite(),
    close: () => stream.close(),
  };
}
