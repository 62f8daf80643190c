/**
 * Looks at the folder and reports what differs from the synced tree. A look may cover everything or a few paths;
 * it works in slices so that the event loop stays responsive, and it never changes anything.
 */
import type { Levels } from "../core/ignore.ts";
import { ancestorsOf, joinPath, parentOf, type SyncPath } from "../core/path.ts";
import { DiskError, sameStat, type Stat } from "../system/disk.ts";
import type { Ignoring } from "./ignoring.ts";
import { PathReader, type Reading, type ReadSource, UNSTEADY } from "./path_reader.ts";
import type { RulesTrouble } from "./rule_files.ts";
import { nameProblemKey } from "./trees.ts";

/** Where to look: everything, or single paths; `deep` includes all below. */
export interface LookRequest {
  readonly all: boolean;
  readonly paths: ReadonlyMap<SyncPath, "shallow" | "deep">;
}

export interface LookContext extends ReadSource {
  readonly signal: AbortSignal;
  /** Paths that are being transferred right now and are left alone. */
  readonly isBusy: (path: SyncPath) => boolean;
  /** Called for each change that was found. */
  readonly onFound: (path: SyncPath) => void;
  /** Called between slices; resolves when the look may go on, with whether the kept bytes were taken. */
  readonly onSlice: () => Promise<boolean>;
  /** What the rules leave out; absent: nothing. */
  readonly ignoring?: Ignoring | null;
}

export interface LookOutcome {
  /** Paths that changed while they were read; look again soon. */
  readonly unsteady: ReadonlySet<SyncPath>;
  /** The whole tree was walked, and every directory in it could be listed. */
  readonly complete: boolean;
  /** Everything was looked at, perhaps because rules had changed. */
  readonly all: boolean;
  readonly directories: number;
  /** Paths that are not ignored any more, and were not looked at. */
  readonly back: readonly SyncPath[];
}

interface Directory {
  /** `null`: the root. */
  readonly path: SyncPath | null;
  readonly stat: Stat | null;
}

/** Work between two slices, milliseconds. */
const SLICE_MS = 8;

const NO_LEVELS: Levels = [];

let generation = 0;

/** Looks, and notes every finding in `context.trees`. */
export async function look(context: LookContext, request: LookRequest): Promise<LookOutcome> {
  return await new Look(context).run(request);
}

class Look {
  readonly #context: LookContext;
  readonly #generation = ++generation;
  readonly #unsteady = new Set<SyncPath>();
  /** Directories that were walked: what is known below and was not met is gone. */
  readonly #walked = new Set<SyncPath>();
  /** Directories that could not be listed: nothing is known about what lies below. */
  readonly #unlisted = new Set<SyncPath>();
  readonly #reported = new Set<string>();
  #rootUnlisted = false;
  #sliceStart: number;
  #directories = 0;
  readonly #reader: PathReader;
  readonly #ignoring: Ignoring | null;

  constructor(context: LookContext) {
    this.#context = context;
    this.#ignoring = context.ignoring ?? null;
    this.#sliceStart = context.clock.monotonic();
    this.#reader = new PathReader(context, this.#generation);
  }

  async run(request: LookRequest): Promise<LookOutcome> {
    const all = this.#ignoring === null ? request.all : this.#ignoring.begin(request);
    if (all) await this.#walk(null, null);
    else for (const [path, depth] of request.paths) await this.#lookAt(path, depth === "deep");
    const walkedAll = all && !this.#rootUnlisted;
    const back = this.#ignoring?.review(walkedAll, (dir) => this.#isProtected(dir)) ?? [];
    if (walkedAll) await this.#sweep(this.#context.trees.synced.keys());
    else if (!all) await this.#sweep(this.#context.trees.syncedAtOrBelow(this.#walked));
    this.#sweepLocal(all);
    this.#ignoring?.holdBack();
    return {
      unsteady: this.#unsteady,
      complete: walkedAll && this.#unlisted.size === 0,
      all,
      directories: this.#directories,
      back: all ? [] : back,
    };
  }

  async #lookAt(path: SyncPath, deep: boolean): Promise<void> {
    await this.#slice();
    const trouble = this.#ignoring?.troubleOf(path) ?? null;
    if (trouble !== null) return this.#untrusted(path, trouble);
    if (this.#ignoring?.isInIgnored(path)) return this.#ignoring.setAside(path);
    await this.#meetParents(path);
    const stat = this.#stat(path);
    if (stat === undefined) return;
    if (stat === null) {
      this.#walked.add(path);
      this.#ignoring?.missing(path);
      return;
    }
    if (this.#ignoring?.meetAlone(path, stat.kind === "dir") === false) return;
    const { trees } = this.#context;
    const before = trees.localEntry(path);
    await this.#examine(path, stat);
    if (stat.kind === "dir" && (deep || before?.kind !== "dir")) await this.#walk(path, stat);
    else if (stat.kind !== "dir" && before?.kind === "dir") this.#walked.add(path);
  }

  /** By unknown rules nothing can be said of what lies at `path`, or in it. */
  #untrusted(path: SyncPath, { trouble, path: rules, reason }: RulesTrouble): void {
    this.#protect(path);
    if (trouble === "unsteady") this.#unsteady.add(rules);
    else this.#problem(parentOf(rules) ?? ".", `Cannot go by the rules in "${rules}": ${reason}`);
  }

  /** Rules that cannot be used are a file like any other: somebody may mend it elsewhere. */
  async #examineAlone(path: SyncPath): Promise<void> {
    const stat = this.#ignoring?.troubleOf(path) === null ? this.#stat(path) : null;
    if (stat) await this.#examine(path, stat);
  }

  /** The hint that told of a new directory may be lost while one of what it holds arrives. */
  async #meetParents(path: SyncPath): Promise<void> {
    const { trees } = this.#context;
    const unknown = [...ancestorsOf(path)].filter((dir) => trees.localEntry(dir)?.kind !== "dir");
    for (const dir of unknown.reverse()) {
      const stat = this.#stat(dir);
      if (stat?.kind !== "dir") return;
      await this.#examine(dir, stat);
    }
  }

  /** `undefined`: cannot tell. */
  #stat(path: SyncPath): Stat | null | undefined {
    try {
      return this.#context.disk.stat(path);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // Behind a link there is nothing of ours.
      if (error.code === "link_in_path") return null;
      this.#problem(path, error.message);
      this.#protect(path);
      return undefined;
    }
  }

  /** @param at what stands at `from`, `null` for the root */
  async #walk(from: SyncPath | null, at: Stat | null): Promise<void> {
    const stack: Directory[] = [{ path: from, stat: at }];
    while (stack.length > 0) {
      if (this.#context.signal.aborted) {
        this.#protectAll();
        return;
      }
      for (const below of await this.#walkDir(stack.pop()!)) stack.push(below);
    }
    if (from !== null) this.#walked.add(from);
  }

  async #walkDir({ path: dir, stat }: Directory): Promise<Directory[]> {
    let items;
    try {
      items = this.#context.disk.list(dir);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (dir !== null && (error.code === "not_found" || error.code === "not_a_directory")) return [];
      if (dir === null) this.#rootUnlisted = true;
      else this.#unlisted.add(dir);
      this.#problem(dir ?? ".", error.message);
      return [];
    }
    const levels = this.#ignoring?.enter(dir, items) ?? NO_LEVELS;
    if ("trouble" in levels) {
      if (dir === null) this.#rootUnlisted = true;
      await this.#examineAlone(levels.path);
      this.#untrusted(dir ?? levels.path, levels);
      return [];
    }
    this.#directories++;
    if (dir !== null) this.#clearProblem(dir);
    const below: Directory[] = [];
    const readings: [SyncPath, Reading][] = [];
    for (const item of items) {
      if ("problem" in item) {
        this.#unsyncable(dir, item.name, item.problem);
        continue;
      }
      let path: SyncPath;
      try {
        path = joinPath(dir, item.name);
      } catch (error) {
        this.#unsyncable(dir, item.name, (error as Error).message);
        continue;
      }
      if (this.#ignoring?.meet(path, item.stat.kind === "dir", levels) === false) continue;
      const reading = await this.#read(path, item.stat);
      if (reading !== null) readings.push([path, reading]);
      if (item.stat.kind === "dir") below.push({ path, stat: item.stat });
    }
    // What was made in it after it had been moved away does not belong here.
    if (dir !== null && readings.length > 0 && !this.#context.disk.isStill(dir, stat!)) {
      this.#unsteady.add(dir);
      return [];
    }
    for (const [path, reading] of readings) this.#note(path, reading);
    this.#ignoring?.listed(dir, items);
    await this.#slice();
    return below;
  }

  async #examine(path: SyncPath, stat: Stat): Promise<void> {
    const reading = await this.#read(path, stat);
    if (reading === null) return;
    const moved = "found" in reading && !this.#context.disk.isStill(path, reading.found.stat);
    this.#note(path, moved ? UNSTEADY : reading);
  }

  /** `null`: it is as it was, or must be left alone. */
  async #read(path: SyncPath, stat: Stat): Promise<Reading | null> {
    const { trees } = this.#context;
    const node = trees.synced.get(path);
    if (node !== undefined) node.seen = this.#generation;
    const noted = trees.local.get(path);
    if (noted) noted.seen = this.#generation;
    if (this.#context.isBusy(path)) return null;
    if (noted === undefined && node !== undefined && node.stat !== null && sameStat(node.stat, stat)) {
      this.#clearProblem(path);
      return null;
    }
    if (noted && !noted.racy && sameStat(noted.stat, stat)) return null;
    try {
      return await this.#reader.read(path, stat, node);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return failure(error);
    }
  }

  #note(path: SyncPath, reading: Reading): void {
    if ("problem" in reading) return this.#problem(path, reading.problem);
    if ("unsteady" in reading) return void this.#unsteady.add(path);
    this.#clearProblem(path);
    const { trees, onFound } = this.#context;
    if (trees.noteFound(path, reading.found)) onFound(path);
  }

  /** What is known, lies below a walked directory and was not met, is gone. */
  async #sweep(known: Iterable<SyncPath>): Promise<void> {
    const { trees } = this.#context;
    const missing: SyncPath[] = [];
    for (const path of known) {
      if (trees.synced.get(path)?.seen !== this.#generation && trees.local.get(path) !== null) {
        missing.push(path);
      }
    }
    for (const path of missing) {
      await this.#slice();
      if (this.#isLeftOut(path) || this.#isProtected(path) || this.#context.isBusy(path)) continue;
      const stat = this.#stat(path);
      if (stat === null) trees.noteGone(path);
      // It came back, or was moved here, while the walk was elsewhere.
      else if (stat !== undefined) await this.#examine(path, stat);
    }
  }

  /** A rule may have come while the walk was elsewhere; what it ignores is not gone. */
  #isLeftOut(path: SyncPath): boolean {
    const ignoring = this.#ignoring;
    const entry = this.#context.trees.synced.get(path)?.entry ?? this.#context.trees.localEntry(path);
    if (ignoring === null || entry === null || !ignoring.isIgnored(path, entry.kind === "dir")) return false;
    ignoring.setAside(path);
    return true;
  }

  /** What was noted as new or changed and is no more. */
  #sweepLocal(all: boolean): void {
    const { trees } = this.#context;
    for (const [path, found] of [...trees.local]) {
      if (found === null || found.seen === this.#generation || this.#isProtected(path)) continue;
      if (!all && !this.#isBelowWalked(path)) continue;
      if (this.#context.isBusy(path) || this.#isLeftOut(path)) continue;
      if (this.#stat(path) === null) trees.noteGone(path);
    }
    this.#sweepProblems(all);
  }

  /** Problems of paths that are no longer there, or were read this time. */
  #sweepProblems(all: boolean): void {
    const { trees } = this.#context;
    for (const [key, problem] of [...trees.problems]) {
      if (problem.at === "look" && all && !this.#reported.has(key)) trees.problems.delete(key);
    }
  }

  #isBelowWalked(path: SyncPath): boolean {
    if (this.#walked.has(path)) return true;
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      if (this.#walked.has(path.slice(0, slash) as SyncPath)) return true;
    }
    return false;
  }

  #isProtected(path: SyncPath): boolean {
    if (this.#rootUnlisted) return true;
    if (this.#unlisted.size === 0) return false;
    for (let slash = path.length; slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      if (this.#unlisted.has(path.slice(0, slash) as SyncPath)) return true;
    }
    return false;
  }

  #protect(path: SyncPath): void {
    this.#unlisted.add(path);
  }

  #protectAll(): void {
    this.#rootUnlisted = true;
  }

  #unsyncable(dir: SyncPath | null, name: string, reason: string): void {
    const path = dir === null ? name : `${dir}/${name}`;
    this.#problem(path, `Cannot sync "${path}": ${reason}`, nameProblemKey(path));
  }

  #problem(path: string, reason: string, key = path): void {
    this.#reported.add(key);
    this.#context.trees.problems.set(key, { path, reason, at: "look" });
  }

  #clearProblem(path: SyncPath): void {
    const { problems } = this.#context.trees;
    if (problems.size === 0 || problems.get(path)?.at !== "look") return;
    if (!this.#ignoring?.isTroubled(path)) problems.delete(path);
  }

  async #slice(): Promise<void> {
    const { clock } = this.#context;
    if (clock.monotonic() - this.#sliceStart < SLICE_MS) return;
    await clock.yield();
    if (await this.#context.onSlice()) this.#reader.forgetKept();
    this.#sliceStart = clock.monotonic();
  }
}

function failure({ code, message }: DiskError): Reading {
  // It vanished between the listing and now: the next look will see that.
  const vanished = code === "not_found" || code === "not_a_file" || code === "link_in_path";
  return vanished ? UNSTEADY : { problem: message };
}
