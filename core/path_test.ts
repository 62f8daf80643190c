import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  ancestorsOf,
  comparePaths,
  depthOf,
  displayPath,
  isAtOrBelow,
  isBelow,
  joinPath,
  nameOf,
  nameProblem,
  parentOf,
  parsePath,
  PathError,
  rebase,
  type SyncPath,
  utf8Length,
} from "./path.ts";

const p = parsePath;

const ACCEPTED: readonly string[] = [
  // What only looks dangerous (MC01, MC03).
  "foo..",
  ".foo",
  "\\..",
  "foo/bar:baz",
  "...",
  ".../..a/.a./a..",
  "C:\\x",
  "~root/x",
  "..\\x",
  // Names of users (N01, N05, N06, N11, N12, N16, N17).
  "n\nl",
  "\t\r\x1b\x01\x7f\u009b",
  "-rf",
  "--help",
  "-",
  "$(touch P)",
  "`id`",
  ";rm x",
  "%s%n",
  "'\"",
  "*",
  "[a]",
  "!x",
  "#x",
  "~",
  " ",
  " x ",
  "a\\b",
  "é",
  "e\u0301",
  "\ufeffbom",
  "__proto__",
  "constructor/toString",
  "hasOwnProperty",
  "then",
  ".fsyncignore",
  ".fsync~",
  ".Fsync",
  "x.fsync",
  ".fsyn",
  // A replacement character is a character like others (N04); so is one outside the BMP.
  "bad-\ufffd.txt",
  "\uffff",
  "🙂/🙂",
  // Lengths (N07).
  "n".repeat(255),
  "🙂".repeat(63) + "abc",
  "é".repeat(127) + "x",
  "漢".repeat(85),
  `${"d/".repeat(2047)}ab`,
  `${("n".repeat(255) + "/").repeat(15)}${"n".repeat(255)}/`.slice(0, 4095),
];

const REFUSED: readonly (readonly [raw: string, reason: string])[] = [
  // MC01
  ["", "the path is empty"],
  [".", 'the path has a "." part'],
  ["..", 'the path has a ".." part'],
  ["/", "the path is absolute"],
  ["/.", "the path is absolute"],
  ["/..", "the path is absolute"],
  ["/foo", "the path is absolute"],
  ["./foo", 'the path has a "." part'],
  ["foo/", "the path has an empty part"],
  ["foo/.", 'the path has a "." part'],
  ["foo./", "the path has an empty part"],
  // MC02
  ["../x", 'the path has a ".." part'],
  ["a/../../x", 'the path has a ".." part'],
  ["a/..", 'the path has a ".." part'],
  ["a/../b", 'the path has a ".." part'],
  ["a/./b", 'the path has a "." part'],
  ["a//b", "the path has an empty part"],
  // MC03
  ["/etc/passwd", "the path is absolute"],
  ["//etc", "the path is absolute"],
  ["file:///", "the path has an empty part"],
  // MC04
  ["\0", "the path contains a NUL character"],
  ["a\0", "the path contains a NUL character"],
  ["a/b\0c/d", "the path contains a NUL character"],
  ["\ud800", "the path is not well-formed Unicode"],
  ["a/\udc00", "the path is not well-formed Unicode"],
  ["a\ud83d/b", "the path is not well-formed Unicode"],
  ["\ude42\ud83d", "the path is not well-formed Unicode"],
  ["\ud83d\ud83d\ude42", "the path is not well-formed Unicode"],
  // Ours, at any depth
  [".fsync", 'the name ".fsync" is reserved'],
  [".fsync/state.db", 'the name ".fsync" is reserved'],
  ["a/.fsync", 'the name ".fsync" is reserved'],
  ["a/.fsync/b", 'the name ".fsync" is reserved'],
  // Lengths
  ["n".repeat(256), "a name is longer than 255 bytes"],
  [`a/${"n".repeat(256)}/b`, "a name is longer than 255 bytes"],
  ["🙂".repeat(64), "a name is longer than 255 bytes"],
  ["🙂".repeat(63) + "abcd", "a name is longer than 255 bytes"],
  ["é".repeat(128), "a name is longer than 255 bytes"],
  ["漢".repeat(86), "a name is longer than 255 bytes"],
  [`${"d/".repeat(2048)}a`, "the path is longer than 4096 bytes"],
  [`${"é/".repeat(1365)}ab`, "the path is longer than 4096 bytes"],
  ["n".repeat(1_000_000), "the path is longer than 4096 bytes"],
];

/** A path in a test's name. */
function shown(raw: string): string {
  const text = displayPath(raw.toWellFormed());
  return text.length <= 40 ? `"${text}"` : `"${text.slice(0, 20)}…" of ${raw.length} characters`;
}

for (const raw of ACCEPTED) {
  Deno.test(`path: ${shown(raw)} is accepted as it is`, () => assertEquals(parsePath(raw) as string, raw));
}

for (const [raw, reason] of REFUSED) {
  Deno.test(`path: ${shown(raw)} is refused: ${reason}`, () => {
    assertEquals(assertThrows(() => parsePath(raw), PathError).message, reason);
  });
}

/** The rules once more, as plainly as they can be said. */
function isAllowed(raw: string): boolean {
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  return raw.isWellFormed() && !raw.includes("\0") && bytes(raw) <= 4096 &&
    raw.split("/").every((part) => !["", ".", "..", ".fsync"].includes(part) && bytes(part) <= 255);
}

const fragment = fc.oneof(
  fc.constantFrom(
    "/",
    ".",
    "..",
    "a",
    ".fsync",
    "\0",
    "é",
    "漢",
    "🙂",
    "\ud83d",
    "\ude42",
    "\ud7ff",
    "\ue000",
  ),
  fc.constantFrom("n", "é", "漢", "🙂").chain((unit) => fc.nat(256).map((count) => unit.repeat(count))),
  fc.string({ unit: "binary" }),
);
const anyRaw = fc.array(fragment, { maxLength: 12 }).map((parts) => parts.join(""));
const longRaw = fc.tuple(fc.constantFrom("é/", "abc/", "🙂x/"), fc.integer({ min: 800, max: 1400 }), anyRaw)
  .map(([part, count, end]) => part.repeat(count) + end);

Deno.test("path: the one pass accepts exactly what the rules allow", () => {
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: anyRaw }, { weight: 1, arbitrary: longRaw }), (raw) => {
      if (isAllowed(raw)) return void assertEquals(parsePath(raw) as string, raw);
      assertThrows(() => parsePath(raw), PathError);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("path: a name is a path of one part", () => {
  assertEquals(nameProblem("ok"), null);
  assertEquals(nameProblem("a/b"), "the name contains a slash");
  assertEquals(nameProblem(".."), 'the path has a ".." part');
  assertEquals(nameProblem(""), "the path is empty");
});

Deno.test("path: joining checks the name and the length of the whole", () => {
  assertEquals(joinPath(null, "a"), p("a"));
  assertEquals(joinPath(p("a/b"), "c"), p("a/b/c"));
  for (const name of ["", ".", "..", ".fsync", "\0", "n".repeat(256)]) {
    assertThrows(() => joinPath(p("a"), name), PathError);
    assertThrows(() => joinPath(null, name), PathError);
  }
  const deep = p("d/".repeat(2046) + "d");
  assertEquals(joinPath(deep, "ab").length, 4096);
  assertThrows(() => joinPath(deep, "abc"), PathError, "longer than 4096");
});

const BELOW: readonly (readonly [path: string, dir: string, below: boolean])[] = [
  ["a/b", "a", true],
  ["a/b/c", "a", true],
  ["a", "a", false],
  ["ab", "a", false],
  ["a-b/c", "a", false],
  ["a", "a/b", false],
  ["b/a", "a", false],
  ["A/b", "a", false],
];

for (const [path, dir, below] of BELOW) {
  Deno.test(`path: "${path}" is ${below ? "" : "not "}below "${dir}"`, () => {
    assertEquals(isBelow(p(path), p(dir)), below);
    assertEquals(isAtOrBelow(p(path), p(dir)), below || path === dir);
  });
}

Deno.test("path: its parts", () => {
  assertEquals([...ancestorsOf(p("a/b/c"))], [p("a/b"), p("a")]);
  assertEquals([...ancestorsOf(p("a"))], []);
  assertEquals([parentOf(p("a/b/c")), parentOf(p("a"))], [p("a/b"), null]);
  assertEquals([nameOf(p("a/b/c")), nameOf(p("a"))], ["c", "a"]);
  assertEquals([depthOf(p("a")), depthOf(p("a/b/c"))], [1, 3]);
});

Deno.test("path: rebasing moves what is at and below", () => {
  assertEquals(rebase(p("a"), p("a"), p("x/y")), p("x/y"));
  assertEquals(rebase(p("a/b/c"), p("a"), p("x/y")), p("x/y/b/c"));
  assertEquals(rebase(p("a/b/c"), p("a/b"), p("z")), p("z/c"));
});

Deno.test("path: a length in bytes is that of UTF-8", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assertEquals(utf8Length(text), new TextEncoder().encode(text).length);
    }),
  );
});

const anyPath = fc.array(fc.constantFrom("a", "b", "a-", "a.b", "é", "🙂", "A", "n\nl"), {
  minLength: 1,
  maxLength: 4,
}).map((parts) => parts.join("/") as SyncPath);

Deno.test("path: parent, name, ancestors, depth and order fit together", () => {
  fc.assert(
    fc.property(anyPath, anyPath, (a, b) => {
      assertEquals(joinPath(parentOf(a), nameOf(a)), a);
      const above = [...ancestorsOf(a)];
      assertEquals(above.length, depthOf(a) - 1);
      for (const dir of above) assert(isBelow(a, dir) && comparePaths(dir, a) < 0);
      assertEquals(isBelow(b, a), [...ancestorsOf(b)].includes(a));
      if (isAtOrBelow(a, b)) assertEquals(rebase(rebase(a, b, p("new/place")), p("new/place"), b), a);
      assertEquals(Math.sign(comparePaths(a, b)), -Math.sign(comparePaths(b, a)));
      assertEquals(comparePaths(a, b) === 0, a === b);
    }),
  );
});

const SHOWN: readonly (readonly [path: string, shown: string])[] = [
  ["plain/näme 🙂", "plain/näme 🙂"],
  ["a\nb\tc\rd", "a\\nb\\tc\\rd"],
  ["\x1b[31mred", "\\e[31mred"],
  ["\x00\x07\x7f", "\\u{0}\\u{7}\\u{7f}"],
  ["c1 \u009b", "c1 \\u{9b}"],
  ["line\u2028par\u2029", "line\\u{2028}par\\u{2029}"],
  ["exe\u202etxt", "exe\\u{202e}txt"],
  ["\u2066isolate\u2069", "\\u{2066}isolate\\u{2069}"],
  ["a\\b", "a\\b"],
];

for (const [path, text] of SHOWN) {
  Deno.test(`path: it is shown as ${text}`, () => assertEquals(displayPath(path), text));
}
