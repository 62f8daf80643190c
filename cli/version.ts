import { BUILD } from "./_build.ts";
import type { Command } from "./_command.ts";
import { commit } from "./_commit.ts";
import { EXIT } from "./_exit.ts";
import { executablePath, VERSION } from "./_software.ts";

const HOW_BUILT = {
  "sources": "run from its sources",
  "compiled": "compiled",
  "self-extracting": "self-extracting",
} as const;

export const version: Command = {
  name: "version",
  summary: "what this program is",
  usage: "",
  flags: [],
  example: "fsync version --json",
  words: { min: 0, max: 0 },
  run: ({ output }) => {
    const about = {
      version: VERSION,
      commit: commit() ?? "unknown",
      deno: Deno.version.deno,
      target: Deno.build.target,
      built: BUILD.kind,
      executable: executablePath(),
    };
    if (output.json) output.document(about);
    else {
      const made = [`commit ${about.commit}`, `Deno ${about.deno}`, about.target, HOW_BUILT[about.built]];
      output.line(`fsync ${about.version} (${made.join(", ")})`);
    }
    return Promise.resolve(EXIT.ok);
  },
};
