/**
 * One cycle of a replica: look, plan, carry out. The engine decides when; what is to be done is decided here, from the
 * three trees alone, so a cycle that was cut short is simply followed by another.
 */
import type { Entry } from "../core/entry.ts";
import { hasAncestorIn, isAtOrBelow, isBelow, nameOf, parentOf, type SyncPath } from "../core/path.ts";
import { type Plan, plan } from "../core/plan.ts";
import { findRenames, type Placed, type Rename } from "../core/renames.ts";
import type { Remote } from "../protocol/remote.ts";
import type { Clock } from "../system/clock.ts";
import { isTraced, trace } from "../system/trace.ts";
import type { DeleteGate } from "./delete_gate.ts";
import { EarlyPush } from "./early_push.ts";
import type { EngineEvent } from "./events.ts";
import type { Ignoring } from "./ignoring.ts";
import { look, type LookRequest } from "./look.ts";
import { Pull } from "./pull.ts";
import { pullMoves } from "./pull_moves.ts";
import { Push } from "./push.ts";
import { pushRenames } from "./push_renames.ts";
import type { Replica } from "./replica.ts";
import { foreseeRules } from "./rules_ahead.ts";
import { bringRules, nextRules } from "./rules_first.ts";
import type { Transfers } from "./transfers.ts";
import type { Trees } from "./trees.ts";

/** A part of the folder and one direction, for moving single files. */
export interface Scope {
  readonly paths: readonly SyncPath[];
  readonly direction: "up" | "down";
}

export interface CycleParts {
  readonly replica: Replica;
  readonly gate: DeleteGate;
  /** `null`: nothing is ever ignored. */
  readonly ignoring: Ignoring | null;
  readonly clock: Clock;
  readonly onEvent: (event: EngineEvent) => void;
  /** How long a full look took, ms, and how many directories it met. */
  readonly onLooked: (durationMs: number, directories: number) => void;
}

/** With whom a cycle talks. */
export interface CycleWith {
  readonly remote: Remote;
  readonly transfers: Transfers;
  readonly signal: AbortSignal;
}

/** What has to follow. */
export interface CycleEnd {
  /** Answers said that the plan looks different now. */
  readonly again: boolean;
  /** Something was made on what is no longer so; what it is now arrives as news. */
  readonly stale: boolean;
}

/** Bytes of small files that a look keeps for their upload. */
const KEPT_BYTES_MAX = 24 * 1024 * 1024;

export class Cycle {
  /** Only these paths, in one direction. */
  scope: Scope | null = null;
  /** Somebody goes on watching: what rests now can be done later. */
  watching = false;
  /** Wall clock of the last look at everything, ms; 0: never. */
  lastFullLook = 0;
  /** Whether it saw everything. */
  completeLook = false;
  readonly #parts: CycleParts;
  readonly #replica: Replica;
  readonly #ignoring: Ignoring | null;
  readonly #told = new Map<string, string>();

  constructor(parts: CycleParts) {
    this.#parts = parts;
    this.#replica = parts.replica;
    this.#ignoring = parts.ignoring;
  }

  async run(request: LookRequest, { remote, transfers, signal }: CycleWith): Promise<CycleEnd> {
    const push = new Push(this.#replica, remote, transfers);
    await this.look(request, signal, push);
    await push.drain();
    if (signal.aborted) return { again: false, stale: false };
    this.#tellOfRules();
    await this.look({ all: false, paths: originsToCheck(this.#replica.trees) }, signal, push);
    await this.#pushRenames(remote);
    const pull = new Pull(this.#replica, remote, transfers);
    // Rules come first, and some come with their directory.
    if (this.scope === null && await this.#pullMoves(pull)) return { again: true, stale: false };
    const { gate } = this.#parts;
    const todo = gate.filter(this.plan(), this.watching);
    // While deletes rest, the other half of a rename may still be seen.
    const rests = gate.resting || gate.held !== null;
    const isNews = !rests && this.#ignoring?.decide() === true;
    await this.#carryOut(todo, push, pull);
    this.#goByRemovedRules(todo);
    await this.#replica.flush();
    return { again: push.again > 0 || isNews, stale: push.stale > 0 };
  }

  /** Brings the rules of ignore files in step before anything else is done. @returns whether all must be looked at */
  async bringRules({ remote, transfers, signal }: CycleWith): Promise<boolean> {
    if (this.#ignoring === null || this.scope !== null) return false;
    return await bringRules({
      replica: this.#replica,
      ignoring: this.#ignoring,
      look: (request) => this.look(request, signal, null),
      plan: () => this.plan(),
      carryOut: (plan) => {
        const push = new Push(this.#replica, remote, transfers);
        return this.#carryOut(plan, push, new Pull(this.#replica, remote, transfers));
      },
    });
  }

  /** Goes by the rules that {@link bringRules} would bring, and changes nothing. @returns rule files that nobody can foresee */
  async foreseeRules(remote: Remote, signal: AbortSignal): Promise<readonly SyncPath[]> {
    if (this.#ignoring === null) return [];
    const [replica, ignoring] = [this.#replica, this.#ignoring];
    const look = (request: LookRequest) => this.look(request, signal, null);
    return await foreseeRules({ replica, ignoring, look, plan: () => this.plan() }, remote);
  }

  /** Whether the rules for `path` cannot be read at the moment. */
  #isUntrusted(path: SyncPath): boolean {
    return this.#ignoring !== null && this.#ignoring.troubleOf(path) !== null;
  }

  /** Rules that others removed end here at once, and not with the next event or pass. */
  #goByRemovedRules({ remove }: Plan): void {
    const ignoring = this.#ignoring;
    const gone = remove.filter(({ path }) => ignoring?.files.isRuleFile(nameOf(path)));
    for (const { path } of gone) {
      ignoring?.files.refresh(parentOf(path), true);
      this.#replica.lookAgain.set(path, "shallow");
    }
    // Rules that come to light have to come first, too.
    if (gone.length > 0) ignoring?.review(false, () => true);
  }

  #tellOfRules(): void {
    const report = this.#ignoring?.takeReport() ?? null;
    if (report !== null) this.#parts.onEvent({ type: "rules", ...report });
  }

  async look(request: LookRequest, signal: AbortSignal, push: Push | null): Promise<void> {
    trace("look", "begins", { all: request.all, places: request.paths.size });
    if (!request.all && request.paths.size === 0) return;
    const { clock } = this.#parts;
    const started = clock.monotonic();
    if (request.all) this.#replica.blocked.clear();
    const early = push === null ? null : new EarlyPush(this.#replica, push, request);
    const outcome = await look({
      disk: this.#replica.disk,
      trees: this.#replica.trees,
      clock,
      signal,
      isBusy: (path) => this.#replica.busy.has(path),
      keptBytesMax: push === null ? 0 : KEPT_BYTES_MAX,
      chunks: (path) => this.#replica.chunks(path),
      onFound: (path) => {
        this.#replica.blocked.delete(path);
        this.#ignoring?.found(path, this.#replica.trees.local.get(path)?.entry.kind === "dir");
        early?.found(path);
      },
      ignoring: this.#ignoring,
      onSlice: () => early?.send() ?? Promise.resolve(false),
    }, request);
    for (const path of outcome.back) this.#replica.lookAgain.set(path, "deep");
    if (outcome.all) {
      if (!request.all) this.#replica.blocked.clear();
      this.completeLook = outcome.complete;
      this.lastFullLook = clock.now();
      this.#parts.onLooked(clock.monotonic() - started, outcome.directories);
    }
    for (const path of outcome.unsteady) this.#replica.unsteady.set(path, "deep");
    this.#tellProblems();
  }

  /** Tells of each problem that a look met, once. */
  #tellProblems(): void {
    const { problems } = this.#replica.trees;
    for (const key of this.#told.keys()) if (!problems.has(key)) this.#told.delete(key);
    for (const [key, { path, reason, at }] of problems) {
      if (at !== "look" || this.#told.get(key) === reason) continue;
      this.#told.set(key, reason);
      this.#parts.onEvent({ type: "problem", path, reason });
    }
  }

  /** Renames that were found. What they do not take along may be planned then. */
  renames(): Rename[] {
    const renames = this.#findRenames();
    this.#ignoring?.decide(renames);
    return renames;
  }

  #findRenames(): Rename[] {
    const { trees } = this.#replica;
    const gone = new Map<SyncPath, Placed>();
    const created = new Map<SyncPath, Placed>();
    for (const [path, found] of trees.local) {
      const node = trees.synced.get(path);
      if (this.#replica.busy.has(path) || this.#isUntrusted(path)) continue;
      if (found === null && node !== undefined && node.revision > 0) {
        gone.set(path, { entry: node.entry, ino: node.stat?.ino ?? 0 });
      } else if (found !== null && node === undefined) {
        created.set(path, { entry: found.entry, ino: found.stat.ino });
      }
    }
    return findRenames({ gone, created, remoteChanged: trees.remote.keys() })
      .filter((rename) => this.#replica.writes.mayRename(rename));
  }

  /** Renames go first, one round after the other: a rename inside a renamed directory shows only then. */
  async #pushRenames(remote: Remote): Promise<void> {
    if (this.scope !== null) return;
    for (;;) {
      const renames = this.#findRenames();
      if (renames.length === 0) return;
      const done = await pushRenames(this.#replica, remote, renames);
      if (done < renames.length) return;
    }
  }

  /** @returns whether rules are to be brought now that could not be before */
  async #pullMoves(pull: Pull): Promise<boolean> {
    const ignoring = this.#ignoring;
    const any = this.#replica.trees.moves.length > 0;
    const moved = await pullMoves(this.#replica, pull);
    if (!any || ignoring === null) return false;
    this.#goByMovedRules(moved, ignoring);
    await this.#replica.flush();
    return nextRules({ replica: this.#replica, ignoring }).size > 0;
  }

  /** What the server holds in a directory that was renamed here was measured without the rules in it. */
  #goByMovedRules(moved: readonly SyncPath[], ignoring: Ignoring): void {
    const { synced, remote } = this.#replica.trees;
    const open = moved.filter((to) => remote.keys().some((path) => isBelow(path, to)));
    if (open.length === 0) return;
    for (const [path, { entry }] of synced) {
      if (entry.kind === "dir" && open.some((to) => isAtOrBelow(path, to))) {
        ignoring.files.refresh(path, true);
      }
    }
    ignoring.review(false, () => true);
  }

  plan(): Plan {
    const { trees, busy, blocked } = this.#replica;
    const local = new Map<SyncPath, Entry | null>();
    for (const [path, found] of trees.local) local.set(path, found?.entry ?? null);
    const holdsIgnored = (dir: SyncPath) => trees.ignored.hasBelow(dir);
    const all = plan({ synced: trees.synced, local, remote: trees.remote, holdsIgnored });
    const whole = this.#replica.writes.filter(all, this.watching);
    const scope = this.scope;
    const free = (step: { readonly path: SyncPath }) =>
      !busy.has(step.path) && !blocked.has(step.path) && !this.#isUntrusted(step.path) &&
      (scope === null || isInScope(scope, step.path));
    const up = scope?.direction !== "down";
    const down = scope?.direction !== "up";
    const todo = {
      adopt: whole.adopt.filter(free),
      push: up ? whole.push.filter(free) : [],
      download: down ? whole.download.filter(free) : [],
      remove: down ? whole.remove.filter(free) : [],
    };
    if (isTraced("plan")) {
      const counts = Object.entries(todo).map(([name, steps]) => [name, steps.length]);
      trace("plan", "planned", {
        ...Object.fromEntries(counts),
        local: trees.local.size,
        remote: trees.remote.size,
      });
    }
    return todo;
  }

  async #carryOut(todo: Plan, push: Push, pull: Pull): Promise<void> {
    const { trees } = this.#replica;
    for (const { path, revision } of this.#replica.writes.orphans()) {
      trees.agreeGone(path, revision);
      if (!trees.local.has(path)) this.#replica.lookAgain.set(path, "shallow");
    }
    for (const step of todo.adopt) {
      if (step.entry === null) trees.agreeGone(step.path, step.revision);
      else {
        const found = trees.local.get(step.path);
        const node = trees.synced.get(step.path);
        const stat = found ? (found.racy ? null : found.stat) : node?.stat ?? null;
        const chunks = found ? found.chunks : this.#replica.chunks(step.path);
        trees.agree(step.path, step.entry, step.revision, stat, chunks);
      }
      trees.local.delete(step.path);
      this.#replica.clearProblem(step.path);
    }
    const upload = async () => {
      for (const step of todo.push) await push.add(step);
      await push.drain();
    };
    const ends = await Promise.allSettled([upload(), pull.run(todo.download, todo.remove)]);
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}

/**
 * Synced paths whose inode was just met at a new path: if they are gone, it was a rename. The hint for the old place
 * may come later than the one for the new place, and both halves have to be seen together.
 */
function originsToCheck(trees: Trees): Map<SyncPath, "deep"> {
  const inodes = new Set<number>();
  for (const [path, found] of trees.local) {
    if (found !== null && !trees.synced.has(path)) inodes.add(found.stat.ino);
  }
  const origins = new Map<SyncPath, "deep">();
  if (inodes.size === 0) return origins;
  for (const [path, node] of trees.synced) {
    if (node.stat === null || !inodes.has(node.stat.ino) || trees.local.has(path)) continue;
    // Everything below a directory is looked at with it.
    if (!hasAncestorIn(path, origins)) origins.set(path, "deep");
  }
  return origins;
}

/** Whether `path` is in the scope, or a directory that leads to it. */
function isInScope(scope: Scope, path: SyncPath): boolean {
  return scope.paths.some((wanted) => isAtOrBelow(path, wanted) || isBelow(wanted, path));
}
