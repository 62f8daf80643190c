import type { Command, Context } from "./_command.ts";
import { EXIT } from "./_exit.ts";
import { askAccounts, DATA_FLAG } from "./_accounts.ts";
import type { DeviceRow } from "./_account_requests.ts";
import { tableLines } from "./_table.ts";
import { chooseVerb } from "./_verb.ts";
import { dayOrNever } from "./_when.ts";

export const device: Command = {
  name: "device",
  summary: "the devices of all users: list them, shut one out",
  usage: "list | revoke DEVICE",
  about: [
    "DEVICE is an id, the beginning of one, a name, or USER@NAME. A device that is revoked is cut off at once and never " +
    "let in again; its user can join anew with another invitation. What is on the device already stays there.",
  ],
  flags: [{ name: "user", value: "NAME", help: "list those of one user" }, DATA_FLAG],
  example: "fsync device list\nfsync device revoke ann@old-laptop",
  words: { min: 0, max: 2 },
  run: (context) =>
    chooseVerb(context, "list", { list: { words: 0, run: list }, revoke: { words: 1, run: revoke } }),
};

/** Digits that tell devices apart in a table. */
const ID_SHOWN = 8;

async function list(context: Context): Promise<number> {
  const { output } = context;
  const devices = await askAccounts(context, { do: "devices", user: context.value("user") ?? null });
  if (output.json) output.document({ result: "ok", devices });
  else {
    const titles = ["ID", "USER", "DEVICE", "ADDED", "LAST SEEN", "STATE"].map((title) => ({ title }));
    for (const line of tableLines(titles, devices.map(cells))) output.line(line);
  }
  return EXIT.ok;
}

function cells({ id, user, name, created, lastSeen, revoked }: DeviceRow): string[] {
  const state = revoked ? "revoked" : "";
  return [id.slice(0, ID_SHOWN), user, name, dayOrNever(created), dayOrNever(lastSeen), state];
}

async function revoke(context: Context, word?: string): Promise<number> {
  const { output } = context;
  const row = await askAccounts(context, { do: "device-revoke", device: word! });
  if (output.json) output.document({ result: "ok", device: row });
  else {
    output.info(`${row.user}@${row.name} cannot connect any more.`);
    output.info("What is on that device already stays there.");
  }
  return EXIT.ok;
}
