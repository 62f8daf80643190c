/**
 * Credentials that the members of a Unix group share. A folder that a group shares has one in `.fsync/credential.json`,
 * so that whoever of the group runs a command is the same user and device to the server; and a server may leave one for
 * a group of its own machine, for which nobody needs an invitation.
 */
import { dirname } from "@std/path";
import { parseAddress } from "../system/address.ts";
import { groupOfFolder, isGroupsSecret, writeGroupsSecret } from "../system/group_area.ts";
import { ExposedFileError, readPrivateFile } from "../system/private_file.ts";
import { type Environment, sharedDir } from "../system/state_dirs.ts";
import {
  type Credential,
  credentialKey,
  credentialText,
  parseCredential,
  readRemembered,
} from "./credentials.ts";

/**
 * The credential for `server` (`host:port` or `host`): the one of the folder at `root`, if a group shares it; or this
 * user's own; or the one that the server left for a group. `null` if there is none.
 *
 * @param key which of the user's own the folder remembers; empty: the one for the address
 * @throws {AddressError | CredentialError | ExposedFileError}
 */
export function findCredential(server: string, root: string | null, key = ""): Credential | null {
  return (root === null ? null : readFolderCredential(root, server)) ?? readRemembered(server, key) ??
    readLeftCredential(server);
}

/** What {@link writeFolderCredential} stored for `server`, or `null`. */
export function readFolderCredential(root: string, server: string): Credential | null {
  const gid = groupOfFolder(root);
  if (gid === null) return null;
  const path = pathIn(root);
  const text = readPrivateFile(path, (info) => isGroupsSecret(info, gid));
  const stored = text === null ? null : parseCredential(text, path);
  // Another server than the folder was shared with: each member needs a credential of their own.
  return stored !== null && keyOf(stored.server) === keyOf(server) ? stored : null;
}

/**
 * Lets everybody of the group that shares the folder at `root` use `credential` for `server`.
 * @throws {DiskError}
 */
export function writeFolderCredential(
  root: string,
  server: string,
  credential: Credential,
  gid: number,
): void {
  writeGroupsSecret(pathIn(root), credentialText({ ...credential, server }), gid);
}

/**
 * What {@link leaveCredential} left for `server`, or `null` if there is none, or not for this user.
 * @param gid only what was left for this group
 */
export function readLeftCredential(
  server: string,
  gid: number | null = null,
  env?: Environment,
): Credential | null {
  const path = leftPath(server, env);
  try {
    const dir = Deno.lstatSync(dirname(path));
    if (gid !== null && Deno.lstatSync(path).gid !== gid) return null;
    const text = readPrivateFile(path, (info) => isAppointed(info, dir));
    return text === null ? null : parseCredential(text, path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

/**
 * Leaves `credential` for the group `gid` of this machine, where its members look. The directory must be there, and the
 * server's user's: that root made it for them is what members trust.
 *
 * @returns the file
 * @throws {DiskError | ExposedFileError | Deno.errors.NotFound}
 */
export function leaveCredential(credential: Credential, gid: number, env?: Environment): string {
  const path = leftPath(credential.server, env);
  const dir = Deno.lstatSync(dirname(path));
  if (!isSafeDir(dir)) throw new ExposedFileError(dirname(path));
  writeGroupsSecret(path, credentialText(credential), gid);
  return path;
}

/** Only who owns the directory, or root, may have put the file there. */
function isAppointed(info: Deno.FileInfo, dir: Deno.FileInfo): boolean {
  return isSafeDir(dir) && info.gid !== null && isGroupsSecret(info, info.gid) &&
    (info.uid === dir.uid || info.uid === 0);
}

function isSafeDir(dir: Deno.FileInfo): boolean {
  return dir.isDirectory && ((dir.mode ?? 0) & 0o022) === 0;
}

function pathIn(root: string): string {
  return `${root}/.fsync/credential.json`;
}

function leftPath(server: string, env?: Environment): string {
  return `${sharedDir(env)}/${keyOf(server)}.json`;
}

function keyOf(server: string): string {
  return credentialKey(parseAddress(server));
}
