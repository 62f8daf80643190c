/** Finds what people name, and says what comes near if there is none. */
import {
  AccountError,
  type Accounts,
  type Device,
  type Group,
  type SharedFolder,
  type User,
} from "../server/accounts/accounts.ts";
import { nearest } from "./_command.ts";

/** Digits of an id that are enough to name a device. */
const ID_DIGITS_MIN = 4;

/** @throws {AccountError} unknown */
export function findUser(accounts: Accounts, name: string): User {
  return find("user", accounts.users(), name);
}

/** @throws {AccountError} unknown */
export function findGroup(accounts: Accounts, name: string): Group {
  return find("group", accounts.groups(), name);
}

/** @throws {AccountError} unknown */
export function findFolder(accounts: Accounts, name: string): SharedFolder {
  return find("folder", accounts.folders(), name);
}

function find<T extends { readonly name: string }>(what: string, known: readonly T[], name: string): T {
  const found = known.find((one) => one.name === name);
  if (found !== undefined) return found;
  const hint = nearest(name, known.map((one) => one.name)) ?? `see what there is: fsync ${what} list`;
  throw new AccountError("unknown", `Cannot find ${what} "${name}": there is none of that name`, hint);
}

/** The device that `word` names: its id, the beginning of it, its name, or `USER@NAME`. @throws {AccountError} */
export function findDevice(accounts: Accounts, word: string): Device {
  const all = accounts.devices();
  const byId = all.filter(({ id }) => id === word);
  const byName = all.filter(({ name, user }) => name === word || `${user}@${name}` === word);
  const byStart = word.length < ID_DIGITS_MIN
    ? []
    : all.filter(({ id }) => id.startsWith(word.toLowerCase()));
  const found = [byId, byName, byStart].find((some) => some.length > 0) ?? [];
  // What was revoked before is seldom meant.
  const open = found.filter(({ revoked }) => !revoked);
  const meant = open.length > 0 ? open : found;
  if (meant.length === 1) return meant[0]!;
  if (meant.length > 1) {
    throw new AccountError("unknown", `Cannot tell which device "${word}" is`, `name one of ${named(meant)}`);
  }
  const theirs = all.filter(({ user, revoked }) => user === word && !revoked);
  const hint = theirs.length > 0
    ? `name one of ${named(theirs)}`
    : nearest(word, all.map(({ name }) => name)) ?? "see what there is: fsync device list";
  throw new AccountError("unknown", `Cannot find device "${word}": there is none of that name or id`, hint);
}

function named(devices: readonly Device[]): string {
  return devices.map(({ id, user, name }) => `${id.slice(0, 8)} (${user}@${name})`).join(", ");
}
