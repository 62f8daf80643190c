import type { Command } from "./_command.ts";
import { LIMIT_FLAGS } from "./_line.ts";
import { moveFiles } from "./_move_files.ts";

export const upload: Command = {
  name: "upload",
  summary: "send single files by the same rules",
  usage: "PATH... [--dir DIR]",
  about: [
    "Sends what is newer here, and only that: a version that the server has already is skipped, and one that does not follow from the server's is a conflict, in which both are kept.",
  ],
  flags: [
    { name: "dir", value: "DIR", help: "the synced folder; PATH is relative to it" },
    { name: "server", value: "HOST:PORT", help: "the server; remembered for this folder" },
    ...LIMIT_FLAGS,
  ],
  example: "fsync upload ./client_files/notes.txt   # if newer, it goes to the server",
  words: { min: 1, max: Infinity },
  run: (context) => moveFiles(context, "up"),
};
