/**
 * What a client leaves out of sync, found from its folder alone and not from what its engine believes; and what of it
 * that excuses.
 */
import { builtinRules } from "../../core/builtin_ignores.ts";
import { IgnoreRules, RULES_NAME } from "../../core/ignore.ts";
import { RuleSet } from "../../core/ignore_rules.ts";
import { ancestorsOf, nameOf, parentOf, type SyncPath } from "../../core/path.ts";
import type { MemDisk } from "../fakes/mem_disk.ts";
import { asBytes } from "../fakes/user_side.ts";
import type { Tree } from "./tree.ts";

/** A folder's rules as they stand. */
export class FolderRules {
  readonly #rules: IgnoreRules;
  readonly #here: Tree;
  /** Equal for equal rules. */
  readonly signature: string;

  constructor(disk: MemDisk, here: Tree, excludes: string) {
    const shared = new Map<SyncPath | null, RuleSet>();
    const texts: string[] = [excludes];
    for (const [path, { kind }] of here) {
      if (kind !== "file" || nameOf(path as SyncPath) !== RULES_NAME) continue;
      const dir = parentOf(path as SyncPath);
      const text = new TextDecoder().decode(asBytes(disk.user.read(path)));
      shared.set(dir, new RuleSet(path, text, dir));
      texts.push(path, text);
    }
    this.#here = here;
    this.signature = JSON.stringify(texts);
    const own = excludes === "" ? null : new RuleSet("exclude", excludes, null);
    this.#rules = new IgnoreRules({ excludes: own, shared, git: new Map(), builtin: builtinRules() });
  }

  /** Whether what stands here is ignored. */
  ignoresHere(path: string): boolean {
    const thing = this.#here.get(path);
    return thing !== undefined && this.#rules.isIgnored(path as SyncPath, thing.kind === "dir");
  }

  /** Whether `path` is left out for what stands here, or there, or above it. */
  leavesOut(path: string, there: Tree): boolean {
    for (const at of [path as SyncPath, ...ancestorsOf(path as SyncPath)]) {
      for (const thing of [this.#here.get(at), there.get(at)]) {
        if (thing !== undefined && this.#rules.isIgnored(at, thing.kind === "dir")) return true;
      }
    }
    return false;
  }

  /** Whether the directory here holds nothing, at whatever depth, but what is left out; and some of that. */
  holdsOnlyLeftOut(dir: string, there: Tree): boolean {
    let found = false;
    for (const [path, { kind }] of this.#here) {
      if (!path.startsWith(`${dir}/`)) continue;
      if (this.leavesOut(path, there)) found = true;
      else if (kind !== "dir" || !this.holdsOnlyLeftOut(path, there)) return false;
    }
    return found;
  }

  /** Whether something that is left out lies in the directory here. */
  holdsLeftOut(dir: string, there: Tree): boolean {
    for (const path of this.#here.keys()) {
      if (path.startsWith(`${dir}/`) && this.leavesOut(path, there)) return true;
    }
    return false;
  }
}

/** Every rule that ever stood in a world, to tell which paths one of them could ever have concerned. */
export class RulesEver {
  readonly #texts = new Set<string>();
  readonly #sets = new Map<string, RuleSet>();

  get isEmpty(): boolean {
    return this.#texts.size === 0;
  }

  /** Notes the rules of a folder. */
  note(disk: MemDisk, here: Tree): void {
    for (const [path, { kind }] of here) {
      const name = nameOf(path as SyncPath);
      if (kind === "file" && name === RULES_NAME) this.add(new TextDecoder().decode(disk.user.read(path)));
      const builtin = builtinRules().match(path as SyncPath, name, kind === "dir");
      if (builtin !== null) this.add(builtin.text);
    }
  }

  add(text: string): void {
    if (this.#texts.has(text)) return;
    this.#texts.add(text);
    this.#sets.clear();
  }

  /** Whether some rule, wherever it stood, speaks of `path` or of a directory above it. */
  mayConcern(path: string): boolean {
    const ups = [path as SyncPath, ...ancestorsOf(path as SyncPath)];
    return ups.some((at) =>
      [...ancestorsOf(at), null].some((base) => this.#positive(base).match(at, nameOf(at), true) !== null)
    );
  }

  #positive(base: SyncPath | null): RuleSet {
    const key = base ?? "";
    let set = this.#sets.get(key);
    if (set === undefined) {
      const lines = [...this.#texts].flatMap((text) => text.split("\n"));
      const positive = [...new Set(lines)].filter((line) => !line.startsWith("!"));
      this.#sets.set(key, set = new RuleSet("ever", positive.join("\n"), base));
    }
    return set;
  }
}
