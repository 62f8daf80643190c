/** Faults that random runs found, each told as the shortest story that shows it. */
import { assertEquals } from "@std/assert";
import { token } from "./contents.ts";
import { A, B, C, S, world } from "./world.ts";

const FUTURE_MS = 4_000_000_000_000;

Deno.test("a file with a time in the future can be replaced by another", async () => {
  await using w = await world({ clients: 2, seed: 7n, granularityUs: 10_000 });
  w.put(A, { f: "from the future" });
  w.act(A, (user) => user.touch("f", FUTURE_MS));
  await w.settle();
  w.put(B, { f: "from now" });
  await w.settle();
  w.checkAll({ f: "from now" });
});

Deno.test("the loser of a conflict between large files is no base for the winner's chunks", async () => {
  await using w = await world({ clients: 2, seed: 110n, mode: "watch" });
  w.put(A, { f: token("A", 1, 300_000) });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.act(B, (user) => user.append("f", token("B", 2, 5000)));
  await w.pause(2000);
  w.act(A, (user) => user.patch("f", 1000, "changed by A"));
  await w.settle();
  assertEquals(w.conflicts().length, 1);
});

Deno.test("a large file of the server's own tree steps aside for a directory, once", async () => {
  await using w = await world({ clients: 2, seed: 262n });
  w.put(S, { name: token("S", 1, 200_000) });
  w.put(B, { "name/in": "x" });
  await w.settle();
  assertEquals(w.conflicts().length, 1);
  assertEquals(w.tree(A).size, 3);
});

Deno.test("one large content under two names in the server's own tree is taken in", async () => {
  await using w = await world({ clients: 1, seed: 74n });
  w.put(S, { "new/one": token("S", 1, 200_000) });
  await w.settle();
  w.put(S, { "new/two": token("S", 1, 200_000) });
  await w.settle();
  w.checkAll({ "new/one": token("S", 1, 200_000), "new/two": token("S", 1, 200_000) });
});

Deno.test("a client that only ever uploaded hears what was deleted after its first pass", async () => {
  await using w = await world({ clients: 1, seed: 771n });
  w.put(A, { f: "content", g: "stays" });
  await w.sync(A);
  w.remove(S, "f");
  await w.settle();
  w.checkAll({ g: "stays" });
});

Deno.test("a file that was moved back to its name meets a new one there as an edit", async () => {
  await using w = await world({ clients: 2, seed: 6568n });
  w.put(A, { name: "first" });
  await w.settle();
  w.rename(B, "name", "other");
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.rename(A, "other", "name");
  w.put(B, { name: "second" });
  await w.settle();
  assertEquals(w.conflicts().length, 1);
  assertEquals(w.history("name").filter((text) => text === "first").length, 2);
});

Deno.test("a hint whose directory is unknown brings the directory too", async () => {
  await using w = await world({ clients: 1, seed: 80n, mode: "watch", lostHints: 1 });
  await w.pause(500);
  w.act(A, (user) => {
    user.mkdir("d/e");
    user.write("d/e/f", token("A", 1, 200_000));
  });
  w.client(A).watch.lost = 0;
  w.act(A, (user) => user.append("d/e/f", "more"));
  await w.pause(3000);
  assertEquals([...w.tree(S).keys()].sort(), ["d", "d/e", "d/e/f"]);
  await w.settle();
});

Deno.test("an outdated copy of a replica that lost its state is replaced, not a conflict", async () => {
  await using w = await world({ clients: 3, seed: 3n });
  w.put(C, { f: "one" });
  await w.settle();
  w.put(C, { f: "two" });
  await w.sync(C);
  w.loseState(B);
  await w.settle();
  w.checkAll({ f: "two" });
  assertEquals(w.conflicts(), []);
});

Deno.test("a large file whose directory went away on the server leaves nothing in the staging area", async () => {
  await using w = await world({ clients: 2, seed: 7258n });
  w.put(A, { "d/big": token("A", 1, 300_000), "d/sub/x": "y" });
  await w.settle();
  w.put(B, { "d/big": token("B", 500, 300_000) });
  w.remove(S, "d");
  await w.settle();
  w.checkAll({ "d/big": token("B", 500, 300_000) });
});

Deno.test("what one moved away and put back, and another moved away meanwhile, is not lost", async () => {
  await using w = await world({ clients: 2, seed: 501n });
  w.put(A, { f: "content" });
  await w.settle();
  w.rename(A, "f", "moved");
  await w.sync(A);
  w.put(A, { f: "other" });
  await w.sync(A);
  w.rename(A, "moved", "f");
  w.act(A, (user) => user.mkdir("moved"));
  await w.sync(A);
  w.rename(B, "f", "moved");
  await w.settle();
  w.checkAll({ f: "content", "moved/": "" });
});
