import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { fileSize, generateLargeFile, generateTree, insertByte } from "./generate.ts";
import { median } from "./stats.ts";
import { firstDifference, listTree } from "./tree.ts";

Deno.test("sizes of generated files are those of packages", () => {
  const random = new SeededRandom(1);
  const sizes = Array.from({ length: 40_000 }, () => fileSize(random));
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  assert(Math.abs(median(sizes) - 600) < 30, `median ${median(sizes)}`);
  assert(Math.abs(mean - 1700) < 150, `mean ${mean}`);
  assert(sizes.some((size) => size > 100_000));
});

Deno.test("the same seed makes the same tree, with as many files as asked for, in deep directories", () => {
  using dir = temporary();
  for (const name of ["a", "b"]) generateTree(`${dir.path}/${name}`, { files: 400, seed: 3n });
  assertEquals(firstDifference(`${dir.path}/a`, `${dir.path}/b`), null);
  const listing = listTree(`${dir.path}/a`);
  const kinds = [...listing.values()].flatMap((items) => [...items.values()].map(({ kind }) => kind));
  assertEquals(kinds.filter((kind) => kind === "file").length, 400);
  assert(Math.max(...[...listing.keys()].map((path) => path.split("/").length)) >= 4);
});

Deno.test("a byte is inserted, nothing else changes", () => {
  using dir = temporary();
  const path = `${dir.path}/large`;
  generateLargeFile(path, 5_000_000, 1n);
  const before = Deno.readFileSync(path);
  insertByte(path, 100, `${dir.path}/aside`);
  const after = Deno.readFileSync(path);
  assertEquals(after.length, before.length + 1);
  assertEquals(after[100], 0x2a);
  assertEquals(after.subarray(0, 100), before.subarray(0, 100));
  assert(after.subarray(101).every((byte, i) => byte === before[100 + i]));
});

function temporary(): { readonly path: string } & Disposable {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
