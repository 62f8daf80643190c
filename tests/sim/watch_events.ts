/**
 * A watcher as bad as the real ones: hints come late, some not at all. From time to time a look at everything makes up
 * for it, as `watch` promises.
 */
import type { LookRequest } from "../../client/look.ts";
import type { Engine } from "../../client/engine.ts";
import { parsePath, PathError } from "../../core/path.ts";
import type { Clock } from "../../system/clock.ts";
import type { SeededRandom } from "../fakes/seeded_random.ts";
import type { Life } from "./life.ts";
import type { Ports } from "./ports.ts";

/** A look at everything comes after at most this, ms. */
const FULL_LOOK_MS = 30_000;
const LATE_MS_MAX = 60;

export class WatchEvents {
  /** How many hints get lost, 0 to 1. */
  lost = 0;
  /** Changes in the folder so far, by whomever. */
  changes = 0;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #hint: Ports["hint"];
  #target: { life: Life; engine: Engine } | null = null;

  /** @param hint what becomes of a hint on its way */
  constructor(clock: Clock, random: SeededRandom, hint: Ports["hint"]) {
    this.#clock = clock;
    this.#random = random;
    this.#hint = hint;
  }

  /** From here on hints go to this engine. */
  follow(life: Life, engine: Engine): void {
    const target = { life, engine };
    this.#target = target;
    void this.#lookFromTimeToTime(target);
  }

  unfollow(): void {
    this.#target = null;
  }

  async #lookFromTimeToTime(target: { life: Life; engine: Engine }): Promise<void> {
    while (target.life.alive && this.#target === target) {
      await this.#clock.sleep(FULL_LOOK_MS);
      if (this.#target === target) this.lookAtAll();
    }
  }

  /** The look at everything that comes from time to time, now. */
  lookAtAll(): void {
    if (this.#target !== null) this.#give(this.#target, { all: true, paths: new Map() });
  }

  #give(target: { life: Life; engine: Engine }, request: LookRequest): void {
    const hint = this.#hint(request);
    if (hint !== null && target.life.alive) target.engine.dirty(hint);
  }

  note(path: string): void {
    this.changes++;
    const target = this.#target;
    if (target === null || this.#random.chance(this.lost)) return;
    void this.#clock.sleep(this.#random.int(LATE_MS_MAX)).then(() => {
      try {
        this.#give(target, { all: false, paths: new Map([[parsePath(path), "deep" as const]]) });
      } catch (error) {
        if (!(error instanceof PathError)) throw error;
      }
    });
  }
}
