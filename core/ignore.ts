/**
 * Which paths are left out of sync: the rules of all ignore files of a folder, and what they come to for one path.
 *
 * Stronger rules first: the excludes of this device, then `.fsyncignore` files, then `.gitignore` files (where they are
 * asked for), then the built-in rules. Of files the nearest to the path is the strongest, of a file the last line.
 * What lies in an ignored directory is ignored, and no rule can bring it back.
 *
 * Rule files themselves: `.fsyncignore` is never ignored. A `.gitignore` is by git's rules as long as the server does not
 * have it, and then no more: so git does it with what was added.
 */
import type { IgnoreRule, RuleSet } from "./ignore_rules.ts";
import { ancestorsOf, isAtOrBelow, nameOf, parentOf, type SyncPath } from "./path.ts";

/** The ignore file that is shared. It is always synced itself, or machines would go by different rules. */
export const RULES_NAME = ".fsyncignore";
/** Git's own, for those who want it. */
export const GIT_RULES_NAME = ".gitignore";

/** Why a path is synced or not, as far as rules go. */
export interface Verdict {
  readonly ignored: boolean;
  /** The rule that decided; `null`: none speaks of it. */
  readonly rule: IgnoreRule | null;
  /** What the rule matched: the path, or a directory above it. */
  readonly at: SyncPath;
}

/** Rules of the files of a folder, by directory (`null`: the root). */
export type RuleFiles = ReadonlyMap<SyncPath | null, RuleSet>;

export interface RuleSources {
  /** Rules of this device alone. */
  readonly excludes: RuleSet | null;
  readonly shared: RuleFiles;
  readonly git: RuleFiles;
  readonly builtin: RuleSet | null;
}

/** Rule sets that speak of what lies in one directory, the strongest first. */
export type Levels = readonly RuleSet[];

export class IgnoreRules {
  #sources: RuleSources;
  readonly #levels = new Map<SyncPath | null, Levels>();
  /** Whether a directory, or one above it, is ignored. */
  readonly #ignoredDirs = new Map<SyncPath, boolean>();

  constructor(sources: RuleSources) {
    this.#sources = sources;
  }

  /**
   * The rules are others now.
   *
   * @param dir only those for what lies below it; `null`: all
   */
  change(sources: RuleSources, dir: SyncPath | null): void {
    this.#sources = sources;
    for (const map of [this.#levels, this.#ignoredDirs]) {
      if (dir === null) map.clear();
      else for (const path of map.keys()) if (path !== null && isAtOrBelow(path, dir)) map.delete(path);
    }
  }

  get sources(): RuleSources {
    return this.#sources;
  }

  /** Rule sets that decide about what lies in `dir`. */
  levels(dir: SyncPath | null): Levels {
    const known = this.#levels.get(dir);
    if (known !== undefined) return known;
    const levels = this.#makeLevels(dir);
    this.#levels.set(dir, levels);
    return levels;
  }

  #makeLevels(dir: SyncPath | null): Levels {
    const { excludes, shared, git, builtin } = this.#sources;
    if (dir !== null && !shared.has(dir) && !git.has(dir)) return this.levels(parentOf(dir));
    const dirs: (SyncPath | null)[] = dir === null ? [null] : [dir, ...ancestorsOf(dir), null];
    const found = [excludes, ...dirs.map((up) => shared.get(up)), ...dirs.map((up) => git.get(up)), builtin];
    return found.filter((set): set is RuleSet => set !== undefined && set !== null && !set.isEmpty);
  }

  /**
   * Whether `path`, or a directory above it, is ignored.
   *
   * @param onServer whether the server has it; asked only of `.gitignore` files
   */
  isIgnored(path: SyncPath, isDir: boolean, onServer = false): boolean {
    const dir = parentOf(path);
    if (dir !== null && this.#isIgnoredDir(dir)) return true;
    return isDir
      ? this.#isIgnoredDir(path)
      : isIgnoredBy(this.levels(dir), path, nameOf(path), false, onServer);
  }

  #isIgnoredDir(path: SyncPath): boolean {
    const known = this.#ignoredDirs.get(path);
    if (known !== undefined) return known;
    const dir = parentOf(path);
    const ignored = (dir !== null && this.#isIgnoredDir(dir)) ||
      isIgnoredBy(this.levels(dir), path, nameOf(path), true);
    this.#ignoredDirs.set(path, ignored);
    return ignored;
  }

  /** The same as {@link isIgnored}, with the reason. */
  explain(path: SyncPath, isDir: boolean, onServer = false): Verdict {
    for (const dir of [...ancestorsOf(path)].reverse()) {
      const verdict = this.#explainOne(dir, true);
      if (verdict.ignored) return verdict;
    }
    return this.#explainOne(path, isDir, onServer);
  }

  #explainOne(path: SyncPath, isDir: boolean, onServer = false): Verdict {
    const rule = ruleFor(this.levels(parentOf(path)), path, nameOf(path), isDir, onServer);
    return { ignored: rule !== null && !rule.negated, rule, at: path };
  }
}

/** Whether the thing at `path` itself is ignored by the rules of its directory. */
export function isIgnoredBy(
  levels: Levels,
  path: SyncPath,
  name: string,
  isDir: boolean,
  onServer = false,
): boolean {
  const rule = ruleFor(levels, path, name, isDir, onServer);
  return rule !== null && !rule.negated;
}

function ruleFor(
  levels: Levels,
  path: SyncPath,
  name: string,
  isDir: boolean,
  onServer: boolean,
): IgnoreRule | null {
  if (name === RULES_NAME) return null;
  const isTracked = onServer && !isDir && name === GIT_RULES_NAME;
  for (const set of levels) {
    if (isTracked && set.isGits) continue;
    const rule = set.match(path, name, isDir);
    if (rule !== null) return rule;
  }
  return null;
}
