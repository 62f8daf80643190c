import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Command, readArguments } from "./_command.ts";
import { SetupError } from "./_exit.ts";
import { COMMANDS } from "./mod.ts";
import { commentedFile, Settings } from "./_settings.ts";
import { appliesTo, SETTINGS } from "./_settings_table.ts";

const command: Command = {
  name: "watch",
  summary: "",
  usage: "",
  flags: [{ name: "server", value: "HOST:PORT", help: "" }, { name: "on-conflict", value: "HOW", help: "" }],
  example: "",
  words: { min: 0, max: 0 },
  run: () => Promise.resolve(0),
};

function parse(text: string): Settings {
  return Settings.parse(text, "config.toml");
}

Deno.test("settings: the section of a command goes before [all]", () => {
  const settings = parse(`[all]\nserver = "a:1"\nverbose = true\n[watch]\nserver = "b:2"`);
  assertEquals(settings.find("watch", "server"), { value: "b:2", section: "[watch]" });
  assertEquals(settings.find("sync-all", "server"), { value: "a:1", section: "[all]" });
  assertEquals(settings.find("watch", "verbose"), { value: true, section: "[all]" });
  assertEquals(settings.find("server", "server"), null, "a command without the flag");
});

Deno.test("settings: flag before environment before file", () => {
  const settings = parse(`[watch]\nserver = "file:1"\nverbose = true`);
  const server = (...args: string[]) => readArguments(command, args, settings).value("server");
  assertEquals(server(), "file:1");
  Deno.env.set("FSYNC_SERVER", "env:2");
  Deno.env.set("FSYNC_VERBOSE", "0");
  try {
    assertEquals(server(), "env:2");
    assertEquals(server("--server", "flag:3"), "flag:3");
    assertEquals(readArguments(command, [], settings).on("verbose"), false);
    assertEquals(readArguments(command, ["--verbose"], settings).on("verbose"), true);
  } finally {
    Deno.env.delete("FSYNC_SERVER");
    Deno.env.delete("FSYNC_VERBOSE");
  }
  assertEquals(readArguments(command, [], settings).on("verbose"), true);
  assertEquals(readArguments(command, ["--verbose=false"], settings).on("verbose"), false);
});

const WRONG: readonly (readonly [string, string, string])[] = [
  [`[watch]\nsrever = "a"`, '[watch] has no setting "srever"', "did you mean server?"],
  [`[wacht]\nserver = "a"`, 'no command with settings is called "wacht"', "did you mean [watch]?"],
  [`server = "a"`, '"server" is in no section', "[all]"],
  [`[server]\nport = "x"`, "[server] port is not a whole number", "port = 65432"],
  [`[server]\nport = 1.5`, "[server] port is not a whole number", "port = 65432"],
  [`[all]\nverbose = "yes"`, "[all] verbose is not true or false", "verbose = true"],
  [`[all]\nserver = ""`, "[all] server is not a text in quotes", "server ="],
  [`[all]\nserver = nas`, "", "toml.io"],
  [`[__proto__]\nserver = "a"`, "__proto__", ""],
];

for (const [text, message, hint] of WRONG) {
  Deno.test(`settings: ${JSON.stringify(text)} is refused with a hint`, () => {
    const error = assertThrows(() => parse(text), SetupError);
    assertEquals(error.outcome, "state");
    assert(error.message.startsWith('Cannot use the configuration "config.toml": '), error.message);
    assert(error.message.includes(message), error.message);
    assert(error.hint.includes(hint), error.hint);
  });
}

Deno.test("settings: the commented file says nothing, and with its lines switched on it is right", () => {
  const text = commentedFile();
  assertEquals(SETTINGS.map(({ name }) => parse(text).find("server", name)), SETTINGS.map(() => null));
  const on = parse(text.replaceAll(/^# (\S+ = )/gm, "$1"));
  for (const setting of SETTINGS) {
    const named = setting.commands[0] === "*" ? "watch" : setting.commands[0]!;
    assertEquals(String(on.find(named, setting.name)?.value), setting.example.replaceAll('"', ""));
  }
});

Deno.test("settings: each is a flag of each of its commands, of the same kind", async () => {
  for (const [name, { load }] of COMMANDS) {
    const { flags } = await load();
    for (const setting of SETTINGS.filter((one) => !one.commands.includes("*") && appliesTo(one, name))) {
      const flag = flags.find((one) => one.name === setting.name);
      assert(flag !== undefined, `${name} has no --${setting.name}`);
      assertEquals(flag.value === undefined, setting.kind === "switch", `${name} --${setting.name}`);
    }
  }
  const known = new Set(COMMANDS.keys());
  const named = SETTINGS.flatMap(({ commands }) => commands).filter((one) => one !== "*" && !known.has(one));
  assertEquals(named, []);
});
