/** What every {@link Disk} does. Run on the real one by `system/real_disk_test.ts`, on the twin by `mem_disk_test.ts`. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { joinPath, parsePath, type SyncPath } from "../../core/path.ts";
import {
  type Checked,
  type Disk,
  DiskError,
  type DiskErrorCode,
  type Meta,
  sameStat,
  type Stat,
} from "../../system/disk.ts";
import type { UserSide } from "../fakes/user_side.ts";

export interface DiskWorld {
  readonly disk: Disk;
  readonly user: UserSide;
  /** Another one on the same folder, as after a restart; the first is not used any more. */
  reopen(): Disk;
  /** Names in the staging area. */
  staged(): string[];
  /** A file of the private area, or `null`. */
  readPrivate(name: string): Uint8Array | null;
  writePrivate(name: string, bytes: Uint8Array): void;
  remove(): void;
}

const p = parsePath;
const META: Meta = { mode: 0o644, mtime: 1_600_000_000_123 };
const KEY = "0123456789abcdef";

/** Registers the tests under `name`. */
export function diskSuite(name: string, makeWorld: () => DiskWorld): void {
  const test = (title: string, body: (world: DiskWorld) => void | Promise<void>) =>
    Deno.test(`${name}: ${title}`, async () => {
      const world = makeWorld();
      try {
        await body(world);
      } finally {
        world.disk.close();
        world.remove();
      }
    });
  reading(test);
  names(test);
  confinement(test);
  staging(test);
  placing(test);
  removingAndMoving(test);
  metadata(test);
  sharing(test);
  privateArea(test);
}

type Test = (title: string, body: (world: DiskWorld) => void | Promise<void>) => void;

function reading(test: Test): void {
  test("lists names with the stats that stat tells", ({ disk, user }) => {
    user.mkdir("d/e");
    user.write("a", "hello");
    user.symlink("nowhere", "l");
    user.write("d/x", "");
    assertEquals(listed(disk, null), ["a file", "d dir", "l link"]);
    assertEquals(listed(disk, p("d")), ["e dir", "x file"]);
    assertEquals(listed(disk, p("d/e")), []);
    for (const item of disk.list(null)) {
      assert("stat" in item);
      assert(sameStat(item.stat, disk.stat(p(item.name))));
    }
    assertEquals(disk.stat(p("a"))!.size, 5);
    assertEquals(disk.stat(p("l"))!.kind, "link");
  });

  test("lists a directory of many names, each once", ({ disk, user }) => {
    const wanted = Array.from({ length: 3000 }, (_, i) => `file with a rather long name ${i} é`);
    for (const each of wanted) user.write(each, "");
    assertEquals(disk.list(null).map((item) => item.name).sort(), wanted.sort());
  });

  test("what is missing, or below a file, has no stat", ({ disk, user }) => {
    user.write("a", "x");
    assertEquals(disk.stat(p("b")), null);
    assertEquals(disk.stat(p("b/c")), null);
    assertEquals(disk.stat(p("a/b")), null);
    assertEquals(disk.stat(p("a/b/c")), null);
  });

  test("names the trouble with what cannot be listed or opened", ({ disk, user }) => {
    user.write("a", "x");
    user.mkdir("d");
    user.symlink("a", "l");
    user.fifo("f");
    fails("not_found", () => disk.list(p("none")));
    fails("not_a_directory", () => disk.list(p("a")));
    fails("not_a_directory", () => disk.list(p("a/b")));
    fails("link_in_path", () => disk.list(p("l")));
    fails("not_found", () => disk.open(p("none")));
    fails("not_a_directory", () => disk.open(p("a/b")));
    fails("not_a_file", () => disk.open(p("d")));
    fails("not_a_file", () => disk.open(p("l")));
    fails("not_a_file", () => disk.open(p("f")));
    fails("not_a_file", () => disk.readLink(p("a")));
    fails("not_found", () => disk.readLink(p("none")));
    assertEquals(disk.stat(p("f"))!.kind, "other");
  });

  test("reads at any offset, and knows the end", ({ disk, user }) => {
    user.write("a", "0123456789");
    const file = disk.open(p("a"));
    const into = new Uint8Array(4);
    assertEquals(file.read(into, 3), 4);
    assertEquals(text(into), "3456");
    assertEquals(file.read(into, 8), 2);
    assertEquals(text(into.subarray(0, 2)), "89");
    assertEquals(file.read(into, 10), 0);
    assertEquals(file.read(into, 99), 0);
    assert(sameStat(file.stat(), disk.stat(p("a"))));
    file.close();
    file.close();
  });

  test("an open file stays the one that was opened", ({ disk, user }) => {
    user.write("a", "old");
    const file = disk.open(p("a"));
    user.write("b", "new");
    user.rename("b", "a");
    const into = new Uint8Array(3);
    file.read(into, 0);
    assertEquals(text(into), "old");
    assertNotEquals(file.stat().ino, disk.stat(p("a"))!.ino);
    file.close();
  });

  test("sees every kind of edit in the stat", ({ disk, user }) => {
    user.write("a", "one");
    const first = disk.stat(p("a"));
    assert(sameStat(first, disk.stat(p("a"))));
    user.append("a", "!");
    const second = disk.stat(p("a"));
    assert(!sameStat(first, second));
    user.touch("a", 1_500_000_000_000);
    const third = disk.stat(p("a"));
    assert(!sameStat(second, third));
    user.chmod("a", 0o755);
    const fourth = disk.stat(p("a"));
    assert(!sameStat(third, fourth));
    user.write("b", "one!");
    user.touch("b", 1_500_000_000_000);
    user.chmod("b", 0o755);
    user.rename("b", "a");
    assert(!sameStat(fourth, disk.stat(p("a"))));
  });

  test("link texts are read as they are", ({ disk, user }) => {
    const targets = ["../out", "/abs", "x", "a\nb", "é".repeat(100), "t".repeat(4095)];
    targets.forEach((target, i) => user.symlink(target, `l${i}`));
    targets.forEach((target, i) => assertEquals(disk.readLink(p(`l${i}`)), target));
  });
}

function names(test: Test): void {
  const awkward = [
    "-rf",
    "n\nl",
    "x y ",
    "a\\b",
    "\u00e9",
    "e\u0301",
    "A",
    "a",
    "__proto__",
    "constructor",
    "\x01\x1b\x7f",
    "…",
    "\ufeffbom",
    "b-\ufffd",
    "n".repeat(255),
    "😀".repeat(63) + "abc",
  ];

  test("keeps every name as it is, all their life long", ({ disk }) => {
    for (const [i, name] of awkward.entries()) put(disk, p(name), `content ${i}`);
    assertEquals(disk.list(null).map((item) => item.name).sort(), [...awkward].sort());
    for (const [i, name] of awkward.entries()) {
      assertEquals(contentOf(disk, p(name)), `content ${i}`);
      done(disk.place(disk.stageBytes(bytes("new"), META), p(name), disk.stat(p(name))));
      done(disk.remove(p(name), disk.stat(p(name))!));
    }
    assertEquals(disk.list(null), []);
  });

  test("awkward names of directories hold files", ({ disk }) => {
    for (const name of awkward) {
      done(disk.place(disk.stageDir(0o755), p(name), null));
      put(disk, joinPath(p(name), "inner"), name);
      assertEquals(contentOf(disk, joinPath(p(name), "inner")), name);
    }
  });

  test("a name that is not UTF-8 is a problem, never an absence or a twin", ({ disk, user }) => {
    user.badName("", "bad-");
    user.mkdir("d");
    user.badName("d", "x");
    user.write("bad-\ufffd", "genuine");
    user.write("good", "g");
    const items = disk.list(null);
    const genuine = items.filter((item) => "stat" in item).map((item) => item.name).sort();
    assertEquals(genuine, ["bad-\ufffd", "d", "good"]);
    const problems = items.filter((item) => "problem" in item);
    assertEquals(problems, [{ name: "bad-\ufffd", problem: "its name is not UTF-8" }]);
    assertEquals(contentOf(disk, p("bad-\ufffd")), "genuine");
    assertEquals(disk.list(p("d")), [{ name: "x\ufffd", problem: "its name is not UTF-8" }]);
    fails("not_empty", () => disk.remove(p("d"), disk.stat(p("d"))!));
  });

  test("the reserved name is hidden in the root and a problem below", ({ disk, user }) => {
    done(disk.place(disk.stageDir(0o755), p("d"), null));
    user.mkdir("d/.fsync");
    assertEquals(disk.list(null).map((item) => item.name), ["d"]);
    assertEquals(disk.list(p("d")), [{ name: ".fsync", problem: 'the name ".fsync" is reserved' }]);
  });

  test("a path of the greatest length works", ({ disk }) => {
    let dir: SyncPath | null = null;
    for (let depth = 0; depth < 15; depth++) {
      dir = joinPath(dir, `${depth}`.padEnd(255, "d"));
      done(disk.place(disk.stageDir(0o755), dir, null));
    }
    const path = joinPath(dir, "f".repeat(255));
    assertEquals(path.length, 4095);
    put(disk, path, "deep");
    assertEquals(contentOf(disk, path), "deep");
    assertEquals(listed(disk, dir), [`${"f".repeat(255)} file`]);
  });
}

function confinement(test: Test): void {
  test("goes through no link, for reading or writing", async ({ disk, user }) => {
    user.mkdir("real");
    user.write("real/x", "secret");
    user.symlink("real", "l");
    user.symlink("/", "abs");
    const stat = disk.stat(p("real/x"))!;
    const staged = disk.stageBytes(bytes("new"), META);
    fails("link_in_path", () => disk.stat(p("l/x")));
    fails("link_in_path", () => disk.stat(p("abs/etc")));
    fails("link_in_path", () => disk.stat(p("l/deeper/x")));
    fails("link_in_path", () => disk.open(p("l/x")));
    fails("link_in_path", () => disk.list(p("abs/etc")));
    fails("link_in_path", () => disk.readLink(p("l/x")));
    fails("link_in_path", () => disk.place(staged, p("l/y"), null));
    fails("link_in_path", () => disk.place(staged, p("l/x"), stat));
    fails("link_in_path", () => disk.remove(p("l/x"), stat));
    fails("link_in_path", () => disk.move(p("l/x"), p("y"), stat));
    fails("link_in_path", () => disk.move(p("real/x"), p("l/y"), stat));
    fails("link_in_path", () => disk.setMeta(p("l/x"), { mode: 0o600 }, stat));
    fails("link_in_path", () => disk.linkPrivate(p("l/x"), "kept", stat));
    await assertRejects(() => disk.syncFile(p("l/x")), DiskError);
    assertEquals(listed(disk, p("real")), ["x file"]);
    assert(sameStat(disk.stat(p("real/x")), stat));
  });

  test("a link at the end is a leaf: replaced and removed itself", ({ disk, user }) => {
    user.write("target", "keep me");
    user.symlink("target", "l");
    done(disk.place(disk.stageBytes(bytes("file now"), META), p("l"), disk.stat(p("l"))));
    assertEquals(disk.stat(p("l"))!.kind, "file");
    user.symlink("target", "m");
    fails("not_a_file", () => disk.setMeta(p("m"), { mode: 0o600 }, disk.stat(p("m"))!));
    done(disk.remove(p("m"), disk.stat(p("m"))!));
    assertEquals(text(user.read("target")), "keep me");
    assertEquals(disk.stat(p("target"))!.mode, 0o644);
  });

  test("what was seen is still there only untouched, and by the same path", ({ disk, user }) => {
    user.mkdir("d");
    user.mkdir("d/sub");
    user.write("d/f", "text");
    user.symlink("f", "d/l");
    user.write("top", "text");
    const seen = (path: string) => disk.stat(p(path))!;
    const [f, l, sub, top] = ["d/f", "d/l", "d/sub", "top"].map(seen) as [Stat, Stat, Stat, Stat];
    const still = () => [
      disk.isStill(p("d/f"), f),
      disk.isStill(p("d/l"), l),
      disk.isStill(p("d/sub"), sub),
      disk.isStill(p("top"), top),
    ];
    assertEquals(still(), [true, true, true, true]);
    // Within one burst of work, in which directories are kept open.
    user.rename("d", "e");
    assertEquals(still(), [false, false, false, true]);
    user.symlink("e", "d");
    assertEquals(still(), [false, false, false, true]);
    user.remove("d");
    user.rename("e", "d");
    assertEquals(still(), [true, true, true, true]);
    user.write("d/f", "other text");
    user.remove("top");
    assertEquals(still(), [false, true, true, false]);
    assertEquals(disk.isStill(p("d/f"), seen("d/f")), true);
    assertEquals(disk.isStill(p("none/f"), seen("d/f")), false);
  });

  test("a directory that moved away meanwhile is not written to", async ({ disk, user }) => {
    user.mkdir("d");
    put(disk, p("d/one"), "1");
    user.rename("d", "e");
    await Promise.resolve();
    const staged = disk.stageBytes(bytes("2"), META);
    fails("not_found", () => disk.place(staged, p("d/two"), null));
    user.mkdir("d");
    await Promise.resolve();
    done(disk.place(staged, p("d/two"), null));
    assertEquals(listed(disk, p("e")), ["one file"]);
    assertEquals(listed(disk, p("d")), ["two file"]);
  });
}

function staging(test: Test): void {
  test("nothing staged is seen in the tree, nothing placed stays staged", ({ disk, user, staged }) => {
    const things = [disk.stageBytes(bytes("a"), META), disk.stageLink("x"), disk.stageDir(0o755)];
    assertEquals(user.tree().size, 0);
    assertEquals(disk.list(null), []);
    assertEquals(staged().length, 3);
    things.forEach((thing, i) => done(disk.place(thing, p(`t${i}`), null)));
    assertEquals(listed(disk, null), ["t0 file", "t1 link", "t2 dir"]);
    assertEquals(staged(), []);
  });

  test("what is discarded is gone, also twice", ({ disk, staged }) => {
    const things = [disk.stageBytes(bytes("a"), META), disk.stageLink("x"), disk.stageDir(0o755)];
    for (const thing of [...things, ...things]) disk.discard(thing);
    assertEquals(staged(), []);
  });

  test("a large file grows, is read back, cut, and placed", ({ disk, user }) => {
    const file = disk.stageLarge(KEY);
    assertEquals(file.size, 0);
    file.append(bytes("hello "));
    file.append(bytes("wide world"));
    assertEquals(file.size, 16);
    const into = new Uint8Array(4);
    assertEquals(file.read(into, 6), 4);
    assertEquals(text(into), "wide");
    file.truncate(6);
    file.append(bytes("there"));
    assertEquals(file.stat().size, 11);
    const stat = done(disk.place(file.seal(META), p("big"), null));
    assertEquals([stat.size, stat.mode, stat.mtimeUs], [11, 0o644, META.mtime * 1000]);
    assertEquals(text(user.read("big")), "hello there");
    file.close();
  });

  test("a large file goes on after a restart, with any bits it was sealed with", (world) => {
    const first = world.disk.stageLarge(KEY);
    first.append(bytes("first "));
    first.close();
    const again = world.reopen();
    again.clearStage((key) => key === KEY);
    const second = again.stageLarge(KEY);
    assertEquals(second.size, 6);
    second.append(bytes("second"));
    second.seal({ mode: 0o400, mtime: 0 });
    const third = again.stageLarge(KEY);
    third.append(bytes(" third"));
    done(again.place(third.seal({ mode: 0o400, mtime: 0 }), p("big"), null));
    assertEquals(text(world.user.read("big")), "first second third");
    assertEquals(again.stat(p("big"))!.mode, 0o400);
    again.close();
  });

  test("clearing the stage keeps what is asked for and nothing else", (world) => {
    const { disk } = world;
    disk.stageBytes(bytes("a"), META);
    disk.stageLink("x");
    disk.stageDir(0o000);
    disk.stageLarge("aa").close();
    disk.stageLarge("bb").close();
    const again = world.reopen();
    again.clearStage((key) => key === "bb");
    assertEquals(world.staged(), ["bb.part"]);
    again.clearStage(() => false);
    assertEquals(world.staged(), []);
    again.close();
  });

  test("what waits is known after a restart, by name and as what it is, until it has its place", (world) => {
    const { disk, user } = world;
    user.write("old", "older");
    const things = [
      disk.stageBytes(bytes("one"), META),
      disk.stageBytes(bytes("three"), META),
      disk.stageLink("x"),
      disk.stageDir(0o755),
    ];
    const [one, three, link, dir] = things.map((thing) => disk.stagedName(thing));
    done(disk.place(things[0]!, p("a"), null));
    done(disk.place(things[1]!, p("old"), disk.stat(p("old"))));
    disk.discard(things[2]!);
    const again = world.reopen();
    const left = again.staged();
    assertEquals([one, three, link].map((name) => left.has(name!)), [false, false, false]);
    assertEquals([left.size, left.get(dir!)?.kind], [1, "dir"]);
    assertEquals(again.boot, disk.boot);
    const more = again.stageBytes(bytes("more"), META);
    const name = again.stagedName(more);
    assert(!left.has(name));
    const { size, ino } = again.staged().get(name)!;
    assertEquals(size, 4);
    again.clearStage(() => true, new Set([name]));
    assertEquals(world.staged(), [name]);
    assertEquals(done(again.place(more, p("b"), null)).ino, ino);
    again.close();
  });

  test("clearing a folder that has no private area makes none", ({ disk, user }) => {
    user.write("a", "x");
    assertEquals(disk.staged().size, 0);
    disk.clearStage(() => true);
    assertEquals(listed(disk, null), ["a file"]);
  });

  test("a link text that the kernel cannot hold is refused", ({ disk }) => {
    for (const target of ["", "a\0b", "\ud800"]) {
      assertThrows(() => disk.stageLink(target), DiskError);
    }
  });
}

function placing(test: Test): void {
  test("gives content, bits and time, and tells the stat that then stands there", ({ disk, user }) => {
    for (const mode of [0o644, 0o755, 0o600, 0o400, 0o000]) {
      const path = p(`m${mode}`);
      const stat = done(disk.place(disk.stageBytes(bytes("abc"), { mode, mtime: 1234 }), path, null));
      assert(sameStat(stat, disk.stat(path)));
      assertEquals([stat.mode, stat.mtimeUs, stat.size, stat.nlink], [mode, 1_234_000, 3, 1]);
    }
    for (const mode of [0o755, 0o700, 0o555, 0o000]) {
      const path = p(`d${mode}`);
      const stat = done(disk.place(disk.stageDir(mode), path, null));
      assert(sameStat(stat, disk.stat(path)));
      assertEquals(stat.mode, mode);
      done(disk.remove(path, stat));
    }
    done(disk.place(disk.stageLink("to/where"), p("l"), null));
    assertEquals(disk.readLink(p("l")), "to/where");
    assert(user.exists("l"));
  });

  test("set-id and sticky bits never arrive", ({ disk }) => {
    const file = done(disk.place(disk.stageBytes(bytes("x"), { mode: 0o6755, mtime: 0 }), p("f"), null));
    assertEquals(file.mode, 0o755);
    assertEquals(done(disk.place(disk.stageDir(0o7755), p("d"), null)).mode, 0o755);
    assertEquals(done(disk.setMeta(p("f"), { mode: 0o4711 }, file)).mode, 0o711);
  });

  test("large, empty and odd-sized contents arrive whole", ({ disk, user }) => {
    for (const size of [0, 1, 4095, 65537, 3_000_001]) {
      const content = new Uint8Array(size).map((_, i) => i * 31 + (i >> 8));
      done(disk.place(disk.stageBytes(content, META), p(`f${size}`), null));
      assertEquals(user.read(`f${size}`), content);
    }
  });

  test("replaces what is expected, of any kind by any kind", ({ disk, staged }) => {
    const makers = {
      file: () => disk.stageBytes(bytes("f"), META),
      link: () => disk.stageLink("x"),
      dir: () => disk.stageDir(0o755),
    };
    for (const [before, first] of Object.entries(makers)) {
      for (const [after, second] of Object.entries(makers)) {
        const path = p(`${before}-${after}`);
        const old = done(disk.place(first(), path, null));
        const now = done(disk.place(second(), path, old));
        assertEquals(now.kind, after);
        assertNotEquals(now.ino, old.ino);
        assert(sameStat(now, disk.stat(path)));
      }
    }
    assertEquals(staged(), []);
  });

  test("a directory that is not empty is never replaced", ({ disk, user, staged }) => {
    user.mkdir("d");
    user.write("d/precious", "p");
    for (const thing of [disk.stageBytes(bytes("f"), META), disk.stageLink("x"), disk.stageDir(0o755)]) {
      fails("not_empty", () => disk.place(thing, p("d"), disk.stat(p("d"))));
      assertEquals(text(user.read("d/precious")), "p");
      disk.discard(thing);
    }
    assertEquals(staged(), []);
  });

  test("refuses a target that is not as expected, and changes nothing", ({ disk, user }) => {
    user.write("a", "seen");
    const seen = disk.stat(p("a"));
    user.append("a", " and edited");
    user.mkdir("d");
    user.symlink("x", "l");
    const staged = disk.stageBytes(bytes("mine"), META);
    const before = user.tree();
    refused(disk.place(staged, p("a"), seen), disk.stat(p("a")));
    refused(disk.place(staged, p("a"), null), disk.stat(p("a")));
    refused(disk.place(staged, p("d"), null), disk.stat(p("d")));
    refused(disk.place(staged, p("l"), null), disk.stat(p("l")));
    refused(disk.place(staged, p("l"), seen), disk.stat(p("l")));
    refused(disk.place(staged, p("none"), seen), null);
    assertEquals(user.tree(), before);
    done(disk.place(staged, p("a"), disk.stat(p("a"))));
    assertEquals(text(user.read("a")), "mine");
  });

  test("a directory is not placed over a file or directory that is there", ({ disk, user }) => {
    user.write("f", "x");
    user.mkdir("d");
    const staged = disk.stageDir(0o755);
    refused(disk.place(staged, p("f"), null), disk.stat(p("f")));
    refused(disk.place(staged, p("d"), null), disk.stat(p("d")));
    done(disk.place(staged, p("e"), null));
  });

  test("without a parent there is no placing", ({ disk, user }) => {
    user.write("f", "x");
    const staged = disk.stageBytes(bytes("mine"), META);
    fails("not_found", () => disk.place(staged, p("none/a"), null));
    fails("not_a_directory", () => disk.place(staged, p("f/a"), null));
    done(disk.place(staged, p("a"), null));
  });

  test("a reader of the old file keeps it whole", ({ disk, user }) => {
    user.write("a", "old content");
    const reader = disk.open(p("a"));
    done(disk.place(disk.stageBytes(bytes("new"), META), p("a"), disk.stat(p("a"))));
    const into = new Uint8Array(11);
    assertEquals(reader.read(into, 0), 11);
    assertEquals(text(into), "old content");
    reader.close();
  });
}

function removingAndMoving(test: Test): void {
  test("removes what is expected", ({ disk, user, staged }) => {
    user.write("f", "x");
    user.symlink("f", "l");
    user.mkdir("d");
    user.fifo("p");
    for (const name of ["l", "f", "d", "p"]) done(disk.remove(p(name), disk.stat(p(name))!));
    assertEquals(disk.list(null), []);
    assertEquals(staged(), []);
  });

  test("does not remove what changed, went, or is not empty", ({ disk, user }) => {
    user.write("f", "x");
    const seen = disk.stat(p("f"))!;
    user.write("f", "y");
    user.append("f", "z");
    refused(disk.remove(p("f"), seen), disk.stat(p("f")));
    assertEquals(text(user.read("f")), "yz");
    refused(disk.remove(p("none"), seen), null);
    user.mkdir("d/e");
    fails("not_empty", () => disk.remove(p("d"), disk.stat(p("d"))!));
    fails("not_found", () => disk.remove(p("none/x"), seen));
    assert(user.exists("d/e"));
  });

  test("moves files, links and whole directories, keeping inodes", ({ disk, user }) => {
    user.write("f", "x");
    user.symlink("f", "l");
    user.mkdir("d/e");
    user.write("d/e/y", "y");
    user.mkdir("to");
    for (const name of ["f", "l", "d"]) {
      const before = disk.stat(p(name))!;
      const after = done(disk.move(p(name), p(`to/${name}2`), before));
      assertEquals(after.ino, before.ino);
      assert(sameStat(after, disk.stat(p(`to/${name}2`))));
    }
    assertEquals([...user.tree().keys()].sort(), ["to", "to/d2", "to/d2/e", "to/d2/e/y", "to/f2", "to/l2"]);
    put(disk, p("to/d2/e/z"), "after the move");
    assertEquals(text(user.read("to/d2/e/z")), "after the move");
  });

  test("a rename that changes only the case works", ({ disk, user }) => {
    user.write("Name", "x");
    done(disk.move(p("Name"), p("name"), disk.stat(p("Name"))!));
    assertEquals(listed(disk, null), ["name file"]);
  });

  test("does not move what changed, or onto something", ({ disk, user }) => {
    user.write("f", "x");
    const seen = disk.stat(p("f"))!;
    user.append("f", "y");
    user.write("g", "g");
    user.mkdir("d");
    user.mkdir("e");
    refused(disk.move(p("f"), p("h"), seen), disk.stat(p("f")));
    refused(disk.move(p("none"), p("h"), seen), null);
    refused(disk.move(p("f"), p("g"), disk.stat(p("f"))!), disk.stat(p("g")));
    refused(disk.move(p("f"), p("d"), disk.stat(p("f"))!), disk.stat(p("d")));
    refused(disk.move(p("d"), p("g"), disk.stat(p("d"))!), disk.stat(p("g")));
    refused(disk.move(p("d"), p("e"), disk.stat(p("d"))!), disk.stat(p("e")));
    fails("not_found", () => disk.move(p("f"), p("none/f"), disk.stat(p("f"))!));
    assertThrows(() => disk.move(p("d"), p("d/inside"), disk.stat(p("d"))!), DiskError);
    assertEquals(listed(disk, null), ["d dir", "e dir", "f file", "g file"]);
    assertEquals(text(user.read("f")), "xy");
  });
}

function metadata(test: Test): void {
  test("sets bits and time in place, also of what may not be opened", ({ disk, user }) => {
    user.write("f", "x");
    user.mkdir("d");
    let stat = disk.stat(p("f"))!;
    const { ino } = stat;
    for (const mode of [0o000, 0o400, 0o755]) {
      stat = done(disk.setMeta(p("f"), { mode, mtime: mode * 1000 + 5 }, stat));
      assertEquals([stat.mode, stat.mtimeUs, stat.ino], [mode, (mode * 1000 + 5) * 1000, ino]);
    }
    stat = done(disk.setMeta(p("f"), { mtime: 77 }, stat));
    assertEquals([stat.mode, stat.mtimeUs], [0o755, 77_000]);
    stat = done(disk.setMeta(p("f"), { mode: 0o600 }, stat));
    assertEquals([stat.mode, stat.mtimeUs], [0o600, 77_000]);
    assert(sameStat(stat, disk.stat(p("f"))));
    assertEquals(done(disk.setMeta(p("d"), { mode: 0o700 }, disk.stat(p("d"))!)).mode, 0o700);
    assertEquals(text(user.read("f")), "x");
  });

  test("does not set what is not as expected", ({ disk, user }) => {
    user.write("f", "x");
    const seen = disk.stat(p("f"))!;
    user.append("f", "y");
    const now = disk.stat(p("f"))!;
    refused(disk.setMeta(p("f"), { mode: 0o600 }, seen), now);
    refused(disk.setMeta(p("none"), { mode: 0o600 }, seen), null);
    assert(sameStat(disk.stat(p("f")), now));
  });

  test("times before 1970, after 2038 and 2100 are kept to the millisecond", ({ disk }) => {
    // The last one is beyond what ext4 keeps in small inodes, but within what it keeps in usual ones.
    for (const mtime of [0, -1, -1500, 1, 999, 2 ** 31 * 1000 + 1, 4_102_444_800_123, 15_000_000_000_007]) {
      const path = p(`t${mtime}`);
      const stat = done(disk.place(disk.stageBytes(bytes("x"), { mode: 0o644, mtime }), path, null));
      assertEquals(Math.floor(stat.mtimeUs / 1000), mtime);
      assertEquals(disk.stat(path)!.mtimeUs, mtime * 1000);
    }
  });

  test("times that no file system keeps are no error, and stay as they are then told", ({ disk }) => {
    for (const mtime of [8.64e15, -8.64e15, 1e15]) {
      const path = p(`t${mtime}`);
      const stat = done(disk.place(disk.stageBytes(bytes("x"), { mode: 0o644, mtime }), path, null));
      assert(sameStat(stat, disk.stat(path)));
      assert(Number.isFinite(stat.mtimeUs));
    }
  });

  test("syncs the whole and single files", async ({ disk, user }) => {
    put(disk, p("a"), "x");
    done(disk.place(disk.stageDir(0o755), p("d"), null));
    done(disk.place(disk.stageLink("a"), p("d/l"), null));
    const file = disk.stageLarge(KEY);
    file.append(bytes("waits"));
    file.seal({ mode: 0o200, mtime: 0 });
    disk.stageBytes(bytes("waits too"), META);
    done(disk.move(p("a"), p("d/b"), disk.stat(p("a"))!));
    await disk.sync();
    await disk.sync();
    await disk.syncFile(p("d/b"));
    await assertRejects(() => disk.syncFile(p("none")), DiskError);
    assertEquals(text(user.read("d/b")), "x");
    assert(disk.freeBytes() > 0);
  });
}

function sharing(test: Test): void {
  const octal = (stat: Stat | null) => stat!.mode.toString(8);
  const place = (disk: Disk, path: string, mode: number) =>
    octal(done(disk.place(disk.stageBytes(bytes("x"), { mode, mtime: 0 }), p(path), null)));

  test("in a folder that a group shares, what is written is the group's, wherever it lies", ({ disk, user }) => {
    assertEquals(disk.groupShared, false);
    user.mkdir("own");
    user.chmod("own", 0o755);
    user.chmod("", 0o2770);
    assertEquals(disk.groupShared, true);
    assertEquals([0o644, 0o600, 0o755, 0o444].map((mode) => place(disk, `f${mode}`, mode)), [
      "664",
      "660",
      "775",
      "444",
    ]);
    assertEquals(octal(done(disk.place(disk.stageDir(0o755), p("d"), null))), "2775");
    assertEquals(place(disk, "d/f", 0o644), "664");
    assertEquals(place(disk, "own/f", 0o640), "660");
    assertEquals(octal(done(disk.place(disk.stageDir(0o700), p("own/d"), null))), "2770");
    assertEquals(octal(disk.stat(p("own"))), "755");
    const replaced = disk.place(disk.stageBytes(bytes("y"), META), p("d/f"), disk.stat(p("d/f")));
    assertEquals(octal(done(replaced)), "664");
  });

  test("in a shared folder a chmod keeps the group's bits, a mkdir the set-gid bit", ({ disk, user }) => {
    user.chmod("", 0o2770);
    user.write("f", "x");
    user.mkdir("d/e");
    assertEquals(octal(disk.stat(p("f"))), "644");
    assertEquals(octal(disk.stat(p("d/e"))), "2755");
    assertEquals(octal(done(disk.setMeta(p("f"), { mode: 0o600 }, disk.stat(p("f"))!))), "660");
    assertEquals(octal(done(disk.setMeta(p("d/e"), { mode: 0o700 }, disk.stat(p("d/e"))!))), "2770");
  });

  test("a directory with the set-gid bit shares what is in it, the rest of the folder stays", ({ disk, user }) => {
    user.mkdir("own");
    user.mkdir("shared");
    user.mkdir("inherits");
    user.chmod("shared", 0o2770);
    user.chmod("inherits", 0o2755);
    assertEquals(disk.groupShared, false);
    assertEquals(place(disk, "shared/f", 0o644), "664");
    assertEquals(place(disk, "own/f", 0o644), "644");
    assertEquals(place(disk, "inherits/f", 0o644), "644");
    assertEquals(octal(done(disk.place(disk.stageDir(0o755), p("inherits/d"), null))), "2755");
  });
}

function privateArea(test: Test): void {
  test("a private file gets a place by a second name while it has one, by a copy after", (world) => {
    const { disk, user } = world;
    world.writePrivate("kept", bytes("content"));
    const meta = { mode: 0o640, mtime: 5000 };
    const first = done(disk.place(disk.stagePrivate("kept", meta), p("a"), null));
    assertEquals([first.mode, first.mtimeUs, first.size, first.nlink], [0o640, 5_000_000, 7, 2]);
    const second = done(disk.place(disk.stagePrivate("kept", { ...meta, mtime: 9000 }), p("b"), null));
    assertEquals([second.mtimeUs, second.nlink], [9_000_000, 1]);
    assertNotEquals(second.ino, first.ino);
    assertEquals(disk.stat(p("a"))!.mtimeUs, 5_000_000);
    done(disk.place(disk.stagePrivate("kept", meta), p("b"), second));
    assertEquals(text(user.read("a")), "content");
    assertEquals(text(user.read("b")), "content");
    assertEquals(world.readPrivate("kept"), bytes("content"));
    fails("not_found", () => disk.stagePrivate("none", meta));
  });

  test("a file of the tree gets a private name, if it is as expected", (world) => {
    const { disk, user } = world;
    user.write("a", "content");
    const seen = disk.stat(p("a"))!;
    user.symlink("a", "l");
    done(disk.linkPrivate(p("a"), "large/one", seen));
    assertEquals(world.readPrivate("large/one"), bytes("content"));
    const now = disk.stat(p("a"))!;
    assertEquals([now.ino, now.nlink], [seen.ino, 2]);
    refused(disk.linkPrivate(p("a"), "large/two", { ...now, size: 1 }), now);
    refused(disk.linkPrivate(p("none"), "large/two", now), null);
    fails("exists", () => disk.linkPrivate(p("a"), "large/one", now));
    fails("not_a_file", () => disk.linkPrivate(p("l"), "large/two", disk.stat(p("l"))!));
    assertEquals(world.readPrivate("large/two"), null);
    done(disk.remove(p("a"), disk.stat(p("a"))!));
    assertEquals(world.readPrivate("large/one"), bytes("content"));
    assertEquals(world.staged(), []);
  });
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(content: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(content);
}

function put(disk: Disk, path: SyncPath, content: string): Stat {
  return done(disk.place(disk.stageBytes(bytes(content), META), path, null));
}

function contentOf(disk: Disk, path: SyncPath): string {
  const file = disk.open(path);
  const into = new Uint8Array(file.stat().size);
  assertEquals(file.read(into, 0), into.length);
  file.close();
  return text(into);
}

function listed(disk: Disk, dir: SyncPath | null): string[] {
  return disk.list(dir)
    .map((item) => `${item.name} ${"stat" in item ? item.stat.kind : `(${item.problem})`}`)
    .sort();
}

function done<T>(result: Checked<T>): T {
  assert(result.done, "the target was not as expected");
  return result.value;
}

function refused(result: Checked<unknown>, found: Stat | null): void {
  assert(!result.done, "an unexpected target was accepted");
  assert(sameStat(result.found, found), "something else was found than stands there");
}

function fails(code: DiskErrorCode, action: () => unknown): void {
  const error = assertThrows(action, DiskError);
  assertEquals(error.code, code, error.message);
  assert(error.message.startsWith("Cannot "), error.message);
}
