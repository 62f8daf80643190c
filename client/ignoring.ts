/**
 * Keeps the trees free of what the rules leave out of sync. A path is left out if the rules ignore what stands there,
 * here or on the server; then nothing of it is looked at, sent, fetched or removed, whatever it was before. That way no
 * rule can delete anything.
 */
import { GIT_RULES_NAME, type IgnoreRules, isIgnoredBy, type Levels } from "../core/ignore.ts";
import type { Entry } from "../core/entry.ts";
import { ancestorsOf, isAtOrBelow, nameOf, parentOf, type SyncPath } from "../core/path.ts";
import type { Rename } from "../core/renames.ts";
import type { Clock } from "../system/clock.ts";
import { type DirItem, DiskError, type ReadDisk } from "../system/disk.ts";
import type { LookRequest } from "./look.ts";
import { type IgnoreSettings, RuleFilesOnDisk, type RulesTrouble } from "./rule_files.ts";
import type { Trees } from "./trees.ts";

/** What a change of the rules came to. */
export interface RulesReport {
  /** What changed; empty if nothing was known before (the program was not running). */
  readonly sources: readonly string[];
  /** Paths that are not synced any more, and that are again. */
  readonly stopped: number;
  readonly started: number;
}

/** What is left out may leave out others by its kind, and they others; more depth than this waits for the next look. */
const REVIEWS_MAX = 10;

export class Ignoring {
  readonly files: RuleFilesOnDisk;
  readonly #trees: Trees;
  readonly #disk: ReadDisk;
  /**
   * Paths where something ignored stands here, while what the server holds, or may hold, is of another kind and is not
   * ignored (`out/` ignores a directory and not a file).
   */
  readonly #standing = new Set<SyncPath>();
  /** Rules that could not be read, by their directory: nothing in it may be touched. */
  readonly #troubles = new Map<SyncPath | null, RulesTrouble>();
  /** The last look left something out, because its rules were just being written. */
  #owesFull = false;
  /** Inodes of directories in which the server has rules of git's; made anew in each look that asks. */
  #gitDirs: ReadonlySet<number> | null = null;
  #stopped = 0;
  readonly #started = new Set<SyncPath>();

  constructor(trees: Trees, disk: ReadDisk, clock: Clock, settings: () => IgnoreSettings) {
    this.#trees = trees;
    this.#disk = disk;
    this.files = new RuleFilesOnDisk(disk, clock, settings);
    // It is asked about what the server has.
    trees.ignores = (path, isDir) => this.isIgnored(path, isDir, true);
    trees.isDirGone = (path) => this.#isDirGone(path);
  }

  get rules(): IgnoreRules {
    return this.files.rules;
  }

  /** Whether `path` is left out of sync, if a directory or something else stands there. */
  isIgnored(path: SyncPath, isDir: boolean, onServer = this.isOnServer(path)): boolean {
    return this.#standing.has(path) || this.#isBelowOther(path) ||
      this.rules.isIgnored(path, isDir, onServer);
  }

  /** Whether a file with rules of git's is on the server, or was when its directory still had another name. */
  isOnServer(path: SyncPath): boolean {
    if (!path.endsWith(GIT_RULES_NAME) || nameOf(path) !== GIT_RULES_NAME) return false;
    const { synced, remote, ignored } = this.#trees;
    return synced.has(path) || ignored.has(path) || (remote.get(path)?.entry ?? null) !== null ||
      this.#wasInRenamed(path);
  }

  #wasInRenamed(path: SyncPath): boolean {
    const dir = parentOf(path);
    if (dir === null || !this.#isNewDir(dir)) return false;
    this.#gitDirs ??= this.#findGitDirs();
    return this.#gitDirs.has(this.#trees.local.get(dir)!.stat.ino);
  }

  #findGitDirs(): ReadonlySet<number> {
    const { synced } = this.#trees;
    const inodes = new Set<number>();
    for (const path of synced.keys()) {
      const dir = path.endsWith(`/${GIT_RULES_NAME}`) ? parentOf(path) : null;
      const stat = dir === null ? null : synced.get(dir)?.stat ?? null;
      if (stat !== null) inodes.add(stat.ino);
    }
    return inodes;
  }

  /** Whether a directory is left out, by the rules as they stand on the disk; also before the first look. */
  leavesOutDir(dir: SyncPath): boolean {
    this.files.ensure(dir);
    return this.rules.isIgnored(dir, true);
  }

  /** Whether nothing that happens at `path` can matter. */
  isIdle(path: SyncPath): boolean {
    return !this.#standing.has(path) && !this.#trees.ignored.has(path) && !this.#trees.knows(path) &&
      this.rules.isIgnored(path, false) && this.rules.isIgnored(path, true);
  }

  /** Whether a path above is left out although a directory there would not be. */
  #isBelowOther(path: SyncPath): boolean {
    const { ignored } = this.#trees;
    if (ignored.size === 0 && this.#standing.size === 0) return false;
    for (const dir of ancestorsOf(path)) {
      if (this.#standing.has(dir)) return true;
      const head = ignored.get(dir);
      if (head !== undefined && head.entry.kind !== "dir") return true;
    }
    return false;
  }

  /** A look begins. Returns whether it has to cover everything, because rules changed. */
  begin(request: LookRequest): boolean {
    this.files.begin();
    this.#gitDirs = null;
    for (const path of request.all ? [] : request.paths.keys()) {
      const trouble = this.files.refresh(parentOf(path));
      if (trouble !== null) this.#note(trouble);
      else if (this.#troubles.size > 0) { for (const dir of dirsOf(path)) this.#troubles.delete(dir); }
    }
    const affected = this.files.takeAffectsKnown();
    if (!request.all && !this.#owesFull && !affected) return false;
    this.#owesFull = false;
    this.#troubles.clear();
    this.#trees.holders.clear();
    return true;
  }

  /** The rules for what lies in `dir`, of which `items` is the listing. */
  enter(dir: SyncPath | null, items: readonly DirItem[]): Levels | RulesTrouble {
    const entered = this.files.enter(dir, items);
    if ("trouble" in entered) this.#note(entered);
    else {
      this.#troubles.delete(dir);
      if (dir !== null) this.#trees.holders.delete(dir);
    }
    return entered;
  }

  #note(trouble: RulesTrouble): void {
    this.#troubles.set(parentOf(trouble.path), trouble);
    if (trouble.trouble === "unsteady") this.#owesFull = true;
  }

  /** Whether the rules of `dir` itself cannot be read. */
  isTroubled(dir: string): boolean {
    return this.#troubles.has(dir === "." ? null : dir as SyncPath);
  }

  /** Why nothing can be said of `path`: rules above it cannot be read. What is wrong with a file can be mended in it. */
  troubleOf(path: SyncPath): RulesTrouble | null {
    if (this.#troubles.size === 0) return null;
    for (const dir of dirsOf(path)) {
      const trouble = this.#troubles.get(dir);
      if (trouble === undefined) continue;
      return trouble.trouble === "unusable" && trouble.path === path ? null : trouble;
    }
    return null;
  }

  /** Something was met in a directory that is not ignored. Returns whether it is to be looked at. */
  meet(path: SyncPath, isDir: boolean, levels: Levels): boolean {
    const name = nameOf(path);
    if (isIgnoredBy(levels, path, name, isDir) && !this.#isTracked(path, isDir, levels)) {
      this.#leaveOut(path, !isIgnoredBy(levels, path, name, !isDir));
      return false;
    }
    if (this.#standing.delete(path)) this.#trees.reviewIgnored = true;
    const head = this.#trees.ignored.get(path);
    if (head === undefined) return true;
    if (this.rules.isIgnored(path, head.entry.kind === "dir", true)) {
      this.#hold(path);
      return false;
    }
    this.#takeBack(path);
    return true;
  }

  /** Whether only git's rules ignore a rule file of git's that the server has. */
  #isTracked(path: SyncPath, isDir: boolean, levels: Levels): boolean {
    return !isDir && this.isOnServer(path) && !isIgnoredBy(levels, path, nameOf(path), isDir, true);
  }

  /** The same for a path that was not met in a listing. */
  meetAlone(path: SyncPath, isDir: boolean): boolean {
    return this.meet(path, isDir, this.rules.levels(parentOf(path)));
  }

  #leaveOut(path: SyncPath, isAboutKind: boolean): void {
    const trees = this.#trees;
    this.#hold(path);
    if (isAboutKind && (trees.knows(path) || trees.ignored.has(path))) this.#standing.add(path);
    this.setAside(path);
  }

  #hold(path: SyncPath): void {
    const dir = parentOf(path);
    if (dir !== null) this.#trees.holders.add(dir);
  }

  /** Whether a directory above `path` is left out, and with it all below. */
  isInIgnored(path: SyncPath): boolean {
    const dir = parentOf(path);
    return dir !== null && (this.#isBelowOther(path) || this.isIgnored(dir, true));
  }

  /** Nothing stands at `path`. */
  missing(path: SyncPath): void {
    this.files.forget(path);
    for (const dir of this.#troubles.keys()) {
      if (dir !== null && isAtOrBelow(dir, path)) this.#troubles.delete(dir);
    }
    if (this.#standing.delete(path)) this.#trees.reviewIgnored = true;
  }

  /** The listing of `dir` is complete: what it did not name does not stand there. */
  listed(dir: SyncPath | null, items: readonly DirItem[]): void {
    if (this.#standing.size === 0) return;
    const names = new Set(items.map(({ name }) => name));
    for (const path of this.#standing) {
      if (parentOf(path) === dir && !names.has(nameOf(path))) this.missing(path);
    }
  }

  /** Whatever is known of an ignored path is only remembered from now on. */
  setAside(path: SyncPath): void {
    const trees = this.#trees;
    if (!trees.knows(path)) return;
    // What was only heard of was not synced before.
    if (trees.synced.has(path) || trees.local.has(path)) this.#stopped++;
    trees.setAside(path);
  }

  #takeBack(path: SyncPath): void {
    this.#started.add(path);
    this.#trees.takeBack(path);
  }

  /** Something new here was found: perhaps it was ignored until now. */
  found(path: SyncPath, isDir: boolean): void {
    if (!this.files.hasChanged || this.#trees.synced.has(path)) return;
    if (this.files.wasIgnored(path, isDir)) this.#started.add(path);
  }

  /**
   * What was walked is known: goes by the rules that were met, for every path.
   *
   * @param walkedAll directories that were not met have no rules any more, unless `keep` says so
   * @returns paths that are not ignored any more, and have to be looked at
   */
  review(walkedAll: boolean, keep: (dir: SyncPath) => boolean): readonly SyncPath[] {
    if (walkedAll) {
      this.files.forgetOthers(keep);
      // Whatever they affect was met by the rules as they are.
      this.files.takeAffectsKnown();
    }
    const back: SyncPath[] = [];
    if (!this.files.hasChanged && !this.#trees.reviewIgnored) return back;
    for (let round = 0; round < REVIEWS_MAX; round++) {
      this.#trees.reviewIgnored = false;
      this.#reviewKnown();
      back.push(...this.#reviewIgnored());
      if (!this.#trees.reviewIgnored) break;
    }
    return back;
  }

  #reviewKnown(): void {
    const { synced, local, remote } = this.#trees;
    for (const [path, found] of [...local]) {
      if (found === null) continue;
      const isDir = found.entry.kind === "dir";
      if (!this.isIgnored(path, isDir)) continue;
      if (!this.rules.isIgnored(path, !isDir)) this.#standing.add(path);
      this.setAside(path);
    }
    for (const [path, { entry }] of [...synced]) this.#review(path, entry);
    for (const [path, { entry }] of [...remote]) this.#review(path, entry);
  }

  #review(path: SyncPath, entry: Entry | null): void {
    if (entry !== null && this.isIgnored(path, entry.kind === "dir")) this.setAside(path);
  }

  #reviewIgnored(): SyncPath[] {
    const back: SyncPath[] = [];
    const gone = new Map<SyncPath, boolean>();
    for (const [path, { entry }] of [...this.#trees.ignored]) {
      const trouble = this.files.ensure(path);
      if (trouble !== null) this.#note(trouble);
      if (this.troubleOf(path) !== null || this.isIgnored(path, entry.kind === "dir")) continue;
      if (this.#isDirGone(path, gone)) {
        this.#trees.undecided.add(path);
        continue;
      }
      this.#takeBack(path);
      back.push(path);
    }
    return back;
  }

  /**
   * Whether the directory that held `path`, when both sides agreed on it, does not stand here now. Whether rules that
   * were in it still speak of `path` shows only when it is known whether it was renamed.
   */
  #isDirGone(path: SyncPath, known = new Map<SyncPath, boolean>()): boolean {
    for (const dir of ancestorsOf(path)) {
      if (this.#trees.synced.get(dir)?.entry.kind !== "dir") continue;
      const gone = known.get(dir) ?? this.#isGone(dir);
      known.set(dir, gone);
      return gone;
    }
    return false;
  }

  #isGone(dir: SyncPath): boolean {
    try {
      return this.#disk.stat(dir) === null;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return error.code === "link_in_path";
    }
  }

  /**
   * Directories that are gone and not renamed do not take along what their rules ignored: it is news, like everything
   * else that the server holds and no rule ignores.
   *
   * @param renames those that are still to be carried out
   * @returns whether there was any
   */
  decide(renames: readonly Rename[] = []): boolean {
    const { undecided, ignored } = this.#trees;
    let found = false;
    for (const path of [...undecided]) {
      if (renames.some(({ from }) => isAtOrBelow(path, from))) continue;
      undecided.delete(path);
      const head = ignored.get(path);
      if (head === undefined || this.isIgnored(path, head.entry.kind === "dir")) continue;
      this.#takeBack(path);
      found = true;
    }
    return found;
  }

  /**
   * A new directory that holds only what is ignored is not told to anybody: it is here for its own sake, or is what is
   * left of one that was removed on the server.
   */
  holdBack(): void {
    const { local, holders } = this.#trees;
    // Nearly always there is no new directory at all; holders there may be thousands.
    if (holders.size === 0 || !local.keys().some((path) => this.#isNewDir(path))) return;
    const bare = this.#newHolders();
    if (bare.size === 0) return;
    for (const [path, found] of local) {
      if (found === null || bare.has(path)) continue;
      for (const dir of ancestorsOf(path)) bare.delete(dir);
    }
    const moved = this.#inodesOfGoneDirs();
    for (const dir of [...bare].sort()) {
      // What an agreed directory became is its new name, whatever it holds.
      if (!moved.has(local.get(dir)!.stat.ino)) continue;
      bare.delete(dir);
      for (const up of ancestorsOf(dir)) bare.delete(up);
    }
    for (const dir of bare) local.delete(dir);
  }

  /** New directories here that hold something ignored, at whatever depth. */
  #newHolders(): Set<SyncPath> {
    const found = new Set<SyncPath>();
    for (const holder of this.#trees.holders) {
      for (const dir of [holder, ...ancestorsOf(holder)]) {
        if (found.has(dir) || !this.#isNewDir(dir)) break;
        found.add(dir);
      }
    }
    return found;
  }

  /** Whether a directory stands here that the server does not know. */
  #isNewDir(path: SyncPath): boolean {
    const { local, synced, remote } = this.#trees;
    return local.get(path)?.entry.kind === "dir" && !synced.has(path) && !remote.has(path);
  }

  #inodesOfGoneDirs(): ReadonlySet<number> {
    const { local, synced } = this.#trees;
    const inodes = new Set<number>();
    for (const [path, found] of local) {
      const node = found === null ? synced.get(path) : undefined;
      if (node?.entry.kind === "dir" && node.stat !== null) inodes.add(node.stat.ino);
    }
    return inodes;
  }

  /** What changed since this was asked last; `null`: no rule did, or none that anybody would notice. */
  takeReport(): RulesReport | null {
    if (this.#owesFull) return null;
    const change = this.files.takeChange();
    const report = { stopped: this.#stopped, started: this.#started.size };
    this.#stopped = 0;
    this.#started.clear();
    if (change === null) return null;
    const isFirst = change.before === null;
    if (isFirst && report.stopped + report.started === 0) return null;
    return { sources: isFirst ? [] : change.sources, ...report };
  }
}

/** The directories above `path`, and the root. */
function dirsOf(path: SyncPath): (SyncPath | null)[] {
  return [...ancestorsOf(path), null];
}
