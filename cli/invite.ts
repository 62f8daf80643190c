import { formatInvitation } from "../client/invitation.ts";
import { SECRET_BYTES } from "../protocol/limits.ts";
import type { Invitation } from "../server/accounts/accounts.ts";
import { tokenHash } from "../server/auth.ts";
import { parseAddress } from "../system/address.ts";
import { systemClock } from "../system/clock.ts";
import { systemRandom } from "../system/random.ts";
import { pinOf } from "../system/server_pin.ts";
import { askAccounts, DATA_FLAG, serverPlace } from "./_accounts.ts";
import type { Invited } from "./_account_requests.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, UsageError } from "./_exit.ts";
import { guessReachable, type Reachable, withServerPort } from "./_reachable.ts";
import { tableLines } from "./_table.ts";
import { parseSpan, shortTime } from "./_when.ts";

export const invite: Command = {
  name: "invite",
  summary: "let one more device of a user in, by one line to pass on",
  usage: "USER [--group NAME] [--read-only] [--expires 24h] | --list | --revoke N",
  about: [
    "Prints one line for one device: it holds the server's address and key and a secret that works once. Whoever has " +
    "the line can use it, so pass it on where only USER reads. On the other machine: fsync join LINE DIR. After that " +
    "fsync watch DIR and fsync sync-all DIR need nothing more.",
    "A user who is new here is made, and may write in the folder; with --read-only, only read. With --group it " +
    "becomes a member and may do what the group may; a new group is made with the same grant. For a user who is known " +
    "already the line lets one more device in, and nothing else changes.",
    "The address in the line is a guess at how others reach this machine; --host says it better, e.g. if the server " +
    "stands behind a router.",
  ],
  flags: [
    { name: "group", value: "NAME", help: "make USER a member" },
    { name: "read-only", help: "USER shall only read" },
    { name: "expires", value: "TIME", help: "how long the line is valid (default 24h)" },
    { name: "folder", value: "NAME", help: "the folder to join (default main)" },
    { name: "host", value: "HOST:PORT", help: "how others reach the server" },
    { name: "list", help: "show invitations" },
    { name: "revoke", value: "N", help: "take an invitation back" },
    DATA_FLAG,
  ],
  example: "fsync invite ann\nfsync invite ben --group staff --expires 7d --host files.example.org",
  words: { min: 0, max: 1 },
  run: runInvite,
};

async function runInvite(context: Context): Promise<number> {
  const [user] = context.words;
  const revoked = context.value("revoke");
  if (revoked !== undefined) return await revoke(context);
  if (context.on("list")) return await list(context);
  if (user !== undefined) return await make(context, user);
  throw new UsageError("Cannot invite: say whom", `usage: fsync invite ${invite.usage}`);
}

async function make(context: Context, user: string): Promise<number> {
  const secret = systemRandom.bytes(SECRET_BYTES);
  const host = readHost(context);
  const invited = await askAccounts(context, {
    do: "invite",
    user,
    group: context.value("group") ?? null,
    readOnly: context.on("read-only"),
    validMs: parseSpan("expires", context.value("expires") ?? "24h"),
    folder: context.value("folder") ?? serverPlace(context).folder,
    secretHash: tokenHash(secret).toHex(),
  });
  const { caPem, listens } = invited;
  const guess = guessReachable(listens, caPem);
  const server = host === null ? guess.address : withServerPort(host, guess);
  const line = formatInvitation({ user, server, pin: caPem === null ? null : pinOf(caPem), secret });
  const { id, folder, expires } = invited.invitation;
  const { output } = context;
  if (output.json) {
    const { added, allowed } = invited;
    output.document({ result: "ok", line, id, user, added, folder, allowed, expires, server });
    return EXIT.ok;
  }
  output.line(line);
  if (!output.quiet) {
    for (const text of explanation(invited, server, host === null ? guess : null)) output.warn(text);
  }
  return EXIT.ok;
}

/** `--host`, unless it is what a server listens on: FSYNC_HOST may be meant for that. */
function readHost(context: Context): string | null {
  const text = context.value("host");
  if (text === undefined || text === "0.0.0.0" || text === "::") return null;
  // Before anything is done.
  parseAddress(text);
  return text;
}

const MAY = {
  write: "may write in",
  read: "may read",
  some: "may see parts of",
} as const;

function explanation(
  { invitation, added, allowed, caPem, listens }: Invited,
  server: string,
  guess: Reachable | null,
): string[] {
  const { id, user, folder, expires } = invitation;
  return [
    `${user}${added ? " is new here and" : ""} ${MAY[allowed]} folder ${folder}.`,
    `Invitation ${id} lets one device in, until ${shortTime(expires)}. On the other machine:`,
    "  fsync join LINE ./client_files",
    ...(guess === null
      ? []
      : [`It will look for this server at ${server}; if that is wrong: --host HOST:PORT.`]),
    ...(guess?.onlyHere === true
      ? ["note: other machines cannot reach this address; start the server with --host 0.0.0.0"]
      : []),
    ...(listens === null ? [`note: the server does not run; start it before ${user} joins`] : []),
    ...(caPem === null ? ["note: this server has no TLS: whoever sees the connection can read it"] : []),
  ];
}

async function list(context: Context): Promise<number> {
  const { output } = context;
  const invitations = await askAccounts(context, { do: "invitations" });
  if (output.json) output.document({ result: "ok", invitations });
  else {
    const titles = ["N", "USER", "FOLDER", "MADE", "EXPIRES", "STATE"];
    const columns = titles.map((title) => ({ title, right: title === "N" }));
    for (const line of tableLines(columns, invitations.map(cells))) output.line(line);
  }
  return EXIT.ok;
}

function cells(invitation: Invitation): string[] {
  const { id, user, folder, created, expires } = invitation;
  return [String(id), user, folder, shortTime(created), shortTime(expires), stateOf(invitation)];
}

function stateOf({ usedBy, revoked, expires }: Invitation): string {
  if (usedBy !== null) return `used by ${usedBy.slice(0, 8)}`;
  if (revoked) return "revoked";
  return expires <= systemClock.now() ? "expired" : "open";
}

async function revoke(context: Context): Promise<number> {
  const { output } = context;
  const id = context.number("revoke", 0, { min: 1, max: Number.MAX_SAFE_INTEGER });
  const invitation = await askAccounts(context, { do: "invitation-revoke", id });
  if (output.json) output.document({ result: "ok", invitation });
  else output.info(`Invitation ${id} for ${invitation.user} lets nobody in any more.`);
  return EXIT.ok;
}
