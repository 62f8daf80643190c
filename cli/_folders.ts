/** More folders of one server: which directories can be one, and how a running server takes them up. */
import { AccountError } from "../server/accounts/accounts.ts";
import { findFolder } from "./_account_lookup.ts";
import type { AccountAnswer, AccountRequest } from "./_account_requests.ts";
import type { AccountsDesk } from "./_accounts.ts";
import { bindFolder, checkPlace, releaseFolder } from "./_folder_home.ts";
import { prepareRoot, SERVED_MODE } from "./_replica.ts";

/** The folders that a running server serves. */
export interface FolderControl {
  /** Serves the folder at `path` (real, absolute) from now on. */
  add(name: string, path: string): Promise<void>;
  /** Ends its sessions and lets go of its directory. */
  remove(name: string): Promise<void>;
}

/** @throws {AccountError} or whatever keeps the server from opening it; then it is not added */
export async function addFolder(
  { root, accounts, folders }: AccountsDesk,
  { name, path: wanted }: AccountRequest<"folder-add">,
): Promise<AccountAnswer<"folder-add">> {
  // As it is written, before it is made; then as it really is.
  checkApart(root, name, wanted);
  checkPlace(wanted, { server: root, name });
  const path = prepareRoot(wanted, SERVED_MODE);
  checkApart(root, name, path);
  checkPlace(path, { server: root, name });
  const unbind = bindFolder(path, { server: root, name });
  try {
    accounts.addFolder({ name, path });
  } catch (error) {
    unbind();
    throw error;
  }
  try {
    await folders?.add(name, path);
  } catch (error) {
    accounts.removeFolder(name);
    unbind();
    throw error;
  }
  return { name, path, live: folders !== undefined };
}

export async function removeFolder(
  { root, accounts, folders }: AccountsDesk,
  { name }: AccountRequest<"folder-remove">,
): Promise<AccountAnswer<"folder-remove">> {
  const folder = findFolder(accounts, name);
  accounts.removeFolder(name);
  await folders?.remove(name);
  if (folder.path !== null) releaseFolder(folder.path, root);
  return folder;
}

function checkApart(root: string, name: string, path: string): void {
  if (!isWithin(path, root) && !isWithin(root, path)) return;
  const message = `Cannot add folder "${name}" at "${path}": the server's own folder is at "${root}"`;
  const hint = "choose a directory that neither holds the server's own nor lies in it";
  throw new AccountError("invalid", message, hint);
}

function isWithin(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir.endsWith("/") ? dir : `${dir}/`);
}
