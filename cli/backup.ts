import { resolve } from "@std/path";
import type { BackupReport } from "../server/upkeep/backup.ts";
import { MAIN_FOLDER } from "../server/accounts/accounts.ts";
import { askAccounts, DATA_FLAG, serverPlace } from "./_accounts.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT } from "./_exit.ts";
import { formatBytes, plural } from "./_output.ts";
import { noteCopy } from "./_folder_home.ts";
import { backUpAt } from "./_upkeep.ts";

export const backup: Command = {
  name: "backup",
  summary: "copy a server's folder with its history, while it is used",
  usage: "DIR [--data ./server_files]",
  about: [
    "DIR then holds the folder as it was at one moment: every version, users, keys; and below DIR/.fsync/folders each " +
    "folder that was added to the server. It need not be stopped meanwhile. A second backup into the same DIR copies only what is new; if it is interrupted, the one before is still whole.",
    "To use a backup, start a server on it, or on a copy of it: fsync server DIR. Its plain files are made anew. Clients " +
    "that have seen more than it holds stop and ask, and delete nothing: see --accept-server of sync-all.",
    "An added folder comes back with: fsync folder remove NAME, and fsync folder add NAME --path, which names the copy.",
    "It holds the server's keys and what every file held: keep it where nobody else can read it.",
  ],
  flags: [DATA_FLAG],
  example: "30 3 * * *  fsync backup /mnt/backup/team --data /srv/team --quiet",
  words: { min: 1, max: 1 },
  run: runBackup,
};

/** A backup of one folder of the server. */
interface FolderBackup extends BackupReport {
  readonly folder: string;
  readonly directory: string;
}

async function runBackup(context: Context): Promise<number> {
  const { output } = context;
  const { root, folder } = serverPlace(context);
  const to = resolve(context.words[0]!);
  const all = await askAccounts(context, { do: "folders" });
  // A folder that was named alone is backed up alone.
  const wanted = all.filter(({ name }) => folder === MAIN_FOLDER || name === folder);
  const done: FolderBackup[] = [];
  for (const { name, path } of wanted) {
    const directory = wanted.length === 1 || name === MAIN_FOLDER ? to : `${to}/.fsync/folders/${name}`;
    done.push({ folder: name, directory, ...await backUpAt(path ?? root, directory) });
    if (name !== MAIN_FOLDER) noteCopy(directory, name);
  }
  if (output.json) output.document({ result: "ok", directory: to, folders: done });
  else for (const report of done) tell(context, report);
  return EXIT.ok;
}

function tell({ output }: Context, { folder, directory, files, bytes, known }: FolderBackup): void {
  const before = known === 0 ? "" : `, ${known.toLocaleString("en")} were there`;
  const copied = `${plural(files, "file")} copied (${formatBytes(bytes)})${before}`;
  output.info(`Backed up ${folder} to ${directory}: ${copied}.`);
}
