/**
 * The gate that every delete of a plan passes. It lets deletes rest until no more come, so that a mass delete is seen
 * as a whole and both halves of a move are seen together; and it holds what is too much to be believed.
 */
import type { Entry } from "../core/entry.ts";
import { GUARD_AT_REST, guardDeletes, type GuardState } from "../core/guard.ts";
import { ancestorsOf, hasAncestorIn, type SyncPath } from "../core/path.ts";
import type { Plan, Step } from "../core/plan.ts";
import type { Clock } from "../system/clock.ts";
import type { EngineEvent } from "./events.ts";
import type { Trees } from "./trees.ts";

type RemoveStep = Plan["remove"][number];
type DownloadStep = Plan["download"][number];

export interface HeldDeletes {
  /** Where the files were deleted. */
  readonly side: "here" | "server";
  readonly deletes: number;
  readonly files: number;
}

/** Deletes pass when no new ones were found for this long, milliseconds. */
export const DELETES_QUIET_MS = 60;
/** The server tells of a mass delete in parts that may lie this far apart, milliseconds. */
const REMOTE_QUIET_MS = 500;
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
  readonly #here = new DeleteRun(DELETES_QUIET_MS);
  readonly #there = new DeleteRun(REMOTE_QUIET_MS);
  #approved = false;
  held: HeldDeletes | null = null;
  /** The next look must cover everything. */
  wantsFullLook = false;

  constructor(parts: DeleteGateParts) {
    this.#parts = parts;
  }

  /** Deletes rest; plan again after {@link DELETES_QUIET_MS}. */
  get resting(): boolean {
    return this.#here.resting || this.#there.resting;
  }

  /** Lets everything pass, once. */
  approve(): void {
    this.#approved = true;
  }

  /** The plan without the deletes that may not pass (yet). `settle`: whether more deletes may still be coming. */
  filter(whole: Plan, settle: boolean): Plan {
    const before = this.held;
    this.held = null;
    if (this.#approved) {
      this.#approved = false;
      this.#here.letPass(this.#lostByPush(whole));
      this.#there.letPass(pathsOf(lossesOf(whole)));
      return whole;
    }
    return this.#filterRemote(this.#filterLocal(whole, settle, before), settle, before);
  }

  #filterLocal(whole: Plan, settle: boolean, before: HeldDeletes | null): Plan {
    const { trees, clock } = this.#parts;
    const deletes = whole.push.filter((step) => step.do === "delete");
    const back = this.#comingBack(whole);
    const verdict = this.#here.judge({
      count: deletes.length + back.size,
      lost: this.#lostByPush(whole),
      files: trees.files,
      now: clock.monotonic(),
      settle,
      restFrom: 1,
      needsLook: true,
    });
    if (verdict === "confirm") this.wantsFullLook = true;
    if (verdict === "held") this.#hold({ side: "here", ...this.#here.extent }, before);
    if (verdict === "pass") return whole;
    const download = whole.download.filter((step) => !back.has(step));
    return { ...whole, download, push: withoutDeletes(whole, deletes) };
  }

  /**
   * Directories that were deleted here and only come back for what is ignored in them on the server. They rest like
   * deletes: perhaps they were renamed, and the other half is still to be seen.
   */
  #comingBack({ download }: Plan): ReadonlySet<Step> {
    const { local, ignored } = this.#parts.trees;
    const back = new Set<Step>();
    if (ignored.size === 0) return back;
    const needed = new Set<SyncPath>();
    for (const step of download.toReversed()) {
      if (step.entry.kind === "dir" && local.get(step.path) === null && !needed.has(step.path)) {
        back.add(step);
      } else for (const dir of ancestorsOf(step.path)) needed.add(dir);
    }
    return back;
  }

  #filterRemote(whole: Plan, settle: boolean, before: HeldDeletes | null): Plan {
    const { trees, clock, guardRemote } = this.#parts;
    if (!guardRemote) return whole;
    const losses = lossesOf(whole);
    const lost = pathsOf(losses);
    const verdict = this.#there.judge({
      count: lost.length,
      lost,
      files: trees.files,
      now: clock.monotonic(),
      settle,
      restFrom: UNCONFIRMED_MAX + 1,
      needsLook: false,
    });
    if (verdict === "held") this.#hold({ side: "server", ...this.#there.extent }, before);
    return verdict === "pass" ? whole : withoutLosses(whole, losses);
  }

  #lostByPush(whole: Plan): SyncPath[] {
    const brought = contentsOf(whole.push);
    return pathsOf(whole.push.filter((step) => {
      const entry = step.do === "delete" ? this.#parts.trees.synced.get(step.path)?.entry : undefined;
      return entry?.kind === "file" && !brought.has(entry.content);
    }));
  }

  #hold(held: HeldDeletes, before: HeldDeletes | null): void {
    this.held = held;
    if (before?.side === held.side && before.deletes === held.deletes) return;
    this.#parts.emit({ type: "held", ...held });
  }
}

/** One side's deletes, as they grow and come to rest. */
class DeleteRun {
  readonly #quietMs: number;
  #guard: GuardState = GUARD_AT_REST;
  #count = 0;
  #since = 0;
  #first = 0;
  #confirmed = false;
  /** What passed and is still to be carried out: planned again, it is not deleted again. */
  #passed: ReadonlySet<SyncPath> = new Set();
  resting = false;
  /** What is held, with what went before in the same run of deletes. */
  extent = { deletes: 0, files: 0 };

  constructor(quietMs: number) {
    this.#quietMs = quietMs;
  }

  /** Begins anew after `lost` was approved; should the connection end before it is done, it stays approved. */
  letPass(lost: readonly SyncPath[]): void {
    this.#guard = GUARD_AT_REST;
    this.#passed = new Set(lost);
    this.#count = 0;
    this.resting = false;
  }

  /**
   * `rest`: wait for more; `confirm`: wait, and look at everything; `held`: too much; `pass`.
   *
   * @param restFrom fewer deletes than this need not rest
   * @param needsLook many deletes are believed only after a look at everything
   */
  judge(
    { count, lost, files, now, settle, restFrom, needsLook }: {
      count: number;
      lost: readonly SyncPath[];
      files: number;
      now: number;
      settle: boolean;
      restFrom: number;
      needsLook: boolean;
    },
  ): "pass" | "rest" | "confirm" | "held" {
    const rest = settle ? this.#rest(count, now, restFrom, needsLook) : "pass";
    this.resting = rest !== "pass";
    if (rest !== "pass") return rest;
    const fresh = lost.filter((path) => !this.#passed.has(path)).length;
    const { held, state, ...extent } = guardDeletes(this.#guard, files, fresh, now);
    this.#guard = state;
    if (held) {
      this.extent = extent;
      return "held";
    }
    this.#passed = new Set(lost);
    return "pass";
  }

  #rest(count: number, now: number, restFrom: number, needsLook: boolean): "pass" | "rest" | "confirm" {
    if (count !== this.#count) {
      if (this.#count === 0) this.#first = now;
      this.#count = count;
      this.#since = now;
      this.#confirmed = false;
    }
    if (count < restFrom) return "pass";
    const quiet = now - this.#since >= this.#quietMs || now - this.#first >= DELETES_WAIT_MS_MAX;
    if (!quiet) return "rest";
    if (!needsLook || this.#confirmed || count <= UNCONFIRMED_MAX) return "pass";
    this.#confirmed = true;
    return "confirm";
  }
}

/** The pushes without deletes, and without files that need the deletes below them first. */
function withoutDeletes(whole: Plan, deletes: readonly Step[]): Plan["push"] {
  const makesRoom = new Set<SyncPath>();
  for (const step of deletes) for (const dir of ancestorsOf(step.path)) makesRoom.add(dir);
  return whole.push.filter((step) =>
    step.do === "upload" && (step.entry.kind === "dir" || !makesRoom.has(step.path))
  );
}

/** The plan without these losses here, without files that need them to make room, and without what needs their result. */
function withoutLosses(whole: Plan, losses: readonly Step[]): Plan {
  const held = new Set<SyncPath>(pathsOf(losses));
  const makesRoom = new Set<SyncPath>();
  for (const path of held) for (const dir of ancestorsOf(path)) makesRoom.add(dir);
  const passes = ({ path }: Step) => !held.has(path) && !hasAncestorIn(path, held);
  const download = whole.download.filter((step) =>
    passes(step) && (step.entry.kind === "dir" || !makesRoom.has(step.path))
  );
  const remove = whole.remove.filter((step) => passes(step) && !makesRoom.has(step.path));
  return { ...whole, download, remove };
}

function pathsOf(steps: readonly Step[]): SyncPath[] {
  return steps.map(({ path }) => path);
}

/**
 * Steps that lose the content of a file here: it is removed, or something else than a file takes its place. What is
 * wanted at another path, where nothing stands, is only moved.
 */
function lossesOf({ download, remove }: Plan): readonly (RemoveStep | DownloadStep)[] {
  const wanted = contentsOf(download.filter(({ replaces }) => replaces === null));
  const isLost = (entry: Entry | null) => entry?.kind === "file" && !wanted.has(entry.content);
  return [
    ...remove.filter(({ entry }) => isLost(entry)),
    ...download.filter(({ entry, replaces }) => entry.kind !== "file" && isLost(replaces)),
  ];
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
