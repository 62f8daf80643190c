/** One line on the terminal that says how far a pass is: what is done, what is left, how fast, for how long still. */
import type { Work } from "../client/engine_status.ts";
import type { EngineEvent } from "../client/events.ts";
import { formatBytes, type Output, plural } from "./_output.ts";
import type { Traffic } from "./_replica.ts";

const PERIOD_MS = 250;
/** The rate is that of about so many periods: steady enough to read, quick enough to be true. */
const PERIODS_AVERAGED = 12;
/** Before this a rate is a guess. */
const PERIODS_MIN = 4;

/** What an {@link Estimate} is told at one moment. */
export interface Moment {
  /** ms */
  readonly at: number;
  readonly traffic: Traffic;
  readonly work: Work;
}

/** Works out rate and time left from what was moved so far. */
export class Estimate {
  #last: Moment | null = null;
  #periods = 0;
  /** Bytes a second. */
  #rate = 0;
  /** Bytes on the wire when a path was finished last: what came after belongs to paths that still wait. */
  #settled = 0;

  get rate(): number {
    return this.#periods < PERIODS_MIN ? 0 : this.#rate;
  }

  /** A path was finished. */
  settle(traffic: Traffic): void {
    this.#settled = traffic.sent + traffic.received;
  }

  /** @returns seconds until everything is done, `null` if nothing can be said */
  note(moment: Moment): number | null {
    const moved = moment.traffic.sent + moment.traffic.received;
    if (this.#last !== null && moment.at > this.#last.at) {
      const before = this.#last.traffic.sent + this.#last.traffic.received;
      const now = (moved - before) * 1000 / (moment.at - this.#last.at);
      const weight = 1 / Math.min(++this.#periods, PERIODS_AVERAGED);
      this.#rate += (now - this.#rate) * weight;
    }
    this.#last = moment;
    const waiting = moment.work.upBytes + moment.work.downBytes;
    const left = Math.max(0, waiting - Math.max(0, moved - this.#settled));
    return this.rate < 1 || waiting === 0 ? null : left / this.rate;
  }
}

export interface Source {
  work(): Work;
  traffic(): Traffic;
}

/** Counts what was done, and shows it while it goes on. */
export class Progress {
  readonly #output: Output;
  readonly #estimate = new Estimate();
  #source: Source | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;
  #up = 0;
  #upBytes = 0;
  #down = 0;
  #downBytes = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows a line, renewed until {@link end}, if there is a terminal. */
  begin(source: Source): void {
    this.#source = source;
    if (this.#output.showsProgress) this.#timer = setInterval(() => this.#show(), PERIOD_MS);
  }

  note(event: EngineEvent): void {
    if (event.type === "uploaded") {
      this.#up++;
      this.#upBytes += event.bytes;
    } else if (event.type === "downloaded") {
      this.#down++;
      this.#downBytes += event.bytes;
    } else return;
    if (this.#timer !== null) this.#estimate.settle(this.#source!.traffic());
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#output.endProgress();
  }

  #show(): void {
    const [work, traffic] = [this.#source!.work(), this.#source!.traffic()];
    const left = this.#estimate.note({ at: performance.now(), traffic, work });
    const done = `${this.#up} up (${formatBytes(this.#upBytes)}), ${this.#down} down (${
      formatBytes(this.#downBytes)
    })`;
    this.#output.progress([done, ...describe(work, this.#estimate.rate, left)].join(", "));
  }
}

/** What is left, how fast it goes and for how long, as far as each is known. */
export function describe(work: Work, rate: number, secondsLeft: number | null): string[] {
  const waiting = work.up + work.down;
  const parts = waiting === 0
    ? []
    : [`${plural(waiting, "path")} left (${formatBytes(work.upBytes + work.downBytes)})`];
  if (rate >= 1) parts.push(`${formatBytes(Math.round(rate))}/s`);
  if (secondsLeft !== null) parts.push(`about ${formatDuration(secondsLeft)}`);
  return parts;
}

/** `0:42`, `12:07`, `3:05:00`. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${String(minutes).padStart(2, "0")}:${rest}`;
}
