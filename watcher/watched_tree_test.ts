import { assertEquals } from "@std/assert";
import type { SyncPath } from "../core/path.ts";
import { placeIn, WatchedTree } from "./watched_tree.ts";

function grow(tree: WatchedTree) {
  const a = tree.child(tree.root, "a");
  const b = tree.child(a, "b");
  tree.bind(tree.root, 1);
  tree.bind(a, 2);
  tree.bind(b, 3);
  return { a, b };
}

Deno.test("a rename moves everything below, and the watches stay", () => {
  const tree = new WatchedTree();
  const { a, b } = grow(tree);
  tree.detach(a);
  assertEquals(tree.pathOf(b), undefined);
  tree.attach(a, tree.root, "z");
  assertEquals([tree.pathOf(tree.root), tree.pathOf(a), tree.pathOf(b)], [
    null,
    "z" as SyncPath,
    "z/b" as SyncPath,
  ]);
  assertEquals(tree.find(3), b);
});

Deno.test("what left the folder gives all its watches back", () => {
  const tree = new WatchedTree();
  const { a } = grow(tree);
  assertEquals(tree.forget(a).sort(), [2, 3]);
  assertEquals([tree.size, tree.find(2), tree.find(3)], [1, undefined, undefined]);
});

Deno.test("a watch that turns up under another path belongs there", () => {
  const tree = new WatchedTree();
  const { a } = grow(tree);
  const c = tree.child(tree.root, "c");
  tree.bind(c, 2);
  assertEquals([a.wd, c.wd, tree.find(2), tree.size], [-1, 2, c, 3]);
  tree.bind(c, 9);
  assertEquals([tree.find(2), tree.find(9), tree.size], [undefined, c, 3]);
});

Deno.test("only what can be synced has a place", () => {
  const dir = "d" as SyncPath;
  assertEquals(placeIn(null, "a"), "a" as SyncPath);
  assertEquals(placeIn(dir, "a"), "d/a" as SyncPath);
  assertEquals(placeIn(dir, ".fsync"), undefined);
  assertEquals(placeIn(dir, "x".repeat(256)), undefined);
});
