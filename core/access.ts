/**
 * Who may read and write what in a folder. Grants name a part of the folder by its path prefix; for one user they come
 * down to rules, and the rule with the longest prefix decides. Pure, and used by both sides: the server holds the
 * rules, a client knows by them what it need not try.
 */
import { ancestorsOf, isAtOrBelow, isBelow, type SyncPath } from "./path.ts";

export type Access = "none" | "read" | "write";

/** What one user may do at and below `prefix` (`null`: the whole folder), unless a longer prefix says otherwise. */
export interface Rule {
  readonly prefix: SyncPath | null;
  readonly access: Access;
  /** Whether past versions may be seen too, and, with `write`, restored. */
  readonly history: boolean;
}

export interface Subject {
  readonly kind: "user" | "group";
  readonly name: string;
}

/** A rule for a user or for all members of a group. */
export interface Grant extends Rule {
  readonly subject: Subject;
}

const STRENGTH: { readonly [A in Access]: number } = { none: 0, read: 1, write: 2 };

/** Whether `access` allows at least `wanted`. */
export function allows(access: Access, wanted: Access): boolean {
  return STRENGTH[access] >= STRENGTH[wanted];
}

/**
 * The rules that hold for a user, at most one for each prefix. For one prefix the user's own grant goes before those of
 * groups; of several groups the most generous counts.
 */
export function rulesFor(user: string, groups: ReadonlySet<string>, grants: Iterable<Grant>): Rule[] {
  const own = new Map<SyncPath | null, Rule>();
  const shared = new Map<SyncPath | null, Rule>();
  for (const { subject, prefix, access, history } of grants) {
    const rule = { prefix, access, history: history && access !== "none" };
    if (subject.kind === "user" && subject.name === user) own.set(prefix, rule);
    if (subject.kind === "group" && groups.has(subject.name)) {
      const other = shared.get(prefix);
      shared.set(prefix, other === undefined ? rule : union(other, rule));
    }
  }
  return [...new Map([...shared, ...own]).values()].sort((a, b) => comparePrefix(a.prefix, b.prefix));
}

function union(a: Rule, b: Rule): Rule {
  const access = allows(a.access, b.access) ? a.access : b.access;
  return { prefix: a.prefix, access, history: a.history || b.history };
}

function comparePrefix(a: SyncPath | null, b: SyncPath | null): number {
  return (a ?? "") < (b ?? "") ? -1 : (a ?? "") > (b ?? "") ? 1 : 0;
}

/** What one user may do in one folder. Without any rule: nothing. */
export class Rights {
  /** The owner's: everything, everywhere. */
  static readonly ALL: Rights = new Rights([{ prefix: null, access: "write", history: true }]);

  readonly rules: readonly Rule[];
  /** The one rule for everything, if there is no other. */
  readonly #only: Rule | null;
  readonly #byPrefix = new Map<SyncPath | null, Rule>();
  /** Directories on the way to something readable: they are seen, what else they hold is not. */
  readonly #leading = new Set<SyncPath>();

  constructor(rules: readonly Rule[]) {
    this.rules = rules;
    this.#only = rules.length === 1 && rules[0]!.prefix === null ? rules[0]! : null;
    for (const rule of rules) {
      this.#byPrefix.set(rule.prefix, rule);
      if (rule.access === "none" || rule.prefix === null) continue;
      for (const dir of ancestorsOf(rule.prefix)) this.#leading.add(dir);
    }
  }

  /** What may be done with `path` itself. */
  at(path: SyncPath): Access {
    return this.#ruleAt(path)?.access ?? "none";
  }

  /** Whether past versions of `path` may be seen. */
  showsPast(path: SyncPath): boolean {
    return this.#ruleAt(path)?.history ?? false;
  }

  /** Whether the user is told of what stands at `path`: readable, or a directory that leads to something readable. */
  sees(path: SyncPath, isDirectory: boolean): boolean {
    return this.at(path) !== "none" || (isDirectory && this.#leading.has(path));
  }

  /** Whether `access` is allowed at `path` (`null`: the root) and everywhere below it. */
  allowsTree(path: SyncPath | null, access: Access): boolean {
    if (this.#only !== null) return allows(this.#only.access, access);
    const top = path === null ? this.#byPrefix.get(null)?.access ?? "none" : this.at(path);
    if (!allows(top, access)) return false;
    return this.rules.every((rule) =>
      allows(rule.access, access) || rule.prefix === null ||
      (path !== null && !isAtOrBelow(rule.prefix, path))
    );
  }

  /** Whether something can be read at or below `to` that cannot be read at the same place at or below `from`. */
  opens(from: SyncPath, to: SyncPath): boolean {
    if (this.#only !== null) return false;
    // Between the places that rules name nothing changes.
    const places = new Set([""]);
    for (const { prefix } of this.rules) {
      for (const top of [from, to]) {
        if (prefix !== null && isBelow(prefix, top)) places.add(prefix.slice(top.length));
      }
    }
    const reads = (path: string) => this.at(path as SyncPath) !== "none";
    return [...places].some((below) => reads(to + below) && !reads(from + below));
  }

  #ruleAt(path: SyncPath): Rule | undefined {
    if (this.#only !== null) return this.#only;
    const own = this.#byPrefix.get(path);
    if (own !== undefined) return own;
    for (const dir of ancestorsOf(path)) {
      const rule = this.#byPrefix.get(dir);
      if (rule !== undefined) return rule;
    }
    return this.#byPrefix.get(null);
  }
}
