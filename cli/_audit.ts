/**
 * What a request about users and rights means to those who read the log: one line and one record for one change, none
 * for a question. Everything that is told is named here, so that no secret, nor its hash, gets in by itself.
 */
import type { Subject } from "../core/access.ts";
import { displayPath } from "../core/path.ts";
import type { AccountAnswer, AccountRequest, AccountTopic } from "./_account_requests.ts";
import type { Journal, LogRecord } from "./_journal.ts";
import { plural } from "./_output.ts";
import { ownerName } from "./_user.ts";
import { shortTime } from "./_when.ts";

/** Where changes are written: the log of the server's own folder. */
export type AuditLog = Pick<Journal, "write">;

/** Who changes something: the Unix user of this process. Nobody else reaches its socket or its files, but root. */
export interface By {
  readonly user: string;
  readonly device: string;
}

export function auditor(): By {
  return { user: ownerName(), device: Deno.hostname() };
}

interface Change {
  readonly record: LogRecord;
  readonly text: string;
}

/** Logs what was done; nothing, if that was a question. */
export function audit(log: AuditLog, request: AccountRequest, answer: AccountAnswer, by = auditor()): void {
  const change = changeOf(request, answer);
  if (change !== null) write(log, change, by);
}

/** What a server does by itself when its user starts it. */
export interface Started {
  /** Whose server it was before; `null`: nobody's. */
  readonly formerOwner: string | null;
  /** The device that was made for a credential on this machine. */
  readonly device: string | null;
}

export function auditStart(log: AuditLog, { formerOwner, device }: Started, by = auditor()): void {
  const { user } = by;
  if (formerOwner !== null && formerOwner !== user) {
    const text = `Owner changed: ${displayPath(user)}, before ${displayPath(formerOwner)}`;
    write(log, { record: { type: "owner", owner: user, before: formerOwner }, text }, by);
  }
  if (device === null) return;
  const text = `Device added: ${displayPath(user)}@${
    displayPath(by.device)
  }, by a credential on this machine`;
  write(log, { record: { type: "device-added", device }, text }, by);
}

function write(log: AuditLog, { record, text }: Change, by: By): void {
  log.write({ ...record, by }, `${text} (by ${displayPath(by.user)}@${displayPath(by.device)})`);
}

type Descriptions = {
  readonly [T in AccountTopic]: (request: AccountRequest<T>, answer: AccountAnswer<T>) => Change | null;
};

const nothing = () => null;

const DESCRIPTIONS: Descriptions = {
  "users": nothing,
  "user-add": ({ name, quota }) => ({
    record: { type: "user-added", name, quota },
    text: `User added: ${displayPath(name)}`,
  }),
  "user-remove": ({ name }, { devices }) => ({
    record: { type: "user-removed", name, devices },
    text: `User removed: ${displayPath(name)}, with ${plural(devices, "device")}`,
  }),
  "user-disable": ({ name, disabled }) => ({
    record: { type: disabled ? "user-disabled" : "user-enabled", name },
    text: `User ${disabled ? "disabled" : "enabled"}: ${displayPath(name)}`,
  }),
  "user-quota": ({ name, quota }) => ({
    record: { type: "user-quota", name, quota },
    text: `Quota set: ${displayPath(name)}, ${quota === null ? "none" : plural(quota, "byte")}`,
  }),
  "groups": nothing,
  "group-add": ({ name }) => ({
    record: { type: "group-added", name },
    text: `Group added: ${displayPath(name)}`,
  }),
  "group-remove": ({ name }, { members }) => ({
    record: { type: "group-removed", name, members },
    text: `Group removed: ${displayPath(name)}, with ${plural(members.length, "member")}`,
  }),
  "group-member": ({ group, users, member }) => ({
    record: { type: "group-members", group, users, member },
    text: `${member ? "Added to" : "Removed from"} group ${displayPath(group)}: ${
      users.map(displayPath).join(", ")
    }`,
  }),
  "devices": nothing,
  "device-revoke": (_, { id, name, user }) => ({
    record: { type: "device-revoked", device: id, name, of: user },
    text: `Device revoked: ${displayPath(user)}@${displayPath(name)} (${id.slice(0, 8)})`,
  }),
  "invite": ({ group }, { invitation, added, allowed }) => {
    const { id, user, folder, expires } = invitation;
    const until = new Date(expires).toISOString();
    const isNew = added ? ", a new user" : "";
    const into = group === null ? "" : `, in group ${displayPath(group)}`;
    return {
      record: { type: "invited", invitation: id, name: user, folder, group, added, allowed, expires: until },
      text: `Invited: ${displayPath(user)}${isNew}${into}, to folder ${displayPath(folder)}, ` +
        `by invitation ${id} until ${shortTime(expires)}`,
    };
  },
  "invitations": nothing,
  "invitation-revoke": ({ id }, { user }) => ({
    record: { type: "invitation-revoked", invitation: id, name: user },
    text: `Invitation revoked: ${id}, for ${displayPath(user)}`,
  }),
  "grants": nothing,
  "grant": ({ folder, prefix, subject, right }) => {
    const where = `${prefix === null ? "all" : displayPath(prefix)} of folder ${displayPath(folder)}`;
    // As a path, so that the log of a path shows who was let into it.
    const place = { folder, ...(prefix === null ? {} : { path: prefix }), [subject.kind]: subject.name };
    if (right === null) {
      return {
        record: { type: "grant-removed", ...place },
        text: `Grant removed: ${where}, ${named(subject)}`,
      };
    }
    const { access, history } = right;
    return {
      record: { type: "granted", ...place, access, history },
      text: `Granted: ${where}, ${named(subject)}, ${access}${history ? " with history" : ""}`,
    };
  },
  "folders": nothing,
  "folder-add": (_, { name, path }) => ({
    record: { type: "folder-added", folder: name, at: path },
    text: `Folder added: ${displayPath(name)} at ${displayPath(path ?? "")}`,
  }),
  "folder-remove": (_, { name, path }) => ({
    record: { type: "folder-removed", folder: name, at: path },
    text: `Folder removed: ${displayPath(name)}; ${displayPath(path ?? "")} is left as it is`,
  }),
};

function named({ kind, name }: Subject): string {
  return `${kind} ${displayPath(name)}`;
}

function changeOf(request: AccountRequest, answer: AccountAnswer): Change | null {
  return DESCRIPTIONS[request.do](request as never, answer as never);
}
