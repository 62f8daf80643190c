/**
 * What a replica does while its own disk or its state keeps it from going on: says so once, leaves the server in peace,
 * and tries again after longer and longer pauses, or as soon as there is room.
 */
import type { Clock } from "../system/clock.ts";
import { DiskError } from "../system/disk.ts";
import type { Random } from "../system/random.ts";
import { type Room, ROOM_LOOK_MS } from "./room.ts";
import { type State, StateError } from "./state.ts";

/** Why nothing can go on at the moment. */
export interface Stuck {
  readonly reason: string;
  readonly hint: string;
  readonly noSpace: boolean;
}

export interface StandstillParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly state: Pick<State, "write">;
  readonly room: Pick<Room, "left">;
}

/** Between two tries, ms; the first trouble may pass in a moment. */
const PAUSE_MS_FIRST = 1000;
const PAUSE_MS_MAX = 5 * 60_000;

export class Standstill {
  readonly #parts: StandstillParts;
  #stuck: Stuck | null = null;
  #pauseMs = PAUSE_MS_FIRST;
  #leftThen = 0;

  constructor(parts: StandstillParts) {
    this.#parts = parts;
  }

  get stuck(): Stuck | null {
    return this.#stuck;
  }

  /** A try failed. Returns whether that is news. */
  note(error: StateError | DiskError): boolean {
    const isNews = this.#stuck === null;
    const noSpace = error.code === "no_space";
    const hint = error instanceof StateError ? error.hint : noSpace ? "make room on the device" : "";
    this.#stuck = { reason: error.message, hint, noSpace };
    this.#leftThen = this.#parts.room.left();
    return isNews;
  }

  /** Something could be written. What was left of it may fail again, so the pauses stay as they are. */
  pass(): void {
    this.#stuck = null;
  }

  /** Everything could be written. */
  end(): void {
    this.#stuck = null;
    this.#pauseMs = PAUSE_MS_FIRST;
  }

  /** Resolves when another try may help. `onLook` is called each time that this is asked. */
  async wait(signal: AbortSignal, onLook: () => void): Promise<void> {
    const { clock, random } = this.#parts;
    const began = clock.monotonic();
    const pause = this.#pauseMs * (0.5 + random.fraction());
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
    for (let look = Math.min(pause, ROOM_LOOK_MS);; look = Math.min(2 * look, ROOM_LOOK_MS)) {
      await clock.sleep(look, signal);
      if (signal.aborted || this.#mayHelp(clock.monotonic() - began >= pause)) return;
      onLook();
    }
  }

  /** A few bytes may fit where all that has to be written does not: so it is not tried each time that they do. */
  #mayHelp(isTime: boolean): boolean {
    if (this.#stuck?.noSpace !== true) return isTime;
    return (isTime || this.#hasRoom()) && this.#canWrite();
  }

  #hasRoom(): boolean {
    const left = this.#parts.room.left();
    return left > 0 && left > this.#leftThen;
  }

  #canWrite(): boolean {
    try {
      this.#parts.state.write({ binding: {} });
      return true;
    } catch (error) {
      // What is wrong beyond that, the next try says.
      return !(error instanceof StateError && error.code === "no_space");
    }
  }
}
