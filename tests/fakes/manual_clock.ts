/**
 * A clock that only the test moves. Everything that waits is in one heap, in the order of its time, then of its
 * asking; so a run is decided by its seed and by nothing else.
 *
 * Between two timers all microtasks run to their end. Code under this clock must not wait for anything real.
 */
import { setImmediate } from "node:timers";
import { invariant } from "../../core/invariant.ts";
import type { Clock } from "../../system/clock.ts";

/** So many yields while no timer runs mean that somebody waits, by yielding, for time to pass. */
const YIELDS_MAX = 1_000_000;
/** 2025-01-01, as good as any. */
const START_MS = 1_735_689_600_000;

interface Timer {
  readonly at: number;
  readonly order: number;
  /** `null` once it is cancelled. */
  run: (() => void) | null;
}

export class ManualClock implements Clock {
  #elapsed = 0;
  readonly #start: number;
  readonly #heap: Timer[] = [];
  #asked = 0;
  #waiting = 0;
  #yields = 0;

  /** @param startMs wall clock at the beginning, ms since 1970 */
  constructor(startMs = START_MS) {
    this.#start = startMs;
  }

  /** Whole milliseconds, like the real one. */
  now(): number {
    return Math.floor(this.#start + this.#elapsed);
  }

  monotonic(): number {
    return this.#elapsed;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.schedule(ms, done);
      signal?.addEventListener("abort", done, { once: true });
    });
  }

  async yield(): Promise<void> {
    invariant(++this.#yields < YIELDS_MAX, "code yields for ever while no time passes");
    // As long as any chain of promises that is to be over by then.
    for (let turn = 0; turn < 24; turn++) await Promise.resolve();
  }

  /** Runs `action` in `ms` milliseconds of this clock, unless the returned function is called before. */
  schedule(ms: number, action: () => void): () => void {
    const timer: Timer = { at: this.#elapsed + Math.max(0, ms), order: this.#asked++, run: action };
    push(this.#heap, timer);
    this.#waiting++;
    return () => {
      if (timer.run === null) return;
      timer.run = null;
      this.#waiting--;
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#waiting;
  }

  /** Milliseconds until the next timer, or `null` if none waits. */
  nextIn(): number | null {
    const next = this.#next();
    return next === null ? null : next.at - this.#elapsed;
  }

  /** Lets everything that is ready run, then moves to the next timer and runs it. False if none waits. */
  async runNext(): Promise<boolean> {
    await this.settle();
    const timer = this.#next();
    if (timer === null) return false;
    this.#run(timer);
    await this.settle();
    return true;
  }

  /** Moves time on by `ms`, running every timer on the way at its time. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    await this.settle();
    for (let timer = this.#next(); timer !== null && timer.at <= until; timer = this.#next()) {
      this.#run(timer);
      await this.settle();
    }
    this.#elapsed = until;
  }

  /**
   * Runs timers until `promise` has settled, and passes its outcome on.
   * @throws {Bug} if nothing waits for time any more, or `limitMs` have passed, and it still has not
   */
  async runUntil<T>(promise: Promise<T>, limitMs = Infinity): Promise<T> {
    const until = this.#elapsed + limitMs;
    let settled = false;
    const mark = () => void (settled = true);
    promise.then(mark, mark);
    await this.settle();
    while (!settled) {
      const wait = this.nextIn();
      invariant(wait !== null, "a promise waits for something that no timer will bring");
      invariant(this.#elapsed + wait <= until, `a promise has not settled within ${limitMs} ms`);
      await this.runNext();
    }
    return promise;
  }

  /** Lets everything run that needs no time to pass. */
  settle(): Promise<void> {
    this.#yields = 0;
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** A view of this clock for one machine whose wall clock is wrong by `offsetMs`. */
  skewed(offsetMs: number): SkewedClock {
    return new SkewedClock(this, offsetMs);
  }

  #next(): Timer | null {
    while (this.#heap.length > 0 && this.#heap[0]!.run === null) pop(this.#heap);
    return this.#heap[0] ?? null;
  }

  #run(timer: Timer): void {
    invariant(pop(this.#heap) === timer, "the clock ran a timer out of order");
    this.#elapsed = Math.max(this.#elapsed, timer.at);
    this.#waiting--;
    const action = timer.run;
    timer.run = null;
    action?.();
  }
}

/** A {@link ManualClock} as one machine sees it. */
export class SkewedClock implements Clock {
  /** Added to the true wall clock, ms; change it to make the clock jump. */
  offsetMs: number;
  readonly #base: ManualClock;

  constructor(base: ManualClock, offsetMs: number) {
    this.#base = base;
    this.offsetMs = offsetMs;
  }

  now(): number {
    return this.#base.now() + this.offsetMs;
  }

  monotonic(): number {
    return this.#base.monotonic();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#base.sleep(ms, signal);
  }

  yield(): Promise<void> {
    return this.#base.yield();
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Timer[], timer: Timer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(timer, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): Timer | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (heap.length === 0 || last === undefined) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
