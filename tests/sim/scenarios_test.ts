/** Scenarios that tell how sync behaves, by their numbers in RELIABILITY. `settle` checks the invariants each time. */
import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { token } from "./contents.ts";
import { generate } from "./generate.ts";
import { runScheme } from "./run.ts";
import { A, B, C, S, type World, world, type WorldOptions } from "./world.ts";

const DAY_MS = 86_400_000;

/** A scenario under engines that run once per sync, and again under engines that run all the time. */
function scenario(name: string, options: Partial<WorldOptions>, story: (w: World) => Promise<void>): void {
  for (const mode of ["pass", "watch"] as const) {
    Deno.test(`${name} (${mode})`, async () => {
      await using w = await world({ clients: 2, seed: 7n, mode, ...options });
      await story(w);
    });
  }
}

const YEARS_BACK = -400 * DAY_MS;
const YEARS_AHEAD = 3650 * DAY_MS;

/** A scenario whose outcome the clients' clocks have no say in: right ones, and ones that are years wrong either way. */
function timeless(name: string, options: Partial<WorldOptions>, story: (w: World) => Promise<void>): void {
  scenario(name, options, story);
  for (const [first, last] of [[YEARS_BACK, YEARS_AHEAD], [YEARS_AHEAD, YEARS_BACK]] as const) {
    const days = `clocks ${first / DAY_MS} and ${last / DAY_MS} days wrong`;
    scenario(`${name}, ${days}`, options, async (w) => {
      setWrong(w, A, first);
      setWrong(w, w.clients.length - 1, last);
      await story(w);
    });
  }
}

/** Sets a client's clock wrong, and starts it anew. */
function setWrong(w: World, actor: number, offsetMs: number): void {
  w.skew(actor, offsetMs);
  w.kill(actor);
  w.restart(actor);
}

const DIR_FILES = 60;

function many(prefix: string, count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${prefix}${i}`, `${prefix} number ${i}`]),
  );
}

/** The bytes on the wire while everything comes to rest. */
async function costOfSettling(w: World): Promise<number> {
  const before = w.network.bytesCarried;
  await w.settle();
  return w.network.bytesCarried - before;
}

scenario("B02: two clients with different files both get the union", {}, async (w) => {
  w.put(A, { a: "1", b: "2", "d1/a": "3", "d1/b": "4" });
  w.put(B, { x: "5", y: "6", "d2/x": "7", "d2/y": "8" });
  await w.settle();
  w.checkAll({ a: "1", b: "2", "d1/a": "3", "d1/b": "4", x: "5", y: "6", "d2/x": "7", "d2/y": "8" });
});

scenario("B03: a first sync of two folders that differ in one file keeps both versions", {}, async (w) => {
  w.cut(B);
  w.put(A, { file1: "from A", file2: "only A" });
  await w.pause(2000);
  w.put(B, { file1: "from B", file3: "only B" });
  await w.settle();
  w.checkAll({ file1: "from B", file2: "only A", file3: "only B" });
  assertEquals(w.conflicts().length, 1);
  assertEquals(w.history("file1").toSorted(), ["from A", "from B"]);
});

scenario("B04: identical files on both sides meet without conflict and without content", {}, async (w) => {
  w.put(A, many("f", 200));
  await w.settle();
  const late = w.join();
  w.cut(late);
  w.put(late, many("f", 200));
  assertLess(await costOfSettling(w), 64 * 1024);
  assertEquals(w.conflicts(), []);
  w.checkAll(many("f", 200));
});

scenario("B05: what one side or both sides did to ten files comes out as it should", {}, async (w) => {
  const names = ["newerA", "newerB", "deletedA", "deletedB", "both", "editA", "editB", "gone", "same"];
  w.put(A, Object.fromEntries(names.map((name) => [name, `old ${name}`])));
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.put(A, { newA: "1", newerA: "2", both: "A's", editA: "A's edit" });
  w.remove(A, "deletedA", "editB", "gone");
  await w.pause(2000);
  w.put(B, { newB: "3", newerB: "4", both: "B's", editB: "B's edit" });
  w.remove(B, "deletedB", "editA", "gone");
  await w.settle();
  w.checkAll({
    newA: "1",
    newB: "3",
    newerA: "2",
    newerB: "4",
    both: "B's",
    editA: "A's edit",
    editB: "B's edit",
    same: "old same",
  });
  assertEquals(w.history("both").toSorted(), ["A's", "B's", "old both"]);
  assertEquals(w.conflicts().length, 1);
});

scenario("B09: a synced tree that nobody touches moves nothing, also after a restart", {}, async (w) => {
  w.put(A, many("d/f", 100));
  await w.settle();
  const [revision, changes] = [w.server.records.headRevision(), w.client(B).watch.changes];
  for (const actor of [S, A, B]) w.kill(actor);
  assertLess(await costOfSettling(w), 16 * 1024);
  assertEquals([w.server.records.headRevision(), w.client(B).watch.changes], [revision, changes]);
});

timeless(
  "C01: two edits of one file leave one winner and one kept loser, the same for both",
  {},
  async (w) => {
    w.put(A, { f: "start" });
    await w.settle();
    w.cut(A);
    w.cut(B);
    w.act(A, (user) => user.append("f", " and A"));
    await w.pause(3000);
    w.act(B, (user) => user.append("f", " and B"));
    await w.settle();
    w.checkAll({ f: "start and B" });
    assertEquals(w.conflicts().length, 1);
    assertEquals(w.history("f").toSorted(), ["start", "start and A", "start and B"]);
  },
);

scenario("C02: the same bytes written on both sides are no conflict", {}, async (w) => {
  w.put(A, { f: "start" });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.put(A, { f: "agreed" });
  await w.pause(3000);
  w.put(B, { f: "agreed" });
  await w.settle();
  w.checkAll({ f: "agreed" });
  assertEquals(w.conflicts(), []);
});

timeless("C03: two new files of one name both survive", {}, async (w) => {
  w.cut(A);
  w.cut(B);
  w.put(A, { f: "A's" });
  await w.pause(2000);
  w.put(B, { f: "B's" });
  await w.settle();
  w.checkAll({ f: "B's" });
  assertEquals(w.conflicts().length, 1);
  assertEquals(w.history("f").toSorted(), ["A's", "B's"]);
});

timeless("C07: of three edits one wins and two are kept", { clients: 3 }, async (w) => {
  w.put(A, { f: "start" });
  await w.settle();
  for (const actor of [A, B, C]) {
    w.cut(actor);
    await w.pause(2000);
    w.put(actor, { f: `edit ${actor}` });
  }
  await w.settle();
  w.checkAll({ f: "edit 2" });
  assertEquals(w.conflicts().length, 2);
  assertEquals(w.history("f").toSorted(), ["edit 0", "edit 1", "edit 2", "start"]);
});

scenario("C10: two large files of one name are exchanged once and then stand still", {}, async (w) => {
  w.put(A, { BALL: token("A", 1, 600_000) });
  w.put(B, { BALL: token("B", 500, 600_000) });
  await w.settle();
  assertEquals(w.conflicts().length, 1);
  assertLess(await costOfSettling(w), 16 * 1024);
});

scenario("R01: a renamed file costs no content", {}, async (w) => {
  w.put(A, { f: token("A", 1, 1_000_000) });
  await w.settle();
  w.rename(A, "f", "g");
  assertLess(await costOfSettling(w), 64 * 1024);
  w.checkAll({ g: token("A", 1, 1_000_000) });
});

scenario("R02: a renamed directory is one rename for the server, and costs no content", {}, async (w) => {
  w.put(A, many("d/f", 200));
  await w.settle();
  w.rename(A, "d", "e");
  assertLess(await costOfSettling(w), 64 * 1024);
  w.checkAll(renamed(many("d/f", 200), "d/", "e/"));
  assertEquals(w.eventsOf("renamed", "A").length, 1);
});

function renamed(files: Record<string, string>, from: string, to: string): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [path.replace(from, to), text]));
}

scenario("R04: new bytes under a new name with the old size and time are seen", {}, async (w) => {
  w.put(A, { f: "old bytes" });
  await w.settle();
  const { mtime } = w.client(A).disk.user.tree().get("f")!;
  w.act(A, (user) => {
    user.rename("f", "g");
    user.write("g", "new bytes");
    user.touch("g", mtime!);
  });
  await w.settle();
  w.checkAll({ g: "new bytes" });
});

timeless("R05: an edit survives the rename of its file elsewhere", {}, async (w) => {
  w.put(A, { f: "start" });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.rename(A, "f", "g");
  w.put(B, { f: "edited" });
  await w.settle();
  w.checkAll({ f: "edited", g: "start" });
  assertEquals(w.conflicts(), []);
});

timeless("R06: a file renamed to two names has its content under at least one", {}, async (w) => {
  w.put(A, { f: "content" });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.rename(A, "f", "g");
  w.rename(B, "f", "h");
  await w.settle();
  const names = [...w.tree(S).keys()];
  assert(!names.includes("f") && names.length > 0 && names.every((name) => name === "g" || name === "h"));
  for (const name of names) assertEquals(decode(w.server.disk.user.read(name)), "content");
  assertEquals(w.conflicts(), []);
});

scenario("R10: two files that were swapped are swapped everywhere", {}, async (w) => {
  w.put(A, { a: "one", b: "two" });
  await w.settle();
  w.act(A, (user) => {
    user.rename("a", "tmp");
    user.rename("b", "a");
    user.rename("tmp", "b");
  });
  await w.settle();
  w.checkAll({ a: "two", b: "one" });
});

scenario("R12: renames that only change the case are exact", {}, async (w) => {
  w.put(A, { "A/a1": "1", "Foo/x": "2" });
  await w.settle();
  w.rename(A, "A/a1", "A/A1");
  w.rename(B, "Foo", "foo");
  await w.settle();
  w.checkAll({ "A/A1": "1", "foo/x": "2" });
});

scenario("R14: trees that are turned inside out lose nothing", {}, async (w) => {
  w.put(A, { "A/Empty/Foo/f2": "2", "C/AllEmpty/Bar/f4": "4" });
  await w.settle();
  w.act(A, (user) => {
    user.rename("A/Empty", "Empty");
    user.rename("A", "Empty/A");
  });
  w.act(B, (user) => {
    user.rename("C/AllEmpty", "AllEmpty");
    user.rename("C", "AllEmpty/C");
  });
  await w.settle();
  w.checkAll({ "Empty/Foo/f2": "2", "Empty/A/": "", "AllEmpty/Bar/f4": "4", "AllEmpty/C/": "" });
});

scenario("R16: directories moved into each other make no cycle and lose nothing", {}, async (w) => {
  w.put(A, { "X/x": "1", "Y/y": "2" });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.rename(A, "X", "Y/X");
  w.rename(B, "Y", "X/Y");
  await w.settle();
  assertContents(w, ["1", "2"]);
});

scenario("R17: a directory moved to two places keeps its files, and edits go on", {}, async (w) => {
  w.put(A, { "X/x": "1", "P/p": "2", "Q/q": "3" });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.rename(A, "X", "P/X");
  w.rename(B, "X", "Q/X");
  await w.settle();
  assertContents(w, ["1", "2", "3"]);
  const path = [...w.tree(A).keys()].find((name) => name.endsWith("X/x"))!;
  w.put(A, { [path]: "edited" });
  await w.settle();
  assertContents(w, ["edited", "2", "3"]);
});

/** The texts stand somewhere in the tree. */
function assertContents(w: World, texts: readonly string[]): void {
  const found = [...w.server.disk.user.tree().values()].flatMap((
    { bytes },
  ) => (bytes ? [decode(bytes)] : []));
  for (const text of texts) assert(found.includes(text), `"${text}" is among ${found}`);
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

scenario(
  "R18: a file with an old time moved in, out and in again is there, gone, and there",
  {},
  async (w) => {
    const moveIn = () =>
      w.act(A, (user) => {
        user.write("f", "from long ago");
        user.touch("f", 1_000_000_000_000);
      });
    moveIn();
    await w.settle();
    w.checkAll({ f: "from long ago" });
    w.remove(A, "f");
    await w.settle();
    w.checkAll({});
    moveIn();
    await w.settle();
    w.checkAll({ f: "from long ago" });
  },
);

scenario("R20: an editor's saves are one line of versions, and never a delete", {}, async (w) => {
  w.put(A, { f: "save 0" });
  await w.settle();
  for (let i = 1; i <= 20; i++) {
    w.act(A, (user) => {
      user.write("f.tmp", `save ${i}`);
      user.rename("f.tmp", "f");
    });
    await w.pause(137);
    if (i % 5 === 0) await w.settle();
  }
  w.checkAll({ f: "save 20" });
  assertEquals(w.conflicts(), []);
  assert(!w.history("f").includes(null), "no version of f is a deletion");
  assertEquals(w.eventsOf("removed").filter(({ path }) => path === "f"), []);
});

timeless("D01: an edit beats a delete that came first", {}, async (w) => {
  w.put(A, { f: "start", other: "x" });
  await w.settle();
  w.cut(B);
  w.remove(A, "f");
  w.put(B, { f: "edited" });
  await w.settle();
  w.checkAll({ f: "edited", other: "x" });
  assertEquals(w.conflicts(), []);
  assertEquals(w.history("f").filter((text) => text !== null), ["start", "edited"]);
});

for (const [a, b] of [[0, 0], [YEARS_BACK, YEARS_AHEAD], [YEARS_AHEAD, YEARS_BACK]] as const) {
  const clocks = `clocks ${a / DAY_MS} and ${b / DAY_MS} days wrong`;
  Deno.test(`D02: a delete that came after an edit is dropped, not applied later, ${clocks}`, async () => {
    await using w = await world({ clients: 2, seed: 7n });
    setWrong(w, A, a);
    setWrong(w, B, b);
    w.put(A, { f: "start", other: "x" });
    await w.settle();
    w.put(B, { f: "edited" });
    await w.sync(B);
    w.remove(A, "f");
    await w.sync(A);
    await w.settle();
    w.checkAll({ f: "edited", other: "x" });
    assertEquals([w.conflicts(), w.history("f")], [[], ["start", "edited"]]);
  });
}

scenario("D03: what is new or edited in a deleted directory survives with its parents", {}, async (w) => {
  w.put(A, { "d/old": "1", "d/dull": "2", "d/sub/deep": "3" });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.remove(A, "d");
  w.put(B, { "d/new": "4", "d/old": "edited" });
  await w.settle();
  w.checkAll({ "d/new": "4", "d/old": "edited" });
});

scenario("D06: a file that is deleted and written again at once stays", {}, async (w) => {
  w.put(A, { f: "same" });
  await w.settle();
  w.remove(A, "f");
  await w.pause(20);
  w.put(A, { f: "same" });
  await w.settle();
  w.checkAll({ f: "same" });
});

scenario("D08: a client that was away for long gets the deletes and keeps its edits", {}, async (w) => {
  w.put(A, many("f", 30));
  await w.settle();
  w.cut(B);
  w.remove(A, ...Array.from({ length: 12 }, (_, i) => `f${i}`));
  w.put(B, { f1: "edited 1", f2: "edited 2", f3: "edited 3" });
  await w.pause(100_000_000);
  await w.settle();
  const rest = Object.entries(many("f", 30)).filter((_, i) => i >= 12);
  w.checkAll({ ...Object.fromEntries(rest), f1: "edited 1", f2: "edited 2", f3: "edited 3" });
});

Deno.test("D09: deleting most of a folder is held until somebody approves it", async () => {
  await using w = await world({ clients: 2, seed: 7n });
  w.put(A, many("f", 20));
  await w.settle();
  w.remove(A, ...Array.from({ length: 11 }, (_, i) => `f${i}`));
  const status = await w.sync(A);
  assertEquals(status.held, { side: "here", deletes: 11, files: 20 });
  assertEquals(w.tree(S).size, 20);
  await w.sync(A, (engine) => engine.approveDeletes());
  await w.settle();
  assertEquals(w.tree(S).size, 9);
});

Deno.test("D10: a root that vanished deletes nothing", async () => {
  await using w = await world({ clients: 2, seed: 7n });
  w.put(A, many("f", 5));
  await w.settle();
  w.client(A).rootProblem = "Cannot sync: the folder is gone";
  w.remove(A, "f0", "f1", "f2", "f3", "f4");
  assertEquals((await w.pass(A)).error?.name, "HeldError");
  assertEquals(w.tree(S).size, 5);
});

for (const [what, same] of [["came back older", true], ["is another one", false]] as const) {
  Deno.test(`D15: a server that ${what} makes clients stop, not delete`, async () => {
    await using w = await world({ clients: 2, seed: 7n });
    w.put(A, many("f", 5));
    await w.settle();
    w.server.loseEverything(same);
    w.restart(S);
    const end = await w.pass(A);
    assertEquals(end.error?.name, "HeldError");
    assertStringIncludes(end.error!.message, "Cannot sync");
    assertEquals(w.tree(A).size, 5);
    for (const actor of [A, B]) {
      w.ledger.uncertain = true;
      await w.sync(actor, (engine) => engine.acceptServer());
    }
    await w.settle();
    w.checkAll(many("f", 5));
  });
}

scenario("T01: files and directories change into each other", {}, async (w) => {
  w.put(A, { file: "1", "full/x": "2" });
  w.act(A, (user) => user.mkdir("empty"));
  await w.settle();
  w.remove(A, "file", "full", "empty");
  w.put(A, { "file/in": "3", full: "4", empty: "5" });
  await w.settle();
  w.checkAll({ "file/in": "3", full: "4", empty: "5" });
});

scenario("T02: links stay links, and change into other things and back", {}, async (w) => {
  w.put(A, { file: "1", "dir/x": "2" });
  w.act(A, (user) => {
    user.symlink("file", "toFile");
    user.symlink("dir", "toDir");
    user.symlink("nothing", "toNothing");
  });
  await w.settle();
  w.checkAll({ file: "1", "dir/x": "2", toFile: "-> file", toDir: "-> dir", toNothing: "-> nothing" });
  w.act(A, (user) => {
    for (const path of ["toFile", "toDir", "toNothing", "file"]) user.remove(path);
    user.removeTree("dir");
    user.symlink("elsewhere", "toFile");
    user.write("toDir", "now a file");
    user.mkdir("toNothing");
    user.symlink("toDir", "file");
    user.symlink("toNothing", "dir");
  });
  await w.settle();
  w.checkAll({
    toFile: "-> elsewhere",
    toDir: "now a file",
    "toNothing/": "",
    file: "-> toDir",
    dir: "-> toNothing",
  });
});

scenario("T03: a directory that became a file here and got a file there keeps both", {}, async (w) => {
  w.put(A, { "d/x": "1" });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.remove(A, "d");
  w.put(A, { d: "a file now" });
  w.put(B, { "d/new": "in the directory" });
  await w.settle();
  assertContents(w, ["a file now", "in the directory"]);
});

scenario(
  "T06, T07: links in a circle, upwards, out and to nowhere are data and never followed",
  {},
  async (w) => {
    const targets = {
      a: "b",
      b: "a",
      self: "self",
      up: "..",
      out: "../outside",
      abs: "/etc",
      long: "x".repeat(4000),
    };
    w.act(A, (user) => {
      for (const [path, target] of Object.entries(targets)) user.symlink(target, path);
    });
    await w.settle();
    for (const actor of [S, B]) {
      const tree = w.machine(actor).disk.user.tree();
      assertEquals(tree.size, Object.keys(targets).length);
      for (const [path, target] of Object.entries(targets)) assertEquals(tree.get(path)?.target, target);
    }
  },
);

scenario("N01: two spellings of é are two files and two directories", {}, async (w) => {
  w.put(A, { "\u00e9": "composed", "e\u0301": "decomposed", "d\u00e9/x": "1", "de\u0301/x": "2" });
  await w.settle();
  w.put(B, { "\u00e9": "edited", "de\u0301/x": "edited too" });
  await w.settle();
  w.remove(A, "e\u0301");
  await w.settle();
  w.checkAll({ "\u00e9": "edited", "d\u00e9/x": "1", "de\u0301/x": "edited too" });
});

scenario("N11, N12: a backslash is no separator, and case tells names apart", {}, async (w) => {
  const files = { "a\\b": "1", "a/b": "2", Foo: "3", foo: "4", "D/x": "5", "d/x": "6" };
  w.put(A, files);
  await w.settle();
  w.checkAll(files);
});

scenario("N16: names that mean something to JavaScript are ordinary names", {}, async (w) => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "then", "length"];
  w.act(A, (user) => {
    for (const name of names) {
      user.write(name, `file ${name}`);
      user.mkdir(`dirs/${name}`);
      user.write(`dirs/${name}/${name}`, `deep ${name}`);
    }
  });
  await w.settle();
  assertEquals(w.tree(B).size, 1 + 3 * names.length);
  w.act(B, (user) => {
    for (const name of names) user.append(name, "!");
    for (const name of names.slice(0, 3)) user.removeTree(`dirs/${name}`);
  });
  await w.settle();
  assertEquals(w.tree(A).size, 1 + 3 * names.length - 6);
  for (const name of names) assertEquals(decode(w.client(A).disk.user.read(name)), `file ${name}!`);
});

scenario("M01: the exec bit travels without the content", {}, async (w) => {
  w.put(A, { script: token("A", 1, 100_000) });
  w.act(A, (user) => user.chmod("script", 0o755));
  await w.settle();
  w.act(B, (user) => user.chmod("script", 0o644));
  assertLess(await costOfSettling(w), 16 * 1024);
  assertEquals(w.client(A).disk.user.tree().get("script")?.mode, 0o644);
});

Deno.test("X06: a change whose answer is lost is applied once", async () => {
  for (let frames = 0; frames < 10; frames++) {
    await using w = await world({ clients: 2, seed: BigInt(frames) });
    w.put(A, { f: "start" });
    await w.settle();
    w.put(A, { f: "changed" });
    w.cutAfterFrames("b", frames);
    await w.pass(A);
    await w.settle();
    w.checkAll({ f: "changed" });
    assertEquals(w.history("f"), ["start", "changed"], `cut after ${frames} frames`);
    assertEquals(w.conflicts(), []);
  }
});

Deno.test("X02: a connection that is cut after any frame, either way, costs nothing but time", async () => {
  let longest = 0;
  for (const side of ["a", "b"] as const) {
    for (let frames = 0; frames < 14; frames++) {
      await using w = await world({ clients: 2, seed: BigInt(frames) });
      w.put(A, { keep: "1", edit: "2", gone: "3", move: "4", "d/in": "5", big: token("A", 1, 300_000) });
      await w.settle();
      w.put(A, { edit: "2, edited", "new/file": "6", large: token("A", 900, 400_000) });
      w.act(A, (user) => {
        user.remove("gone");
        user.rename("move", "moved");
        user.rename("d", "e");
        user.symlink("keep", "link");
        user.append("big", "more");
      });
      w.put(B, { edit: "2, by B too" });
      w.cutAfterFrames(side, frames);
      const { error } = await w.pass(A);
      if (error !== null) longest = frames;
      await w.settle();
      assertEquals(w.tree(S).size, 10);
      assertLess(w.conflicts().length, 2);
    }
  }
  assertGreater(longest, 5, "the cuts met the middle of the sync");
});

Deno.test("S01: hundreds of changes on two clients that were apart come together", async () => {
  for (let seed = 1n; seed <= 3n; seed++) {
    const steps = [];
    for (let more = seed * 1000n; steps.length < 400; more++) {
      for (const step of generate(more).phases.flat()) {
        if (step.actor < 0 || step.do === "join") continue;
        if (!ONLY_USERS.has(step.do)) continue;
        steps.push({ ...step, actor: step.actor % 2 });
      }
    }
    const { failure } = await runScheme({
      ...generate(seed),
      clients: 2,
      mode: "pass",
      phases: [steps],
      fresh: true,
    });
    if (failure !== null) throw failure;
  }
});

const ONLY_USERS = new Set<string>([
  "write",
  "append",
  "patch",
  "save",
  "delete",
  "rename",
  "moveDir",
  "mkdir",
  "removeTree",
  "changeKind",
  "symlink",
  "chmod",
  "swap",
]);

Deno.test("K01, K07: a client killed at any call goes on, and leaves no temporary files", async () => {
  for (const victim of [A, B, S]) {
    for (let calls = 1; calls < 120; calls += 7) {
      await using w = await world({ clients: 2, seed: BigInt(calls) });
      w.put(A, { ...many("d/f", 20), big: token("A", 1, 300_000) });
      await w.sync(A);
      w.put(A, { "d/f1": "edited" });
      w.rename(A, "d/f2", "moved");
      w.killAfter(victim, calls);
      if (victim === B) w.beginPass(B);
      await w.pass(A);
      await w.pass(B);
      w.powerCut(victim);
      await w.settle();
      const names = [...w.tree(S).keys()];
      assertEquals([names.length, names.includes("moved")], [22, true]);
      assertEquals(decode(w.client(B).disk.user.read("d/f1")), "edited");
    }
  }
});

scenario("Q01: clocks that are years wrong change no decision", {}, async (w) => {
  setWrong(w, A, YEARS_BACK);
  setWrong(w, B, YEARS_AHEAD);
  w.put(A, { f: "start", g: "start" });
  await w.settle();
  w.cut(A);
  w.cut(B);
  w.put(B, { f: "B's, earlier", g: "edited" });
  await w.pause(5000);
  w.put(A, { f: "A's, later" });
  w.remove(A, "g");
  await w.settle();
  w.checkAll({ f: "A's, later", g: "edited" });
  assertEquals(w.history("f").toSorted(), ["A's, later", "B's, earlier", "start"]);
});

scenario("S03: what happened while a client was stopped is found by looking", {}, async (w) => {
  w.put(A, many("d/f", DIR_FILES));
  await w.settle();
  w.kill(A);
  w.act(A, (user) => {
    user.rename("d/f1", "d/F1");
    user.write("d/f2", "edited");
    user.remove("d/f3");
    user.remove("d/f4");
    user.mkdir("d/f4");
  });
  await w.settle();
  const tree = w.tree(B);
  assertEquals([tree.has("d/f1"), tree.has("d/F1"), tree.has("d/f3")], [false, true, false]);
  assertEquals(tree.get("d/f4")?.kind, "dir");
  assertEquals(decode(w.client(B).disk.user.read("d/f2")), "edited");
});
