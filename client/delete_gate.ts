/**
 * The gate that every delete of a plan passes. It lets deletes rest until no more come, so that a mass delete is seen
 * as a whole and both halves of a move are seen together; and it holds what is too much to be believed.
 */
import { GUARD_AT_REST, guardDeletes, type GuardState } from "../core/guard.ts";
import { ancestorsOf, type SyncPath } from "../core/path.ts";
import type { Plan, Step } from "../core/plan.ts";
import type { Clock } from "../system/clock.ts";
import type { EngineEvent } from "./events.ts";
import type { Trees } from "./trees.ts";

export interface HeldDeletes {
  /** Where the files were deleted. */
  readonly side: "here" | "server";
  readonly deletes: number;
  readonly files: number;
}

/** Deletes pass when no new ones were found for this long, milliseconds. */
export const DELETES_QUIET_MS = 60;
/** … and after this long in any case. */
const DELETES_WAIT_MS_MAX = 10_000;
/** More deletes than this may be the first part of more: a look at everything has to confirm them. */
const UNCONFIRMED_MAX = 10;

export interface DeleteGateParts {
  readonly trees: Trees;
  readonly clock: Clock;
  readonly emit: (event: EngineEvent) => void;
  /** Whether deletes that come from the server are guarded too. */
  readonly guardRemote: boolean;
}

export class DeleteGate {
  readonly #parts: DeleteGateParts;
  #guard: GuardState = GUARD_AT_REST;
  #approved = false;
  #run = { count: 0, since: 0, first: 0, confirmed: false };
  held: HeldDeletes | null = null;
  /** Deletes rest; plan again after {@link DELETES_QUIET_MS}. */
  resting = false;
  /** The next look must cover everything. */
  wantsFullLook = false;

  constructor(parts: DeleteGateParts) {
    this.#parts = parts;
  }

  /** Lets everything pass, once. */
  approve(): void {
    this.#approved = true;
  }

  /** The plan without the deletes that may not pass (yet). `settle`: whether more deletes may still be coming. */
  filter(whole: Plan, settle: boolean): Plan {
    const approved = this.#approved;
    this.#approved = false;
    if (approved) {
      this.held = null;
      this.resting = false;
      this.#guard = GUARD_AT_REST;
      return whole;
    }
    return this.#guarded(settle ? this.#settled(whole) : whole);
  }

  #settled(whole: Plan): Plan {
    const deletes = whole.push.filter((step) => step.do === "delete");
    this.#noteRun(deletes.length, this.#parts.clock.monotonic());
    if (!this.resting) return whole;
    // A file that takes a directory's place needs the deletes below it first.
    const makesRoom = new Set<SyncPath>();
    for (const step of deletes) for (const dir of ancestorsOf(step.path)) makesRoom.add(dir);
    const push = whole.push.filter((step) =>
      step.do === "upload" && (step.entry.kind === "dir" || !makesRoom.has(step.path))
    );
    return { ...whole, push };
  }

  #noteRun(count: number, now: number): void {
    const before = this.#run;
    if (count !== before.count) {
      this.#run = { count, since: now, first: before.count === 0 ? now : before.first, confirmed: false };
    }
    const run = this.#run;
    const quiet = now - run.since >= DELETES_QUIET_MS || now - run.first >= DELETES_WAIT_MS_MAX;
    const passes = quiet && (run.confirmed || count <= UNCONFIRMED_MAX);
    this.resting = count > 0 && !passes;
    if (this.resting && quiet) {
      run.confirmed = true;
      this.wantsFullLook = true;
    }
  }

  #guarded(whole: Plan): Plan {
    const { trees, clock, guardRemote } = this.#parts;
    const brought = contentsOf(whole.push);
    const here = whole.push.filter((step) => {
      const entry = step.do === "delete" ? trees.synced.get(step.path)?.entry : undefined;
      return entry?.kind === "file" && !brought.has(entry.content);
    }).length;
    // What is wanted at another path is moved, not lost.
    const wanted = contentsOf(whole.download);
    const there =
      whole.remove.filter(({ entry }) => entry.kind === "file" && !wanted.has(entry.content)).length;
    const before = this.held;
    this.held = null;
    const up = guardDeletes(this.#guard, trees.files, here, clock.monotonic());
    if (up.held) this.#hold({ side: "here", deletes: here, files: trees.files }, before);
    else this.#guard = up.state;
    const down = guardRemote && guardDeletes(GUARD_AT_REST, trees.files, there, clock.monotonic()).held;
    if (down) this.#hold({ side: "server", deletes: there, files: trees.files }, before);
    return {
      ...whole,
      push: up.held ? whole.push.filter((step) => step.do !== "delete") : whole.push,
      remove: down ? [] : whole.remove,
    };
  }

  #hold(held: HeldDeletes, before: HeldDeletes | null): void {
    this.held = held;
    if (before?.side === held.side && before.deletes === held.deletes) return;
    this.#parts.emit({ type: "held", ...held });
  }
}

/** Contents that the steps bring to some path. */
function contentsOf(steps: readonly Step[]): Set<string> {
  const contents = new Set<string>();
  for (const step of steps) {
    if ((step.do === "upload" || step.do === "download") && step.entry.kind === "file") {
      contents.add(step.entry.content);
    }
  }
  return contents;
}
