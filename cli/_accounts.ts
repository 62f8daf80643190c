/** The owner's requests about users and rights: answered by the running server, or here where none runs. */
import { parsePath } from "../core/path.ts";
import {
  AccountError,
  type Accounts,
  type Device,
  MAIN_FOLDER,
  type User,
} from "../server/accounts/accounts.ts";
import { openServerAccounts } from "../server/accounts/former.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { askFolder, ControlError } from "../system/control_socket.ts";
import { isLocked, lockFolder } from "../system/folder_lock.ts";
import { readPrivateFile } from "../system/private_file.ts";
import { systemRandom } from "../system/random.ts";
import { findDevice, findFolder, findGroup, findUser } from "./_account_lookup.ts";
import type {
  AccountAnswer,
  AccountRequest,
  AccountTopic,
  DeviceRow,
  GroupRow,
  UserRow,
} from "./_account_requests.ts";
import { audit, type AuditLog } from "./_audit.ts";
import type { Context, Flag } from "./_command.ts";
import { explain, type Explained, type Outcome, SetupError } from "./_exit.ts";
import { addFolder, type FolderControl, removeFolder } from "./_folders.ts";
import { readHome } from "./_folder_home.ts";
import { prepareGuest } from "./_invite.ts";
import { Journal } from "./_journal.ts";
import { type Output, silent } from "./_output.ts";
import { FolderBusy } from "./_replica.ts";
import { serverRoot } from "./_upkeep.ts";
import { ownerName } from "./_user.ts";

export const DATA_FLAG: Flag = {
  name: "data",
  value: "DIR",
  help: "the server's directory (default ./server_files)",
};

/** How long a server that starts is waited for: it has the folder before it answers. */
const START_TRIES = 15;
const START_PAUSE_MS = 200;

/** Where requests are answered. */
export interface AccountsDesk {
  /** The server's directory. */
  readonly root: string;
  readonly accounts: Accounts;
  readonly clock: Pick<Clock, "now">;
  /** Where the server listens; `null` if none runs. */
  readonly address: string | null;
  /** The CA that newcomers pin; `null` without TLS. */
  readonly caPem: string | null;
  /** Where changes are logged. */
  readonly log: AuditLog;
  /** The folders of the running server. */
  readonly folders?: FolderControl;
  /** Bytes that count for a user's quota, as the running server knows them. */
  readonly usage?: (user: string) => number;
}

/** What an answer looks like on its way: errors keep their hints. */
export type AccountOutcome = { readonly answer: unknown } | { readonly refused: Explained };

export interface ServerPlace {
  /** Real path of the server's own directory. */
  readonly root: string;
  /** The folder that was named. */
  readonly folder: string;
}

/** The server that `--data` means: by its own directory, or by that of a folder that was added. @throws {SetupError} */
export function serverPlace(context: Context): ServerPlace {
  const dir = serverRoot(context, "./server_files");
  const home = readHome(dir);
  if (home === null) return { root: dir, folder: MAIN_FOLDER };
  if (home.server !== null) return { root: home.server, folder: home.name };
  throw new SetupError(
    "failed",
    `Cannot use "${dir}": its server has let go of it`,
    "name that server's directory: --data DIR",
  );
}

/** @throws {SetupError} with the reason of a refusal */
export async function askAccounts<T extends AccountTopic>(
  context: Context,
  question: AccountRequest<T>,
): Promise<AccountAnswer<T>> {
  const { root } = serverPlace(context);
  const request = question as unknown as AccountRequest;
  const outcome = await askAnybody(root, request, context.output);
  if ("answer" in outcome) return outcome.answer as AccountAnswer<T>;
  const { outcome: exit, message, hint } = outcome.refused;
  throw new SetupError(exit, message, hint);
}

/** @throws {FolderBusy | RecordsError | SetupError} */
async function askAnybody(root: string, request: AccountRequest, output: Output): Promise<AccountOutcome> {
  for (let left = START_TRIES;; left--) {
    const outcome = await askServer(root, request);
    if (outcome !== null) return outcome;
    try {
      return await answerHere(root, request, output);
    } catch (error) {
      // A server that is just starting, or ending, has the folder and does not answer.
      if (!(error instanceof FolderBusy) || left === 0) throw error;
    }
    await systemClock.sleep(START_PAUSE_MS);
  }
}

/** `null` if no server runs. */
async function askServer(root: string, request: AccountRequest): Promise<AccountOutcome | null> {
  try {
    return await askFolder(root, { ask: "accounts", request }) as AccountOutcome;
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.code === "not_running") return null;
    throw new SetupError("failed", `Cannot ask the running server: ${error.message}`);
  }
}

/** @throws {FolderBusy | RecordsError} */
async function answerHere(root: string, request: AccountRequest, output: Output): Promise<AccountOutcome> {
  const lock = lockFolder(root, "command");
  if (!isLocked(lock)) throw new FolderBusy(root, lock.heldBy);
  try {
    const dir = `${root}/.fsync`;
    const accounts = openServerAccounts({
      dir,
      owner: ownerName(),
      random: systemRandom,
      clock: systemClock,
    });
    const log = new Journal(dir, silent(output));
    try {
      const caPem = readPrivateFile(`${dir}/tls/ca.pem`);
      return await answerAccounts({ root, accounts, clock: systemClock, address: null, caPem, log }, request);
    } finally {
      log.close();
      accounts.close();
    }
  } finally {
    lock.release();
  }
}

/** Does what is asked, in the process that has the accounts, and logs it. */
export async function answerAccounts(desk: AccountsDesk, request: AccountRequest): Promise<AccountOutcome> {
  try {
    const answer = await applyAccounts(desk, request);
    audit(desk.log, request, answer);
    return { answer };
  } catch (error) {
    if (error instanceof AccountError) {
      return { refused: { outcome: OUTCOMES[error.code], message: error.message, hint: error.hint } };
    }
    const refused = explain(error);
    if (refused === null) throw error;
    return { refused };
  }
}

const OUTCOMES: { readonly [C in AccountError["code"]]: Outcome } = {
  unknown: "failed",
  exists: "failed",
  invalid: "usage",
  limit: "failed",
  forbidden: "denied",
};

type Handlers = {
  readonly [T in AccountTopic]: (
    desk: AccountsDesk,
    request: AccountRequest<T>,
  ) => AccountAnswer<T> | Promise<AccountAnswer<T>>;
};

const HANDLERS: Handlers = {
  "users": (desk) => desk.accounts.users().map((user) => userRow(desk, user)),
  "user-add": (desk, { name, quota }) => {
    desk.accounts.addUser({ name, quota });
    return userRow(desk, findUser(desk.accounts, name));
  },
  "user-remove": (desk, { name }) => {
    const row = userRow(desk, findUser(desk.accounts, name));
    desk.accounts.removeUser(name);
    return row;
  },
  "user-disable": (desk, { name, disabled }) => {
    findUser(desk.accounts, name);
    desk.accounts.disableUser(name, disabled);
    return userRow(desk, findUser(desk.accounts, name));
  },
  "user-quota": (desk, { name, quota }) => {
    findUser(desk.accounts, name);
    desk.accounts.setQuota(name, quota);
    return userRow(desk, findUser(desk.accounts, name));
  },
  "groups": ({ accounts }) => accounts.groups(),
  "group-add": ({ accounts }, { name }) => {
    accounts.addGroup(name);
    return findGroup(accounts, name);
  },
  "group-remove": ({ accounts }, { name }) => {
    const row = findGroup(accounts, name);
    accounts.removeGroup(name);
    return row;
  },
  "group-member": ({ accounts }, request) => setMembers(accounts, request),
  "devices": ({ accounts }, { user }) => {
    if (user !== null) findUser(accounts, user);
    return accounts.devices().filter((device) => user === null || device.user === user).map(deviceRow);
  },
  "device-revoke": ({ accounts }, { device }) => {
    const { id } = findDevice(accounts, device);
    accounts.revokeDevice(id);
    return deviceRow(accounts.device(id)!);
  },
  "invite": (desk, request) => invite(desk, request),
  "invitations": ({ accounts }) => accounts.invitations(),
  "invitation-revoke": ({ accounts }, { id }) => {
    accounts.revokeInvitation(id);
    return accounts.invitations().find((one) => one.id === id)!;
  },
  "grants": ({ accounts }, { folder }) => {
    if (folder !== null) findFolder(accounts, folder);
    return accounts.grants(folder ?? undefined);
  },
  "grant": ({ accounts }, { folder, prefix, subject, right }) => {
    findFolder(accounts, folder);
    (subject.kind === "user" ? findUser : findGroup)(accounts, subject.name);
    accounts.grant(folder, prefix === null ? null : parsePath(prefix), subject, right);
    return null;
  },
  "folders": ({ accounts }) => accounts.folders(),
  "folder-add": (desk, request) => addFolder(desk, request),
  "folder-remove": (desk, request) => removeFolder(desk, request),
};

async function applyAccounts(desk: AccountsDesk, request: AccountRequest): Promise<AccountAnswer> {
  const handler = HANDLERS[request.do] as Handlers[AccountTopic] | undefined;
  if (handler === undefined) {
    const hint = "the server is of another version: start it anew";
    throw new SetupError("failed", `Cannot do "${String(request.do)}": the server does not know it`, hint);
  }
  return await handler(desk, request as never);
}

function setMembers(accounts: Accounts, { group, users, member }: AccountRequest<"group-member">): GroupRow {
  const before = findGroup(accounts, group).members;
  for (const user of users) {
    findUser(accounts, user);
    if (member || before.includes(user)) continue;
    throw new AccountError("unknown", `Cannot remove "${user}" from "${group}": it is no member`);
  }
  for (const user of users) accounts.setMember(group, user, member);
  return findGroup(accounts, group);
}

function invite(desk: AccountsDesk, request: AccountRequest<"invite">): AccountAnswer<"invite"> {
  const { accounts, clock, address, caPem } = desk;
  const { user, folder, validMs } = request;
  const { added, allowed, undo } = prepareGuest(accounts, request);
  try {
    const secretHash = Uint8Array.fromHex(request.secretHash);
    const invitation = accounts.invite({ user, folder, expires: clock.now() + validMs, secretHash });
    return { invitation, added, allowed, listens: address, caPem };
  } catch (error) {
    undo();
    throw error;
  }
}

function userRow(
  { accounts, usage }: AccountsDesk,
  { name, owner, disabled, quota, created }: User,
): UserRow {
  const devices = accounts.devices().filter((device) => device.user === name);
  const groups = accounts.groups().filter(({ members }) => members.includes(name));
  return {
    name,
    owner,
    disabled,
    quota,
    used: usage?.(name) ?? null,
    created,
    groups: groups.map((group) => group.name),
    devices: devices.filter(({ revoked }) => !revoked).length,
    lastSeen: Math.max(0, ...devices.map(({ lastSeen }) => lastSeen)),
  };
}

function deviceRow({ id, name, user, created, lastSeen, revoked }: Device): DeviceRow {
  return { id, name, user, created, lastSeen, revoked };
}
