import type { Clock } from "../system/clock.ts";

export interface PeriodicOptions {
  readonly clock: Clock;
  /** Milliseconds between two rounds; asked again before each. */
  readonly intervalMs: () => number;
  readonly onDue: () => void | Promise<void>;
}

/** Calls again and again, one call at a time. The fallback where events cannot be had, and the net below them. */
export class Periodic {
  readonly #options: PeriodicOptions;
  readonly #done: Promise<void>;
  #alarm = new AbortController();
  #closed = false;

  constructor(options: PeriodicOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  /** The interval has changed: counts anew from the last round. */
  nudge(): void {
    this.#alarm.abort();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#alarm.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { clock, intervalMs, onDue } = this.#options;
    let last = clock.monotonic();
    while (!this.#closed) {
      const wait = last + intervalMs() - clock.monotonic();
      if (wait > 0) {
        this.#alarm = new AbortController();
        await clock.sleep(wait, this.#alarm.signal);
        continue;
      }
      last = clock.monotonic();
      await onDue();
    }
  }
}
