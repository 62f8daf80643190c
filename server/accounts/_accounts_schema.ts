/** The tables of the accounts, and how rows become values and back. `docs/store.md` describes them. */
import type { Access } from "../../core/access.ts";
import { parsePath, PathError, type SyncPath } from "../../core/path.ts";
import { DatabaseError, type SqlRow, type SqlValue } from "../../system/sqlite.ts";
import type { RowChange, Rows, TableName } from "./_tables.ts";

/** "fsyA" */
export const APPLICATION_ID = 0x66737941;
export const VERSION = 1;

export const SCHEMA = `
  CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE user (
    name TEXT PRIMARY KEY, owner INTEGER NOT NULL, disabled INTEGER NOT NULL, quota INTEGER, created REAL NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE user_group (name TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE member (user_group TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (user_group, user)) WITHOUT ROWID;
  CREATE TABLE device (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, user TEXT NOT NULL, token_hash BLOB NOT NULL,
    created REAL NOT NULL, last_seen REAL NOT NULL, revoked INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE invitation (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, folder TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL,
    used_by TEXT, revoked INTEGER NOT NULL, secret_hash BLOB NOT NULL UNIQUE
  );
  CREATE TABLE folder (name TEXT PRIMARY KEY, path TEXT) WITHOUT ROWID;
  CREATE TABLE access_grant (
    folder TEXT NOT NULL, kind INTEGER NOT NULL, subject TEXT NOT NULL, prefix TEXT NOT NULL,
    access INTEGER NOT NULL, history INTEGER NOT NULL, PRIMARY KEY (folder, kind, subject, prefix)
  ) WITHOUT ROWID`;

const KINDS = ["user", "group"] as const;
const ACCESSES: readonly Access[] = ["none", "read", "write"];

/** How one table is written and read: its columns, the first `keys` of them its key. */
interface Mapping<T extends TableName> {
  readonly name: string;
  readonly columns: readonly string[];
  readonly keys: number;
  readonly values: (row: Rows[T]) => SqlValue[];
  readonly row: (values: SqlRow) => Rows[T];
}

const flag = (on: boolean): number => on ? 1 : 0;

export const MAPPINGS: { readonly [T in TableName]: Mapping<T> } = {
  setting: {
    name: "setting",
    columns: ["key", "value"],
    keys: 1,
    values: ({ key, value }) => [key, value],
    row: ([key, value]) => ({ key: text(key), value: text(value) }),
  },
  user: {
    name: "user",
    columns: ["name", "owner", "disabled", "quota", "created"],
    keys: 1,
    values: (
      { name, owner, disabled, quota, created },
    ) => [name, flag(owner), flag(disabled), quota, created],
    row: ([name, owner, disabled, quota, created]) => ({
      name: text(name),
      owner: owner === 1,
      disabled: disabled !== 0,
      quota: quota === null ? null : number(quota),
      created: number(created),
    }),
  },
  group: {
    name: "user_group",
    columns: ["name"],
    keys: 1,
    values: ({ name }) => [name],
    row: ([name]) => ({ name: text(name) }),
  },
  member: {
    name: "member",
    columns: ["user_group", "user"],
    keys: 2,
    values: ({ group, user }) => [group, user],
    row: ([group, user]) => ({ group: text(group), user: text(user) }),
  },
  device: {
    name: "device",
    columns: ["id", "name", "user", "token_hash", "created", "last_seen", "revoked"],
    keys: 1,
    values: (d) => [d.id, d.name, d.user, d.tokenHash, d.created, d.lastSeen, flag(d.revoked)],
    row: ([id, name, user, tokenHash, created, lastSeen, revoked]) => ({
      id: text(id),
      name: text(name),
      user: text(user),
      tokenHash: digest(tokenHash),
      created: number(created),
      lastSeen: number(lastSeen),
      revoked: revoked !== 0,
    }),
  },
  invitation: {
    name: "invitation",
    columns: ["id", "user", "folder", "created", "expires", "used_by", "revoked", "secret_hash"],
    keys: 1,
    values: (i) => [i.id, i.user, i.folder, i.created, i.expires, i.usedBy, flag(i.revoked), i.secretHash],
    row: ([id, user, folder, created, expires, usedBy, revoked, secretHash]) => ({
      id: number(id),
      user: text(user),
      folder: text(folder),
      created: number(created),
      expires: number(expires),
      usedBy: usedBy === null ? null : text(usedBy),
      revoked: revoked !== 0,
      secretHash: digest(secretHash),
    }),
  },
  folder: {
    name: "folder",
    columns: ["name", "path"],
    keys: 1,
    values: ({ name, path }) => [name, path],
    row: ([name, path]) => ({ name: text(name), path: path === null ? null : text(path) }),
  },
  grant: {
    name: "access_grant",
    columns: ["folder", "kind", "subject", "prefix", "access", "history"],
    keys: 4,
    values: ({ folder, subject, prefix, access, history }) => [
      folder,
      KINDS.indexOf(subject.kind),
      subject.name,
      prefix ?? "",
      ACCESSES.indexOf(access),
      flag(history),
    ],
    row: ([folder, kind, subject, prefix, access, history]) => ({
      folder: text(folder),
      subject: { kind: KINDS[number(kind)] ?? damaged("a grant is for nobody"), name: text(subject) },
      prefix: prefix === "" ? null : path(prefix),
      access: ACCESSES[number(access)] ?? damaged("a grant is of no known kind"),
      history: history === 1,
    }),
  },
};

export const TABLE_NAMES = Object.keys(MAPPINGS) as TableName[];

/** The row of a change in the order of its table's columns; with `gone`, its key alone. */
export function valuesOf({ table, row, gone }: RowChange): SqlValue[] {
  const { values, keys } = MAPPINGS[table] as Mapping<TableName>;
  const all = values(row);
  return gone === true ? all.slice(0, keys) : all;
}

// What a damaged file holds must not become a right.

function text(value: SqlValue | undefined): string {
  return typeof value === "string" ? value : damaged("a text is none");
}

function number(value: SqlValue | undefined): number {
  return typeof value === "number" ? value : damaged("a number is none");
}

function digest(value: SqlValue | undefined): Uint8Array {
  return value instanceof Uint8Array && value.length === 32 ? value : damaged("a digest is none");
}

function path(value: SqlValue | undefined): SyncPath {
  try {
    return parsePath(text(value));
  } catch (error) {
    if (error instanceof PathError) return damaged("a prefix is no path");
    throw error;
  }
}

function damaged(reason: string): never {
  throw new DatabaseError("damaged", reason);
}
