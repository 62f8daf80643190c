import { assertEquals } from "@std/assert";
import { ChunkList, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import { type ContentId, describeEntry } from "../core/entry.ts";
import { parsePath, type SyncPath } from "../core/path.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { MemDisk, type MemDiskOptions } from "../tests/fakes/mem_disk.ts";
import { look, type LookContext, type LookOutcome, type LookRequest } from "./look.ts";
import { Trees } from "./trees.ts";

const ALL: LookRequest = { all: true, paths: new Map() };

function only(paths: Readonly<Record<string, "shallow" | "deep">>): LookRequest {
  return {
    all: false,
    paths: new Map(Object.entries(paths).map(([path, depth]) => [parsePath(path), depth])),
  };
}

/** A folder in memory, looked at; counts what is opened and listed. */
class Folder {
  readonly clock = new ManualClock();
  readonly disk: MemDisk;
  readonly trees = new Trees();
  readonly opened: string[] = [];
  readonly listed: string[] = [];
  readonly found: string[] = [];
  readonly chunks = new Map<SyncPath, Uint8Array>();
  busy = new Set<string>();
  /** Called before each operation on the disk. */
  onOp: (op: string, path: string) => "permission" | null = () => null;

  constructor(options: MemDiskOptions = {}) {
    this.disk = new MemDisk({ clock: () => this.clock.now(), ...options });
    this.disk.fault = (op, path) => {
      if (op === "open") this.opened.push(path);
      if (op === "list") this.listed.push(path);
      return this.onOp(op, path);
    };
  }

  get user() {
    return this.disk.user;
  }

  look(request: LookRequest = ALL, more: Partial<LookContext> = {}): Promise<LookOutcome> {
    this.opened.length = 0;
    this.listed.length = 0;
    this.found.length = 0;
    const context: LookContext = {
      disk: this.disk,
      trees: this.trees,
      clock: this.clock,
      signal: new AbortController().signal,
      isBusy: (path) => this.busy.has(path),
      keptBytesMax: 1_000_000,
      chunks: (path) => this.chunks.has(path) ? new ChunkList(this.chunks.get(path)!) : null,
      onFound: (path) => void this.found.push(path),
      onSlice: () => Promise.resolve(false),
      ...more,
    };
    return look(context, request);
  }

  /** Both sides agree on all that the last look found. */
  agree(): void {
    for (const [path, found] of [...this.trees.local]) {
      this.trees.local.delete(path);
      if (found === null) this.trees.agreeGone(path, 2);
      else {
        this.trees.agree(path, found.entry, 1, found.racy ? null : found.stat, found.chunks);
        if (found.chunks !== null) this.chunks.set(path, found.chunks.bytes);
      }
    }
    this.trees.takePending(() => null);
  }

  async synced(): Promise<this> {
    await this.look();
    this.agree();
    return this;
  }

  /** What differs from the synced tree, as `path: what`. */
  local(): string[] {
    return [...this.trees.local].map(([path, found]) => `${path}: ${describeEntry(found?.entry ?? null)}`)
      .sort();
  }

  problems(): string[] {
    return [...this.trees.problems.values()].map(({ path, reason }) => `${path}: ${reason}`).sort();
  }
}

/** A folder with `a`, `d/b`, `d/e/c` and a link, that is in sync. */
async function sampleFolder(options: MemDiskOptions = {}): Promise<Folder> {
  const folder = new Folder(options);
  folder.user.write("a", "1");
  folder.user.mkdir("d/e");
  folder.user.write("d/b", "22");
  folder.user.write("d/e/c", "333");
  folder.user.symlink("../x", "d/l");
  await folder.clock.advance(10_000);
  return await folder.synced();
}

Deno.test("look: a new folder is found with all it holds", async () => {
  const folder = new Folder();
  folder.user.mkdir("d/empty");
  folder.user.write("d/f", "abc");
  folder.user.symlink("nowhere", "l");
  const { complete, directories, unsteady } = await folder.look();
  assertEquals(folder.local(), ["d/empty: dir", "d/f: file 3 B", "d: dir", "l: link → nowhere"]);
  assertEquals([complete, directories, unsteady.size], [true, 3, 0]);
  assertEquals(folder.found.toSorted(), ["d", "d/empty", "d/f", "l"]);
});

Deno.test("look: an untouched folder is not read", async () => {
  const folder = await sampleFolder();
  await folder.look();
  assertEquals([folder.local(), folder.opened, folder.listed], [[], [], ["", "d", "d/e"]]);
});

Deno.test("look: edits, deletes, new things and other kinds", async () => {
  const folder = await sampleFolder();
  folder.user.write("a", "new text");
  folder.user.removeTree("d/e");
  folder.user.write("d/e", "a file now");
  folder.user.remove("d/l");
  folder.user.mkdir("n");
  folder.user.chmod("d/b", 0o755);
  await folder.look();
  assertEquals(folder.local(), [
    "a: file 8 B",
    "d/b: file 2 B",
    "d/e/c: absent",
    "d/e: file 10 B",
    "d/l: absent",
    "n: dir",
  ]);
  folder.user.remove("n");
  folder.user.symlink("../x", "d/l");
  await folder.look();
  assertEquals(folder.local(), ["a: file 8 B", "d/b: file 2 B", "d/e/c: absent", "d/e: file 10 B"]);
});

Deno.test("look: an edit of equal size with the old time shows in the ctime (M08)", async () => {
  const folder = await sampleFolder();
  const { mtimeUs } = folder.disk.stat(parsePath("d/b"))!;
  folder.user.write("d/b", "zz");
  folder.user.touch("d/b", mtimeUs / 1000);
  await folder.look();
  assertEquals(folder.local(), ["d/b: file 2 B"]);
});

for (const moved of ["file", "dir"] as const) {
  Deno.test(`look: what is written at its new place to a file that moves away as it is read is not found at the old one (${moved})`, async () => {
    // Within one tick the times tell nothing.
    const folder = new Folder({ granularityUs: 20_000 });
    const { user } = folder;
    user.mkdir("shown/d");
    user.write("shown/d/f", "old text");
    user.mkdir("private");
    folder.onOp = (op, path) => {
      if (op !== "read" || path !== "shown/d/f" || !user.exists(path)) return null;
      if (moved === "file") user.rename("shown/d/f", "private/f");
      else user.rename("shown/d", "private/d");
      user.write(moved === "file" ? "private/f" : "private/d/f", "a secret");
      return null;
    };
    const { unsteady } = await folder.look();
    folder.onOp = () => null;
    assertEquals([...unsteady], [moved === "file" ? "shown/d/f" : "shown/d"]);
    assertEquals(folder.local().filter((line) => line.startsWith("shown/d/f")), []);
    await folder.look();
    assertEquals(folder.local().filter((line) => line.includes("/f")), [
      moved === "file" ? "private/f: file 8 B" : "private/d/f: file 8 B",
    ]);
  });
}

Deno.test("look: what is made in a directory after it was moved away is not found at the old place", async () => {
  const folder = new Folder();
  const { user, disk } = folder;
  user.mkdir("shown/d/sub");
  user.mkdir("private");
  const moving = new Proxy(disk, {
    get(object, key) {
      if (key !== "list") return Reflect.get(object, key).bind?.(object) ?? Reflect.get(object, key);
      // The directory is open already, and leads there.
      return (dir: SyncPath | null) => {
        if (dir !== "shown/d/sub") return object.list(dir);
        user.rename("shown/d", "private/d");
        user.mkdir("private/d/sub/secret dir");
        user.symlink("secret target", "private/d/sub/secret link");
        return object.list(parsePath("private/d/sub"));
      };
    },
  });
  const { unsteady } = await folder.look(ALL, { disk: moving });
  assertEquals([...unsteady].includes(parsePath("shown/d/sub")), true);
  assertEquals(folder.local().filter((line) => line.includes("secret")), []);
});

Deno.test("look: a directory that cannot be listed is a problem and protects what it holds", async () => {
  const folder = await sampleFolder();
  folder.onOp = (op, path) => (op === "list" && path === "d") || path.startsWith("d/") ? "permission" : null;
  const { complete } = await folder.look();
  assertEquals([folder.local(), complete], [[], false]);
  assertEquals(folder.problems(), [`d: Cannot list "d": injected (permission)`]);
  folder.onOp = () => null;
  assertEquals((await folder.look()).complete, true);
  assertEquals(folder.problems(), []);
});

Deno.test("look: a root that cannot be listed means nothing", async () => {
  const folder = await sampleFolder();
  folder.onOp = (op, path) => op === "list" && path === "" ? "permission" : null;
  const { complete } = await folder.look();
  assertEquals([folder.local(), complete], [[], false]);
  assertEquals(folder.problems(), [`.: Cannot list "": injected (permission)`]);
});

Deno.test("look: a file that cannot be read is a problem, no delete, and stops nothing", async () => {
  const folder = await sampleFolder();
  folder.user.write("a", "changed");
  folder.user.write("z", "new");
  folder.onOp = (op, path) => op === "open" && path === "a" ? "permission" : null;
  await folder.look();
  assertEquals([folder.local(), folder.problems()], [["z: file 3 B"], [
    `a: Cannot open "a": injected (permission)`,
  ]]);
  folder.onOp = () => null;
  await folder.look();
  assertEquals([folder.local(), folder.problems()], [["a: file 7 B", "z: file 3 B"], []]);
});

Deno.test("look: what cannot be told of is not gone", async () => {
  const folder = await sampleFolder();
  folder.user.write("n", "new");
  await folder.look();
  folder.onOp = (op) => op === "stat" ? "permission" : null;
  await folder.look(only({ a: "shallow", d: "deep", n: "shallow" }));
  assertEquals(folder.local(), ["n: file 3 B"]);
  assertEquals(folder.problems().length, 3);
});

Deno.test("look: a name that is not UTF-8 is a problem, also if it is shown like one that is and all right", async () => {
  const folder = new Folder();
  folder.disk.list = () => [
    { name: "bad-\uFFFD", problem: "its name is not UTF-8" },
    ...MemDisk.prototype.list.call(folder.disk, null),
  ];
  folder.user.write("bad-\uFFFD", "genuine");
  for (let n = 0; n < 2; n++) {
    await folder.look();
    assertEquals(folder.problems(), [`bad-\uFFFD: Cannot sync "bad-\uFFFD": its name is not UTF-8`]);
    folder.agree();
    await folder.look(only({ "bad-\uFFFD": "shallow" }));
    assertEquals(folder.problems().length, 1);
  }
  Reflect.deleteProperty(folder.disk, "list");
  await folder.look();
  assertEquals(folder.problems(), []);
});

Deno.test("look: FIFOs, bad names and reserved names are problems and never deletes", async () => {
  const folder = await sampleFolder();
  folder.user.remove("a");
  folder.user.fifo("a");
  folder.user.badName("d", "bad-");
  folder.user.mkdir("d/.fsync");
  folder.user.write("d/x\ufffd", "genuine");
  const { complete } = await folder.look();
  assertEquals(folder.local(), ["d/x\ufffd: file 7 B"]);
  assertEquals(complete, true);
  assertEquals(folder.problems(), [
    `a: Cannot sync "a": it is neither a file nor a directory nor a link`,
    `d/.fsync: Cannot sync "d/.fsync": the name ".fsync" is reserved`,
    `d/bad-\ufffd: Cannot sync "d/bad-\ufffd": its name is not UTF-8`,
  ]);
});

Deno.test("look: a link whose text cannot travel is a problem", async () => {
  const folder = new Folder();
  folder.user.symlink("t".repeat(4095), "longest");
  folder.user.symlink("t".repeat(4096), "longer");
  await folder.look();
  assertEquals([...folder.trees.local.keys()], [parsePath("longest")]);
  assertEquals(folder.problems(), [`longer: Cannot sync "longer": the link is longer than 4095 bytes`]);
});

Deno.test("look: a file that changed just before is read again until it has come to rest", async () => {
  const folder = await sampleFolder({ granularityUs: 2_000_000 });
  folder.user.write("a", "x");
  await folder.look();
  assertEquals([folder.opened, folder.trees.local.get(parsePath("a"))?.racy], [["a"], true]);
  folder.agree();
  // Within the same tick, of the same size: nothing in the stat tells.
  folder.user.write("a", "y");
  await folder.look();
  assertEquals([folder.opened, folder.local()], [["a"], ["a: file 1 B"]]);
  folder.agree();
  await folder.clock.advance(10_000);
  await folder.look();
  assertEquals([folder.opened, folder.local()], [["a"], []]);
  folder.agree();
  await folder.look();
  assertEquals(folder.opened, []);
});

Deno.test("look: files in a directory that was moved are not read again", async () => {
  const folder = new Folder();
  folder.user.mkdir("old/deep");
  for (let i = 0; i < 20; i++) folder.user.write(`old/deep/f${i}`, `content ${i}`);
  folder.user.write("old/large", new Uint8Array(SINGLE_CHUNK_MAX + 1));
  await folder.clock.advance(10_000);
  await folder.synced();
  folder.user.rename("old", "new");
  await folder.look();
  assertEquals(folder.opened, []);
  assertEquals(folder.local().filter((line) => line.startsWith("new")).length, 23);
  assertEquals(folder.local().filter((line) => line.endsWith("absent")).length, 23);
  const large = folder.trees.local.get(parsePath("new/large"));
  assertEquals(large?.chunks?.totalSize(), SINGLE_CHUNK_MAX + 1);
});

Deno.test("look: a file that was edited after its directory was moved is read", async () => {
  const folder = await sampleFolder();
  folder.user.rename("d", "n");
  folder.user.write("n/b", "zz");
  await folder.look();
  assertEquals(folder.opened, ["n/b"]);
});

for (
  const [how, change] of [
    ["grows", (folder: Folder) => folder.user.append("a", "more")],
    ["shrinks", (folder: Folder) => folder.user.truncate("a", 1)],
    ["is overwritten", (folder: Folder) => folder.user.patch("a", 0, "XXX")],
  ] as const
) {
  Deno.test(`look: a file that ${how} while it is read is unsteady, not a version`, async () => {
    const folder = new Folder();
    folder.user.write("a", "123");
    folder.user.write("b", "other");
    let reads = 0;
    folder.onOp = (op) => {
      if (op === "read" && ++reads === 2) change(folder);
      return null;
    };
    const { unsteady } = await folder.look();
    assertEquals([[...unsteady], folder.local()], [[parsePath("a")], ["b: file 5 B"]]);
    await folder.look();
    assertEquals(folder.local().length, 2);
  });
}

Deno.test("look: what vanishes between the listing and the reading is unsteady", async () => {
  const folder = new Folder();
  folder.user.write("a", "123");
  folder.onOp = (op) => {
    if (op === "open") folder.user.remove("a");
    return null;
  };
  const { unsteady } = await folder.look();
  assertEquals([[...unsteady], folder.local(), folder.problems()], [[parsePath("a")], [], []]);
  folder.onOp = () => null;
  assertEquals([(await folder.look()).unsteady.size, folder.local()], [0, []]);
});

Deno.test("look: a large file comes with its chunks, a small one with its bytes while there is room", async () => {
  const folder = new Folder();
  folder.user.write("large", new Uint8Array(SINGLE_CHUNK_MAX + 1));
  folder.user.write("one", "1234");
  folder.user.write("two", "5678");
  await folder.look(ALL, { keptBytesMax: 5 });
  const at = (path: string) => folder.trees.local.get(parsePath(path))!;
  assertEquals(at("large").chunks?.totalSize(), SINGLE_CHUNK_MAX + 1);
  assertEquals([at("large").bytes, at("one").bytes?.length, at("two").bytes], [null, 4, null]);
});

Deno.test("look: what is being transferred is left alone", async () => {
  const folder = await sampleFolder();
  folder.busy = new Set(["a", "d/b"]);
  folder.user.write("a", "changed");
  folder.user.remove("d/b");
  await folder.look();
  assertEquals(folder.local(), []);
});

Deno.test("look: a hint covers its path alone, a deep one all below", async () => {
  const folder = await sampleFolder();
  folder.user.write("a", "changed");
  folder.user.write("d/b", "changed");
  folder.user.write("d/e/c", "changed");
  await folder.look(only({ a: "shallow", d: "shallow" }));
  assertEquals(folder.local(), ["a: file 7 B"]);
  await folder.look(only({ d: "deep" }));
  assertEquals(folder.local(), ["a: file 7 B", "d/b: file 7 B", "d/e/c: file 7 B"]);
});

Deno.test("look: a hint at a deleted directory finds that all in it is gone", async () => {
  const folder = await sampleFolder();
  folder.user.removeTree("d");
  const { complete } = await folder.look(only({ d: "shallow" }));
  assertEquals(folder.local(), ["d/b: absent", "d/e/c: absent", "d/e: absent", "d/l: absent", "d: absent"]);
  assertEquals(complete, false);
});

Deno.test("look: a hint at a new directory lists it, and a hint below one meets those above", async () => {
  const folder = new Folder();
  folder.user.mkdir("n/m");
  folder.user.write("n/m/f", "1");
  await folder.look(only({ n: "shallow" }));
  assertEquals(folder.local(), ["n/m/f: file 1 B", "n/m: dir", "n: dir"]);
  const other = new Folder();
  other.user.mkdir("n/m");
  other.user.write("n/m/f", "1");
  await other.look(only({ "n/m/f": "shallow" }));
  assertEquals(other.local(), ["n/m/f: file 1 B", "n/m: dir", "n: dir"]);
});

Deno.test("look: behind a link there is nothing of ours", async () => {
  const folder = await sampleFolder();
  folder.user.rename("d", "real");
  folder.user.symlink("real", "d");
  await folder.look();
  assertEquals(folder.local().filter((line) => line.startsWith("d")), [
    "d/b: absent",
    "d/e/c: absent",
    "d/e: absent",
    "d/l: absent",
    "d: link → real",
  ]);
  await folder.look(only({ "d/b": "shallow" }));
  assertEquals(folder.trees.local.get(parsePath("d/b")), null);
});

Deno.test("look: one that is stopped takes nothing for gone", async () => {
  const folder = await sampleFolder();
  folder.user.remove("a");
  const stop = new AbortController();
  stop.abort();
  const { complete } = await folder.look(ALL, { signal: stop.signal });
  assertEquals([folder.local(), complete], [[], false]);
});

Deno.test("look: much work is done in slices of eight milliseconds", async () => {
  const folder = new Folder();
  for (let i = 0; i < 1000; i++) folder.user.write(`f${i}`, "x");
  for (let i = 0; i < 50; i++) folder.user.mkdir(`d${i}`);
  let now = 0;
  folder.onOp = (op) => {
    if (op === "list") now += 4;
    return null;
  };
  const clock = {
    now: () => folder.clock.now(),
    monotonic: () => now,
    sleep: () => Promise.resolve(),
    yield: () => Promise.resolve(),
  };
  let slices = 0;
  await folder.look(ALL, { clock, onSlice: () => Promise.resolve(++slices > 0) });
  assertEquals([folder.trees.local.size, slices], [1050, 25]);
});

/** A shared folder, as a member's watcher with the usual umask finds it. */
async function sharedFolder(): Promise<Folder> {
  const folder = await sampleFolder({ groupShared: true });
  folder.user.chmod("a", 0o664);
  folder.user.chmod("d/b", 0o660);
  await folder.clock.advance(10_000);
  return folder;
}

function modesOf(folder: Folder): Record<string, string> {
  const modes: Record<string, string> = {};
  for (const [path, found] of folder.trees.local) {
    if (found !== null && found.entry.kind !== "link") modes[path] = found.entry.mode.toString(8);
  }
  return modes;
}

Deno.test("look: in a shared folder the group's bits are no change, and no part of what is new", async () => {
  const folder = await sharedFolder();
  await folder.look();
  assertEquals(modesOf(folder), { "d/b": "640" });
  folder.agree();
  folder.user.chmod("d", 0o2775);
  folder.user.chmod("a", 0o644);
  folder.user.write("new", "x");
  folder.user.chmod("new", 0o660);
  await folder.look();
  assertEquals(modesOf(folder), { new: "600" });
});

Deno.test("look: in a shared folder a chmod travels, with the group's bits that were agreed on", async () => {
  const folder = await sharedFolder();
  await folder.look();
  folder.agree();
  folder.user.chmod("a", 0o775);
  folder.user.chmod("d/b", 0o664);
  folder.user.chmod("d", 0o2770);
  await folder.look();
  assertEquals(modesOf(folder), { a: "755", d: "750", "d/b": "644" });
});

Deno.test("look: in a shared folder what was moved keeps the bits that were agreed on", async () => {
  const folder = await sharedFolder();
  await folder.look();
  folder.agree();
  folder.user.chmod("d", 0o2770);
  await folder.look();
  folder.agree();
  folder.user.rename("d/b", "b");
  folder.user.rename("d", "e");
  await folder.look();
  assertEquals(modesOf(folder), { b: "640", e: "750", "e/e": "755", "e/e/c": "644" });
});

Deno.test("look: in a shared folder whose state is lost the server's bits are no change", async () => {
  const folder = new Folder({ groupShared: true });
  folder.user.write("f", "x");
  folder.user.chmod("f", 0o664);
  const entry = { kind: "file" as const, size: 1, mtime: 0, mode: 0o664, content: "c" as ContentId };
  const author = { user: "", device: "" };
  folder.trees.noteNotice({ kind: "set", path: parsePath("f"), revision: 1, entry, from: null, author });
  await folder.look();
  assertEquals(modesOf(folder), { f: "664" });
});
