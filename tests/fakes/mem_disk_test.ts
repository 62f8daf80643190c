import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parsePath } from "../../core/path.ts";
import { type Checked, DiskError } from "../../system/disk.ts";
import { diskSuite } from "../conformance/disk_suite.ts";
import { MemDisk } from "./mem_disk.ts";
import { SeededRandom, seedForRun } from "./seeded_random.ts";

diskSuite("memory disk", () => {
  const disk = new MemDisk();
  return {
    disk,
    user: disk.user,
    reopen: () => disk,
    staged: () => disk.stageList(),
    readPrivate: (name) => disk.privateRead(name),
    writePrivate: (name, bytes) => disk.privateWrite(name, bytes),
    remove: () => {},
  };
});

const p = parsePath;
const META = { mode: 0o644, mtime: 1000 };

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function done<T>(result: Checked<T>): T {
  assert(result.done);
  return result.value;
}

function textAt(disk: MemDisk, path: string): string | null {
  return disk.user.exists(path) ? new TextDecoder().decode(disk.user.read(path)) : null;
}

/** All that a power cut may leave, over many seeds. */
function outcomes(prepare: (disk: MemDisk) => void | Promise<void>, look: (disk: MemDisk) => string) {
  return async () => {
    const seen = new Set<string>();
    const random = new SeededRandom(seedForRun());
    for (let round = 0; round < 300; round++) {
      const disk = new MemDisk();
      await prepare(disk);
      disk.powerCut(() => random.fraction());
      seen.add(look(disk));
      checkCounts(disk);
    }
    return { seen, seed: random.seed };
  };
}

function checkCounts(disk: MemDisk): void {
  const used = disk.inodes.used;
  disk.inodes.recount();
  assertEquals(used, disk.inodes.used);
}

Deno.test("memory disk: every write changes the ctime, though the clock stands still", () => {
  const disk = new MemDisk();
  disk.user.write("a", "1");
  const seen = new Set<number>();
  for (let i = 0; i < 5; i++) {
    disk.user.write("a", `${i}`);
    seen.add(disk.stat(p("a"))!.ctimeUs);
  }
  assertEquals(seen.size, 5);
  assertEquals(disk.racyWindowUs, 0);
});

Deno.test("memory disk: coarse times hide an edit of equal size within one tick", () => {
  let now = 5_000_000;
  const disk = new MemDisk({ clock: () => now, granularityUs: 2_000_000 });
  disk.user.write("a", "one");
  const first = disk.stat(p("a"));
  disk.user.write("a", "two");
  assertEquals(disk.stat(p("a")), first);
  assertEquals(disk.racyWindowUs, 2_000_000);
  now += 2000;
  disk.user.write("a", "six");
  assert(disk.stat(p("a"))!.ctimeUs > first!.ctimeUs);
});

Deno.test("memory disk: a fault fails the call it is asked for and changes nothing", async () => {
  const disk = new MemDisk();
  const asked: string[] = [];
  disk.fault = (op, path) => {
    asked.push(`${op} ${path}`);
    return op === "place" || op === "sync" ? "io" : null;
  };
  const staged = disk.stageBytes(bytes("x"), META);
  const error = assertThrows(() => disk.place(staged, p("a"), null), DiskError);
  assertEquals(error.code, "io");
  await assertRejects(() => disk.sync(), DiskError);
  assertEquals(asked, ["stageBytes s0", "place a", "sync "]);
  disk.fault = null;
  done(disk.place(staged, p("a"), null));
});

Deno.test("memory disk: a full one refuses, and heals when room is made", () => {
  const disk = new MemDisk({ capacity: 10 });
  disk.user.write("a", "12345678");
  assertEquals(disk.freeBytes(), 2);
  assertEquals(assertThrows(() => disk.stageBytes(bytes("123"), META), DiskError).code, "no_space");
  const large = disk.stageLarge("ab");
  large.append(bytes("12"));
  assertEquals(assertThrows(() => large.append(bytes("3")), DiskError).code, "no_space");
  assertEquals(large.size, 2);
  assertThrows(() => disk.user.append("a", "x"), DiskError);
  disk.user.remove("a");
  assertEquals(disk.freeBytes(), 8);
  large.append(bytes("3"));
  checkCounts(disk);
});

Deno.test("memory disk: tells of every change in the tree, by whomever", () => {
  const disk = new MemDisk();
  const events: string[] = [];
  disk.onEvent = (path) => events.push(path);
  disk.user.mkdir("d");
  disk.user.write("d/a", "x");
  done(disk.place(disk.stageBytes(bytes("y"), META), p("b"), null));
  done(disk.move(p("b"), p("d/b"), disk.stat(p("b"))!));
  done(disk.remove(p("d/b"), disk.stat(p("d/b"))!));
  disk.privateWrite("x", bytes("1"));
  assertEquals([...new Set(events)], ["d", "d/a", "b", "d/b"]);
});

Deno.test("memory disk: what was synced survives a power cut", async () => {
  const { seen, seed } = await outcomes(async (disk) => {
    done(disk.place(disk.stageBytes(bytes("content"), META), p("a"), null));
    disk.privateWrite("db", bytes("row"));
    await disk.sync();
  }, (disk) => `${textAt(disk, "a")} ${new TextDecoder().decode(disk.privateRead("db")!)}`)();
  assertEquals([...seen], ["content row"], `seed ${seed}`);
});

Deno.test("memory disk: what was not synced may be whole, torn, empty, zeros or gone", async () => {
  const { seen, seed } = await outcomes((disk) => {
    done(disk.place(disk.stageBytes(bytes("content"), META), p("a"), null));
  }, (disk) => JSON.stringify(textAt(disk, "a")))();
  for (const expected of ["null", '""', '"content"', '"con"', '"con\\u0000\\u0000\\u0000\\u0000"']) {
    assert(seen.has(expected), `${expected} never came, seed ${seed}`);
  }
});

Deno.test("memory disk: content that was synced before its name is whole or has no name", async () => {
  const { seen, seed } = await outcomes(async (disk) => {
    disk.user.write("a", "old");
    disk.user.sync();
    const staged = disk.stageBytes(bytes("new"), META);
    await disk.sync();
    done(disk.place(staged, p("a"), disk.stat(p("a"))));
  }, (disk) => textAt(disk, "a") ?? "gone")();
  assertEquals([...seen].sort(), ["new", "old"], `seed ${seed}`);
});

Deno.test("memory disk: a durable file that was moved is at one of the two names", async () => {
  const { seen, seed } = await outcomes(
    (disk) => {
      disk.user.write("f", "x");
      disk.user.sync();
      disk.user.mkdir("new/deep");
      disk.user.rename("f", "new/deep/f");
    },
    (disk) => [...disk.user.tree()].filter(([, { kind }]) => kind === "file").map(([path]) => path).join(),
  )();
  assertEquals([...seen].sort(), ["f", "new/deep/f"], `seed ${seed}`);
});

Deno.test("memory disk: after a power cut what is there is durable", async () => {
  const random = new SeededRandom(seedForRun());
  for (let round = 0; round < 100; round++) {
    const disk = new MemDisk();
    disk.user.mkdir("d");
    disk.user.write("d/a", "12345");
    if (random.chance(0.5)) await disk.sync();
    disk.user.rename("d", "e");
    disk.user.patch("e/a", 1, "xx");
    disk.powerCut(() => random.fraction());
    const tree = disk.user.tree();
    disk.powerCut(() => random.fraction());
    assertEquals(disk.user.tree(), tree, `seed ${random.seed}`);
  }
});

Deno.test("memory disk: a snapshot that is durable does not change with later writes", () => {
  const disk = new MemDisk();
  disk.user.write("a", "12345");
  disk.user.sync();
  disk.user.patch("a", 1, "xx");
  disk.user.append("a", "6789");
  disk.user.truncate("a", 2);
  disk.user.append("a", "zzzzzz");
  // 0.3 chooses "as it was".
  disk.powerCut(() => 0.3);
  assertEquals(textAt(disk, "a"), "12345");
});
