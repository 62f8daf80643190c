/** What an invitation does besides letting a device in: it makes the user, and says what it may do. */
import { allows } from "../core/access.ts";
import { AccountError, type Accounts, type User } from "../server/accounts/accounts.ts";
import { findFolder, findGroup } from "./_account_lookup.ts";
import type { AccountRequest, Allowed } from "./_account_requests.ts";

type Wish = Pick<AccountRequest<"invite">, "user" | "group" | "readOnly" | "folder">;

/**
 * Lets `user` be known, be in `group` and be allowed something in `folder`, and says what. Undone by the second result.
 *
 * @throws {AccountError} and leaves everything as it was
 */
export function prepareGuest(
  accounts: Accounts,
  wish: Wish,
): { readonly added: boolean; readonly allowed: Allowed; readonly undo: () => void } {
  const steps: (() => void)[] = [];
  const undo = () => steps.reverse().forEach((step) => step());
  try {
    findFolder(accounts, wish.folder);
    const known = accounts.user(wish.user);
    if (known !== null) checkKnown(known, wish);
    else {
      accounts.addUser({ name: wish.user });
      steps.push(() => accounts.removeUser(wish.user));
    }
    if (wish.group !== null) join(accounts, wish, wish.group, steps);
    else if (known === null || isWithoutRules(accounts, wish)) {
      allow(accounts, wish, "user", wish.user, steps);
    }
    return { added: known === null, allowed: whatIsAllowed(accounts, wish), undo };
  } catch (error) {
    undo();
    throw error;
  }
}

function checkKnown(user: User, { group, readOnly }: Wish): void {
  if (!user.owner || (!readOnly && group === null)) return;
  const flag = readOnly ? "--read-only" : "--group";
  const message =
    `Cannot invite "${user.name}" with ${flag}: it is the owner of the server, who may do everything`;
  throw new AccountError(
    "forbidden",
    message,
    "without the flag, the line is for one more device of the owner",
  );
}

function join(accounts: Accounts, wish: Wish, group: string, steps: (() => void)[]): void {
  const known = accounts.groups().find(({ name }) => name === group);
  if (known === undefined) {
    accounts.addGroup(group);
    steps.push(() => accounts.removeGroup(group));
    allow(accounts, wish, "group", group, steps);
  }
  if (findGroup(accounts, group).members.includes(wish.user)) return;
  accounts.setMember(group, wish.user, true);
  steps.push(() => accounts.setMember(group, wish.user, false));
}

function allow(
  accounts: Accounts,
  { folder, readOnly }: Wish,
  kind: "user" | "group",
  name: string,
  steps: (() => void)[],
): void {
  const access = readOnly ? "read" : "write";
  accounts.grant(folder, null, { kind, name }, { access, history: false });
  steps.push(() => accounts.grant(folder, null, { kind, name }, null));
}

function isWithoutRules(accounts: Accounts, { user, folder }: Wish): boolean {
  const membership = accounts.membership(user, folder);
  return membership !== null && membership.rights.rules.length === 0;
}

function whatIsAllowed(accounts: Accounts, { user, group, readOnly, folder }: Wish): Allowed {
  const membership = accounts.membership(user, folder);
  if (membership === null) {
    const hint = `let the user in first: fsync user enable ${user}`;
    throw new AccountError("forbidden", `Cannot invite "${user}": the user is disabled`, hint);
  }
  if (membership.rules.length === 0) {
    const hint = group === null
      ? `allow something first: fsync grant / --user ${user} read --folder ${folder}`
      : `allow something first: fsync grant / --group ${group} read --folder ${folder}`;
    throw new AccountError(
      "forbidden",
      `Cannot invite "${user}": it may do nothing in folder "${folder}"`,
      hint,
    );
  }
  if (readOnly && membership.rules.some(({ access }) => allows(access, "write"))) {
    const hint = group === null
      ? `allow less first: fsync grant / --user ${user} read --folder ${folder}`
      : `leave --read-only out, or choose a group that only reads`;
    const message = `Cannot invite "${user}" with --read-only: it may write in folder "${folder}" already`;
    throw new AccountError("forbidden", message, hint);
  }
  const { rights } = membership;
  return rights.allowsTree(null, "write") ? "write" : rights.allowsTree(null, "read") ? "read" : "some";
}
