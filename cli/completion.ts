import { catalogue } from "./_catalogue.ts";
import type { Command, Context } from "./_command.ts";
import { completion as scriptFor, SHELLS } from "./_completion.ts";
import { EXIT, UsageError } from "./_exit.ts";

export const completion: Command = {
  name: "completion",
  summary: "the completion script of a shell, on stdout",
  usage: SHELLS.join("|"),
  about: [
    "Prints a script that completes commands, flags, words and paths. fsync install puts it where the shell finds it.",
  ],
  flags: [],
  example: "source <(fsync completion bash)   # fsync install does it for good",
  words: { min: 1, max: 1 },
  run: runCompletion,
};

async function runCompletion({ words, output }: Context): Promise<number> {
  const shell = SHELLS.find((name) => name === words[0]);
  if (shell === undefined) {
    throw new UsageError(
      `Cannot complete in "${words[0]}": there is no script for it`,
      `usage: fsync completion ${completion.usage}`,
    );
  }
  const script = scriptFor(shell, await catalogue());
  if (output.json) output.document({ result: "ok", shell, script });
  else output.line(script.trimEnd());
  return EXIT.ok;
}
