import { assertEquals } from "@std/assert";
import { textDiff } from "./_text_diff.ts";

const side = (name: string, text: string) => ({ name, bytes: new TextEncoder().encode(text) });

Deno.test("two texts are compared line by line", async () => {
  assertEquals(await textDiff(side("f, version 1", "a\nb\nc\n"), side("f, version 2", "a\nB\x1b\tb\nc\n")), [
    "--- f, version 1",
    "+++ f, version 2",
    "@@ -1,3 +1,3 @@",
    " a",
    "-b",
    "+B\\e\tb",
    " c",
  ]);
});

Deno.test("what is no text, the same or too large is said in one line", async () => {
  const large = { name: "l", bytes: new Uint8Array(5 * 1024 * 1024).fill(65) };
  assertEquals(await textDiff(side("a", "x"), side("b", "x")), ["The contents are the same."]);
  assertEquals(await textDiff(side("a", "x"), side("b", "\0")), ["The contents are no texts; they differ."]);
  const notUtf8 = { name: "n", bytes: Uint8Array.of(0xff) };
  assertEquals(await textDiff(notUtf8, side("b", "x")), ["The contents are no texts; they differ."]);
  assertEquals(await textDiff(large, side("b", "x")), ["The contents are too large to compare."]);
});
