/** What must be so before something is changed; else it is said what is not. */
import type { Subject } from "../../core/access.ts";
import { AccountError, type SharedFolder, type User } from "./accounts.ts";
import { GRANTS_MAX, USER_RULES_MAX } from "./limits.ts";
import type { Memberships } from "./_memberships.ts";
import type { FolderGrant, Tables } from "./_tables.ts";

/** Every method throws {AccountError}. */
export class Expect {
  readonly #tables: Tables;
  readonly #memberships: Memberships;

  constructor(tables: Tables, memberships: Memberships) {
    this.#tables = tables;
    this.#memberships = memberships;
  }

  user(name: string): User {
    return this.#tables.user.get(name) ?? missing("user", name);
  }

  group(name: string): { readonly name: string } {
    return this.#tables.group.get(name) ?? missing("group", name);
  }

  folder(name: string): SharedFolder {
    return this.#tables.folder.get(name) ?? missing("folder", name);
  }

  /** A user that is not the owner. */
  subordinate(action: string, name: string): User {
    const user = this.user(name);
    if (!user.owner) return user;
    throw new AccountError("forbidden", `Cannot ${action} "${name}": it is the owner of the server`);
  }

  grantable({ kind, name }: Subject): void {
    if (kind === "group") this.group(name);
    else this.subordinate("grant anything to", name);
  }

  /** That no row has this name. */
  free(what: "user" | "group" | "folder", name: string): void {
    if (!this.#tables[what].has(name)) return;
    throw new AccountError("exists", `Cannot add ${what} "${name}": there is one of that name`);
  }

  room(what: string, count: number, max: number): void {
    if (count < max) return;
    const message = `Cannot add one more ${what}: there are ${max}`;
    throw new AccountError("limit", message, "remove what is not needed");
  }

  roomForGrant(grant: FolderGrant): void {
    const { folder, subject: { kind, name } } = grant;
    const inFolder = this.#tables.grant.values().filter((other) => other.folder === folder);
    this.room(`grant in "${folder}"`, inFolder.toArray().length, GRANTS_MAX);
    const members = this.#tables.member.values().filter(({ group }) => group === name).map(({ user }) =>
      user
    );
    for (const user of kind === "user" ? [name] : members) this.#roomForRules(user, folder, [grant]);
  }

  roomForMember(group: string, user: string): void {
    const grants = this.#tables.grant.values()
      .filter(({ subject }) => subject.kind === "group" && subject.name === group);
    for (const [folder, more] of Map.groupBy(grants, ({ folder }) => folder)) {
      this.#roomForRules(user, folder, more);
    }
  }

  #roomForRules(user: string, folder: string, more: readonly FolderGrant[]): void {
    const prefixes = new Set(this.#memberships.rulesOf(user, folder).map(({ prefix }) => prefix));
    for (const { prefix } of more) prefixes.add(prefix);
    this.room(`grant for "${user}" in "${folder}"`, prefixes.size - 1, USER_RULES_MAX);
  }
}

function missing(what: string, name: string): never {
  throw new AccountError("unknown", `Cannot find ${what} "${name}": there is none of that name`);
}
