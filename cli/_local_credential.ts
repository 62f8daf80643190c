/** Lets the server's own Unix user in without any set-up: a credential lies in the user's state directory. */
import { type Credential, readCredential, writeCredential } from "../client/credentials.ts";
import { leaveCredential as leaveForMembers, readLeftCredential } from "../client/group_credential.ts";
import type { Id } from "../protocol/messages.ts";
import { type Accounts, MAIN_FOLDER } from "../server/accounts/accounts.ts";
import { authenticate, TOKEN_BYTES, tokenHash } from "../server/auth.ts";
import { accountName } from "../server/accounts/names.ts";
import { formatAddress } from "../system/address.ts";
import { DiskError } from "../system/disk.ts";
import { ExposedFileError } from "../system/private_file.ts";
import { systemRandom } from "../system/random.ts";
import { sharedDir } from "../system/state_dirs.ts";
import type { UnixGroup } from "../system/unix_group.ts";
import { SetupError } from "./_exit.ts";
import { ownerName } from "./_user.ts";

export interface LocalServer {
  readonly accounts: Accounts;
  readonly port: number;
  /** `null` without TLS. */
  readonly caPem: string | null;
  /** Identity of the main folder. */
  readonly folder: Id;
}

/**
 * Leaves a credential for the server on `port` of this machine, if there is none that is good.
 *
 * @returns the device that was made for it, `null` if there was one
 */
export function leaveCredential({ accounts, port, caPem, folder }: LocalServer): Id | null {
  const server = formatAddress("localhost", port);
  const tls = caPem === null ? null : { caPem };
  const known = usableCredential(server);
  if (known !== null && known.folder === folder && isGood(accounts, known)) {
    if ((known.tls?.caPem ?? null) !== caPem) writeCredential({ ...known, tls }, { at: server });
    return null;
  }
  const token = systemRandom.bytes(TOKEN_BYTES);
  const device = systemRandom.bytes(16).toHex();
  const user = ownerName();
  accounts.addDevice({ id: device, name: Deno.hostname(), user, tokenHash: tokenHash(token) });
  writeCredential({ server, tls, device, token: encodeToken(token), user, folder }, { at: server });
  return device;
}

/**
 * Leaves a credential where the members of a Unix group of this machine find it, so that none of them needs an invitation.
 * To the server they are one device of a user called like the group, who may write in the main folder unless its grants say
 * otherwise.
 *
 * @returns the device that was made for it, `null` if there was one
 * @throws {SetupError} if the place for it is not there, or not the server's
 */
export function leaveForGroup({ accounts, port, caPem, folder }: LocalServer, group: UnixGroup): Id | null {
  const server = formatAddress("localhost", port);
  const user = groupUser(accounts, group);
  const known = readLeftCredential(server, group.gid);
  const same = known !== null && known.user === user && known.folder === folder &&
    (known.tls?.caPem ?? null) === caPem;
  if (same && isGood(accounts, known)) return null;
  const token = systemRandom.bytes(TOKEN_BYTES);
  const device = systemRandom.bytes(16).toHex();
  const tls = caPem === null ? null : { caPem };
  try {
    leaveForMembers({ server, tls, device, token: encodeToken(token), user, folder }, group.gid);
  } catch (error) {
    throw cannotLeave(group, error);
  }
  accounts.addDevice({ id: device, name: Deno.hostname(), user, tokenHash: tokenHash(token) });
  return device;
}

function groupUser(accounts: Accounts, group: UnixGroup): string {
  const wanted = accountName(group.name);
  // Many systems have a group of the same name for each user; its members are not the owner.
  const name = wanted === ownerName() ? `${wanted}-group` : wanted;
  if (accounts.user(name) === null) {
    accounts.addUser({ name });
    accounts.grant(MAIN_FOLDER, null, { kind: "user", name }, { access: "write", history: false });
  }
  return name;
}

function cannotLeave({ name }: UnixGroup, error: unknown): unknown {
  const dir = sharedDir();
  const known = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
    error instanceof ExposedFileError || error instanceof DiskError;
  if (!known) return error;
  const reason = error instanceof Deno.errors.NotFound ? `"${dir}" is not there` : error.message;
  const hint = `once, as root: install -d -m 755 -o ${ownerName()} ${dir}; and be a member of the group`;
  return new SetupError("denied", `Cannot leave a credential for the group ${name}: ${reason}`, hint);
}

function isGood(accounts: Accounts, { device, token }: Credential): boolean {
  return authenticate(accounts, { device, token: decodeToken(token), folder: MAIN_FOLDER }) !== null;
}

function usableCredential(server: string): Credential | null {
  try {
    return readCredential(server);
  } catch {
    // Damaged or readable by others: a new one takes its place.
    return null;
  }
}

function encodeToken(token: Uint8Array): string {
  return token.toBase64({ alphabet: "base64url", omitPadding: true });
}

function decodeToken(text: string): Uint8Array {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}
