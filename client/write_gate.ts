/**
 * The gate between the plan and the push for what this user may not write. A change here on such a path stays here, is
 * told, and never goes out; nor is a newer version of the server put over it. A delete here is undone by fetching the
 * path again: so deleting one's own version is the way back to the server's.
 *
 * The rules that the server tells leave out those that forbid, so its answer `forbidden` counts like a rule.
 */
import { type Access, Rights, type Rule } from "../core/access.ts";
import { ancestorsOf, comparePaths, hasAncestorIn, isAtOrBelow, type SyncPath } from "../core/path.ts";
import type { Plan, Step } from "../core/plan.ts";
import type { Rename } from "../core/renames.ts";
import type { Clock } from "../system/clock.ts";
import { DELETES_QUIET_MS } from "./delete_gate.ts";
import type { EngineEvent } from "./events.ts";
import type { Trees } from "./trees.ts";

type PushStep = Plan["push"][number];
type UploadStep = Extract<Step, { do: "upload" }>;
type DownloadStep = Extract<Step, { do: "download" }>;

/** Why a change stays here, by what the rules allow. What they allow in full, the server refused. */
const WHY: ReadonlyMap<Access, string> = new Map([
  ["none", "you may neither see nor change this on the server"],
  ["read", "you may only read"],
  ["write", "the server does not let you change this"],
]);

export interface WriteGateParts {
  readonly trees: Trees;
  readonly clock: Clock;
  readonly emit: (event: EngineEvent) => void;
}

export class WriteGate {
  readonly #parts: WriteGateParts;
  #rights = Rights.ALL;
  /** What the server forbade, whatever the rules say. */
  readonly #refused = new Set<SyncPath>();
  #withheld: readonly UploadStep[] = [];
  /** Deletes that are being undone and were told of. */
  #undone: ReadonlySet<SyncPath> = new Set();
  #deletes = 0;
  #since = 0;
  /** Deletes here wait for more of their kind before they are undone; plan again after {@link DELETES_QUIET_MS}. */
  resting = false;

  constructor(parts: WriteGateParts) {
    this.#parts = parts;
  }

  /** A conversation begins, in which these rules hold. */
  begin(rules: readonly Rule[]): void {
    this.#rights = new Rights(rules);
    this.#refused.clear();
  }

  /** Rules of the present conversation, or of the last one. */
  get rules(): readonly Rule[] {
    return this.#rights.rules;
  }

  mayWrite(path: SyncPath): boolean {
    return this.#rights.at(path) === "write" && !this.#refused.has(path);
  }

  mayRename({ from, to }: Rename): boolean {
    return this.#rights.allowsTree(from, "write") && this.#rights.allowsTree(to, "write") &&
      !this.#refused.has(from) && !this.#refused.has(to);
  }

  /** The server did not let `path` be changed. */
  refuse(path: SyncPath): void {
    this.#refused.add(path);
  }

  /** There is news of `path`: what was refused at and below it may be tried again, perhaps its directory is there now. */
  heard(path: SyncPath): void {
    for (const refused of this.#refused) if (isAtOrBelow(refused, path)) this.#refused.delete(refused);
  }

  /** The plan without what may not be pushed. `settle`: whether more deletes may still be coming. */
  filter(whole: Plan, settle: boolean): Plan {
    if (this.#refused.size === 0 && this.#rights.allowsTree(null, "write")) {
      this.#withheld = [];
      this.#undo([], false);
      this.#tellProblems();
      return whole;
    }
    const { allowed, withheld, deletes } = this.#sort(whole.push);
    this.#withheld = withheld;
    this.#tellProblems();
    const undo = this.#undo(deletes, settle);
    const again = withParents(undo, allowed, withheld, (path, base) => this.#headOf(path, base));
    const paths = new Set(again.map(({ path }) => path));
    return {
      ...whole,
      push: allowed.filter((step) => step.do !== "delete" || !paths.has(step.path)),
      download: [...whole.download, ...again].sort((a, b) => comparePaths(a.path, b.path)),
    };
  }

  /** What stays here although the server has nothing there any more. It is unknown to both sides from now on. */
  *orphans(): Generator<{ readonly path: SyncPath; readonly revision: number }> {
    const { trees } = this.#parts;
    for (const { path } of this.#withheld) {
      const head = trees.remote.get(path);
      if (head?.entry === null) yield { path, revision: head.revision };
    }
  }

  #sort(push: Plan["push"]): { allowed: PushStep[]; withheld: UploadStep[]; deletes: PushStep[] } {
    const allowed: PushStep[] = [];
    const withheld: UploadStep[] = [];
    const deletes: PushStep[] = [];
    for (const step of push) {
      if (this.mayWrite(step.path)) allowed.push(step);
      else if (step.do === "upload") withheld.push(step);
      else deletes.push(step);
    }
    if (withheld.length === 0) return { allowed, withheld, deletes };
    // A directory that was only to be kept for what stays here need not be kept on the server.
    const leading = new Set<SyncPath>();
    for (const step of allowed) {
      if (step.do === "upload") { for (const dir of ancestorsOf(step.path)) leading.add(dir); }
    }
    const isKeptOnly = (step: PushStep): step is UploadStep =>
      step.do === "upload" && step.entry.kind === "dir" && !this.#parts.trees.local.has(step.path) &&
      !leading.has(step.path);
    withheld.push(...allowed.filter(isKeptOnly));
    return { allowed: allowed.filter((step) => !isKeptOnly(step)), withheld, deletes };
  }

  /** The deletes to undo now, once no more come. */
  #undo(deletes: readonly PushStep[], settle: boolean): DownloadStep[] {
    const now = this.#parts.clock.monotonic();
    if (deletes.length !== this.#deletes) {
      this.#deletes = deletes.length;
      this.#since = now;
    }
    this.resting = settle && deletes.length > 0 && now - this.#since < DELETES_QUIET_MS;
    if (this.resting) return [];
    const steps = deletes.flatMap(({ path, base }) => this.#headOf(path, base) ?? []);
    for (const { path, entry } of steps) {
      if (entry.kind !== "dir" && !this.#undone.has(path)) this.#parts.emit({ type: "undone", path });
    }
    this.#undone = new Set(steps.map(({ path }) => path));
    return steps;
  }

  /** The download that brings back what the server holds at `path`. */
  #headOf(path: SyncPath, revision: number): DownloadStep | null {
    const entry = this.#parts.trees.remoteEntry(path);
    return entry === null || revision === 0
      ? null
      : { do: "download", path, entry, revision, replaces: null };
  }

  #tellProblems(): void {
    const { trees, emit } = this.#parts;
    // What is only kept for what lies below was not changed here.
    const reasons = new Map(
      this.#withheld.filter(({ path }) => trees.local.has(path))
        .map((step) => [step.path as string, this.#reason(step)]),
    );
    for (const [path, problem] of trees.problems) {
      if (problem.at === "rights" && !reasons.has(path)) trees.problems.delete(path);
    }
    for (const [path, reason] of reasons) {
      if (trees.problems.get(path)?.reason === reason) continue;
      trees.problems.set(path, { path, reason, at: "rights" });
      emit({ type: "problem", path, reason });
    }
  }

  #reason({ path, conflict }: UploadStep): string {
    const why = `but ${WHY.get(this.#rights.at(path))}: ${path}`;
    if (!conflict) return `Changed here, ${why}`;
    return `Changed here and on the server, ${why} (the server's version comes when yours is gone)`;
  }
}

/**
 * `undo` with the directories above that were deleted here too, although this user may: they are needed again. What lies
 * below a file that took a directory's place here waits until that file is gone.
 */
function withParents(
  undo: readonly DownloadStep[],
  allowed: readonly PushStep[],
  withheld: readonly UploadStep[],
  headOf: (path: SyncPath, base: number) => DownloadStep | null,
): readonly DownloadStep[] {
  if (undo.length === 0) return undo;
  const inTheWay = new Set<SyncPath>();
  const deleted = new Map<SyncPath, number>();
  for (const step of [...allowed, ...withheld]) {
    if (step.do === "delete") deleted.set(step.path, step.base);
    else if (step.entry.kind !== "dir") inTheWay.add(step.path);
  }
  const steps = new Map<SyncPath, DownloadStep>();
  for (const step of undo) {
    if (hasAncestorIn(step.path, inTheWay)) continue;
    steps.set(step.path, step);
    for (const dir of ancestorsOf(step.path)) {
      const base = deleted.get(dir);
      const head = base === undefined || steps.has(dir) ? null : headOf(dir, base);
      if (head !== null) steps.set(dir, head);
    }
  }
  return [...steps.values()];
}
