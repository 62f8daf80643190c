import { assert, assertEquals, assertLess } from "@std/assert";
import { Glob } from "./glob.ts";

const matches: readonly [pattern: string, fits: readonly string[], not: readonly string[]][] = [
  ["a.txt", ["a.txt"], ["a-txt", "xa.txt", "a.txt/b"]],
  ["*.log", [".log", "x.log", "x.y.log"], ["x.log2", "d/x.log"]],
  ["a*c", ["ac", "abbc"], ["ab", "a/c"]],
  ["*a*b*", ["ab", "xaybz"], ["ba", "a/b"]],
  ["?", ["a", "é", "😀"], ["", "ab", "/"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "x"]],
  ["[!a-c]x", ["dx", "-x"], ["ax", "/x"]],
  ["[]-]", ["]", "-"], ["a"]],
  ["[[:digit:][:upper:]]", ["1", "Z"], ["z"]],
  ["\\*\\[", ["*["], ["x["]],
  ["**", ["a", "a/b"], []],
  ["**/b", ["b", "a/b", "a/x/b"], ["ab", "a/xb", "b/c"]],
  ["a/**", ["a/b", "a/b/c"], ["a", "ab"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c"]],
  ["a/**/b/**/c", ["a/b/c", "a/b/b/c", "a/x/b/y/c"], ["a/c", "a/b/xc"]],
  ["a**c", ["ac", "abc"], ["a/c"]],
  ["a/*/c", ["a/b/c"], ["a/c", "a/b/b/c"]],
];

for (const [pattern, fits, not] of matches) {
  Deno.test(`glob: ${pattern}`, () => {
    const glob = Glob.parse(pattern)!;
    for (const text of fits) assert(glob.matches(text), `"${text}" fits`);
    for (const text of not) assert(!glob.matches(text), `"${text}" does not fit`);
  });
}

Deno.test("glob: what is malformed is no pattern", () => {
  for (const pattern of ["[a", "a\\", "[\\", "[[:nope:]]", "[[:alpha:", "[a-"]) {
    assertEquals(Glob.parse(pattern), null, pattern);
  }
});

Deno.test("glob: a pattern with at most one star is only its ends", () => {
  assertEquals(Glob.parse("a\\*b")!.affixes, { prefix: "a*b", suffix: null });
  assertEquals(Glob.parse(".*.swp")!.affixes, { prefix: ".", suffix: ".swp" });
  for (const pattern of ["a?", "*a*", "**", "[a]"]) assertEquals(Glob.parse(pattern)!.affixes, null, pattern);
});

Deno.test("glob: a pattern made to keep the matcher busy is done in no time", () => {
  const started = performance.now();
  const name = "a".repeat(255);
  const path = Array(2000).fill("a").join("/");
  assert(!Glob.parse(`${"*a".repeat(60)}*b`)!.matches(name));
  assert(!Glob.parse(`${"**/a/".repeat(30)}b`)!.matches(path));
  assert(!Glob.parse(`${"**/*a*/".repeat(30)}b`)!.matches(path));
  // Seconds and more with any matcher that goes back and tries again; here it takes some hundredths.
  assertLess(performance.now() - started, 2000);
});
