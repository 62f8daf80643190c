/** Writes docs/cli.md from the table of commands: `deno task docs`. A test says when it is out of date. */
import { catalogue, type Entry } from "../cli/_catalogue.ts";
import { COMMON_FLAGS, type Flag } from "../cli/_command.ts";
import { EXIT, EXIT_MEANINGS, type Outcome } from "../cli/_exit.ts";
import { spelling } from "../cli/_help.ts";
import { COMMANDS } from "../cli/mod.ts";

export const CLI_REFERENCE = new URL("../docs/cli.md", import.meta.url);

/** All commands as one page. */
export async function cliReference(): Promise<string> {
  const entries = await catalogue();
  return [
    "# Commands",
    `Made by \`deno task docs\` from the table in [cli/mod.ts](../cli/mod.ts); change it there. The same text is in ` +
    "`fsync COMMAND --help` and in the manual pages that `fsync install` puts in place.",
    entries.map(({ name, command }) => `- [${name}](#fsync-${name}): ${markdown(command.summary)}`).join(
      "\n",
    ),
    "## In every command",
    flagList(COMMON_FLAGS),
    "A flag can also be given in the environment: `FSYNC_SERVER` stands for `--server`, `FSYNC_DRY_RUN=1` for " +
    "`--dry-run`. The flag wins. Data goes to stdout, diagnostics and progress to stderr.",
    "Exit codes, with the word for each in `--json` (`result`):",
    (Object.entries(EXIT) as [Outcome, number][])
      .map(([outcome, code]) => `- ${code} \`${outcome}\`: ${markdown(EXIT_MEANINGS[outcome])}`).join("\n"),
    ...entries.flatMap(commandPart),
  ].join("\n\n") + "\n";
}

function commandPart({ name, command }: Entry): string[] {
  return [
    `## fsync ${name}`,
    `${markdown(command.summary)}`,
    block(`fsync ${name} ${command.usage}`.trimEnd()),
    ...(command.about ?? []).map(markdown),
    ...(command.flags.length === 0 ? [] : [flagList(command.flags)]),
    "Example:",
    block(command.example),
  ];
}

function flagList(flags: readonly Flag[]): string {
  return flags.map((flag) => `- \`${spelling(flag)}\`: ${markdown(flag.help)}`).join("\n");
}

function block(text: string): string {
  return `\`\`\`sh\n${text}\n\`\`\``;
}

function markdown(text: string): string {
  return text.replaceAll(/[\\`*_<>|[\]]/g, "\\$&");
}

if (import.meta.main) {
  Deno.writeTextFileSync(CLI_REFERENCE, await cliReference());
  console.log(`docs/cli.md: ${COMMANDS.size} commands`);
}
