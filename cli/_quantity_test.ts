import { assertEquals } from "@std/assert";
import { parseBytes } from "./_quantity.ts";

Deno.test("amounts of bytes are read as people write them", () => {
  const read = (text: string) => parseBytes(text);
  assertEquals(["0", "512", "64K", "2.5m", "1GiB", " 3 MB "].map(read), [
    0,
    512,
    65536,
    2621440,
    2 ** 30,
    3 * 2 ** 20,
  ]);
  assertEquals(["", "-1", "1X", "K", "1e9", "ten", "9999999999T"].map(read), Array(7).fill(null));
});
