/** The help pages, made from the commands themselves. */
import { type Command, COMMON_FLAGS, type Flag } from "./_command.ts";

export function overview(commands: readonly { readonly name: string; readonly summary: string }[]): string {
  const rows = [...commands, { name: "help", summary: "this page, or that of a command: fsync help watch" }];
  return [
    "fsync keeps a folder the same on several machines, through a server of your own.",
    "",
    "usage: fsync COMMAND [ARGUMENTS]",
    "",
    ...table(rows.map(({ name, summary }) => [name, summary])),
    "",
    "example:",
    "  fsync server --port 65432      on the server",
    "  fsync watch ./client_files     in each folder that follows",
  ].join("\n");
}

export function commandHelp(command: Command): string {
  const flags = [...command.flags, ...COMMON_FLAGS];
  return [
    `fsync ${command.name}: ${command.summary}`,
    "",
    `usage: fsync ${command.name} ${command.usage}`.trimEnd(),
    "",
    "flags:",
    ...table(flags.map((flag) => [spelling(flag), flag.help])),
    "",
    "example:",
    ...command.example.split("\n").map((line) => `  ${line}`),
  ].join("\n");
}

function spelling(flag: Flag): string {
  return flag.value === undefined ? `--${flag.name}` : `--${flag.name} ${flag.value}`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...rows.map(([first]) => first!.length));
  return rows.map(([first, second]) => `  ${first!.padEnd(width)}  ${second}`);
}
