import { resolve } from "@std/path";
import type { Command, Context } from "./_command.ts";
import { EXIT, UsageError } from "./_exit.ts";
import { askAccounts, DATA_FLAG, serverPlace } from "./_accounts.ts";
import { tableLines } from "./_table.ts";
import { chooseVerb } from "./_verb.ts";

export const folder: Command = {
  name: "folder",
  summary: "more folders on one server, each with its own history and grants",
  usage: "list | add NAME --path DIR | remove NAME",
  about: [
    "A server has the folder main, the directory that it was started with, and as many others as are added. Each has " +
    "its own plain files, history and grants; users, groups and quotas are the server's. A client's directory is bound " +
    "to one folder, the one that its invitation was for: fsync invite USER --folder NAME.",
    "A folder that is removed is not served any more. Its files and its history stay on the disk, and are served " +
    "again if it is added again.",
  ],
  flags: [{ name: "path", value: "DIR", help: "where its files lie, or shall lie" }, DATA_FLAG],
  example: "fsync folder add photos --path /srv/photos\nfsync invite ann --folder photos",
  words: { min: 0, max: 2 },
  run: (context) =>
    chooseVerb(context, "list", {
      list: { words: 0, run: list },
      add: { words: 1, run: add },
      remove: { words: 1, run: remove },
    }),
};

async function list(context: Context): Promise<number> {
  const { output } = context;
  const { root } = serverPlace(context);
  const rows = await askAccounts(context, { do: "folders" });
  const folders = rows.map(({ name, path }) => ({ name, path: path ?? root }));
  if (output.json) output.document({ result: "ok", folders });
  else {
    const cells = folders.map(({ name, path }) => [name, path]);
    for (const line of tableLines([{ title: "FOLDER" }, { title: "PATH" }], cells)) output.line(line);
  }
  return EXIT.ok;
}

async function add(context: Context, name?: string): Promise<number> {
  const { output } = context;
  const dir = context.value("path");
  if (dir === undefined) {
    const hint = `like this: fsync folder add ${name} --path DIR`;
    throw new UsageError(`Cannot add folder "${name}": --path is missing`, hint);
  }
  const { live, ...row } = await askAccounts(context, { do: "folder-add", name: name!, path: resolve(dir) });
  if (output.json) output.document({ result: "ok", folder: row });
  else {
    output.info(
      `Folder ${row.name} is at ${row.path}${live ? "" : ", and is served when the server is started"}.`,
    );
    output.info(`Nobody but the owner may see it yet: fsync invite USER --folder ${row.name}`);
  }
  return EXIT.ok;
}

async function remove(context: Context, name?: string): Promise<number> {
  const { output } = context;
  const row = await askAccounts(context, { do: "folder-remove", name: name! });
  if (output.json) output.document({ result: "ok", folder: row });
  else {
    output.info(`Folder ${row.name} is not served any more. Its grants and invitations are gone.`);
    output.info(`Its files and its history stay in ${row.path}; what clients have of it stays with them.`);
  }
  return EXIT.ok;
}
