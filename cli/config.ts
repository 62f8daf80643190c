import { dirname } from "@std/path";
import { makePrivateDir } from "../system/private_file.ts";
import { type Command, type Context, fromEnvironment } from "./_command.ts";
import { EXIT, SetupError, UsageError } from "./_exit.ts";
import { commentedFile, Settings } from "./_settings.ts";
import { appliesTo, SETTINGS, settingsPath } from "./_settings_table.ts";

export const config: Command = {
  name: "config",
  summary: "what is set, and where it comes from",
  usage: "[list|init|path] [--command NAME]",
  about: [
    "A flag goes before the environment variable FSYNC_<FLAG>, that before the configuration file, and the file before " +
    "the default. The file is config.toml in the directory that `fsync config path` names. It has a section [all], and " +
    "sections with the names of commands, which go before it.",
    "`list` (also without a word) shows every setting with its value and where it comes from; something unknown in the " +
    "file is an error. `init` writes the file with every setting explained and switched off, if there is none yet.",
  ],
  flags: [{ name: "command", value: "NAME", help: "only the settings of this command" }],
  example: "fsync config init && fsync config",
  words: { min: 0, max: 1 },
  run: (context) => Promise.resolve(runConfig(context)),
};

function runConfig(context: Context): number {
  const { output, words } = context;
  switch (words[0] ?? "list") {
    case "list":
      return list(context);
    case "init":
      return init(context);
    case "path":
      if (output.json) output.document({ path: settingsPath() });
      else output.line(settingsPath());
      return EXIT.ok;
    default:
      throw new UsageError(`Cannot run config: "${words[0]}" is none of list, init, path`);
  }
}

interface Row {
  readonly command: string;
  readonly setting: string;
  readonly value: string;
  readonly from: string;
}

function list(context: Context): number {
  const { output } = context;
  const settings = Settings.load();
  const only = context.value("command");
  const rows = SETTINGS.flatMap(({ name, commands, fallback }) =>
    commands.filter((command) => only === undefined || command === only || command === "*").map(
      (command): Row => {
        const { value, from } = effective(settings, command, name, fallback);
        return { command, setting: name, value, from };
      },
    )
  );
  if (
    only !== undefined &&
    !SETTINGS.some((setting) => appliesTo(setting, only) && !setting.commands.includes("*"))
  ) {
    throw new UsageError(`Cannot show settings: the command "${only}" has none of its own`);
  }
  if (output.json) output.document({ result: "ok", path: settings.path, settings: rows });
  else for (const line of asTable(rows)) output.line(line);
  if (settings.isEmpty) output.detail(`There is no file ${settings.path}: fsync config init writes one`);
  return EXIT.ok;
}

function effective(
  settings: Settings,
  command: string,
  name: string,
  fallback: string,
): { value: string; from: string } {
  const environment = fromEnvironment(name);
  if (environment !== undefined) {
    return { value: environment, from: `environment FSYNC_${name.toUpperCase().replaceAll("-", "_")}` };
  }
  const found = settings.find(command, name);
  if (found !== null) return { value: String(found.value), from: `${settings.path} ${found.section}` };
  return { value: fallback, from: "default" };
}

function asTable(rows: readonly Row[]): string[] {
  const names = rows.map(({ command, setting }) => command === "*" ? setting : `${command}.${setting}`);
  const [first, second] = [widest(names), widest(rows.map(({ value }) => value))];
  return rows.map(({ value, from }, i) => `${names[i]!.padEnd(first)}  ${value.padEnd(second)}  ${from}`);
}

function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}

function init({ output }: Context): number {
  const path = settingsPath();
  makePrivateDir(dirname(path));
  try {
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o644 });
    const bytes = new TextEncoder().encode(commentedFile());
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new SetupError("failed", `Cannot write "${path}": there is one already`, "edit that one");
  }
  if (output.json) output.document({ result: "ok", path });
  else output.line(`Written: ${path}`);
  return EXIT.ok;
}
