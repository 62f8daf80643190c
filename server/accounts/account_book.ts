/**
 * All rules of the accounts, over tables in memory; whoever makes one says how its changes are kept. A change is checked,
 * saved, then in force, then told.
 */
import { timingSafeEqual } from "node:crypto";
import type { Access, Subject } from "../../core/access.ts";
import type { SyncPath } from "../../core/path.ts";
import type { Id } from "../../protocol/messages.ts";
import type { Clock } from "../../system/clock.ts";
import type { Random } from "../../system/random.ts";
import { RecordsError } from "../store/records.ts";
import {
  AccountError,
  type Accounts,
  type Device,
  type Group,
  type Invitation,
  MAIN_FOLDER,
  type Membership,
  type NewDevice,
  type SharedFolder,
  type User,
} from "./accounts.ts";
import {
  DEVICES_MAX,
  FOLDERS_MAX,
  GRANTS_MAX,
  GROUPS_MAX,
  INVITATION_KEPT_MS,
  INVITATION_MS_MAX,
  INVITATIONS_OPEN_MAX,
  SEEN_MS,
  USER_RULES_MAX,
  USERS_MAX,
} from "./limits.ts";
import { Memberships } from "./_memberships.ts";
import { checkName, deviceName } from "./names.ts";
import {
  type FolderGrant,
  grantKey,
  memberKey,
  type RowChange,
  type StoredInvitation,
  Tables,
} from "./_tables.ts";

const VIEW_KEY = "viewKey";
const LAST_INVITATION = "lastInvitation";
const VIEW_KEY_BYTES = 32;
/** Compared with where there is nothing to compare with, so that it takes the same time. */
const NO_HASH = new Uint8Array(32);

/** What new accounts begin with. */
export function firstRows(random: Random): RowChange[] {
  return [
    { table: "setting", row: { key: VIEW_KEY, value: random.bytes(VIEW_KEY_BYTES).toHex() } },
    { table: "folder", row: { name: MAIN_FOLDER, path: null } },
  ];
}

export interface BookOptions {
  /** The tables as they are; {@link firstRows} at least. */
  readonly tables: Tables;
  /** Keeps all of these changes or, if it throws, none. */
  readonly save: (changes: readonly RowChange[]) => void;
  readonly clock: Pick<Clock, "now">;
  readonly onClose: () => void;
}

export class AccountBook implements Accounts {
  readonly #tables: Tables;
  readonly #save: BookOptions["save"];
  readonly #clock: Pick<Clock, "now">;
  readonly #onClose: () => void;
  readonly #memberships: Memberships;
  readonly #listeners = new Set<() => void>();

  constructor({ tables, save, clock, onClose }: BookOptions) {
    this.#tables = tables;
    this.#save = save;
    this.#clock = clock;
    this.#onClose = onClose;
    this.#memberships = new Memberships(tables, Uint8Array.fromHex(tables.setting.get(VIEW_KEY)!.value));
  }

  users(): readonly User[] {
    return byName(this.#tables.user.values());
  }

  user(name: string): User | null {
    return this.#tables.user.get(name) ?? null;
  }

  addUser({ name, quota = null }: { readonly name: string; readonly quota?: number | null }): void {
    checkName("user", name);
    if (this.#tables.user.has(name)) throw taken("user", name);
    this.#expectRoom("user", this.#tables.user.size, USERS_MAX);
    this.#change([{ table: "user", row: this.#newUser(name, false, checkedQuota(quota)) }]);
  }

  setOwner(name: string): void {
    const known = this.user(name);
    if (known?.owner === true) return;
    if (known === null) checkName("user", name);
    const before = this.users().find(({ owner }) => owner);
    const row = known ?? this.#newUser(name, true, null);
    this.#change([
      ...(before === undefined ? [] : this.#retire(before)),
      ...this.#grantsOf({ kind: "user", name }).map(gone("grant")),
      { table: "user", row: { ...row, owner: true, disabled: false, quota: null } },
    ]);
  }

  /** An owner that is one no more keeps its rights, as grants that can be seen and taken back. */
  #retire(owner: User): RowChange[] {
    const right = { prefix: null, access: "write", history: true } as const;
    const subject: Subject = { kind: "user", name: owner.name };
    return [
      { table: "user", row: { ...owner, owner: false } },
      ...this.folders().map(({ name }): RowChange => ({
        table: "grant",
        row: { ...right, subject, folder: name },
      })),
    ];
  }

  removeUser(name: string): void {
    const user = this.#expectSubordinate("remove", name);
    this.#change([
      ...this.#devicesOf(name).map(gone("device")),
      ...[...this.#tables.invitation.values()].filter((i) => i.user === name).map(gone("invitation")),
      ...this.#grantsOf({ kind: "user", name }).map(gone("grant")),
      ...[...this.#tables.member.values()].filter((row) => row.user === name).map(gone("member")),
      { table: "user", row: user, gone: true },
    ]);
  }

  disableUser(name: string, disabled: boolean): void {
    const user = this.#expectSubordinate(disabled ? "disable" : "enable", name);
    if (user.disabled !== disabled) this.#change([{ table: "user", row: { ...user, disabled } }]);
  }

  setQuota(name: string, quota: number | null): void {
    const user = this.#expectSubordinate("set a quota for", name);
    if (user.quota !== quota) this.#change([{ table: "user", row: { ...user, quota: checkedQuota(quota) } }]);
  }

  groups(): readonly Group[] {
    const members = Map.groupBy(this.#tables.member.values(), ({ group }) => group);
    return byName(this.#tables.group.values()).map(({ name }) => ({
      name,
      members: (members.get(name) ?? []).map(({ user }) => user).sort(),
    }));
  }

  addGroup(name: string): void {
    checkName("group", name);
    if (this.#tables.group.has(name)) throw taken("group", name);
    this.#expectRoom("group", this.#tables.group.size, GROUPS_MAX);
    this.#change([{ table: "group", row: { name } }]);
  }

  removeGroup(name: string): void {
    const row = this.#expectGroup(name);
    this.#change([
      ...this.#grantsOf({ kind: "group", name }).map(gone("grant")),
      ...[...this.#tables.member.values()].filter(({ group }) => group === name).map(gone("member")),
      { table: "group", row, gone: true },
    ]);
  }

  setMember(group: string, user: string, member: boolean): void {
    this.#expectGroup(group);
    this.#expectUser(user);
    if (this.#tables.member.has(memberKey(group, user)) === member) return;
    const row = { group, user };
    if (!member) return this.#change([{ table: "member", row, gone: true }]);
    for (const { name } of this.folders()) {
      const more = this.#grantsOf({ kind: "group", name: group }).filter(({ folder }) => folder === name);
      this.#expectRoomForRules(user, name, more);
    }
    this.#change([{ table: "member", row }]);
  }

  devices(): readonly Device[] {
    return [...this.#tables.device.values()].sort((a, b) => compare(a.user, b.user) || a.created - b.created);
  }

  device(id: Id): Device | null {
    return this.#tables.device.get(id) ?? null;
  }

  addDevice({ id, name, user, tokenHash }: Omit<Device, "created" | "lastSeen" | "revoked">): void {
    this.#expectUser(user);
    const known = this.device(id);
    if (known !== null && known.user !== user) {
      throw new AccountError("forbidden", `Cannot add device "${name}": it belongs to "${known.user}"`);
    }
    this.#change(this.#newDevice({ id, name, tokenHash }, user));
  }

  /** @throws {AccountError} limit */
  #newDevice({ id, name, tokenHash }: NewDevice, user: string): RowChange[] {
    const others = this.#devicesOf(user).filter((device) => device.id !== id);
    const forgotten = others.length < DEVICES_MAX ? [] : others.filter(({ revoked }) => revoked).slice(0, 1);
    this.#expectRoom(`device of "${user}"`, others.length - forgotten.length, DEVICES_MAX);
    const row: Device = {
      id,
      name: deviceName(name),
      user,
      tokenHash: tokenHash.slice(),
      created: this.#clock.now(),
      lastSeen: 0,
      revoked: false,
    };
    return [...forgotten.map(gone("device")), { table: "device", row }];
  }

  revokeDevice(id: Id): void {
    const device = this.device(id);
    if (device === null) throw new AccountError("unknown", `Cannot revoke device "${id}": there is none`);
    if (!device.revoked) this.#change([{ table: "device", row: { ...device, revoked: true } }]);
  }

  noteSeen(id: Id): void {
    const device = this.device(id);
    const now = this.#clock.now();
    const lastSeen = now - now % SEEN_MS;
    if (device === null || device.lastSeen === lastSeen) return;
    try {
      this.#keep([{ table: "device", row: { ...device, lastSeen } }]);
    } catch (error) {
      // A full disk keeps nobody out.
      if (!(error instanceof RecordsError)) throw error;
    }
  }

  invitations(): readonly Invitation[] {
    return [...this.#tables.invitation.values()].sort((a, b) => a.id - b.id).map(publicPart);
  }

  invite({ user, folder, expires, secretHash }: {
    readonly user: string;
    readonly folder: string;
    readonly expires: number;
    readonly secretHash: Uint8Array;
  }): Invitation {
    const now = this.#clock.now();
    if (this.#expectUser(user).disabled) {
      throw new AccountError(
        "forbidden",
        `Cannot invite "${user}": the user is disabled`,
        `fsync user enable ${user}`,
      );
    }
    this.#expectFolder(folder);
    if (!(expires > now) || expires - now > INVITATION_MS_MAX) {
      throw new AccountError("invalid", `Cannot invite "${user}": an invitation is valid for up to a year`);
    }
    const all = [...this.#tables.invitation.values()];
    this.#expectRoom("open invitation", all.filter((one) => isOpen(one, now)).length, INVITATIONS_OPEN_MAX);
    const id = Number(this.#tables.setting.get(LAST_INVITATION)?.value ?? 0) + 1;
    const row: StoredInvitation = {
      id,
      user,
      folder,
      created: now,
      expires,
      usedBy: null,
      revoked: false,
      secretHash: secretHash.slice(),
    };
    this.#change([
      ...all.filter((one) => one.expires + INVITATION_KEPT_MS < now).map(gone("invitation")),
      { table: "setting", row: { key: LAST_INVITATION, value: String(id) } },
      { table: "invitation", row },
    ]);
    return publicPart(row);
  }

  revokeInvitation(id: number): void {
    const row = this.#tables.invitation.get(String(id));
    if (row === undefined) throw new AccountError("unknown", `Cannot revoke invitation ${id}: there is none`);
    if (row.usedBy !== null) {
      const hint = `revoke the device: fsync device revoke ${row.usedBy}`;
      throw new AccountError("forbidden", `Cannot revoke invitation ${id}: it was used`, hint);
    }
    if (!row.revoked) this.#change([{ table: "invitation", row: { ...row, revoked: true } }]);
  }

  redeem(secretHash: Uint8Array, device: NewDevice): Invitation | null {
    const now = this.#clock.now();
    let found: StoredInvitation | null = null;
    // Every one is compared, so that the time tells nothing of any.
    for (const one of this.#tables.invitation.values()) if (isEqual(one.secretHash, secretHash)) found = one;
    const known = this.device(device.id);
    const again = isEqual(known?.tokenHash ?? NO_HASH, device.tokenHash) && known !== null && !known.revoked;
    const user = this.user(found?.user ?? "");
    if (found === null || user === null || user.disabled || found.revoked) return null;
    if (found.usedBy !== null) return found.usedBy === device.id && again ? publicPart(found) : null;
    if (known !== null || found.expires <= now) return null;
    const row = { ...found, usedBy: device.id };
    this.#change([...this.#newDevice(device, user.name), { table: "invitation", row }]);
    return publicPart(row);
  }

  folders(): readonly SharedFolder[] {
    const [main, ...rest] = [this.#tables.folder.get(MAIN_FOLDER)!, ...byName(this.#tables.folder.values())];
    return [main, ...rest.filter(({ name }) => name !== MAIN_FOLDER)];
  }

  addFolder({ name, path }: { readonly name: string; readonly path: string }): void {
    checkName("folder", name);
    if (this.#tables.folder.has(name)) throw taken("folder", name);
    if (!path.startsWith("/")) {
      throw new AccountError("invalid", `Cannot add folder "${name}": its path is relative`);
    }
    for (const other of this.#tables.folder.values()) {
      if (other.path === null || !(isWithin(path, other.path) || isWithin(other.path, path))) continue;
      throw new AccountError(
        "invalid",
        `Cannot add folder "${name}" at "${path}": folder "${other.name}" is at "${other.path}"`,
        "choose a directory that neither holds another folder nor lies in one",
      );
    }
    this.#expectRoom("folder", this.#tables.folder.size, FOLDERS_MAX);
    this.#change([{ table: "folder", row: { name, path } }]);
  }

  removeFolder(name: string): void {
    const row = this.#expectFolder(name);
    if (name === MAIN_FOLDER) {
      throw new AccountError("forbidden", `Cannot remove folder "${name}": it is the server's own`);
    }
    this.#change([
      ...[...this.#tables.grant.values()].filter(({ folder }) => folder === name).map(gone("grant")),
      ...[...this.#tables.invitation.values()].filter((one) => one.folder === name).map(gone("invitation")),
      { table: "folder", row, gone: true },
    ]);
  }

  grants(folder?: string): readonly FolderGrant[] {
    const all = [...this.#tables.grant.values()];
    const wanted = folder === undefined ? all : all.filter((grant) => grant.folder === folder);
    const order = ({ folder, prefix, subject }: FolderGrant) =>
      `${folder}\0${prefix ?? ""}\0${subject.kind}\0${subject.name}`;
    return wanted.sort((a, b) => compare(order(a), order(b)));
  }

  grant(
    folder: string,
    prefix: SyncPath | null,
    subject: Subject,
    right: { readonly access: Access; readonly history: boolean } | null,
  ): void {
    this.#expectFolder(folder);
    this.#expectGrantable(subject);
    const key = grantKey({ folder, subject, prefix });
    const known = this.#tables.grant.get(key);
    if (right === null) {
      if (known === undefined) {
        const message =
          `Cannot take the grant back: ${subject.kind} "${subject.name}" has none for just this`;
        throw new AccountError("unknown", message, "fsync grant list shows all");
      }
      return this.#change([{ table: "grant", row: known, gone: true }]);
    }
    const history = right.history && right.access !== "none";
    if (known !== undefined && known.access === right.access && known.history === history) return;
    const row: FolderGrant = { folder, prefix, subject, access: right.access, history };
    if (known === undefined) this.#expectRoomForGrant(row);
    this.#change([{ table: "grant", row }]);
  }

  membership(user: string, folder: string): Membership | null {
    return this.#memberships.of(user, folder);
  }

  onChange(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  close(): void {
    this.#listeners.clear();
    this.#onClose();
  }

  #change(changes: readonly RowChange[]): void {
    this.#keep(changes);
    this.#memberships.changed();
    for (const listener of [...this.#listeners]) listener();
  }

  #keep(changes: readonly RowChange[]): void {
    this.#save(changes);
    for (const change of changes) this.#tables.apply(change);
  }

  #newUser(name: string, owner: boolean, quota: number | null): User {
    return { name, owner, disabled: false, quota, created: this.#clock.now() };
  }

  /** Oldest first. */
  #devicesOf(user: string): Device[] {
    return this.devices().filter((device) => device.user === user);
  }

  #grantsOf({ kind, name }: Subject): FolderGrant[] {
    return [...this.#tables.grant.values()]
      .filter(({ subject }) => subject.kind === kind && subject.name === name);
  }

  #expectUser(name: string): User {
    return this.user(name) ?? fail("user", name);
  }

  #expectGroup(name: string): { readonly name: string } {
    return this.#tables.group.get(name) ?? fail("group", name);
  }

  #expectFolder(name: string): SharedFolder {
    return this.#tables.folder.get(name) ?? fail("folder", name);
  }

  /** A user that is not the owner. */
  #expectSubordinate(action: string, name: string): User {
    const user = this.#expectUser(name);
    if (!user.owner) return user;
    throw new AccountError("forbidden", `Cannot ${action} "${name}": it is the owner of the server`);
  }

  #expectGrantable({ kind, name }: Subject): void {
    if (kind === "group") this.#expectGroup(name);
    else this.#expectSubordinate("grant anything to", name);
  }

  #expectRoomForGrant(row: FolderGrant): void {
    this.#expectRoom(`grant in "${row.folder}"`, this.grants(row.folder).length, GRANTS_MAX);
    const { kind, name } = row.subject;
    const members = this.groups().find((group) => group.name === name)?.members ?? [];
    for (const user of kind === "user" ? [name] : members) this.#expectRoomForRules(user, row.folder, [row]);
  }

  #expectRoomForRules(user: string, folder: string, more: readonly FolderGrant[]): void {
    const prefixes = this.#memberships.rulesOf(user, folder).map(({ prefix }) => prefix);
    const count = new Set([...prefixes, ...more.map(({ prefix }) => prefix)]).size;
    this.#expectRoom(`grant for "${user}" in "${folder}"`, count - 1, USER_RULES_MAX);
  }

  #expectRoom(what: string, count: number, max: number): void {
    if (count < max) return;
    throw new AccountError(
      "limit",
      `Cannot add one more ${what}: there are ${max}`,
      "remove what is not needed",
    );
  }
}

function fail(what: string, name: string): never {
  throw new AccountError("unknown", `Cannot find ${what} "${name}": there is none of that name`);
}

function taken(what: string, name: string): AccountError {
  return new AccountError("exists", `Cannot add ${what} "${name}": there is one of that name`);
}

function checkedQuota(quota: number | null): number | null {
  if (quota === null || (Number.isSafeInteger(quota) && quota >= 0)) return quota;
  throw new AccountError("invalid", `Cannot set a quota of ${quota}: it is no count of bytes`);
}

function gone<T extends RowChange["table"]>(table: T) {
  return (row: Extract<RowChange, { table: T }>["row"]) => ({ table, row, gone: true }) as RowChange;
}

function publicPart({ secretHash: _, ...rest }: StoredInvitation): Invitation {
  return rest;
}

function isOpen({ usedBy, revoked, expires }: Invitation, now: number): boolean {
  return usedBy === null && !revoked && expires > now;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function isWithin(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir.endsWith("/") ? dir : `${dir}/`);
}

function byName<T extends { readonly name: string }>(rows: Iterable<T>): T[] {
  return [...rows].sort((a, b) => compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
