import type { Command } from "./_command.ts";
import { LIMIT_FLAGS } from "./_line.ts";
import { moveFiles } from "./_move_files.ts";

export const download: Command = {
  name: "download",
  summary: "fetch single files by the same rules",
  usage: "PATH... [--dir DIR]",
  about: [
    "Fetches what is newer on the server, and only that. A local change that was not sent is never overwritten.",
  ],
  flags: [
    { name: "dir", value: "DIR", help: "the synced folder; PATH is relative to it" },
    { name: "server", value: "HOST:PORT", help: "the server; remembered for this folder" },
    ...LIMIT_FLAGS,
  ],
  example: "fsync download ./client_files/notes.txt   # if newer there, it comes here",
  words: { min: 1, max: Infinity },
  run: (context) => moveFiles(context, "down"),
};
