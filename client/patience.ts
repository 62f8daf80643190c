/**
 * Finds out that a server is alive and yet does not answer: pings alone must not keep a request, and whoever waits for
 * it, for ever.
 */
import type { Clock } from "../system/clock.ts";

/** So long nothing may come of any request, ms. Far beyond the slowest disk, or a restore of a whole folder. */
export const ANSWER_MS_MAX = 10 * 60_000;
/** An answer that is still on its way, and moved on by so many bytes, counts: slower than any line. */
const PROGRESS_BYTES_MIN = 64 * 1024;
const LOOK_MS = 30_000;

export interface PatienceParts {
  readonly clock: Clock;
  /** Whether anybody waits for an answer. */
  readonly isWaiting: () => boolean;
  /** Bytes of frames that have not come to their end, in both directions, and of all data that we sent. */
  readonly bytesUnderWay: () => number;
}

export class Patience {
  readonly #parts: PatienceParts;
  #since: number;
  #bytes = 0;

  constructor(parts: PatienceParts) {
    this.#parts = parts;
    this.#since = parts.clock.monotonic();
  }

  /** A request was answered, or went on. */
  noteProgress(): void {
    this.#since = this.#parts.clock.monotonic();
    this.#bytes = this.#parts.bytesUnderWay();
  }

  /** Resolves when there is no more reason to wait, or when `signal` aborts. Returns whether it was the former. */
  async runOut(signal: AbortSignal): Promise<boolean> {
    const { clock, isWaiting, bytesUnderWay } = this.#parts;
    for (;;) {
      await clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return false;
      if (!isWaiting() || bytesUnderWay() - this.#bytes >= PROGRESS_BYTES_MIN) this.noteProgress();
      else if (clock.monotonic() - this.#since >= ANSWER_MS_MAX) return true;
    }
  }
}
