/** The manual pages, made from the table of commands. */
import type { Entry } from "./_catalogue.ts";
import { COMMON_FLAGS, type Flag } from "./_command.ts";
import { EXIT, EXIT_MEANINGS, type Outcome } from "./_exit.ts";
import { VERSION } from "./_software.ts";

export interface ManualPage {
  /** `fsync-watch.1`. */
  readonly file: string;
  readonly text: string;
}

/** All pages: `fsync.1` first, then one for each command. */
export function manualPages(entries: readonly Entry[]): ManualPage[] {
  return [
    { file: "fsync.1", text: mainPage(entries) },
    ...entries.map((entry) => ({ file: `fsync-${entry.name}.1`, text: commandPage(entry) })),
  ];
}

const ABOUT = [
  "fsync keeps a folder the same on several machines. One machine runs the server, which holds the newest tree as plain " +
  "files and every version of each file; the others watch a folder, or sync it now and then.",
  "Nothing that was synced is lost: what is overwritten or deleted stays in the history, and of two edits that meet, both " +
  "are kept.",
];

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ["FSYNC_<FLAG>", "a flag, in upper case and with _ for -: FSYNC_SERVER stands for --server; the flag wins"],
  ["FSYNC_STATE_DIR", "one directory in place of the three below"],
  ["XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR", "where configuration, credentials and sockets are"],
  ["NO_COLOR", "if not empty: no colour"],
];

const FILES: readonly (readonly [string, string])[] = [
  [
    ".fsync/",
    "in each synced folder and in a server's: state, history, log; never synced, not to be deleted",
  ],
  ["~/.config/fsync/", "configuration"],
  ["~/.local/state/fsync/", "credentials; for the user alone"],
];

function mainPage(entries: readonly Entry[]): string {
  return page("fsync", "keep a folder the same on several machines", [
    section("SYNOPSIS", [`${bold("fsync")} ${italic("COMMAND")} [${italic("ARGUMENTS")}]`]),
    section("DESCRIPTION", paragraphs(ABOUT)),
    section(
      "COMMANDS",
      entries.flatMap(({ name, command }) => item(bold(`fsync-${name}`) + "(1)", command.summary)),
    ),
    section("OPTIONS", ["Every command has these.", ...COMMON_FLAGS.flatMap(option)]),
    exitStatus(),
    section("ENVIRONMENT", ENVIRONMENT.flatMap(([name, text]) => item(bold(name), text))),
    section("FILES", FILES.flatMap(([name, text]) => item(bold(name), text))),
    examples(
      "fsync server --port 65432      # on the server\nfsync watch ./client_files     # in each folder that follows",
    ),
  ]);
}

function commandPage({ name, command, usage }: Entry): string {
  return page(`fsync-${name}`, command.summary, [
    section("SYNOPSIS", [`${bold(`fsync ${name}`)} ${synopsis(command.usage)}`.trimEnd()]),
    section("DESCRIPTION", paragraphs(command.about ?? [`${sentence(command.summary)}.`])),
    section("OPTIONS", usage.flags.flatMap(option)),
    examples(command.example),
    exitStatus(),
    section("SEE ALSO", [`${bold("fsync")}(1)`]),
  ]);
}

function page(title: string, summary: string, sections: readonly string[]): string {
  return [
    `.\\" Made by "fsync install" from the table of commands.`,
    `.TH ${escape(title.toUpperCase())} 1 "" "fsync ${escape(VERSION)}" "fsync"`,
    section("NAME", [`${escape(title)} \\- ${escape(summary)}`]),
    ...sections,
    "",
  ].join("\n");
}

function section(title: string, lines: readonly string[]): string {
  return [`.SH ${title}`, ...lines].join("\n");
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, at) => at === 0 ? [line(text)] : [".PP", line(text)]);
}

function option(flag: Flag): string[] {
  const name = bold(`--${flag.name}`);
  return item(flag.value === undefined ? name : `${name} ${italic(flag.value)}`, flag.help);
}

/** @param head already in roff */
function item(head: string, text: string): string[] {
  return [".TP", head, line(text)];
}

function examples(text: string): string {
  return section("EXAMPLES", [".EX", ...text.split("\n").map(line), ".EE"]);
}

function exitStatus(): string {
  const codes = Object.entries(EXIT) as [Outcome, number][];
  return section(
    "EXIT STATUS",
    codes.flatMap(([outcome, code]) => item(bold(String(code)), EXIT_MEANINGS[outcome])),
  );
}

/** Flags bold, placeholders italic, as manual pages have it. */
function synopsis(usage: string): string {
  return usage.split(" ").map((word) =>
    word.split(/(--[a-z-]+|[A-Z][A-Z:-]+|\b[A-Z]\b)/).map((part) => {
      if (part.startsWith("--")) return bold(part);
      return /^[A-Z]/.test(part) ? italic(part) : escape(part);
    }).join("")
  ).join(" ");
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function bold(text: string): string {
  return `\\fB${escape(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${escape(text)}\\fR`;
}

/** A line of text: roff takes one that begins with a dot or a quote for a request. */
function line(text: string): string {
  return escape(text).replace(/^(?=[.'])/, "\\&");
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq").replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha").replaceAll("~", "\\(ti");
}
