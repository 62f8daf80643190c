/**
 * All rules of the accounts, over tables in memory; whoever makes one says how its changes are kept. A change is checked,
 * saved, then in force, then told.
 */
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
import { Expect } from "./_expect.ts";
import { newDevice, newInvitation, publicPart, redemption, type WantedInvitation } from "./_invitations.ts";
import { FOLDERS_MAX, GROUPS_MAX, SEEN_MS, USERS_MAX } from "./limits.ts";
import { Memberships } from "./_memberships.ts";
import { checkName } from "./names.ts";
import { type FolderGrant, grantKey, memberKey, type RowChange, type Rows, type Tables } from "./_tables.ts";

const VIEW_KEY = "viewKey";
const VIEW_KEY_BYTES = 32;
const VIEW_KEY_HEX = /^[0-9a-f]{64}$/;

const DECIDE_RIGHTS: ReadonlySet<keyof Rows> = new Set(["user", "group", "member", "folder", "grant"]);

/** What new accounts begin with. */
export function firstRows(random: Random): RowChange[] {
  return [
    { table: "setting", row: { key: VIEW_KEY, value: random.bytes(VIEW_KEY_BYTES).toHex() } },
    { table: "folder", row: { name: MAIN_FOLDER, path: null } },
  ];
}

/** Whether what every accounts begin with is still there. */
export function isComplete(tables: Tables): boolean {
  return VIEW_KEY_HEX.test(tables.setting.get(VIEW_KEY)?.value ?? "") && tables.folder.has(MAIN_FOLDER);
}

export interface BookOptions {
  /** The tables as they are, {@link isComplete}. */
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
  readonly #expect: Expect;
  readonly #listeners = new Set<() => void>();

  constructor({ tables, save, clock, onClose }: BookOptions) {
    this.#tables = tables;
    this.#save = save;
    this.#clock = clock;
    this.#onClose = onClose;
    this.#memberships = new Memberships(tables, Uint8Array.fromHex(tables.setting.get(VIEW_KEY)!.value));
    this.#expect = new Expect(tables, this.#memberships);
  }

  users(): readonly User[] {
    return byName(this.#tables.user.values());
  }

  user(name: string): User | null {
    return this.#tables.user.get(name) ?? null;
  }

  addUser({ name, quota = null }: { readonly name: string; readonly quota?: number | null }): void {
    checkName("user", name);
    this.#expect.free("user", name);
    this.#expect.room("user", this.#tables.user.size, USERS_MAX);
    this.#change([put("user", { ...this.#newUser(name), quota: checkedQuota(quota) })]);
  }

  setOwner(name: string): void {
    const known = this.user(name);
    if (known?.owner === true) return;
    if (known === null) checkName("user", name);
    const before = this.users().find(({ owner }) => owner);
    const row = { ...known ?? this.#newUser(name), owner: true, disabled: false, quota: null };
    this.#change([
      ...(before === undefined ? [] : this.#retire(before)),
      ...this.#grantsOf({ kind: "user", name }).map((grant) => drop("grant", grant)),
      put("user", row),
    ]);
  }

  #retire(owner: User): RowChange[] {
    const right = { prefix: null, access: "write", history: true } as const;
    const subject: Subject = { kind: "user", name: owner.name };
    return [
      put("user", { ...owner, owner: false }),
      ...this.folders().map(({ name }) => put("grant", { ...right, subject, folder: name })),
    ];
  }

  removeUser(name: string): void {
    const user = this.#expect.subordinate("remove", name);
    const { device, invitation, member } = this.#tables;
    const isTheirs = (row: { readonly user: string }) => row.user === name;
    this.#change([
      ...device.values().filter(isTheirs).map((row) => drop("device", row)),
      ...invitation.values().filter(isTheirs).map((row) => drop("invitation", row)),
      ...member.values().filter(isTheirs).map((row) => drop("member", row)),
      ...this.#grantsOf({ kind: "user", name }).map((row) => drop("grant", row)),
      drop("user", user),
    ]);
  }

  disableUser(name: string, disabled: boolean): void {
    const user = this.#expect.subordinate(disabled ? "disable" : "enable", name);
    if (user.disabled !== disabled) this.#change([put("user", { ...user, disabled })]);
  }

  setQuota(name: string, quota: number | null): void {
    const user = this.#expect.subordinate("set a quota for", name);
    if (user.quota !== quota) this.#change([put("user", { ...user, quota: checkedQuota(quota) })]);
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
    this.#expect.free("group", name);
    this.#expect.room("group", this.#tables.group.size, GROUPS_MAX);
    this.#change([put("group", { name })]);
  }

  removeGroup(name: string): void {
    const row = this.#expect.group(name);
    const members = this.#tables.member.values().filter(({ group }) => group === name);
    this.#change([
      ...this.#grantsOf({ kind: "group", name }).map((row) => drop("grant", row)),
      ...members.map((row) => drop("member", row)),
      drop("group", row),
    ]);
  }

  setMember(group: string, user: string, member: boolean): void {
    this.#expect.group(group);
    this.#expect.user(user);
    if (this.#tables.member.has(memberKey(group, user)) === member) return;
    if (member) this.#expect.roomForMember(group, user);
    this.#change([member ? put("member", { group, user }) : drop("member", { group, user })]);
  }

  devices(): readonly Device[] {
    return [...this.#tables.device.values()].sort((a, b) =>
      compare(a.user, b.user) || a.created - b.created || compare(a.id, b.id)
    );
  }

  device(id: Id): Device | null {
    return this.#tables.device.get(id) ?? null;
  }

  addDevice({ user, ...device }: Omit<Device, "created" | "lastSeen" | "revoked">): void {
    this.#expect.user(user);
    const known = this.device(device.id);
    if (known !== null && known.user !== user) {
      throw new AccountError("forbidden", `Cannot add device "${device.name}": it is one of "${known.user}"`);
    }
    this.#change(newDevice(this.#tables, this.#expect, device, user, this.#clock.now()));
  }

  revokeDevice(id: Id): void {
    const device = this.device(id);
    if (device === null) throw new AccountError("unknown", `Cannot find device "${id}": there is none`);
    if (!device.revoked) this.#change([put("device", { ...device, revoked: true })]);
  }

  noteSeen(id: Id): void {
    const device = this.device(id);
    const now = this.#clock.now();
    const lastSeen = now - now % SEEN_MS;
    if (device === null || device.lastSeen === lastSeen) return;
    try {
      this.#keep([put("device", { ...device, lastSeen })]);
    } catch (error) {
      // A full disk keeps nobody out.
      if (!(error instanceof RecordsError)) throw error;
    }
  }

  invitations(): readonly Invitation[] {
    return [...this.#tables.invitation.values()].sort((a, b) => a.id - b.id).map(publicPart);
  }

  invite(wanted: WantedInvitation): Invitation {
    const { row, changes } = newInvitation(this.#tables, this.#expect, wanted, this.#clock.now());
    this.#change(changes);
    return publicPart(row);
  }

  revokeInvitation(id: number): void {
    const row = this.#tables.invitation.get(String(id));
    if (row === undefined) throw new AccountError("unknown", `Cannot find invitation ${id}: there is none`);
    if (row.usedBy !== null) {
      const hint = `revoke the device that came of it: fsync device revoke ${row.usedBy}`;
      throw new AccountError("forbidden", `Cannot revoke invitation ${id}: it was used`, hint);
    }
    if (!row.revoked) this.#change([put("invitation", { ...row, revoked: true })]);
  }

  redeem(secretHash: Uint8Array, device: NewDevice): Invitation | null {
    const used = redemption(this.#tables, this.#expect, secretHash, device, this.#clock.now());
    if (used === null) return null;
    if (used.changes.length > 0) this.#change(used.changes);
    return publicPart(used.row);
  }

  folders(): readonly SharedFolder[] {
    const rest = byName(this.#tables.folder.values()).filter(({ name }) => name !== MAIN_FOLDER);
    return [this.#expect.folder(MAIN_FOLDER), ...rest];
  }

  addFolder({ name, path }: { readonly name: string; readonly path: string }): void {
    checkName("folder", name);
    this.#expect.free("folder", name);
    const action = `Cannot add folder "${name}" at "${path}"`;
    if (!path.startsWith("/")) throw new AccountError("invalid", `${action}: the path is not absolute`);
    const near = this.folders().find((other) =>
      other.path !== null && (isWithin(path, other.path) || isWithin(other.path, path))
    );
    if (near !== undefined) {
      const hint = "choose a directory that neither holds another folder nor lies in one";
      throw new AccountError("invalid", `${action}: folder "${near.name}" is at "${near.path}"`, hint);
    }
    this.#expect.room("folder", this.#tables.folder.size, FOLDERS_MAX);
    this.#change([put("folder", { name, path })]);
  }

  removeFolder(name: string): void {
    const row = this.#expect.folder(name);
    if (name === MAIN_FOLDER) {
      throw new AccountError("forbidden", `Cannot remove folder "${name}": it is the server's own`);
    }
    const { grant, invitation } = this.#tables;
    const isInIt = (row: { readonly folder: string }) => row.folder === name;
    this.#change([
      ...grant.values().filter(isInIt).map((row) => drop("grant", row)),
      ...invitation.values().filter(isInIt).map((row) => drop("invitation", row)),
      drop("folder", row),
    ]);
  }

  grants(folder?: string): readonly FolderGrant[] {
    const order = ({ folder, prefix, subject }: FolderGrant) =>
      `${folder}\0${prefix ?? ""}\0${subject.kind}\0${subject.name}`;
    return [...this.#tables.grant.values()]
      .filter((grant) => folder === undefined || grant.folder === folder)
      .sort((a, b) => compare(order(a), order(b)));
  }

  grant(
    folder: string,
    prefix: SyncPath | null,
    subject: Subject,
    right: { readonly access: Access; readonly history: boolean } | null,
  ): void {
    this.#expect.folder(folder);
    this.#expect.grantable(subject);
    const known = this.#tables.grant.get(grantKey({ folder, subject, prefix }));
    if (right === null) {
      if (known !== undefined) return this.#change([drop("grant", known)]);
      const message = `Cannot take the grant back: ${subject.kind} "${subject.name}" has none for just this`;
      throw new AccountError("unknown", message, "see what there is: fsync grant list");
    }
    const row = {
      folder,
      prefix,
      subject,
      access: right.access,
      history: right.history && right.access !== "none",
    };
    if (known === undefined) this.#expect.roomForGrant(row);
    else if (known.access === row.access && known.history === row.history) return;
    this.#change([put("grant", row)]);
  }

  membership(user: string, folder: string): Membership | null {
    return this.#memberships.of(user, folder);
  }

  opens(folder: string, from: SyncPath, to: SyncPath): boolean {
    return this.#memberships.opens(folder, from, to);
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
    if (changes.some(({ table }) => DECIDE_RIGHTS.has(table))) this.#memberships.changed();
    for (const listener of [...this.#listeners]) listener();
  }

  #keep(changes: readonly RowChange[]): void {
    this.#save(changes);
    for (const change of changes) this.#tables.apply(change);
  }

  #newUser(name: string): User {
    return { name, owner: false, disabled: false, quota: null, created: this.#clock.now() };
  }

  #grantsOf({ kind, name }: Subject): FolderGrant[] {
    return [...this.#tables.grant.values()]
      .filter(({ subject }) => subject.kind === kind && subject.name === name);
  }
}

function put<T extends keyof Rows>(table: T, row: Rows[T]): RowChange {
  return { table, row } as RowChange;
}

function drop<T extends keyof Rows>(table: T, row: Rows[T]): RowChange {
  return { table, row, gone: true } as RowChange;
}

function checkedQuota(quota: number | null): number | null {
  if (quota === null || (Number.isSafeInteger(quota) && quota >= 0)) return quota;
  throw new AccountError("invalid", `Cannot set a quota of ${quota}: it is no count of bytes`);
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
