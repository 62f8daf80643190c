import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { ChunkList, ChunkListBuilder, digest } from "./chunk.ts";
import { recipe, type RecipeOp } from "./recipe.ts";

/** A list of one chunk for each letter. */
function listOf(letters: string): ChunkList {
  const builder = new ChunkListBuilder();
  for (const letter of letters) builder.add(digest(new TextEncoder().encode(letter)), letter.charCodeAt(0));
  return builder.build();
}

function shown(op: RecipeOp): string {
  return op.op === "base" ? `base ${op.index}+${op.count}` : `${op.op} ${op.index}`;
}

interface RecipeCase {
  readonly name: string;
  readonly base: string | null;
  readonly target: string;
  readonly first?: number;
  readonly ops: readonly string[];
}

const CASES: readonly RecipeCase[] = [
  { name: "nothing", base: null, target: "", ops: [] },
  { name: "without a base all is new", base: null, target: "abc", ops: ["new 0", "new 1", "new 2"] },
  { name: "an empty base", base: "", target: "ab", ops: ["new 0", "new 1"] },
  { name: "the same is one range", base: "abcdef", target: "abcdef", ops: ["base 0+6"] },
  { name: "appended", base: "abc", target: "abcX", ops: ["base 0+3", "new 3"] },
  { name: "inserted at the front", base: "abc", target: "Xabc", ops: ["new 0", "base 0+3"] },
  { name: "changed in the middle", base: "abcde", target: "abXde", ops: ["base 0+2", "new 2", "base 3+2"] },
  { name: "cut out", base: "abcde", target: "abe", ops: ["base 0+2", "base 4+1"] },
  { name: "moved around", base: "abcd", target: "cdab", ops: ["base 2+2", "base 0+2"] },
  {
    name: "a repetition goes over the wire once",
    base: null,
    target: "zzaz",
    ops: ["new 0", "self 0", "new 2", "self 0"],
  },
  {
    name: "a run of equal chunks in the base stays one range",
    base: "zzzz",
    target: "zzzz",
    ops: ["base 0+4"],
  },
  { name: "more of them than the base has", base: "zz", target: "zzz", ops: ["base 0+2", "base 0+1"] },
  {
    name: "what the base has twice is taken from its first place",
    base: "abXab",
    target: "ab",
    ops: ["base 0+2"],
  },
  { name: "a resumed transfer goes on", base: "abc", target: "abXc", first: 2, ops: ["new 2", "base 2+1"] },
  {
    name: "it may repeat what is there already",
    base: null,
    target: "abab",
    first: 2,
    ops: ["self 0", "self 1"],
  },
  { name: "a finished transfer", base: "abc", target: "abc", first: 3, ops: [] },
];

for (const { name, base, target, first = 0, ops } of CASES) {
  Deno.test(`recipe: ${name}`, () => {
    const found = [...recipe(listOf(target), base === null ? null : listOf(base), first)];
    assertEquals(found.map(shown), ops);
  });
}

Deno.test("recipe: followed on letters it gives the target, and no chunk is sent that is there", () => {
  const letters = fc.string({ unit: fc.constantFrom(..."abcd"), maxLength: 12 });
  fc.assert(
    fc.property(fc.option(letters), letters, fc.nat(12), (base, target, at) => {
      const first = Math.min(at, target.length);
      let built = target.slice(0, first);
      for (const op of recipe(listOf(target), base === null ? null : listOf(base), first)) {
        if (op.op === "base") built += base!.slice(op.index, op.index + op.count);
        else if (op.op === "self") built += built[op.index];
        else {
          assertEquals(built.includes(target[op.index]!) || (base ?? "").includes(target[op.index]!), false);
          built += target[op.index];
        }
      }
      assertEquals(built, target);
    }),
    { numRuns: 1000 },
  );
});
