import { assertEquals } from "@std/assert";
import type { Command, Flag } from "./_command.ts";
import { type Form, usageOf } from "./_usage.ts";

function command(usage: string, flags: readonly Flag[] = []): Command {
  return {
    name: "try",
    summary: "",
    usage,
    flags,
    example: "",
    words: { min: 0, max: 9 },
    run: () => Promise.resolve(0),
  };
}

function forms(usage: string, flags: readonly Flag[] = []): string[] {
  return usageOf(command(usage, flags)).forms.map(showForm);
}

function showForm({ verb, slots }: Form): string {
  const words = slots.map(({ kind, label, choices, many }) =>
    `${kind}:${choices.length > 0 ? choices.join("/") : label}${many ? "+" : ""}`
  );
  return [verb ?? "-", ...words].join(" ");
}

const KEEP: Flag = { name: "keep", value: "WHICH", help: "" };
const USER: Flag = { name: "user", value: "NAME", help: "" };
const GROUP: Flag = { name: "group", value: "NAME", help: "" };
const AT: Flag = { name: "at", value: "TIME", help: "" };
const DRY: Flag = { name: "dry-run", help: "" };

const CASES: { usage: string; flags?: Flag[]; forms: string[] }[] = [
  { usage: "", forms: ["-"] },
  { usage: "[DIR=./client_files] [--dry-run]", flags: [DRY], forms: ["- dir:DIR"] },
  { usage: "PATH... [--at TIME]", flags: [AT], forms: ["- file:PATH+"] },
  { usage: "[PATH ...]", forms: ["- file:PATH"] },
  { usage: "PATH [--user N | --at TIME] [--dry-run]", flags: [USER, AT, DRY], forms: ["- file:PATH"] },
  {
    usage: "[list | show PATH|ID | resolve PATH|ID --keep mine|theirs|N]",
    flags: [KEEP],
    forms: ["list", "show file:PATH|ID", "resolve file:PATH|ID"],
  },
  { usage: "add|remove NAME | list", forms: ["add text:NAME", "remove text:NAME", "list"] },
  {
    usage: "PREFIX --user|--group NAME none|read|write | list",
    flags: [USER, GROUP],
    forms: ["list", "- text:PREFIX text:none/read/write"],
  },
  {
    usage: "list | PREFIX --user NAME none|read | PREFIX --user NAME",
    flags: [USER],
    forms: ["list", "- text:PREFIX text:none/read"],
  },
  { usage: "bash|zsh|fish", forms: ["bash", "zsh", "fish"] },
  { usage: "(add NAME --user DIR | drop NAME)", flags: [USER], forms: ["add text:NAME", "drop text:NAME"] },
];

for (const { usage, flags, forms: expected } of CASES) {
  Deno.test(`usage "${usage}" is understood`, () => assertEquals(forms(usage, flags), expected));
}

Deno.test("the values of a flag come from its placeholder and from the line", () => {
  const mode: Flag = { name: "mode", value: "copy|keep", help: "" };
  const to: Flag = { name: "to", value: "FILE", help: "" };
  const { flags } = usageOf(command("PATH --keep mine|theirs|N", [KEEP, mode, to, DRY]));
  const slots = new Map(flags.map(({ name, slot }) => [name, slot]));
  assertEquals(slots.get("keep")?.choices, ["mine", "theirs"]);
  assertEquals(slots.get("mode")?.choices, ["copy", "keep"]);
  assertEquals(slots.get("to")?.kind, "file");
  assertEquals(slots.get("dry-run"), null);
  assertEquals(slots.get("json"), null);
});
