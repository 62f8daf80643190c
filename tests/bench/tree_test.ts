import { assertEquals, assertRejects } from "@std/assert";
import { awaitTree, firstDifference, listTree, measureTree } from "./tree.ts";

interface DifferenceCase {
  readonly name: string;
  readonly change: (root: string) => void;
  readonly difference: (a: string, b: string) => string | null;
}

const cases: DifferenceCase[] = [
  { name: "nothing", change: () => {}, difference: () => null },
  {
    name: "what is private to fsync",
    change: (root) => Deno.mkdirSync(`${root}/.fsync`),
    difference: () => null,
  },
  {
    name: "a file too many",
    change: (root) => Deno.writeTextFileSync(`${root}/dir/new`, ""),
    difference: (_, b) => `only "${b}" has "dir/new"`,
  },
  {
    name: "a missing file",
    change: (root) => Deno.removeSync(`${root}/dir/file`),
    difference: (a) => `only "${a}" has "dir/file"`,
  },
  {
    name: "other bytes of the same size and time",
    change: (root) => writeFile(root, "other"),
    difference: () => '"dir/file" differs in its bytes',
  },
  {
    name: "another size",
    change: (root) => writeFile(root, "longer"),
    difference: () => '"dir/file" differs in its size',
  },
  {
    name: "another time",
    change: (root) => Deno.utimeSync(`${root}/dir/file`, 5, 5),
    difference: () => '"dir/file" differs in its time',
  },
  {
    name: "another mode",
    change: (root) => Deno.chmodSync(`${root}/dir/file`, 0o600),
    difference: () => '"dir/file" differs in its mode',
  },
  {
    name: "another mode of a directory",
    change: (root) => Deno.chmodSync(`${root}/dir`, 0o700),
    difference: () => '"dir" differs in its mode',
  },
  {
    name: "another target",
    change: (root) => {
      Deno.removeSync(`${root}/link`);
      Deno.symlinkSync("elsewhere", `${root}/link`);
    },
    difference: () => '"link" differs in its target',
  },
  {
    name: "another kind",
    change: (root) => {
      Deno.removeSync(`${root}/link`);
      Deno.mkdirSync(`${root}/link`);
    },
    difference: () => '"link" differs in its kind',
  },
];

for (const { name, change, difference } of cases) {
  Deno.test(`two trees are compared: ${name}`, () => {
    using trees = twoTrees();
    change(trees.b);
    assertEquals(firstDifference(trees.a, trees.b), difference(trees.a, trees.b));
  });
}

Deno.test("contents that need more than one piece are compared to their end", () => {
  using trees = twoTrees();
  const bytes = new Uint8Array(9 * 1024 * 1024);
  Deno.writeFileSync(`${trees.a}/large`, bytes);
  bytes[bytes.length - 1] = 1;
  Deno.writeFileSync(`${trees.b}/large`, bytes);
  for (const root of [trees.a, trees.b]) Deno.utimeSync(`${root}/large`, 1, 1);
  assertEquals(firstDifference(trees.a, trees.b), '"large" differs in its bytes');
});

Deno.test("waiting for a tree ends when the last entry is in its place, and says when that was", async () => {
  using trees = twoTrees();
  Deno.removeSync(`${trees.b}/dir/file`);
  const waiting = awaitTree(trees.b, listTree(trees.a));
  writeFile(trees.b, "bytes");
  const placed = Deno.lstatSync(`${trees.b}/dir/file`).ctime!.getTime();
  assertEquals(await waiting, placed);
});

Deno.test("waiting for a tree that never becomes complete fails", async () => {
  using trees = twoTrees();
  Deno.writeTextFileSync(`${trees.b}/dir/too-many`, "");
  await assertRejects(
    () => awaitTree(trees.b, listTree(trees.a), 30),
    Error,
    `The tree "${trees.b}" is not complete: "dir" differs`,
  );
});

Deno.test("a tree is measured in entries and bytes of files", () => {
  using trees = twoTrees();
  assertEquals(measureTree(trees.a), { entries: 3, bytes: 5 });
});

function twoTrees(): { readonly a: string; readonly b: string } & Disposable {
  const dir = Deno.makeTempDirSync();
  const [a, b] = [`${dir}/a`, `${dir}/b`];
  for (const root of [a, b]) {
    Deno.mkdirSync(`${root}/dir`, { recursive: true });
    writeFile(root, "bytes");
    Deno.symlinkSync("dir/file", `${root}/link`);
  }
  return { a, b, [Symbol.dispose]: () => Deno.removeSync(dir, { recursive: true }) };
}

function writeFile(root: string, text: string): void {
  Deno.writeTextFileSync(`${root}/dir/file`, text);
  Deno.utimeSync(`${root}/dir/file`, 1000, 1000);
}
