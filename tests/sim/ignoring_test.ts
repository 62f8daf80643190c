/** What is ignored, told as stories. `settle` checks the invariants each time. */
import { assert, assertEquals } from "@std/assert";
import { A, B, C, S, type World, world, type WorldOptions } from "./world.ts";

const RULES = ".fsyncignore";

/** A story under engines that run once per sync, and again under engines that run all the time. */
function scenario(
  name: string,
  story: (w: World) => Promise<void>,
  options: Partial<WorldOptions> = {},
): void {
  for (const mode of ["pass", "watch"] as const) {
    Deno.test(`ignoring: ${name} (${mode})`, async () => {
      await using w = await world({ clients: 2, seed: 7n, mode, ...options });
      await story(w);
    });
  }
}

function paths(w: World, actor: number): string[] {
  return [...w.tree(actor).keys()].sort();
}

function text(w: World, actor: number, path: string): string {
  return new TextDecoder().decode(w.machine(actor).disk.user.read(path));
}

/** What the latest change of rules came to on a machine. */
function lastReport(w: World, name: string): string {
  const { sources, stopped, started } = w.eventsOf("rules", name).at(-1)!;
  return `${sources.join(" ")}: ${stopped} stopped, ${started} started`;
}

scenario("what rules name is not sent by the first sync, and neither is anything below", async (w) => {
  w.put(A, {
    [RULES]: "node_modules\n*.log\n",
    "node_modules/x/y": "1",
    "a.log": "2",
    "src/b.log": "3",
    "src/a": "4",
  });
  await w.settle();
  for (const actor of [S, B]) assertEquals(paths(w, actor), [RULES, "src", "src/a"]);
  assertEquals(text(w, A, "a.log"), "2");
});

scenario("newly ignored never means deleted, here or there", async (w) => {
  w.put(A, { "x.log": "one", "d/y.log": "two", a: "three" });
  await w.settle();
  w.put(A, { [RULES]: "*.log\n" });
  await w.settle();
  for (const actor of [S, A, B]) {
    assertEquals(paths(w, actor), [RULES, "a", "d", "d/y.log", "x.log"]);
  }
  assertEquals(lastReport(w, "A").split(": ")[1], "2 stopped, 0 started");
  assertEquals(lastReport(w, "B").split(": ")[1], "2 stopped, 0 started");
});

scenario("edits and deletes of what is ignored stay where they are made", async (w) => {
  w.put(A, { "x.log": "one", "y.log": "two", [RULES]: "" });
  await w.settle();
  w.put(B, { [RULES]: "*.log\n" });
  await w.settle();
  w.put(A, { "x.log": "A's" });
  w.remove(B, "y.log");
  w.remove(S, "x.log");
  await w.settle();
  assertEquals([text(w, A, "x.log"), text(w, B, "x.log")], ["A's", "one"]);
  assertEquals(paths(w, B), [RULES, "x.log"]);
  assertEquals(paths(w, S), [RULES, "y.log"]);
});

scenario("a rule beats a delete and an edit that were waiting to be sent", async (w) => {
  w.put(A, { "x.log": "one", "y.log": "two" });
  await w.settle();
  w.cut(A);
  w.remove(A, "x.log");
  w.put(A, { "y.log": "edited", [RULES]: "*.log\n" });
  await w.settle();
  w.check(S, { [RULES]: "*.log\n", "x.log": "one", "y.log": "two" });
  w.check(A, { [RULES]: "*.log\n", "y.log": "edited" });
});

scenario("a fresh client goes by the rules before it fetches anything", async (w) => {
  w.put(S, { "big/file": "1", "d/x.log": "2", "d/a": "3", e: "4" });
  w.put(S, { [RULES]: "big\n", [`d/${RULES}`]: "*.log\n" });
  await w.settle();
  const fresh = w.join();
  await w.settle();
  assertEquals(paths(w, fresh), [RULES, "d", `d/${RULES}`, "d/a", "e"]);
  const fetched = w.eventsOf("downloaded", "C").map(({ path }) => path as string);
  assert(!fetched.some((path) => path.startsWith("big")), fetched.join());
});

scenario("rules that arrive together with what they name come first", async (w) => {
  w.put(A, { a: "1" });
  await w.settle();
  w.cut(B);
  w.put(A, { "out/x": "2" });
  await w.pause(5000);
  if (!w.client(A).watching) await w.sync(A);
  w.put(A, { [RULES]: "out/\n" });
  await w.pause(5000);
  if (!w.client(A).watching) await w.sync(A);
  await w.settle();
  assertEquals(paths(w, S), [RULES, "a", "out", "out/x"]);
  assertEquals(paths(w, B), [RULES, "a"]);
});

scenario("when a rule goes, equal contents agree and others are a conflict, with both kept", async (w) => {
  w.put(A, { "same.log": "same", "other.log": "old", "gone.log": "gone", [RULES]: "" });
  await w.settle();
  w.put(A, { [RULES]: "*.log\n" });
  await w.settle();
  await w.pause(2000);
  w.put(S, { "other.log": "the server's" });
  await w.pause(2000);
  w.put(A, { "other.log": "A's", "new.log": "new" });
  w.remove(A, "gone.log");
  await w.settle();
  w.remove(A, RULES);
  await w.settle();
  w.checkAll({ "same.log": "same", "other.log": "A's", "gone.log": "gone", "new.log": "new" });
  assertEquals(w.conflicts().map(({ path }) => path as string), ["other.log"]);
  assertEquals(w.history("other.log").filter((one) => one !== "old").sort(), ["A's", "the server's"]);
});

scenario("a stale copy that nobody touched is replaced when a rule goes, and is no conflict", async (w) => {
  w.put(A, { "x.log": "one" });
  await w.settle();
  w.exclude(A, "*.log");
  await w.settle();
  w.put(B, { "x.log": "two" });
  await w.settle();
  assertEquals(text(w, A, "x.log"), "one");
  w.exclude(A, "");
  await w.settle();
  w.checkAll({ "x.log": "two" });
  assertEquals(w.conflicts(), []);
});

scenario("excludes hold on their own device alone, and can be taken back", async (w) => {
  w.put(B, { "big/1": "1", "big/2": "2", a: "3" });
  w.exclude(A, "big/\n");
  await w.settle();
  w.check(A, { a: "3" });
  w.remove(B, "big/1");
  w.put(B, { "big/3": "3" });
  await w.settle();
  w.check(A, { a: "3" });
  w.exclude(A, "");
  await w.settle();
  w.checkAll({ "big/2": "2", "big/3": "3", a: "3" });
});

scenario("freeing space by deleting what is excluded deletes it nowhere else", async (w) => {
  w.put(A, { "big/1": "1", "big/2": "2", a: "3" });
  await w.settle();
  w.exclude(A, "/big");
  await w.settle();
  w.remove(A, "big");
  await w.settle();
  w.check(A, { a: "3" });
  w.check(B, { "big/1": "1", "big/2": "2", a: "3" });
});

scenario("a directory that others remove stays where it holds ignored files, and nowhere else", async (w) => {
  w.put(A, { [RULES]: "*.o\n", "d/e/a.c": "1", "d/e/a.o": "2" });
  await w.settle();
  w.remove(B, "d");
  await w.settle();
  w.check(A, { [RULES]: "*.o\n", "d/e/a.o": "2" });
  w.check(B, { [RULES]: "*.o\n" });
  w.check(S, { [RULES]: "*.o\n" });
  assertEquals(w.eventsOf("kept", "A").map(({ path }) => path as string), ["d/e"]);
  // Still so after a restart, and until something in it is to be synced.
  w.kill(A);
  await w.settle();
  w.check(S, { [RULES]: "*.o\n" });
  w.put(A, { "d/e/b.c": "3" });
  await w.settle();
  w.check(B, { [RULES]: "*.o\n", "d/e/b.c": "3" });
});

scenario(
  "a directory that holds what is ignored here comes back, without it, when it is deleted",
  async (w) => {
    w.put(A, { "d/keep": "1", "d/x.log": "2" });
    await w.settle();
    w.exclude(A, "*.log");
    await w.settle();
    w.remove(A, "d");
    await w.settle();
    w.check(A, { "d/": "" });
    w.check(B, { "d/x.log": "2" });
  },
);

scenario("a renamed directory takes along what is ignored in it, on every machine", async (w) => {
  w.put(A, { [RULES]: "*.o\n", "d/a.c": "1", "d/a.o": "A's", "d/sub/b.c": "2" });
  await w.settle();
  w.put(B, { "d/a.o": "B's" });
  await w.settle();
  w.rename(A, "d", "e");
  await w.settle();
  w.check(A, { [RULES]: "*.o\n", "e/a.c": "1", "e/a.o": "A's", "e/sub/b.c": "2" });
  w.check(B, { [RULES]: "*.o\n", "e/a.c": "1", "e/a.o": "B's", "e/sub/b.c": "2" });
  assertEquals(w.eventsOf("renamed", "A").length, 1);
  assertEquals(w.eventsOf("moved", "B").length, 1);
});

scenario("a renamed directory takes along its own rules, and what they ignore", async (w) => {
  w.put(A, { [`d/${RULES}`]: "*.o\n", "d/a.c": "1", "d/a.o": "A's" });
  await w.settle();
  w.put(B, { "d/a.o": "B's" });
  await w.settle();
  w.rename(A, "d", "e");
  await w.settle();
  w.check(A, { [`e/${RULES}`]: "*.o\n", "e/a.c": "1", "e/a.o": "A's" });
  w.check(B, { [`e/${RULES}`]: "*.o\n", "e/a.c": "1", "e/a.o": "B's" });
  w.check(S, { [`e/${RULES}`]: "*.o\n", "e/a.c": "1" });
});

scenario("rules that come to light when others go are gone by at once", async (w) => {
  w.put(A, { [RULES]: "sub\n", a: "1" });
  await w.settle();
  w.put(B, { "sub/b.o": "2", "sub/b.c": "3" });
  await w.settle();
  w.cut(B);
  w.put(A, { [`sub/${RULES}`]: "*.o\n" });
  w.remove(A, RULES);
  await w.settle();
  w.check(S, { a: "1", [`sub/${RULES}`]: "*.o\n", "sub/b.c": "3" });
});

scenario("a renamed directory takes along what is ignored in it on the server", async (w) => {
  w.put(B, { "d/a": "1", "d/x.log": "2" });
  await w.settle();
  w.exclude(A, "*.log");
  await w.settle();
  w.rename(A, "d", "e");
  await w.settle();
  w.check(B, { "e/a": "1", "e/x.log": "2" });
  assertEquals(w.eventsOf("renamed", "A").length, 1);
});

scenario(
  "what is ignored only at its new place is not deleted by the rename that brings it there",
  async (w) => {
    w.put(A, { [RULES]: "/e/x\n", "d/x": "1", "d/y": "2" });
    await w.settle();
    w.rename(A, "d", "e");
    await w.settle();
    w.check(A, { [RULES]: "/e/x\n", "e/x": "1", "e/y": "2" });
    w.check(S, { [RULES]: "/e/x\n", "e/x": "1", "e/y": "2" });
  },
);

scenario("a file that takes the place of an ignored directory is not fetched over it", async (w) => {
  w.put(A, { [RULES]: "out/\n", "out/made": "1", a: "2" });
  await w.settle();
  w.put(B, { out: "a file" });
  await w.settle();
  w.check(A, { [RULES]: "out/\n", "out/made": "1", a: "2" });
  w.check(S, { [RULES]: "out/\n", out: "a file", a: "2" });
  w.remove(A, "out");
  await w.settle();
  w.checkAll({ [RULES]: "out/\n", out: "a file", a: "2" });
});

scenario(
  "a file does not replace a directory that holds ignored files: it is a problem, and says so",
  async (w) => {
    w.put(A, { [RULES]: "*.o\n", "d/a.c": "1", "d/a.o": "2" });
    await w.settle();
    w.act(B, (user) => {
      user.removeTree("d");
      user.write("d", "a file now");
    });
    await w.settle();
    w.check(A, { [RULES]: "*.o\n", "d/a.o": "2" });
    w.check(S, { [RULES]: "*.o\n", d: "a file now" });
  },
);

scenario("the server's own tree takes everything", async (w) => {
  w.put(S, { [RULES]: "*.log\n", "x.log": "the owner's" });
  await w.settle();
  w.exclude(A, "!*.log");
  w.put(A, { "y.log": "A's" });
  await w.settle();
  w.check(S, { [RULES]: "*.log\n", "x.log": "the owner's", "y.log": "A's" });
  w.check(B, { [RULES]: "*.log\n" });
});

scenario("temporary files of editors are ignored from the start", async (w) => {
  w.put(A, { ".a.txt.swp": "1", "a.txt~": "2", "d/.~lock.b.odt#": "3", "a.txt": "4" });
  await w.settle();
  w.check(B, { "a.txt": "4" });
}, { seed: 8n });

scenario("a status of what is ignored is in sync", async (w) => {
  w.put(B, { "x.log": "1", a: "2" });
  w.exclude(A, "*.log");
  await w.settle();
  w.put(A, { "y.log": "3" });
  await w.settle();
  const client = w.client(A);
  const status = client.engine?.status() ?? (await w.sync(A));
  assertEquals([status.state, status.pendingUp, status.pendingDown, status.ignored], ["in sync", 0, 0, 1]);
});

scenario("rules that are half written are not gone by", async (w) => {
  const full = { "secret/key": "1", a: "2" };
  w.put(A, { [RULES]: "secret\n", ...full });
  await w.settle();
  // A program that truncates the file and takes its time: a look comes in between.
  w.put(A, { [RULES]: "" });
  if (w.client(A).watching) {
    w.client(A).watch.lookAtAll();
    await w.pause(30);
  }
  w.put(A, { [RULES]: "# secrets\nsecret\n" });
  await w.settle();
  assertEquals(paths(w, S), [RULES, "a"]);
});

Deno.test("ignoring: rules too large for anybody stop their directory, and nothing else, until they are mended", async () => {
  await using w = await world({ clients: 1, seed: 7n });
  w.put(A, { [`d/${RULES}`]: "x".repeat(130 * 1024), "d/a": "1", b: "2" });
  const status = await w.sync(A);
  assertEquals(status.problems.map(({ path }) => path), ["d"]);
  assertEquals(paths(w, S).includes("d/a"), false);
  assertEquals(paths(w, S).includes("b"), true);
  w.put(A, { [`d/${RULES}`]: "x" });
  await w.settle();
  assertEquals(paths(w, S), ["b", "d", `d/${RULES}`, "d/a"]);
});

Deno.test("ignoring: a tree that is ignored is not even listed", async () => {
  await using w = await world({ clients: 1, seed: 7n });
  w.put(A, { [RULES]: "node_modules\n", "a/b": "1" });
  w.put(A, Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`node_modules/m${i}/f`, "x"])));
  const listed: string[] = [];
  w.client(A).disk.fault = (op, path) => {
    if (op === "list") listed.push(path);
    return null;
  };
  await w.settle();
  assert(listed.length > 0);
  assertEquals(listed.filter((path) => path.startsWith("node_modules")), []);
  assertEquals(C, 2);
});

/** Files that the server has from before the rules of their directory came; each machine then goes on with its own. */
async function ownRules(w: World): Promise<void> {
  w.put(B, { "d/a.c": "1", "d/x.o": "first", "d/sub/y.o": "second", "d/sub/b.c": "2" });
  await w.settle();
  w.put(A, { [`d/${RULES}`]: "*.o\n" });
  await w.settle();
  w.put(A, { "d/x.o": "A's" });
  await w.pause(2000);
  w.put(B, { "d/x.o": "B's" });
  await w.settle();
}

/** All of that under its new name. */
const MOVED = {
  [`e/${RULES}`]: "*.o\n",
  "e/a.c": "1",
  "e/x.o": "first",
  "e/sub/y.o": "second",
  "e/sub/b.c": "2",
};

function checkMoved(w: World): void {
  w.check(S, MOVED);
  w.check(A, { ...MOVED, "e/x.o": "A's" });
  w.check(B, { ...MOVED, "e/x.o": "B's" });
  assertEquals(w.eventsOf("renamed", "A").map(({ from }) => from as string), ["d"]);
  assertEquals(w.eventsOf("moved", "B").length, 1);
  assertEquals(w.conflicts(), []);
}

scenario("a renamed directory takes along what its own rules ignore on the server", async (w) => {
  await ownRules(w);
  w.rename(A, "d", "e");
  await w.settle();
  checkMoved(w);
});

scenario("so does one that is renamed while no program runs", async (w) => {
  await ownRules(w);
  w.kill(A);
  w.rename(A, "d", "e");
  await w.settle();
  checkMoved(w);
});

scenario("so does one that is renamed while others are away", async (w) => {
  await ownRules(w);
  w.cut(B);
  w.rename(A, "d", "e");
  await w.pause(5000);
  await w.settle();
  checkMoved(w);
});

scenario("so does one that is out of sight for a moment", async (w) => {
  await ownRules(w);
  w.exclude(A, "/parked");
  await w.settle();
  w.rename(A, "d", "parked");
  await w.pause(60);
  w.rename(A, "parked", "e");
  await w.settle();
  checkMoved(w);
});

scenario("what own rules ignore on the server is not fetched when others rename the directory", async (w) => {
  await ownRules(w);
  w.remove(B, "d/x.o");
  w.remove(B, "d/sub/y.o");
  await w.settle();
  w.rename(A, "d", "e");
  await w.settle();
  w.check(S, MOVED);
  const { "e/x.o": _x, "e/sub/y.o": _y, ...rest } = MOVED;
  w.check(B, rest);
});

for (const others of ["watch", "are away"]) {
  scenario(
    `a directory that is renamed and has other rules from then on goes by these, and others ${others}`,
    async (w) => {
      await ownRules(w);
      await w.pause(2000);
      if (others === "are away") w.cut(B);
      w.act(A, (user) => {
        user.rename("d", "e");
        user.write(`e/${RULES}`, "*.c\n");
        user.write("e/a.c", "A's alone");
      });
      await w.settle();
      // What is synced again is met as if for the first time: the newest has the name.
      const all = { ...MOVED, [`e/${RULES}`]: "*.c\n", "e/x.o": "B's" };
      w.check(S, all);
      w.check(A, { ...all, "e/a.c": "A's alone" });
      w.check(B, all);
      assertEquals(w.eventsOf("renamed", "A").map(({ from }) => from as string), ["d"]);
      assertEquals(w.conflicts().map(({ path }) => path as string), ["e/x.o"]);
      assert(w.history("e/x.o").includes("A's"));
    },
  );
}

scenario("own rules in a directory that is renamed inside a renamed one", async (w) => {
  w.put(A, { "a/f": "0", "a/d/a.c": "1", "a/d/x.o": "first" });
  await w.settle();
  w.put(A, { [`a/d/${RULES}`]: "*.o\n" });
  await w.settle();
  w.kill(A);
  w.act(A, (user) => {
    user.rename("a", "b");
    user.rename("b/d", "b/e");
    user.write("b/e/x.o", "A's");
  });
  await w.settle();
  const all = { "b/f": "0", [`b/e/${RULES}`]: "*.o\n", "b/e/a.c": "1", "b/e/x.o": "first" };
  w.check(S, all);
  w.check(A, { ...all, "b/e/x.o": "A's" });
  assertEquals(w.eventsOf("renamed", "A").length, 2);
}, { clients: 1 });

scenario("a directory with own rules that is renamed here and changed there loses nothing", async (w) => {
  await ownRules(w);
  w.cut(A);
  w.rename(A, "d", "e");
  w.put(B, { "d/a.c": "edited" });
  await w.settle();
  // Its rules are at the new place now, so what they ignored at the old one is synced there.
  assertEquals(text(w, S, "d/a.c"), "edited");
  assertEquals(text(w, S, "d/x.o"), "B's");
  assertEquals(text(w, A, "d/x.o"), "B's");
  assertEquals(text(w, A, "e/x.o"), "A's");
  assert(w.history("d/x.o").includes("first"));
  assert(!paths(w, S).includes("e/x.o"));
  assertEquals(text(w, S, "e/sub/y.o"), "second");
});

scenario("a directory with own rules that is deleted here comes back with what they ignored", async (w) => {
  w.put(A, { "d/a.c": "1", "d/x.o": "first" });
  await w.settle();
  w.put(A, { [`d/${RULES}`]: "*.o\n" });
  await w.settle();
  w.remove(A, "d");
  await w.settle();
  w.checkAll({ "d/x.o": "first" });
});

scenario("newer rules of a renamed directory come before what they name", async (w) => {
  const sync = async () => {
    await w.pause(5000);
    if (!w.client(A).watching) await w.sync(A);
  };
  await ownRules(w);
  w.cut(B);
  w.rename(A, "d", "e");
  w.put(A, { "e/new.big": "not for B" });
  await sync();
  w.put(A, { [`e/${RULES}`]: "*.o\n*.big\n" });
  await sync();
  await w.settle();
  const now = { ...MOVED, [`e/${RULES}`]: "*.o\n*.big\n" };
  w.check(S, { ...now, "e/new.big": "not for B" });
  w.check(B, { ...now, "e/x.o": "B's" });
});

for (const others of ["watch", "are away"]) {
  scenario(
    `a renamed directory that loses its rules is synced as a whole, and others ${others}`,
    async (w) => {
      await ownRules(w);
      if (others === "are away") w.cut(B);
      w.act(A, (user) => {
        user.rename("d", "e");
        user.remove(`e/${RULES}`);
      });
      await w.settle();
      const { [`e/${RULES}`]: _, ...rest } = MOVED;
      w.checkAll({ ...rest, "e/x.o": "B's" });
      assert(w.history("e/x.o").includes("A's"));
    },
  );

  scenario(
    `what is deleted in a renamed directory leaves the ignored where it is, and others ${others}`,
    async (w) => {
      w.put(A, { [RULES]: "*.o\n", "d/a.c": "1", "d/old/b.c": "2", "d/c.c": "3" });
      await w.settle();
      w.put(B, { "d/x.o": "B's", "d/old/y.o": "B's" });
      await w.settle();
      if (others === "are away") w.cut(B);
      w.act(A, (user) => {
        user.rename("d", "e");
        user.remove("e/c.c");
        user.removeTree("e/old");
      });
      await w.settle();
      w.check(S, { [RULES]: "*.o\n", "e/a.c": "1" });
      w.check(B, { [RULES]: "*.o\n", "e/a.c": "1", "e/x.o": "B's", "e/old/y.o": "B's" });
    },
  );
}
