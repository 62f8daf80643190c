/**
 * The configuration file, `config.toml`: a section `[all]`, and one for each command that differs from it. A flag goes
 * before the environment, that before the file, and the file before the default.
 */
import { closestString } from "@std/text";
import { parse } from "@std/toml";
import { SetupError } from "./_exit.ts";
import { appliesTo, type Setting, SETTINGS, settingsPath } from "./_settings_table.ts";

/** The section for every command. */
const ALL = "all";

/** A value of the file, as a flag would have it. */
export interface FoundSetting {
  readonly value: string | boolean;
  /** `[watch]` or `[all]`. */
  readonly section: string;
}

export class Settings {
  readonly path: string;
  readonly #sections: ReadonlyMap<string, ReadonlyMap<string, string | boolean>>;

  private constructor(path: string, sections: ReadonlyMap<string, ReadonlyMap<string, string | boolean>>) {
    this.path = path;
    this.#sections = sections;
  }

  /** Reads the file; there need not be one. @throws {SetupError} if something in it is not as it must be */
  static load(path: string = settingsPath()): Settings {
    const text = readOrNull(path);
    return text === null ? new Settings(path, new Map()) : Settings.parse(text, path);
  }

  /** @throws {SetupError} */
  static parse(text: string, path: string): Settings {
    const sections = new Map<string, Map<string, string | boolean>>();
    for (const [name, content] of Object.entries(parseToml(text, path))) {
      if (!isTable(content)) {
        throw wrong(path, `"${name}" is in no section`, `write it below [${ALL}] or the command's name`);
      }
      sections.set(name, readSection(name, content, path));
    }
    return new Settings(path, sections);
  }

  /** Whether there is a file with something in it. */
  get isEmpty(): boolean {
    return this.#sections.size === 0;
  }

  /** What the file says for a flag of a command. */
  find(command: string, name: string): FoundSetting | null {
    const setting = SETTINGS.find((one) => one.name === name);
    if (setting === undefined || !appliesTo(setting, command)) return null;
    for (const section of [command, ALL]) {
      const value = this.#sections.get(section)?.get(name);
      if (value !== undefined) return { value, section: `[${section}]` };
    }
    return null;
  }
}

function readSection(name: string, table: object, path: string): Map<string, string | boolean> {
  const commands = new Set(SETTINGS.flatMap(({ commands }) => commands).filter((command) => command !== "*"));
  if (name !== ALL && !commands.has(name)) {
    const hint = hintFor(name, [ALL, ...commands], (near) => `[${near}]`);
    throw wrong(path, `no command with settings is called "${name}"`, hint);
  }
  const values = new Map<string, string | boolean>();
  for (const [key, value] of Object.entries(table)) {
    const fitting = SETTINGS.filter((setting) => name === ALL || appliesTo(setting, name));
    const setting = fitting.find((setting) => setting.name === key);
    if (setting === undefined) {
      const hint = hintFor(key, fitting.map((setting) => setting.name), (near) => near);
      throw wrong(path, `[${name}] has no setting "${key}"`, hint);
    }
    values.set(key, readValue(setting, value, `[${name}] ${key}`, path));
  }
  return values;
}

function readValue(setting: Setting, value: unknown, where: string, path: string): string | boolean {
  const { kind, example } = setting;
  if (kind === "switch" && typeof value === "boolean") return value;
  if (kind === "number" && typeof value === "number" && Number.isInteger(value)) return String(value);
  if (kind === "text" && typeof value === "string" && value !== "") return value;
  const wanted = kind === "switch"
    ? "true or false"
    : kind === "number"
    ? "a whole number"
    : "a text in quotes";
  throw wrong(path, `${where} is not ${wanted}`, `for example: ${setting.name} = ${example}`);
}

function parseToml(text: string, path: string): object {
  try {
    return parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw wrong(
      path,
      reason.charAt(0).toLowerCase() + reason.slice(1),
      "see https://toml.io for how it is written",
    );
  }
}

function isTable(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function hintFor(word: string, known: readonly string[], show: (near: string) => string): string {
  const near = closestString(word, [...known]);
  return `did you mean ${show(near)}? (fsync config shows all settings)`;
}

function wrong(path: string, reason: string, hint: string): SetupError {
  return new SetupError("state", `Cannot use the configuration "${path}": ${reason}`, hint);
}

function readOrNull(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    const reason = error instanceof Deno.errors.PermissionDenied
      ? "permission denied"
      : "it is no readable file";
    throw new SetupError("state", `Cannot read the configuration "${path}": ${reason}`);
  }
}

/** The file as `fsync config init` writes it: every setting, switched off. */
export function commentedFile(): string {
  const sections = new Map<string, Setting[]>();
  for (const setting of SETTINGS) {
    const section = setting.commands.length === 1 && setting.commands[0] !== "*" ? setting.commands[0]! : ALL;
    sections.set(section, [...(sections.get(section) ?? []), setting]);
  }
  const order = [ALL, ...[...sections.keys()].filter((name) => name !== ALL)];
  const parts = order.map((name) => {
    const lines = (sections.get(name) ?? []).flatMap(commentedSetting);
    return [`[${name}]`, ...lines].join("\n");
  });
  return `${HEAD}\n${parts.join("\n\n")}\n`;
}

const HEAD = `# Settings of fsync. A flag goes before the environment (FSYNC_<FLAG>), that before this file.
# [all] holds for every command that knows the setting; a section with a command's name goes before it.
# Take away the "# " before a line to set it. What is marked (reload) is taken up on SIGHUP.
`;

function commentedSetting({ name, example, help, fallback, commands, reloads }: Setting): string[] {
  const where = commands.length > 1 ? ` For: ${commands.join(", ")}.` : "";
  return [
    "",
    `# ${help}.${where} Default: ${fallback}.${reloads ? " (reload)" : ""}`,
    `# ${name} = ${example}`,
  ];
}
