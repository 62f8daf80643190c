/** What each user may do in each folder, worked out once after each change. */
import { type Grant, Rights, type Rule, rulesFor } from "../../core/access.ts";
import type { SyncPath } from "../../core/path.ts";
import { EVERYTHING, type Membership } from "./accounts.ts";
import type { Tables } from "./_tables.ts";
import { viewOf } from "./_view.ts";

/** Groups of each user, and grants of each subject in each folder. */
interface Index {
  readonly groups: ReadonlyMap<string, ReadonlySet<string>>;
  readonly grants: ReadonlyMap<string, readonly Grant[]>;
  /** Folders with grants for a part of them. */
  readonly parted: ReadonlySet<string>;
}

const NO_GROUPS: ReadonlySet<string> = new Set();

export class Memberships {
  readonly #tables: Tables;
  readonly #viewKey: Uint8Array;
  #index: Index | null = null;
  #known = new Map<string, Membership | null>();
  /** As they were before the last change: one that is still the same stays the same object. */
  #before: ReadonlyMap<string, Membership | null> = new Map();

  constructor(tables: Tables, viewKey: Uint8Array) {
    this.#tables = tables;
    this.#viewKey = viewKey;
  }

  /** To be called after every change of users, groups, members, folders or grants. */
  changed(): void {
    this.#index = null;
    // What was not asked for since the change before may still be held by somebody.
    this.#before = new Map([...this.#before, ...this.#known]);
    this.#known = new Map();
  }

  of(userName: string, folder: string): Membership | null {
    const key = `${folder}\0${userName}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const user = this.#tables.user.get(userName);
    // Names that strangers make up are not remembered.
    if (user === undefined || !this.#tables.folder.has(folder)) return null;
    const made = user.disabled ? null : this.#make(user.name, user.owner, folder);
    const before = this.#before.get(key) ?? null;
    const membership = made !== null && before !== null && isSame(made, before) ? before : made;
    this.#known.set(key, membership);
    return membership;
  }

  /** See {@link Accounts.opens}. */
  opens(folder: string, from: SyncPath, to: SyncPath): boolean {
    const { parted } = this.#index ??= indexOf(this.#tables);
    if (!parted.has(folder)) return false;
    return this.#tables.user.values().some(({ name, owner }) => {
      if (owner) return false;
      const rights = this.of(name, folder)?.rights ?? new Rights(this.rulesOf(name, folder));
      return rights.opens(from, to);
    });
  }

  rulesOf(user: string, folder: string): Rule[] {
    const { groups, grants } = this.#index ??= indexOf(this.#tables);
    const mine = groups.get(user) ?? NO_GROUPS;
    const keys = [`${folder}\0user\0${user}`, ...[...mine].map((group) => `${folder}\0group\0${group}`)];
    return rulesFor(user, mine, keys.flatMap((key) => grants.get(key) ?? []));
  }

  #make(user: string, owner: boolean, folder: string): Membership {
    if (owner) return { user, rights: Rights.ALL, view: EVERYTHING, rules: Rights.ALL.rules };
    const rules = this.rulesOf(user, folder);
    return {
      user,
      rights: new Rights(rules),
      view: viewOf(this.#viewKey, rules),
      rules: rules.filter(({ access }) => access !== "none"),
    };
  }
}

function indexOf(tables: Tables): Index {
  const groups = new Map<string, Set<string>>();
  for (const { group, user } of tables.member.values()) {
    const set = groups.get(user) ?? new Set();
    groups.set(user, set.add(group));
  }
  const grants = Map.groupBy(
    tables.grant.values(),
    ({ folder, subject }) => `${folder}\0${subject.kind}\0${subject.name}`,
  );
  const parted = new Set(
    tables.grant.values().filter(({ prefix }) => prefix !== null).map(({ folder }) => folder),
  );
  return { groups, grants, parted };
}

function isSame(a: Membership, b: Membership): boolean {
  const [x, y] = [a.rights.rules, b.rights.rules];
  return x.length === y.length && x.every((rule, i) => {
    const other = y[i]!;
    return rule.prefix === other.prefix && rule.access === other.access && rule.history === other.history;
  });
}
