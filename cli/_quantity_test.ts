import { assertEquals } from "@std/assert";
import { formatBytes, parseBytes } from "./_quantity.ts";

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

Deno.test("amounts of bytes are shown with three digits", () => {
  assertEquals([0, 999, 1000, 1536, 12_900_000, 2 ** 30, 5 * 2 ** 40].map(formatBytes), [
    "0 B",
    "999 B",
    "0.98 KB",
    "1.50 KB",
    "12.3 MB",
    "1.00 GB",
    "5.00 TB",
  ]);
});
