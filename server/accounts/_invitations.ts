/** How devices become known: what an invitation, and its use, change in the tables. */
import { AccountError, type Device, type Invitation, type NewDevice } from "./accounts.ts";
import type { Expect } from "./_expect.ts";
import { DEVICES_MAX, INVITATION_KEPT_MS, INVITATION_MS_MAX, INVITATIONS_OPEN_MAX } from "./limits.ts";
import { deviceName } from "./names.ts";
import type { RowChange, StoredInvitation, Tables } from "./_tables.ts";

const LAST_INVITATION = "lastInvitation";
/** Compared with where there is nothing to compare with, so that it takes the same time. */
const NO_HASH = new Uint8Array(32);

export interface WantedInvitation {
  readonly user: string;
  readonly folder: string;
  readonly expires: number;
  readonly secretHash: Uint8Array;
}

/** An invitation and what makes it so. */
export interface InvitationChange {
  readonly row: StoredInvitation;
  readonly changes: readonly RowChange[];
}

/** @throws {AccountError} */
export function newInvitation(
  tables: Tables,
  expect: Expect,
  { user, folder, expires, secretHash }: WantedInvitation,
  now: number,
): InvitationChange {
  if (expect.user(user).disabled) {
    const hint = `let the user in first: fsync user enable ${user}`;
    throw new AccountError("forbidden", `Cannot invite "${user}": the user is disabled`, hint);
  }
  expect.folder(folder);
  if (!(expires > now) || expires - now > INVITATION_MS_MAX) {
    throw new AccountError("invalid", `Cannot invite "${user}": an invitation is valid for up to a year`);
  }
  const all = [...tables.invitation.values()];
  expect.room("open invitation", all.filter((one) => isOpen(one, now)).length, INVITATIONS_OPEN_MAX);
  const id = Number(tables.setting.get(LAST_INVITATION)?.value ?? 0) + 1;
  const rest = { created: now, usedBy: null, revoked: false, secretHash: secretHash.slice() };
  const row = { id, user, folder, expires, ...rest };
  const over = all.filter((one) => one.expires + INVITATION_KEPT_MS < now);
  return {
    row,
    changes: [
      ...over.map((row): RowChange => ({ table: "invitation", row, gone: true })),
      { table: "setting", row: { key: LAST_INVITATION, value: String(id) } },
      { table: "invitation", row },
    ],
  };
}

/**
 * What the use of a secret changes: nothing, if the same device comes again. `null` for every reason to refuse.
 *
 * @throws {AccountError} limit
 */
export function redemption(
  tables: Tables,
  expect: Expect,
  secretHash: Uint8Array,
  device: NewDevice,
  now: number,
): InvitationChange | null {
  let found: StoredInvitation | null = null;
  // Every one is compared, so that the time tells nothing of any.
  for (const one of tables.invitation.values()) if (isEqual(one.secretHash, secretHash)) found = one;
  const known = tables.device.get(device.id) ?? null;
  const sameToken = isEqual(known?.tokenHash ?? NO_HASH, device.tokenHash);
  const user = tables.user.get(found?.user ?? "");
  if (found === null || user === undefined || user.disabled || found.revoked) return null;
  if (found.usedBy !== null) {
    const again = found.usedBy === device.id && known !== null && sameToken && !known.revoked;
    return again ? { row: found, changes: [] } : null;
  }
  if (known !== null || found.expires <= now) return null;
  const row = { ...found, usedBy: device.id };
  const changes = newDevice(tables, expect, device, user.name, now);
  return { row, changes: [...changes, { table: "invitation", row }] };
}

/** @throws {AccountError} limit */
export function newDevice(
  tables: Tables,
  expect: Expect,
  { id, name, tokenHash }: NewDevice,
  user: string,
  now: number,
): RowChange[] {
  const others = devicesOf(tables, user).filter((device) => device.id !== id);
  const forgotten = others.length < DEVICES_MAX ? [] : others.filter(({ revoked }) => revoked).slice(0, 1);
  expect.room(`device of "${user}"`, others.length - forgotten.length, DEVICES_MAX);
  const rest = { created: now, lastSeen: 0, revoked: false, tokenHash: tokenHash.slice() };
  return [
    ...forgotten.map((row): RowChange => ({ table: "device", row, gone: true })),
    { table: "device", row: { id, name: deviceName(name), user, ...rest } },
  ];
}

/** Oldest first. */
export function devicesOf(tables: Tables, user: string): Device[] {
  return [...tables.device.values()].filter((device) => device.user === user)
    .sort((a, b) => a.created - b.created);
}

export function publicPart({ secretHash: _, ...rest }: StoredInvitation): Invitation {
  return rest;
}

function isOpen({ usedBy, revoked, expires }: Invitation, now: number): boolean {
  return usedBy === null && !revoked && expires > now;
}

/** In a time that the bytes do not change. A tenth of what Node's own costs, and a thousand may be compared. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
