import type { Command, Context } from "./_command.ts";
import { EXIT, UsageError } from "./_exit.ts";
import { askAccounts, DATA_FLAG } from "./_accounts.ts";
import type { UserRow } from "./_account_requests.ts";
import { plural } from "./_output.ts";
import { bytesText } from "../server/quota.ts";
import { parseBytes } from "./_quantity.ts";
import { tableLines } from "./_table.ts";
import { dayOrNever } from "./_when.ts";
import { chooseVerb } from "./_verb.ts";

export const user: Command = {
  name: "user",
  summary: "who may use this server: add, list, remove, shut out, bound",
  usage: "list | add|remove|disable|enable NAME | quota NAME [BYTES|none]",
  about: [
    "A user needs no password: each of its devices holds a token of its own, which it got by an invitation (fsync " +
    "invite makes the user too). A name has 1 to 64 letters, digits and ._-@ and begins with a letter, a digit or _.",
    "A user who is disabled cannot connect and keeps everything else; one who is removed loses devices, invitations, " +
    "grants and memberships. Both take effect at once. What the user did stays in the history, and what is on its " +
    "devices stays there.",
    "The quota bounds the bytes of all versions that a user has stored, in all folders together. The list shows what " +
    "counts for it while a server runs.",
  ],
  flags: [DATA_FLAG],
  example: "fsync user list\nfsync user disable ben\nfsync user quota ann 50G",
  words: { min: 0, max: 3 },
  run: (context) =>
    chooseVerb(context, "list", {
      list: { words: 0, run: list },
      add: { words: 1, run: add },
      remove: { words: 1, run: remove },
      disable: { words: 1, run: (context, name) => disable(context, name!, true) },
      enable: { words: 1, run: (context, name) => disable(context, name!, false) },
      quota: { words: [1, 2], run: quota },
    }),
};

async function list(context: Context): Promise<number> {
  const { output } = context;
  const users = await askAccounts(context, { do: "users" });
  if (output.json) output.document({ result: "ok", users });
  else for (const line of tableLines(COLUMNS, users.map(cells))) output.line(line);
  return EXIT.ok;
}

const COLUMNS = [
  { title: "USER" },
  { title: "STATE" },
  { title: "DEVICES", right: true },
  { title: "USED", right: true },
  { title: "QUOTA", right: true },
  { title: "LAST SEEN" },
  { title: "GROUPS" },
];

function cells({ name, owner, disabled, devices, used, quota, lastSeen, groups }: UserRow): string[] {
  const state = owner ? "owner" : disabled ? "disabled" : "";
  const room = [shownQuota(used, "-"), shownQuota(quota, "-")];
  return [name, state, String(devices), ...room, dayOrNever(lastSeen), groups.join(" ")];
}

/** In the units that `quota` takes. */
function shownQuota(quota: number | null, none: string): string {
  return quota === null ? none : bytesText(quota);
}

async function add(context: Context, name?: string): Promise<number> {
  const row = await askAccounts(context, { do: "user-add", name: name!, quota: null });
  return tell(context, row, `${row.name} is known now, and may do nothing yet.`, [
    `Let one device in: fsync invite ${row.name}`,
  ]);
}

async function remove(context: Context, name?: string): Promise<number> {
  const row = await askAccounts(context, { do: "user-remove", name: name! });
  const devices = row.devices === 0 ? [] : ["What is on those devices already stays there."];
  return tell(
    context,
    row,
    `${row.name} is removed, with ${plural(row.devices, "device")}, all grants and memberships.`,
    [
      ...devices,
      "What the user did stays in the history.",
    ],
  );
}

async function disable(context: Context, name: string, disabled: boolean): Promise<number> {
  const row = await askAccounts(context, { do: "user-disable", name, disabled });
  if (!disabled) return tell(context, row, `${row.name} may connect again.`);
  return tell(context, row, `${row.name} cannot connect any more, from no device.`, [
    "What is on those devices already stays there.",
  ]);
}

async function quota(context: Context, name?: string, amount?: string): Promise<number> {
  const { output } = context;
  if (amount !== undefined) {
    const row = await askAccounts(context, { do: "user-quota", name: name!, quota: readQuota(amount) });
    return tell(context, row, quotaLine(row));
  }
  const row = (await askAccounts(context, { do: "users" })).find((row) => row.name === name);
  // The same words for an unknown user everywhere.
  if (row === undefined) return await missing(context, name!);
  if (output.json) output.document({ result: "ok", user: row });
  else output.line(shownQuota(row.quota, "none"));
  return EXIT.ok;
}

async function missing(context: Context, name: string): Promise<never> {
  await askAccounts(context, { do: "devices", user: name });
  throw new UsageError(`Cannot find user "${name}": there is none of that name`);
}

function quotaLine({ name, quota }: UserRow): string {
  return quota === null ? `${name} has no quota.` : `${name} may store ${shownQuota(quota, "")} of versions.`;
}

function readQuota(text: string): number | null {
  if (text === "none") return null;
  const bytes = parseBytes(text);
  if (bytes !== null) return bytes;
  throw new UsageError(
    `Cannot read the quota "${text}": it is no amount of bytes`,
    "like this: 500M, 50G, none",
  );
}

function tell(context: Context, row: UserRow, line: string, more: readonly string[] = []): number {
  const { output } = context;
  if (output.json) output.document({ result: "ok", user: row });
  else for (const text of [line, ...more]) output.info(text);
  return EXIT.ok;
}
