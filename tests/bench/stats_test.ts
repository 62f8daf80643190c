import { assertEquals, assertThrows } from "@std/assert";
import { median, quantile } from "./stats.ts";

Deno.test("the median lies in the middle, between the two middle ones of an even number", () => {
  assertEquals(median([9, 1, 10]), 9);
  assertEquals(median([4, 1, 3, 2]), 2.5);
  assertThrows(() => median([]), RangeError);
});

Deno.test("a quantile is one of the values", () => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  assertEquals(quantile(values, 0.99), 198);
  assertEquals(quantile(values, 1), 200);
  assertEquals(quantile([7], 0.5), 7);
});
