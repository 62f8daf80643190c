import { resolve } from "@std/path";
import type { BackupReport } from "../server/upkeep/backup.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT } from "./_exit.ts";
import { formatBytes, plural } from "./_output.ts";
import { backUpAt, serverRoot } from "./_upkeep.ts";

export const backup: Command = {
  name: "backup",
  summary: "copy a server's folder with its history, while it is used",
  usage: "DIR [--data ./server_files]",
  about: [
    "DIR then holds the folder as it was at one moment: every version, users, keys. It need not be stopped meanwhile. " +
    "A second backup into the same DIR copies only what is new; if it is interrupted, the one before is still whole.",
    "To use a backup, start a server on it, or on a copy of it: fsync server DIR. Its plain files are made anew. Clients " +
    "that have seen more than it holds stop and ask, and delete nothing: see --accept-server of sync-all.",
    "It holds the server's keys and what every file held: keep it where nobody else can read it.",
  ],
  flags: [{ name: "data", value: "DIR", help: "the server's directory (default ./server_files)" }],
  example: "30 3 * * *  fsync backup /mnt/backup/team --data /srv/team --quiet",
  words: { min: 1, max: 1 },
  run: runBackup,
};

async function runBackup(context: Context): Promise<number> {
  const { output } = context;
  const root = serverRoot(context, "./server_files");
  const to = resolve(context.words[0]!);
  const report = await backUpAt(root, to);
  if (output.json) output.document({ result: "ok", directory: to, ...report });
  else tell(context, to, report);
  return EXIT.ok;
}

function tell({ output }: Context, to: string, { files, bytes, known }: BackupReport): void {
  const before = known === 0 ? "" : `, ${known.toLocaleString("en")} were there`;
  output.info(`Backed up to ${to}: ${plural(files, "file")} copied (${formatBytes(bytes)})${before}.`);
}
