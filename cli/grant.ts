import { existsSync } from "@std/fs";
import type { Access, Subject } from "../core/access.ts";
import { displayPath } from "../core/path.ts";
import { MAIN_FOLDER } from "../server/accounts/accounts.ts";
import { askAccounts, DATA_FLAG, serverPlace } from "./_accounts.ts";
import type { GrantRow } from "./_account_requests.ts";
import { type Command, type Context, nearest } from "./_command.ts";
import { EXIT, UsageError } from "./_exit.ts";
import { readPrefix } from "./_grant_prefix.ts";
import { tableLines } from "./_table.ts";

export const grant: Command = {
  name: "grant",
  summary: "who may read or write which part of a folder",
  usage: "list | PATH --user|--group NAME none|read|write | PATH --user|--group NAME --remove",
  about: [
    "PATH is a path in the folder, or one on disk into the server's directory; / is the whole folder. The grant holds " +
    "for PATH and everything below it. The longest path decides; for one path a user's own grant goes before those of " +
    "groups, and of several groups the most generous one counts. Without any grant a user may do nothing.",
    "What one may not read is not seen either: no name, no size, no notice. Files that a client has already got stay " +
    "there. A change holds at once, also for clients that are connected.",
    "With --history the user may also see past versions, and with write restore them.",
  ],
  flags: [
    { name: "user", value: "NAME", help: "for this user" },
    { name: "group", value: "NAME", help: "for all members of this group" },
    { name: "history", help: "past versions, too" },
    { name: "remove", help: "take the grant for just this path back" },
    { name: "folder", value: "NAME", help: "in this folder of the server (default main)" },
    DATA_FLAG,
  ],
  example: "fsync grant docs --group staff write\n" +
    "fsync grant docs/salaries --group staff none\n" +
    "fsync grant / --user ann read --history",
  words: { min: 0, max: 2 },
  run: runGrant,
};

const ACCESSES: readonly Access[] = ["none", "read", "write"];

async function runGrant(context: Context): Promise<number> {
  const [path, word] = context.words;
  const subject = readSubject(context);
  if (subject === null && word === undefined && (path === undefined || path === "list")) {
    return await list(context);
  }
  const usage = `usage: fsync grant ${grant.usage}`;
  if (path === undefined) throw new UsageError("Cannot grant anything: PATH is missing", usage);
  if (subject === null) {
    throw new UsageError(`Cannot grant "${path}": say to whom`, "with --user NAME or --group NAME");
  }
  const folder = context.value("folder") ?? serverPlace(context).folder;
  const right = readRight(context, word);
  const root = await rootOf(context, folder);
  const prefix = readPrefix(path, root);
  await askAccounts(context, { do: "grant", folder, prefix, subject, right });
  tell(context, {
    folder,
    prefix,
    subject,
    access: right?.access ?? "none",
    history: right?.history ?? false,
  });
  if (prefix !== null && right !== null && !existsSync(`${root}/${prefix}`)) {
    context.output.warn(`note: there is no "${displayPath(prefix)}" in the folder yet`);
  }
  return EXIT.ok;
}

function readSubject(context: Context): Subject | null {
  const [user, group] = [context.value("user"), context.value("group")];
  if (user !== undefined && group !== undefined) {
    throw new UsageError("Cannot grant: --user and --group exclude each other", "use one after the other");
  }
  if (user !== undefined) return { kind: "user", name: user };
  return group === undefined ? null : { kind: "group", name: group };
}

/** `null`: the grant is taken back. */
function readRight(
  context: Context,
  word: string | undefined,
): { readonly access: Access; readonly history: boolean } | null {
  const history = context.on("history");
  if (context.on("remove")) {
    if (word === undefined && !history) return null;
    throw new UsageError(
      `Cannot run grant: --remove goes with neither ${word ?? "--history"} nor anything else`,
    );
  }
  const access = ACCESSES.find((access) => access === word);
  if (access === undefined) {
    const hint = nearest(word ?? "", ACCESSES) ?? "say none, read or write";
    throw new UsageError(
      word === undefined ? "Cannot grant: what?" : `Cannot grant "${word}": it is no right`,
      hint,
    );
  }
  if (history && access === "none") {
    throw new UsageError("Cannot run grant: --history goes with read or write");
  }
  return { access, history };
}

/** Where the files of a folder lie. */
async function rootOf(context: Context, folder: string): Promise<string> {
  const { root } = serverPlace(context);
  if (folder === MAIN_FOLDER) return root;
  const folders = await askAccounts(context, { do: "folders" });
  return folders.find(({ name }) => name === folder)?.path ?? root;
}

async function list(context: Context): Promise<number> {
  const { output } = context;
  const grants = await askAccounts(context, { do: "grants", folder: context.value("folder") ?? null });
  if (output.json) output.document({ result: "ok", grants });
  else {
    const titles = ["FOLDER", "PATH", "FOR", "MAY", "HISTORY"].map((title) => ({ title }));
    for (const line of tableLines(titles, grants.map(cells))) output.line(line);
  }
  return EXIT.ok;
}

function cells({ folder, prefix, subject, access, history }: GrantRow): string[] {
  return [folder, prefix ?? "/", `${subject.kind} ${subject.name}`, access, history ? "yes" : ""];
}

function tell({ output, on }: Context, row: GrantRow): void {
  const { folder, prefix, subject, access, history } = row;
  const who = `${subject.kind === "group" ? "group " : ""}${subject.name}`;
  const where = `${prefix === null ? "all" : displayPath(prefix)} of folder ${folder}`;
  if (output.json) output.document({ result: "ok", grant: on("remove") ? null : row });
  else if (on("remove")) output.info(`${who} has no grant of its own for ${where} any more.`);
  else if (access === "none") {
    output.info(
      `${who} may not see ${where} any more. What was on their devices they have had, and may have kept.`,
    );
  } else output.info(`${who} may ${access} ${where}${history ? ", and see past versions" : ""}.`);
}
