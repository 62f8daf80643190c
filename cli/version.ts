import type { Command } from "./_command.ts";
import { EXIT } from "./_exit.ts";
import { VERSION } from "./_software.ts";

export const version: Command = {
  name: "version",
  summary: "what this program is",
  usage: "",
  flags: [],
  example: "fsync version --json",
  words: { min: 0, max: 0 },
  run: ({ output }) => {
    const about = { version: VERSION, deno: Deno.version.deno, target: Deno.build.target };
    if (output.json) output.document(about);
    else output.line(`fsync ${about.version} (Deno ${about.deno}, ${about.target})`);
    return Promise.resolve(EXIT.ok);
  },
};
