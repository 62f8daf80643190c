/** What the owner's commands ask about users and their rights, and what is answered: plain values, for the control socket. */
import type { Access, Subject } from "../core/access.ts";
import type { Invitation, SharedFolder } from "../server/accounts/accounts.ts";

export interface UserRow {
  readonly name: string;
  readonly owner: boolean;
  readonly disabled: boolean;
  /** bytes */
  readonly quota: number | null;
  /** Bytes that count for it; `null` where no server runs that knows. */
  readonly used: number | null;
  readonly groups: readonly string[];
  /** Devices that may connect. */
  readonly devices: number;
  /** ms */
  readonly created: number;
  /** ms, to the hour; 0: never. */
  readonly lastSeen: number;
}

export interface GroupRow {
  readonly name: string;
  readonly members: readonly string[];
}

export interface DeviceRow {
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly created: number;
  readonly lastSeen: number;
  readonly revoked: boolean;
}

export interface GrantRow {
  readonly folder: string;
  /** `null`: the whole folder. */
  readonly prefix: string | null;
  readonly subject: Subject;
  readonly access: Access;
  readonly history: boolean;
}

/** What an invited user may do with the folder as a whole; `some`: in parts of it. */
export type Allowed = "write" | "read" | "some";

export interface Invited {
  readonly invitation: Invitation;
  /** The user is new here. */
  readonly added: boolean;
  readonly allowed: Allowed;
  /** The address on which the server listens, `null` if none runs. */
  readonly listens: string | null;
  /** The CA that a newcomer pins, `null` without TLS. */
  readonly caPem: string | null;
}

/** Each request with its answer. */
export interface AccountRequests {
  "users": { readonly asks: object; readonly answers: readonly UserRow[] };
  "user-add": {
    readonly asks: { readonly name: string; readonly quota: number | null };
    readonly answers: UserRow;
  };
  "user-remove": { readonly asks: { readonly name: string }; readonly answers: UserRow };
  "user-disable": {
    readonly asks: { readonly name: string; readonly disabled: boolean };
    readonly answers: UserRow;
  };
  "user-quota": {
    readonly asks: { readonly name: string; readonly quota: number | null };
    readonly answers: UserRow;
  };
  "groups": { readonly asks: object; readonly answers: readonly GroupRow[] };
  "group-add": { readonly asks: { readonly name: string }; readonly answers: GroupRow };
  "group-remove": { readonly asks: { readonly name: string }; readonly answers: GroupRow };
  "group-member": {
    readonly asks: { readonly group: string; readonly users: readonly string[]; readonly member: boolean };
    readonly answers: GroupRow;
  };
  "devices": { readonly asks: { readonly user: string | null }; readonly answers: readonly DeviceRow[] };
  /** `device`: its id, the beginning of it, its name, or `USER@NAME`. */
  "device-revoke": { readonly asks: { readonly device: string }; readonly answers: DeviceRow };
  "invite": {
    readonly asks: {
      readonly user: string;
      readonly group: string | null;
      readonly readOnly: boolean;
      /** How long it is valid, ms. */
      readonly validMs: number;
      readonly folder: string;
      /** SHA-256 of the secret, hex. */
      readonly secretHash: string;
    };
    readonly answers: Invited;
  };
  "invitations": { readonly asks: object; readonly answers: readonly Invitation[] };
  "invitation-revoke": { readonly asks: { readonly id: number }; readonly answers: Invitation };
  "grants": { readonly asks: { readonly folder: string | null }; readonly answers: readonly GrantRow[] };
  "grant": {
    readonly asks: {
      readonly folder: string;
      readonly prefix: string | null;
      readonly subject: Subject;
      readonly right: { readonly access: Access; readonly history: boolean } | null;
    };
    readonly answers: null;
  };
  "folders": { readonly asks: object; readonly answers: readonly SharedFolder[] };
  /** `live`: the running server serves it from now on. */
  "folder-add": {
    readonly asks: { readonly name: string; readonly path: string };
    readonly answers: SharedFolder & { readonly live: boolean };
  };
  "folder-remove": { readonly asks: { readonly name: string }; readonly answers: SharedFolder };
}

export type AccountTopic = keyof AccountRequests;

export type AccountRequest<T extends AccountTopic = AccountTopic> = {
  [K in T]: { readonly do: K } & AccountRequests[K]["asks"];
}[T];

export type AccountAnswer<T extends AccountTopic = AccountTopic> = AccountRequests[T]["answers"];
