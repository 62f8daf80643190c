import { assert, assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import { COMMON_FLAGS } from "./_command.ts";
import { commandHelp, groupHelp, overview, SCREEN_COLUMNS, SCREEN_LINES, wrap } from "./_help.ts";
import { COMMANDS } from "./mod.ts";

const listed = [...COMMANDS].map(([name, entry]) => ({ ...entry, name }));

function assertFits(name: string, text: string): void {
  const lines = text.split("\n");
  assertLessOrEqual(lines.length, SCREEN_LINES, `The help of ${name} has too many lines\n${text}`);
  const wide = lines.filter((line) => line.length > SCREEN_COLUMNS);
  assertEquals(wide, [], `The help of ${name} is too wide`);
}

for (const [name, { summary, load }] of COMMANDS) {
  Deno.test(`the help of ${name} fits a screen and has an example`, async () => {
    const command = await load();
    const text = commandHelp(command);
    assertFits(name, text);
    assertEquals([command.name, command.summary], [name, summary]);
    assertMatch(text, new RegExp(`\\nexample:\\n(  .*\\n)*?  .*fsync ${name}\\b`));
    for (const flag of [...command.flags, ...COMMON_FLAGS]) {
      assertMatch(text, new RegExp(`--${flag.name}\\b`));
    }
  });
}

Deno.test("the overview fits a screen and names every command", () => {
  const text = overview(listed);
  assertFits("fsync (give new commands a group in cli/mod.ts)", text);
  for (const { name } of listed) assertMatch(text, new RegExp(`[ ,]${name}(,| |\\n)`));
});

Deno.test("a group of commands has a page", () => {
  for (const group of new Set(listed.flatMap(({ group }) => group ?? []))) {
    const text = groupHelp(group, listed);
    assert(text !== null);
    assertFits(group, text);
    assert(!COMMANDS.has(group), `${group} is a command and a group`);
  }
  assertEquals(groupHelp("watch", listed), null);
});

Deno.test("a line is broken between words, and its rest indented", () => {
  assertEquals(wrap("one two three", "  ", 8), ["one two", "  three"]);
  assertEquals(wrap("one", "  ", 8), ["one"]);
  assertEquals(wrap("unbreakable", "  ", 8), ["unbreakable"]);
  assertEquals(wrap("one unbreakable two", "  ", 8), ["one", "  unbreakable two"]);
});
