import { assertEquals, assertMatch } from "@std/assert";
import { EXIT } from "./_exit.ts";
import { COMMANDS, main } from "./mod.ts";

Deno.test("main: what nobody foresaw is a failure in one line, with what helps to find it", async () => {
  const told: string[] = [];
  const { error } = console;
  console.error = (text: string) => void told.push(text);
  COMMANDS.set("broken", { summary: "", load: () => Promise.reject(new TypeError("x is null")) });
  try {
    assertEquals(await main(["broken"]), EXIT.failed);
  } finally {
    COMMANDS.delete("broken");
    console.error = error;
  }
  assertEquals(told.length, 2);
  assertMatch(told[0]!, /^fsync: bug: TypeError: x is null\\n.*mod_test\.ts/);
  assertMatch(told[1]!, /^hint: report this/);
});
