import { assertEquals } from "@std/assert";
import { clampMtime, type ContentId, describeEntry, type Entry, sameContent, sameEntry } from "./entry.ts";

const file = (content: string, mtime = 1000, mode = 0o644): Entry => ({
  kind: "file",
  size: content.length,
  mtime,
  mode,
  content: content as ContentId,
});
const dir = (mode = 0o755): Entry => ({ kind: "dir", mode });
const link = (target: string): Entry => ({ kind: "link", target });

const PAIRS: readonly { name: string; a: Entry | null; b: Entry | null; same: boolean; content: boolean }[] =
  [
    { name: "nothing and nothing", a: null, b: null, same: true, content: true },
    { name: "nothing and a directory", a: null, b: dir(), same: false, content: false },
    { name: "equal files", a: file("x"), b: file("x"), same: true, content: true },
    { name: "files of other bytes", a: file("x"), b: file("y"), same: false, content: false },
    { name: "files of other times", a: file("x", 1), b: file("x", 2), same: false, content: true },
    {
      name: "files of other bits",
      a: file("x", 1, 0o644),
      b: file("x", 1, 0o755),
      same: false,
      content: true,
    },
    { name: "equal directories", a: dir(), b: dir(), same: true, content: true },
    { name: "directories of other bits", a: dir(0o755), b: dir(0o700), same: false, content: true },
    { name: "equal links", a: link("t"), b: link("t"), same: true, content: true },
    { name: "links to elsewhere", a: link("t"), b: link("u"), same: false, content: false },
    { name: "a file and a link with its text", a: file("t"), b: link("t"), same: false, content: false },
    { name: "a file and a directory", a: file("x"), b: dir(), same: false, content: false },
    { name: "a link and a directory", a: link("t"), b: dir(), same: false, content: false },
  ];

for (const { name, a, b, same, content } of PAIRS) {
  Deno.test(`entry: ${name} are ${same ? "the same" : content ? "the same content" : "different"}`, () => {
    assertEquals([sameEntry(a, b), sameEntry(b, a)], [same, same]);
    assertEquals([sameContent(a, b), sameContent(b, a)], [content, content]);
  });
}

const TIMES: readonly (readonly [given: number, kept: number])[] = [
  [0, 0],
  [-1, -1],
  [1.999, 1],
  [-1.5, -2],
  [4_102_444_800_000, 4_102_444_800_000],
  [1e18, 8.64e15],
  [-1e18, -8.64e15],
  [Infinity, 8.64e15],
  [-Infinity, -8.64e15],
  [NaN, 0],
];

for (const [given, kept] of TIMES) {
  Deno.test(`entry: the time ${given} travels as ${kept}`, () => assertEquals(clampMtime(given), kept));
}

Deno.test("entry: it is described in a few words", () => {
  assertEquals(
    [null, file("abc"), dir(), link("../x")].map(describeEntry),
    ["absent", "file 3 B", "dir", "link → ../x"],
  );
});
