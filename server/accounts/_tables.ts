/** The accounts as rows: what is stored, and what a change consists of. */
import type { Grant } from "../../core/access.ts";
import type { Device, Invitation, SharedFolder, User } from "./accounts.ts";

export interface FolderGrant extends Grant {
  readonly folder: string;
}

export interface StoredInvitation extends Invitation {
  /** SHA-256 of the secret. */
  readonly secretHash: Uint8Array;
}

export interface Rows {
  readonly user: User;
  readonly group: { readonly name: string };
  readonly member: { readonly group: string; readonly user: string };
  readonly device: Device;
  readonly invitation: StoredInvitation;
  readonly folder: SharedFolder;
  readonly grant: FolderGrant;
  readonly setting: { readonly key: string; readonly value: string };
}

export type TableName = keyof Rows;

/** A row that is written, in place of the one with the same key, or (`gone`) removed. */
export type RowChange = {
  [T in TableName]: { readonly table: T; readonly row: Rows[T]; readonly gone?: boolean };
}[TableName];

/** Every table, by key. The keys tell where each name ends: no name contains a NUL. */
export class Tables {
  readonly user = new Map<string, User>();
  readonly group = new Map<string, Rows["group"]>();
  readonly member = new Map<string, Rows["member"]>();
  readonly device = new Map<string, Device>();
  readonly invitation = new Map<string, StoredInvitation>();
  readonly folder = new Map<string, SharedFolder>();
  readonly grant = new Map<string, FolderGrant>();
  readonly setting = new Map<string, Rows["setting"]>();

  isEmpty(): boolean {
    return Object.values(this).every((table: ReadonlyMap<string, unknown>) => table.size === 0);
  }

  apply(change: RowChange): void {
    const table = this[change.table] as Map<string, unknown>;
    if (change.gone === true) table.delete(keyOf(change));
    else table.set(keyOf(change), change.row);
  }
}

function keyOf({ table, row }: RowChange): string {
  switch (table) {
    case "user":
    case "group":
    case "folder":
      return row.name;
    case "member":
      return memberKey(row.group, row.user);
    case "device":
      return row.id;
    case "invitation":
      return String(row.id);
    case "grant":
      return grantKey(row);
    case "setting":
      return row.key;
  }
}

export function memberKey(group: string, user: string): string {
  return `${group}\0${user}`;
}

export function grantKey(
  { folder, subject, prefix }: Pick<FolderGrant, "folder" | "subject" | "prefix">,
): string {
  return `${folder}\0${subject.kind}\0${subject.name}\0${prefix ?? ""}`;
}
