/**
 * Who is known to a server: users, groups, devices, invitations, the folders that it shares, and who may do what in
 * them. `sqlite_accounts.ts` is the embedded one, `tests/fakes/mem_accounts.ts` its twin; both pass
 * `tests/conformance/accounts_suite.ts`.
 */
import type { Access, Grant, Rights, Rule, Subject } from "../../core/access.ts";
import type { SyncPath } from "../../core/path.ts";
import type { Id } from "../../protocol/messages.ts";

/** Name of the folder that every server has: the directory that it was started with. */
export const MAIN_FOLDER = "main";
/** The view of whoever sees everything. */
export const EVERYTHING: Id = "0".repeat(32);

export interface User {
  readonly name: string;
  /** The owner may do everything everywhere, and nobody can take that away. There is one. */
  readonly owner: boolean;
  readonly disabled: boolean;
  /** Bytes of versions that the user may have in all folders together; `null`: no bound. */
  readonly quota: number | null;
  /** ms */
  readonly created: number;
}

export interface Group {
  readonly name: string;
  readonly members: readonly string[];
}

export interface Device {
  readonly id: Id;
  readonly name: string;
  readonly user: string;
  /** SHA-256 of the token. */
  readonly tokenHash: Uint8Array;
  /** ms */
  readonly created: number;
  /** When it last signed in, ms, to the hour; 0: never. */
  readonly lastSeen: number;
  readonly revoked: boolean;
}

/** An invitation for one more device of a user. Its secret is not kept, only the SHA-256 of it. */
export interface Invitation {
  readonly id: number;
  readonly user: string;
  /** The folder that the invitation line is for. */
  readonly folder: string;
  /** ms */
  readonly created: number;
  /** ms */
  readonly expires: number;
  /** The device that came of it. */
  readonly usedBy: Id | null;
  readonly revoked: boolean;
}

export interface SharedFolder {
  readonly name: string;
  /** Real path of its directory; `null` for {@link MAIN_FOLDER}, which lies where the server does. */
  readonly path: string | null;
}

/** What a device shows to become known. */
export interface NewDevice {
  readonly id: Id;
  readonly name: string;
  readonly tokenHash: Uint8Array;
}

/** A user and what it may do in a folder, at one moment. The same object as long as nothing of it changes. */
export interface Membership {
  readonly user: string;
  readonly rights: Rights;
  /** Stands for what the user may see; tells nothing about rules that forbid. */
  readonly view: Id;
  /** What a client is told of its own rules: those that forbid are left out. */
  readonly rules: readonly Rule[];
}

export interface Accounts {
  users(): readonly User[];
  user(name: string): User | null;
  /** @throws {AccountError} if the name is taken or not valid */
  addUser(user: { readonly name: string; readonly quota?: number | null }): void;
  /** Makes `name` the one owner, as a user if it is none yet. The owner before keeps by grants what it could do. */
  setOwner(name: string): void;
  /** Removes the user, its devices, invitations, grants and memberships; what it did stays in the history. */
  removeUser(name: string): void;
  /** A disabled user cannot sign in; everything else of it is kept. */
  disableUser(name: string, disabled: boolean): void;
  setQuota(name: string, quota: number | null): void;

  groups(): readonly Group[];
  addGroup(name: string): void;
  removeGroup(name: string): void;
  setMember(group: string, user: string, member: boolean): void;

  devices(): readonly Device[];
  device(id: Id): Device | null;
  /** Adds a device of a user, or gives a known one of that user a new name and token. */
  addDevice(device: Omit<Device, "created" | "lastSeen" | "revoked">): void;
  revokeDevice(id: Id): void;
  noteSeen(id: Id): void;

  invitations(): readonly Invitation[];
  /** @param secretHash SHA-256 of the secret */
  invite(invitation: {
    readonly user: string;
    readonly folder: string;
    readonly expires: number;
    readonly secretHash: Uint8Array;
  }): Invitation;
  revokeInvitation(id: number): void;
  /**
   * Makes `device` known by an invitation. The same device may do it again, in case that its answer was lost. Every
   * refusal is the same, and takes the same time.
   *
   * @returns `null` if the invitation is unknown, used by another device, expired or revoked, or its user disabled, or
   * the device is already known otherwise
   */
  redeem(secretHash: Uint8Array, device: NewDevice): Invitation | null;

  folders(): readonly SharedFolder[];
  addFolder(folder: { readonly name: string; readonly path: string }): void;
  removeFolder(name: string): void;

  /** @param folder name of a folder; all of them without it */
  grants(folder?: string): readonly (Grant & { readonly folder: string })[];
  /** Sets what `subject` may do at `prefix` (`null`: everywhere in the folder). `null` takes the grant back. */
  grant(
    folder: string,
    prefix: SyncPath | null,
    subject: Subject,
    right: { readonly access: Access; readonly history: boolean } | null,
  ): void;

  /**
   * What a user may do in a folder: looked up in memory, so it may be asked for every request. `null`: not a user, or
   * disabled, or no such folder. A user without any grant has a membership without rules.
   */
  membership(user: string, folder: string): Membership | null;

  /**
   * Whether any user, also a disabled one, may read something at or below `to` that it may not read at the same place
   * at or below `from`.
   */
  opens(folder: string, from: SyncPath, to: SyncPath): boolean;

  /**
   * Calls `listener` after every change, in this process, with what changed already in force; not for
   * {@link noteSeen}. @returns what ends that
   */
  onChange(listener: () => void): () => void;
  close(): void;
}

/** The one owner, `null` before there is any. */
export function ownerOf(accounts: Pick<Accounts, "users">): User | null {
  return accounts.users().find(({ owner }) => owner) ?? null;
}

/** Something about users, groups, devices or grants cannot be done as asked. */
export class AccountError extends Error {
  override name = "AccountError";
  readonly code: "unknown" | "exists" | "invalid" | "limit" | "forbidden";
  readonly hint: string;
  constructor(code: AccountError["code"], message: string, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
