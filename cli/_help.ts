/** The help pages, made from the commands themselves. Each fits a terminal of 24 lines and 80 columns. */
import { type Command, COMMON_FLAGS, type Flag } from "./_command.ts";

/** A command as the overview needs it. */
export interface Listed {
  readonly name: string;
  readonly summary: string;
  /** With others of its kind, it takes one line in the overview. */
  readonly group?: string;
}

export const SCREEN_LINES = 24;
export const SCREEN_COLUMNS = 80;

const HELP: Listed = { name: "help", summary: "this page, or that of a command or group: fsync help watch" };

export function overview(commands: readonly Listed[]): string {
  const alone = commands.filter(({ group }) => group === undefined);
  const groups = Map.groupBy(commands.filter(({ group }) => group !== undefined), ({ group }) => group!);
  const rows = [
    ...[...alone, HELP].map(({ name, summary }) => [name, summary]),
    ...[...groups].map(([group, members]) => [`${group}:`, members.map(({ name }) => name).join(", ")]),
  ];
  const lines = table(rows);
  if (groups.size > 0) lines.splice(lines.findIndex((line) => /^ {2}help /.test(line)) + 1, 0, "");
  return [
    "fsync keeps a folder the same on several machines, through a server of your own.",
    "",
    "usage: fsync COMMAND [ARGUMENTS]",
    "",
    ...lines,
    "",
    "example:",
    "  fsync server --port 65432      on the server",
    "  fsync watch ./client_files     in each folder that follows",
  ].join("\n");
}

/** The commands of one group, `null` if there is no such group. */
export function groupHelp(name: string, commands: readonly Listed[]): string | null {
  const members = commands.filter(({ group }) => group === name);
  if (members.length === 0) return null;
  const first = members[0]!.name;
  return [
    `fsync commands, ${name}:`,
    "",
    ...table(members.map(({ name, summary }) => [name, summary])),
    "",
    "example:",
    `  fsync help ${first}`,
  ].join("\n");
}

export function commandHelp(command: Command): string {
  const full = page(command, [...command.flags, ...COMMON_FLAGS].map((flag) => [spelling(flag), flag.help]));
  if (full.length <= SCREEN_LINES) return full.join("\n");
  const common = COMMON_FLAGS.map(spelling).join(" ");
  const rows = command.flags.map((flag) => [spelling(flag), flag.help]);
  return page(command, rows, [`  ${common}: as in every command`]).join("\n");
}

function page(
  command: Command,
  rows: readonly (readonly string[])[],
  more: readonly string[] = [],
): string[] {
  return [
    ...wrap(`fsync ${command.name}: ${command.summary}`, "  "),
    "",
    ...wrap(`usage: fsync ${command.name} ${command.usage}`, "         "),
    "",
    "flags:",
    ...table(rows),
    ...more,
    "",
    "example:",
    ...command.example.split("\n").map((line) => `  ${line}`),
  ];
}

/** `--port PORT`. */
export function spelling(flag: Flag): string {
  return flag.value === undefined ? `--${flag.name}` : `--${flag.name} ${flag.value}`;
}

/** The widest that the first column gets; a longer one has a line of its own. */
const FIRST_MAX = 30;

function table(rows: readonly (readonly string[])[]): string[] {
  const fitting = rows.map(([first]) => first!.length).filter((length) => length <= FIRST_MAX);
  const width = Math.max(0, ...fitting);
  return rows.flatMap(([first, second]) =>
    wrap(`  ${first!.padEnd(width)}  ${second}`, " ".repeat(width + 4))
  );
}

/** Breaks a line where it would leave the screen. */
export function wrap(line: string, indent: string, columns = SCREEN_COLUMNS): string[] {
  const lines: string[] = [];
  let rest = line.trimEnd();
  while (rest.length > columns) {
    const at = rest.lastIndexOf(" ", columns);
    // A word that fits no line stays whole.
    if (at <= indent.length || rest.slice(0, at).trim() === "") break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = indent + rest.slice(at + 1);
  }
  return [...lines, rest];
}
