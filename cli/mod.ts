/**
 * The command line: one file per command, loaded only when chosen. This is the only room with console output and exit
 * codes. Start reading at {@link main}; `_replica.ts` and `_serve.ts` put the rooms together.
 */
import { existsSync } from "@std/fs";
import { type Command, type FileSettings, nearest, readArguments } from "./_command.ts";
import { EXIT, explain, type Explained, UsageError } from "./_exit.ts";
import { commandHelp, groupHelp, type Listed, overview } from "./_help.ts";
import { startTracing } from "./_logging.ts";
import { Output } from "./_output.ts";
import { settingsPath } from "./_settings_table.ts";
import { returnFreedMemory } from "../system/memory.ts";

/**
 * Commands in the order in which help shows them. Help, manual pages, completions and docs/cli.md are made from this
 * table. The overview has room for few single lines: what is not for every day has a group.
 */
export const COMMANDS = new Map<string, { summary: string; group?: string; load: () => Promise<Command> }>([
  ["server", {
    summary: "keep the folder and its history, serve clients",
    load: async () => (await import("./server.ts")).server,
  }],
  ["watch", {
    summary: "keep a folder in step, both ways, until stopped",
    load: async () => (await import("./watch.ts")).watch,
  }],
  ["sync-all", {
    summary: "one pass, then end: for cron",
    load: async () => (await import("./sync_all.ts")).syncAll,
  }],
  ["upload", {
    summary: "send single files by the same rules",
    load: async () => (await import("./upload.ts")).upload,
  }],
  ["download", {
    summary: "fetch single files by the same rules",
    load: async () => (await import("./download.ts")).download,
  }],
  ["status", {
    summary: "is it in sync, and if not, why",
    load: async () => (await import("./status.ts")).status,
  }],
  ["versions", {
    summary: "every version of a file: when, by whom, what",
    group: "history",
    load: async () => (await import("./versions.ts")).versions,
  }],
  ["restore", {
    summary: "bring back an old version, a deleted file, a whole directory",
    group: "history",
    load: async () => (await import("./restore.ts")).restore,
  }],
  ["check", {
    summary: "verify every content and reference, and repair what can be",
    group: "history",
    load: async () => (await import("./check.ts")).check,
  }],
  ["prune", {
    summary: "let old versions go by rules, and free their space",
    group: "history",
    load: async () => (await import("./prune.ts")).prune,
  }],
  ["backup", {
    summary: "copy a server's folder with its history, while it is used",
    group: "history",
    load: async () => (await import("./backup.ts")).backup,
  }],
  ["conflicts", {
    summary: "edits that met: list them, look at both sides, settle them",
    group: "history",
    load: async () => (await import("./conflicts.ts")).conflicts,
  }],
  ["log", {
    summary: "what happened, when, and by whom",
    group: "history",
    load: async () => (await import("./log.ts")).log,
  }],
  ["invite", {
    summary: "let one more device of a user in, by one line to pass on",
    group: "sharing",
    load: async () => (await import("./invite.ts")).invite,
  }],
  ["join", {
    summary: "make a directory of this machine part of a server, by an invitation",
    group: "sharing",
    load: async () => (await import("./join.ts")).join,
  }],
  ["user", {
    summary: "who may use this server: add, list, remove, shut out, bound",
    group: "sharing",
    load: async () => (await import("./user.ts")).user,
  }],
  ["group", {
    summary: "groups of users, to grant something to all of them at once",
    group: "sharing",
    load: async () => (await import("./group.ts")).group,
  }],
  ["device", {
    summary: "the devices of all users: list them, shut one out",
    group: "sharing",
    load: async () => (await import("./device.ts")).device,
  }],
  ["grant", {
    summary: "who may read or write which part of a folder",
    group: "sharing",
    load: async () => (await import("./grant.ts")).grant,
  }],
  ["folder", {
    summary: "more folders on one server, each with its own history and grants",
    group: "sharing",
    load: async () => (await import("./folder.ts")).folder,
  }],
  ["start", {
    summary: "a server and a watched folder in one terminal",
    load: async () => (await import("./start.ts")).start,
  }],
  ["exclude", {
    summary: "what this device leaves out of sync",
    load: async () => (await import("./exclude.ts")).exclude,
  }],
  ["explain", {
    summary: "why a path is, or is not, synced",
    load: async () => (await import("./explain.ts")).explain,
  }],
  ["config", {
    summary: "what is set, and where it comes from",
    group: "set-up",
    load: async () => (await import("./config.ts")).config,
  }],
  ["install", {
    summary: "put the program, completions, manual and services in place",
    group: "set-up",
    load: async () => (await import("./install.ts")).install,
  }],
  ["uninstall", {
    summary: "take away what install made; your files and settings stay",
    group: "set-up",
    load: async () => (await import("./uninstall.ts")).uninstall,
  }],
  ["completion", {
    summary: "the completion script of a shell, on stdout",
    group: "set-up",
    load: async () => (await import("./completion.ts")).completion,
  }],
  ["version", {
    summary: "what this program is",
    group: "set-up",
    load: async () => (await import("./version.ts")).version,
  }],
]);

/** Other spellings from the first version. */
function normalise(args: readonly string[]): readonly string[] {
  if (args[0] === "client" && args.length > 1) return args.slice(1);
  if (args[0] === "watcher") return ["watch", ...args.slice(1)];
  return args;
}

/** Runs the program. @returns the exit code */
export async function main(rawArgs: readonly string[]): Promise<number> {
  const args = normalise(rawArgs);
  const json = args.includes("--json");
  const output = new Output({ json, quiet: false, verbose: args.includes("--verbose") });
  try {
    return await dispatch(args, output);
  } catch (error) {
    const explained = withUsage(explain(error), args[0]) ?? bugReport(error);
    // Under cron two runs may overlap any day; that is no news.
    const silent = explained.outcome === "locked" && args[0] === "sync-all" && !output.interactive;
    if (!silent) output.error(explained.message, explained.hint);
    if (json) output.document({ result: explained.outcome, error: explained.message, hint: explained.hint });
    return EXIT[explained.outcome];
  }
}

/** What nobody foresaw. It is told like everything else, with what helps to find it. */
function bugReport(error: unknown): Explained {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  const message = `bug: ${text.replace(/^Error: bug: /, "")}`;
  return { outcome: "failed", message, hint: "report this, with the command and fsync version" };
}

/** Who has said something wrong, and was not told what would be right, finds it in the help. */
function withUsage(explained: Explained | null, command = ""): Explained | null {
  if (explained?.outcome !== "usage" || explained.hint !== "" || !COMMANDS.has(command)) return explained;
  return { ...explained, hint: `see fsync ${command} --help` };
}

async function dispatch(args: readonly string[], output: Output): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    return await help(rest, output);
  }
  if (name === "--version") return await dispatch(["version"], output);
  const known = COMMANDS.get(name);
  if (known === undefined) {
    const hint = nearest(name, [...COMMANDS.keys()], "fsync ") ?? "see fsync help";
    throw new UsageError(`Cannot run "${name}": there is no such command`, hint);
  }
  const command = await known.load();
  const settings = () => settingsFor(name);
  const context = readArguments(
    command,
    rest,
    rest.includes("--help") ? undefined : await settings(),
    settings,
  );
  if (context.on("help")) {
    output.line(commandHelp(command));
    return EXIT.ok;
  }
  startTracing(context);
  returnFreedMemory();
  return await command.run(context);
}

/** Commands that must work when the configuration file does not. */
const WITHOUT_SETTINGS: ReadonlySet<string> = new Set([
  "config",
  "version",
  "completion",
  "install",
  "uninstall",
]);

/** What the configuration file says; the code that reads it is only loaded if there is one. @throws {SetupError} */
async function settingsFor(command: string): Promise<FileSettings | undefined> {
  if (WITHOUT_SETTINGS.has(command) || !existsSync(settingsPath())) return undefined;
  const { Settings } = await import("./_settings.ts");
  return Settings.load();
}

async function help(words: readonly string[], output: Output): Promise<number> {
  const topic = words.find((word) => !word.startsWith("-"));
  const listed: Listed[] = [...COMMANDS].map(([name, entry]) => ({ ...entry, name }));
  const group = topic === undefined ? null : groupHelp(topic, listed);
  if (topic !== undefined && group === null) return await dispatch([topic, "--help"], output);
  output.line(group ?? overview(listed));
  return EXIT.ok;
}
