/** `watch --init-group GROUP`: a folder for the users of one Unix group of this machine (docs/users.md). */
import { existsSync } from "@std/fs";
import { readRemembered } from "../client/credentials.ts";
import {
  readFolderCredential,
  readLeftCredential,
  writeFolderCredential,
} from "../client/group_credential.ts";
import type { Where } from "../client/state.ts";
import { displayPath } from "../core/path.ts";
import { DiskError } from "../system/disk.ts";
import { shareFolder, type ShareOutcome } from "../system/share_folder.ts";
import { findGroup, type UnixGroup } from "../system/unix_group.ts";
import type { Context, Flag } from "./_command.ts";
import { SetupError } from "./_exit.ts";
import { type Output, plural } from "./_output.ts";
import { takeLock } from "./_replica.ts";

export const INIT_GROUP_FLAG: Flag = {
  name: "init-group",
  value: "GROUP",
  help: "share it with a Unix group of this machine first",
};

/** Paths that are named; the rest is counted. */
const LEFT_SHOWN_MAX = 10;

export interface SharedFolder {
  readonly group: UnixGroup;
  readonly outcome: ShareOutcome;
}

/** The group that `value` names. @throws {SetupError} */
export function groupNamed(value: string): UnixGroup {
  const group = findGroup(value);
  if (group !== null) return group;
  throw new SetupError(
    "usage",
    `Cannot find the group "${value}": this machine has none of that name`,
    "getent group shows them; one that another machine keeps can be given by its number",
  );
}

/** Does what `--init-group` asks for, if it does. Nobody may work on the folder meanwhile. @throws {SetupError} */
export function initGroup(context: Context, root: string): SharedFolder | null {
  const name = context.value("init-group");
  if (name === undefined) return null;
  const group = groupNamed(name);
  if (existsSync(`${root}/.fsync/server.db`)) {
    throw new SetupError(
      "usage",
      `Cannot share "${root}" with the group ${name}: it is the directory of a server`,
      "let the group's members in as clients: fsync server --credential-group GROUP",
    );
  }
  const lock = takeLock(root, "command");
  try {
    return { group, outcome: shareFolder(root, group.gid) };
  } catch (error) {
    if (error instanceof DiskError && error.code === "permission") throw notAllowed(root, name);
    throw error;
  } finally {
    lock.release();
  }
}

function notAllowed(root: string, group: string): SetupError {
  const own = Deno.statSync(root).uid === Deno.uid();
  return new SetupError(
    "denied",
    `Cannot share "${root}" with the group ${group}: ${
      own ? "you are not in it" : "the folder is not yours"
    }`,
    own ? "join the group and log in again, or let root do it" : "its owner, or root, can do it",
  );
}

/** Gives the members a credential for the server, and says what was done. @throws {DiskError} */
export function tellOfGroup(output: Output, root: string, where: Where, shared: SharedFolder): void {
  const { group, outcome } = shared;
  const { directories, files, left, inherits } = outcome;
  const what = `${
    plural(directories, "director").replace(/directors$/, "directories").replace(/director$/, "directory")
  }`;
  output.info(`Shared with the group ${group.name}: ${what}, ${plural(files, "file")}`);
  for (const { path, reason } of left.slice(0, LEFT_SHOWN_MAX)) {
    output.warn(`fsync: Cannot share "${displayPath(path)}": ${reason}`);
  }
  if (left.length > LEFT_SHOWN_MAX) output.warn(`fsync: … and ${left.length - LEFT_SHOWN_MAX} more`);
  if (left.length > 0) output.warn("hint: let root, or whom they belong to, do the same once more");
  if (!inherits) {
    output.warn(
      "fsync: This file system has no access lists: members need the umask 002 for files they create",
    );
  }
  tellOfCredential(output, root, where, group);
}

function tellOfCredential(
  output: Output,
  root: string,
  { server, credential: key }: Where,
  group: UnixGroup,
): void {
  const credential = readLeftCredential(server, group.gid) ?? readRemembered(server, key) ??
    readFolderCredential(root, server);
  if (credential === null) {
    output.warn(`fsync: There is no credential for ${server} to share with the group ${group.name}`);
    output.warn("hint: when there is one, do the same once more");
    return;
  }
  writeFolderCredential(root, server, credential, group.gid);
  output.info(`Its members sync here as the user ${credential.user} of ${server}`);
}
