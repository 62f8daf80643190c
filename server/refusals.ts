/**
 * Sign-ins that failed: how long their answer waits, and what the log says of them. Whoever may come in is never held up
 * by those who may not.
 */
import type { Clock } from "../system/clock.ts";

/** Failed sign-ins of the last minute, for the log. */
export interface FailedSignIns {
  /** Where they came from; `null`: several networks, not named one by one. */
  readonly network: string | null;
  readonly count: number;
}

export interface RefusalParts {
  readonly clock: Clock;
  /** At the first failure after a quiet minute, then once a minute for all that came since. */
  readonly onFailed: (failed: FailedSignIns) => void;
}

/** Every refusal waits for this, ms: longer than any way to find out takes, so that the time tells nothing. */
export const REFUSAL_MS = 250;
/** A network may fail so often in a minute, e.g. by a script with an old credential, before its refusals wait longer … */
export const FAILURES_FREE = 10;
/** … namely this, ms: guessing becomes slow, and clients, which wait for 10 s, still hear the answer. */
export const REFUSAL_SLOW_MS = 5_000;
const MINUTE_MS = 60_000;
/** Networks that are told apart; some hundred bytes each. */
const NETWORKS_MAX = 4096;
/** All beyond that. */
const OTHERS = "";
/** Lines for the log in a minute, whatever strangers do. */
const LINES_MAX = 20;

interface Failures {
  /** In this minute. */
  count: number;
  /** Those of them that the log knows of. */
  told: number;
  /** There were some in the minute before too. */
  readonly goesOn: boolean;
}

export class Refusals {
  readonly #parts: RefusalParts;
  readonly #stop = new AbortController();
  #failures = new Map<string, Failures>();
  #lines = 0;
  #count = 0;
  #counting = false;

  constructor(parts: RefusalParts) {
    this.#parts = parts;
  }

  /** All of them so far. */
  get count(): number {
    return this.#count;
  }

  /** Counts a failed sign-in. @returns how long after it was asked for it is to be answered, ms */
  note(network: string): number {
    const failures = this.#of(network);
    failures.count++;
    this.#count++;
    if (failures.count === 1 && !failures.goesOn && this.#lines < LINES_MAX) {
      this.#tell(network, 1);
      failures.told = 1;
    }
    if (!this.#counting) void this.#countMinutes();
    return failures.count > FAILURES_FREE ? REFUSAL_SLOW_MS : REFUSAL_MS;
  }

  /** Tells of what was not told yet, and ends. */
  close(): void {
    this.#stop.abort();
    this.#endMinute();
  }

  #of(network: string): Failures {
    const known = this.#failures.get(network);
    if (known !== undefined) return known;
    if (this.#failures.size >= NETWORKS_MAX && network !== OTHERS) return this.#of(OTHERS);
    const fresh = { count: 0, told: 0, goesOn: network === OTHERS };
    this.#failures.set(network, fresh);
    return fresh;
  }

  /** Until one was quiet. */
  async #countMinutes(): Promise<void> {
    this.#counting = true;
    const { signal } = this.#stop;
    while (this.#failures.size > 0 && !signal.aborted) {
      await this.#parts.clock.sleep(MINUTE_MS, signal);
      if (!signal.aborted) this.#endMinute();
    }
    this.#counting = false;
  }

  #endMinute(): void {
    this.#lines = 0;
    const untold = [...this.#failures].filter(([, { count, told }]) => count > told)
      .sort(([, a], [, b]) => b.count - a.count);
    const named = untold.filter(([network]) => network !== OTHERS).slice(0, LINES_MAX);
    for (const [network, { count }] of named) this.#tell(network, count);
    const all = untold.reduce((sum, [, { count }]) => sum + count, 0);
    const rest = named.reduce((sum, [, { count }]) => sum - count, all);
    if (rest > 0) this.#tell(OTHERS, rest);
    this.#lines = 0;
    const active = [...this.#failures].filter(([, { count }]) => count > 0);
    this.#failures = new Map(active.map(([network]) => [network, { count: 0, told: 0, goesOn: true }]));
  }

  #tell(network: string, count: number): void {
    this.#lines++;
    this.#parts.onFailed({ network: network === OTHERS ? null : network, count });
  }
}
