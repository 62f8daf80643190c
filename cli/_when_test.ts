import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./_exit.ts";
import { parseWhen, parseWhenInclusive, shortTime } from "./_when.ts";

const NOW = new Date(2025, 3, 7, 13, 11, 5).getTime();

Deno.test("a time is local, to the minute, the second or the day", () => {
  assertEquals(parseWhen("at", "2025-04-07 13:11:05", 0), NOW);
  assertEquals(parseWhen("at", "2025-04-07T13:11", 0), NOW - 5000);
  assertEquals(parseWhen("at", "2025-04-07", 0), new Date(2025, 3, 7).getTime());
  assertEquals(parseWhen("at", "2025-04-07 13:11:05.25", 0), NOW + 250);
  assertEquals(shortTime(NOW), "2025-04-07 13:11:05");
});

Deno.test("a time may be given as how long ago", () => {
  const ago = ["90s", "15m", "2h", "3d", "1w"].map((text) => (NOW - parseWhen("since", text, NOW)) / 1000);
  assertEquals(ago, [90, 900, 7200, 259_200, 604_800]);
});

Deno.test("a time that was copied from a table means the whole second", () => {
  assertEquals(parseWhenInclusive("at", "2025-04-07 13:11:05", 0), NOW + 999);
  assertEquals(parseWhenInclusive("at", "2025-04-07 13:11:05.250", 0), NOW + 250);
  assertEquals(parseWhenInclusive("at", "90s", NOW), NOW - 90_000);
});

Deno.test("what is no time is refused", () => {
  for (
    const text of ["", "yesterday", "2025-13-01", "2025-02-30", "2025-04-07 24:00", "2025-04-07 1:1", "2 h"]
  ) {
    assertThrows(() => parseWhen("at", text, NOW), UsageError, "it is no time");
  }
});
