/**
 * Accounts came after servers did: until then devices stood in the records, and whoever had one could do everything but
 * see the past. Their users keep that.
 */
import { existsSync } from "@std/fs";
import type { Id } from "../../protocol/messages.ts";
import type { Clock } from "../../system/clock.ts";
import type { Random } from "../../system/random.ts";
import { Database, DatabaseError, type SqlRow } from "../../system/sqlite.ts";
import { APPLICATION_ID, SCHEMA, VERSION } from "../store/_records_schema.ts";
import { RecordsError } from "../store/records.ts";
import { type Accounts, MAIN_FOLDER, ownerOf } from "./accounts.ts";
import { accountName, deviceName } from "./names.ts";
import { openAccounts } from "./sqlite_accounts.ts";
import type { RowChange } from "./_tables.ts";

/** The setting of the records that named the owner. */
const OWNER_SETTING = "owner";

export interface ServerAccountsParts {
  /** The server's private directory, `.fsync`. */
  readonly dir: string;
  /** Who owns a server that has no owner yet, as the operating system says. */
  readonly owner: string;
  readonly random: Random;
  readonly clock: Pick<Clock, "now">;
}

/**
 * Opens the accounts of a server; new ones take over what the records in the same directory know.
 *
 * @throws {RecordsError}
 */
export function openServerAccounts({ dir, owner, random, clock }: ServerAccountsParts): Accounts {
  const accounts = openAccounts(
    `${dir}/accounts.db`,
    random,
    clock,
    () => formerAccounts(`${dir}/server.db`, clock.now()),
  );
  try {
    if (ownerOf(accounts) === null) accounts.setOwner(accountName(owner));
    return accounts;
  } catch (error) {
    accounts.close();
    throw error;
  }
}

/**
 * Users and devices of the records at `path`; nothing if there are no records.
 *
 * @throws {RecordsError} if they cannot be read
 */
export function formerAccounts(path: string, now: number): RowChange[] {
  if (!existsSync(path)) return [];
  try {
    const db = new Database(
      path,
      { applicationId: APPLICATION_ID, version: VERSION, schema: SCHEMA },
      "full",
    );
    try {
      const owner = db.prepare("SELECT value FROM setting WHERE key = ?").get(OWNER_SETTING)?.[0] ?? null;
      const devices = db.prepare("SELECT id, name, user, token_hash, created, revoked FROM device").all();
      return takeOver(owner as string | null, devices, now);
    } finally {
      db.close();
    }
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const code = error.code === "foreign" ? "damaged" : error.code;
    throw new RecordsError(code, `Cannot take over the devices of "${path}": ${error.message}`);
  }
}

function takeOver(ownerName: string | null, rows: readonly SqlRow[], created: number): RowChange[] {
  const owner = ownerName === null ? null : accountName(ownerName);
  const devices = rows.map(([id, name, user, tokenHash, since, revoked]) => ({
    id: id as Id,
    name: deviceName(name as string),
    user: accountName(user as string),
    tokenHash: tokenHash as Uint8Array,
    created: since as number,
    lastSeen: 0,
    revoked: revoked !== 0,
  }));
  const names = new Set([...(owner === null ? [] : [owner]), ...devices.map(({ user }) => user)]);
  const others = [...names].filter((name) => name !== owner);
  return [
    ...[...names].map((name): RowChange => ({
      table: "user",
      row: { name, owner: name === owner, disabled: false, quota: null, created },
    })),
    ...devices.map((row): RowChange => ({ table: "device", row })),
    ...others.map((name): RowChange => ({
      table: "grant",
      row: {
        folder: MAIN_FOLDER,
        subject: { kind: "user", name },
        prefix: null,
        access: "write",
        history: false,
      },
    })),
  ];
}
