import { assertEquals, assertRejects } from "@std/assert";
import { Turns } from "./turns.ts";

Deno.test("turns: so many at a time, in the order in which they came, also after failures", async () => {
  const turns = new Turns(2);
  const began: number[] = [];
  const ends: (() => void)[] = [];
  const all = Array.from({ length: 6 }, (_, i) =>
    turns.run(async () => {
      began.push(i);
      await new Promise<void>((resolve) => ends[i] = resolve);
      if (i === 1) throw new Error("failed");
      return i;
    }));
  const failing = assertRejects(() => all[1]!, Error, "failed");
  const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
  await turn();
  assertEquals(began, [0, 1]);
  ends[1]!();
  await failing;
  await turn();
  assertEquals(began, [0, 1, 2]);
  ends[0]!();
  await turn();
  assertEquals(began, [0, 1, 2, 3]);
  for (const i of [2, 3]) ends[i]!();
  await turn();
  for (const i of [4, 5]) ends[i]!();
  assertEquals((await Promise.allSettled(all)).map((one) => one.status === "fulfilled" ? one.value : -1), [
    0,
    -1,
    2,
    3,
    4,
    5,
  ]);
  assertEquals(await turns.run(() => Promise.resolve("free")), "free");
});
