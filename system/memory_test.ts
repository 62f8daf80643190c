import { assertEquals } from "@std/assert";
import { Tidier } from "./memory.ts";

const MIB = 1024 * 1024;

Deno.test("memory: the young are collected as they are used up, and everything once it is quiet after much", async () => {
  const kinds: string[] = [];
  const { promise: tidied, resolve } = Promise.withResolvers<void>();
  const tidier = new Tidier(({ type }) => {
    kinds.push(type);
    if (type === "major") resolve();
  }, 1);
  // The tidier's own timer keeps no program alive.
  const alive = setInterval(() => {}, 1000);
  tidier.note(7 * MIB);
  assertEquals(kinds, []);
  for (let n = 0; n < 64; n++) tidier.note(MIB);
  assertEquals(kinds, Array(8).fill("minor"));
  await tidied;
  assertEquals(kinds.slice(8), ["major"]);
  clearInterval(alive);
});

Deno.test("memory: little that was used up is left for V8 to collect", async () => {
  const kinds: string[] = [];
  const tidier = new Tidier(({ type }) => void kinds.push(type), 0);
  for (let n = 0; n < 60; n++) tidier.note(MIB);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(new Set(kinds), new Set(["minor"]));
});
