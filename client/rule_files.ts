/**
 * The ignore files of a folder, as they stand on its disk. Each is read anew when its stat says so, in the look that
 * uses it; a rule file that is being written, or cannot be read, makes its directory one of which nothing is known:
 * without its rules more would be sent than anybody wants.
 */
import { builtinRules } from "../core/builtin_ignores.ts";
import { GIT_RULES_NAME, IgnoreRules, type Levels, RULES_NAME, type RuleSources } from "../core/ignore.ts";
import { countRules, RULES_BYTES_MAX, RULES_MAX, RuleSet } from "../core/ignore_rules.ts";
import { ancestorsOf, joinPath, type SyncPath } from "../core/path.ts";
import type { Clock } from "../system/clock.ts";
import { type DirItem, DiskError, type ReadDisk, sameStat, type Stat } from "../system/disk.ts";

/** What this device adds to the rules that are shared. */
export interface IgnoreSettings {
  /** Rules of this device alone, as the text of an ignore file. */
  readonly excludes: string;
  /** Where they stand, for a person. */
  readonly excludesSource: string;
  readonly builtin: boolean;
  /** Whether `.gitignore` files count too. */
  readonly git: boolean;
}

/** Why a directory cannot be looked at: `unsteady` passes by itself. */
export interface RulesTrouble {
  readonly trouble: "unsteady" | "unusable";
  /** The ignore file. */
  readonly path: SyncPath;
  readonly reason: string;
}

/** A directory (`null`: the root) whose rules differ from before. */
export interface RulesChange {
  /** Files, and other sources, that changed. */
  readonly sources: readonly string[];
  /** The rules before; `null`: none were known. */
  readonly before: IgnoreRules | null;
}

/** A file that changed so lately may be in the middle of being written, ms. */
const YOUNG_MS = 50;

interface Loaded {
  readonly stat: Stat;
  readonly text: string;
}

type Dir = SyncPath | null;

export class RuleFilesOnDisk {
  readonly #disk: ReadDisk;
  readonly #clock: Clock;
  readonly #settings: () => IgnoreSettings;
  #current: IgnoreSettings | null = null;
  #excludes: RuleSet | null = null;
  readonly #shared = new Map<Dir, RuleSet>();
  readonly #git = new Map<Dir, RuleSet>();
  readonly #loaded = new Map<SyncPath, Loaded>();
  /** What rule files will say, whatever stands on the disk now; `null`: there will be none. */
  readonly #foreseen = new Map<SyncPath, string | null>();
  /** Directories whose rules are known, with the last look that entered them. */
  readonly #known = new Map<Dir, number>();
  #generation = 0;
  readonly rules = new IgnoreRules({ excludes: null, shared: this.#shared, git: this.#git, builtin: null });
  #changed: { sources: Set<string>; before: IgnoreRules | null } | null = null;
  #isFirst = true;
  #affectsKnown = false;

  constructor(disk: ReadDisk, clock: Clock, settings: () => IgnoreSettings) {
    this.#disk = disk;
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Begins a look: what a directory says from now on is news. */
  begin(): void {
    this.#generation++;
    this.#readSettings();
  }

  /** Whether `name` is that of a file with rules. */
  isRuleFile(name: string): boolean {
    if (this.#current === null) this.#readSettings();
    return name === RULES_NAME || (name === GIT_RULES_NAME && this.#current?.git === true);
  }

  /** The rules for what lies in `dir`, of which `items` is the listing. */
  enter(dir: Dir, items: readonly DirItem[]): Levels | RulesTrouble {
    let shared: Stat | null = null;
    let git: Stat | null = null;
    for (const item of items) {
      if ("problem" in item) continue;
      if (item.name === RULES_NAME) shared = item.stat;
      else if (item.name === GIT_RULES_NAME) git = item.stat;
    }
    return this.#take(dir, shared, git, false) ?? this.rules.levels(dir);
  }

  /**
   * Reads the rules of `dir` and of all directories above, where that was not done in this look.
   *
   * @param settled the files were put there whole
   */
  refresh(dir: Dir, settled = false): RulesTrouble | null {
    const dirs: Dir[] = dir === null ? [null] : [null, ...[...ancestorsOf(dir)].reverse(), dir];
    for (const up of dirs) {
      if (!settled && this.#known.get(up) === this.#generation) continue;
      const trouble = this.#refreshOne(up, settled);
      if (trouble !== null) return trouble;
    }
    return null;
  }

  /** Reads the rules of the directories above `path` that no look has read yet. */
  ensure(path: SyncPath): RulesTrouble | null {
    if (this.#current === null) this.#readSettings();
    for (const dir of [...ancestorsOf(path), null]) {
      const trouble = this.#known.has(dir) ? null : this.#refreshOne(dir, false);
      if (trouble !== null) return trouble;
    }
    return null;
  }

  #refreshOne(dir: Dir, settled: boolean): RulesTrouble | null {
    let shared: Stat | null = null;
    let git: Stat | null = null;
    try {
      shared = this.#disk.stat(joinPath(dir, RULES_NAME));
      if (this.#current?.git === true) git = this.#disk.stat(joinPath(dir, GIT_RULES_NAME));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // Behind a link, or where nobody may look, is nothing of ours; the look itself says so.
      return null;
    }
    return this.#take(dir, shared, git, settled);
  }

  #take(dir: Dir, shared: Stat | null, git: Stat | null, settled: boolean): RulesTrouble | null {
    const trouble = this.#takeFile(dir, RULES_NAME, shared, this.#shared, settled) ??
      this.#takeFile(dir, GIT_RULES_NAME, this.#current?.git === true ? git : null, this.#git, settled);
    if (trouble === null) this.#known.set(dir, this.#generation);
    return trouble;
  }

  #takeFile(
    dir: Dir,
    name: string,
    stat: Stat | null,
    sets: Map<Dir, RuleSet>,
    settled: boolean,
  ): RulesTrouble | null {
    if (stat?.kind !== "file" && !sets.has(dir) && this.#foreseen.size === 0) return null;
    const path = joinPath(dir, name);
    const foreseen = this.#foreseen.get(path);
    if (foreseen !== undefined) return this.#takeForeseen(dir, path, foreseen, sets);
    if (stat?.kind !== "file") {
      if (sets.has(dir)) this.#drop(dir, path, sets);
      return null;
    }
    const before = this.#loaded.get(path);
    if (before !== undefined && sameStat(before.stat, stat)) return null;
    if (!settled && this.#isYoung(stat)) {
      return { trouble: "unsteady", path, reason: `"${path}" is just being written` };
    }
    const text = this.#read(path);
    if (typeof text !== "string") return text;
    this.#loaded.set(path, { stat, text });
    if (before?.text === text) return null;
    this.#noteFile(dir, path);
    sets.set(dir, new RuleSet(path, text, dir, sets === this.#git));
    this.rules.change(this.#sources(), dir);
    return null;
  }

  /** From now on goes by `text` for the rule file `path`; `null`: as if it were not there. For those who only preview. */
  foresee(path: SyncPath, text: string | null): void {
    this.#foreseen.set(path, text);
  }

  #takeForeseen(dir: Dir, path: SyncPath, text: string | null, sets: Map<Dir, RuleSet>): RulesTrouble | null {
    const known = sets.get(dir);
    if (text === null) {
      if (known !== undefined) this.#drop(dir, path, sets);
      return null;
    }
    const source = `${path} (the server's, not here yet)`;
    if (countRules(text) > RULES_MAX) return tooManyRules(path);
    // Nobody foresees the same file twice.
    if (known?.source === source) return null;
    this.#noteFile(dir, path);
    sets.set(dir, new RuleSet(source, text, dir, sets === this.#git));
    this.rules.change(this.#sources(), dir);
    return null;
  }

  #isYoung(stat: Stat): boolean {
    return Math.abs(this.#clock.now() - stat.ctimeUs / 1000) < YOUNG_MS;
  }

  #read(path: SyncPath): string | RulesTrouble {
    const unusable = (reason: string): RulesTrouble => ({ trouble: "unusable", path, reason });
    try {
      const handle = this.#disk.open(path);
      try {
        const bytes = new Uint8Array(RULES_BYTES_MAX + 1);
        const before = handle.stat();
        let size = 0;
        for (let n = -1; n !== 0 && size < bytes.length; size += n) {
          n = handle.read(bytes.subarray(size), size);
        }
        if (size > RULES_BYTES_MAX) return unusable(`it is larger than ${RULES_BYTES_MAX / 1024} KiB`);
        if (!sameStat(before, handle.stat()) || before.size !== size) {
          return { trouble: "unsteady", path, reason: `"${path}" changed while it was read` };
        }
        const text = new TextDecoder().decode(bytes.subarray(0, size));
        return countRules(text) > RULES_MAX ? tooManyRules(path) : text;
      } finally {
        handle.close();
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (error.code === "not_found" || error.code === "not_a_file") {
        return { trouble: "unsteady", path, reason: error.message };
      }
      return unusable(error.message.slice(error.message.indexOf('": ') + 3));
    }
  }

  #drop(dir: Dir, path: SyncPath, sets: Map<Dir, RuleSet>): void {
    this.#noteFile(dir, path);
    this.#loaded.delete(path);
    sets.delete(dir);
    this.rules.change(this.#sources(), dir);
  }

  /** `dir` and all below it are gone, and their rules with them. */
  forget(dir: SyncPath): void {
    this.#forgetWhere((known) => known === dir || known.startsWith(`${dir}/`));
  }

  /** After a look at everything: directories that it did not enter have no rules any more, unless `keep` says so. */
  forgetOthers(keep: (dir: SyncPath) => boolean): void {
    this.#forgetWhere((dir) => this.#known.get(dir) !== this.#generation && !keep(dir));
  }

  #forgetWhere(gone: (dir: SyncPath) => boolean): void {
    for (const [name, sets] of [[RULES_NAME, this.#shared], [GIT_RULES_NAME, this.#git]] as const) {
      for (const dir of [...sets.keys()]) {
        if (dir === null || !gone(dir) || this.#foreseen.has(joinPath(dir, name))) continue;
        this.#drop(dir, joinPath(dir, name), sets);
      }
    }
    for (const dir of [...this.#known.keys()]) if (dir !== null && gone(dir)) this.#known.delete(dir);
  }

  #readSettings(): void {
    const next = this.#settings();
    const before = this.#current ?? { excludes: "", builtin: false, git: false };
    const isFirst = this.#current === null;
    this.#current = next;
    if (before.excludes !== next.excludes) {
      this.#note(next.excludesSource);
      this.#excludes = this.#excludesOf(next.excludes);
    }
    if (before.builtin !== next.builtin) this.#note("the built-in rules");
    if (before.git !== next.git) this.#switchGit(isFirst);
    if (this.#changed === null) return;
    this.#affectsKnown ||= !isFirst;
    this.rules.change(this.#sources(), null);
  }

  #switchGit(isFirst: boolean): void {
    if (!isFirst) this.#note(`${GIT_RULES_NAME} files`);
    // Which files count is another question now.
    this.#known.clear();
    for (const dir of this.#git.keys()) this.#loaded.delete(joinPath(dir, GIT_RULES_NAME));
    this.#git.clear();
  }

  #excludesOf(text: string): RuleSet {
    return new RuleSet(this.#current?.excludesSource ?? "", text, null);
  }

  #sources(): RuleSources {
    const builtin = this.#current?.builtin === true ? builtinRules() : null;
    return { excludes: this.#excludes, shared: this.#shared, git: this.#git, builtin };
  }

  #noteFile(dir: Dir, path: SyncPath): void {
    // What lies below a directory that is entered for the first time was not looked at by other rules.
    if (this.#known.has(dir)) this.#affectsKnown = true;
    this.#note(path);
  }

  #note(source: string): void {
    this.#changed ??= { sources: new Set(), before: this.#isFirst ? null : this.#copy() };
    this.#changed.sources.add(source);
  }

  #copy(): IgnoreRules {
    const { shared, git, ...others } = this.rules.sources;
    return new IgnoreRules({ ...others, shared: new Map(shared), git: new Map(git) });
  }

  /** Whether rules changed for directories that were looked at before; asking clears it. */
  takeAffectsKnown(): boolean {
    const affects = this.#affectsKnown;
    this.#affectsKnown = false;
    return affects;
  }

  /** Whether the rules before the latest change ignored `path`; false if none were known. */
  wasIgnored(path: SyncPath, isDir: boolean): boolean {
    return this.#changed?.before?.isIgnored(path, isDir) ?? false;
  }

  /** Whether the rules differ from those that {@link takeChange} told of. */
  get hasChanged(): boolean {
    return this.#changed !== null;
  }

  /** What changed since this was asked last; `null`: nothing. */
  takeChange(): RulesChange | null {
    const changed = this.#changed;
    this.#changed = null;
    this.#isFirst = false;
    return changed === null ? null : { sources: [...changed.sources], before: changed.before };
  }
}

function tooManyRules(path: SyncPath): RulesTrouble {
  return { trouble: "unusable", path, reason: `it has more than ${RULES_MAX} rules` };
}
