/** The real thing: real events of real directories, and a reader that only looks where it is told. */
import { assert, assertEquals } from "@std/assert";
import type { SyncPath } from "../core/path.ts";
import { SeededRandom, seedForRun } from "../tests/fakes/seeded_random.ts";
import { systemClock } from "../system/clock.ts";
import type { Dirty } from "./dirty.ts";
import { startWatcher, type Watcher } from "./watcher.ts";

/** Far beyond what anything here takes; a test that gets there has failed. */
const LIMIT_MS = 20_000;

/** A folder that is watched, and what a reader knows of it who looks where it is told. */
class Folder implements AsyncDisposable {
  readonly parent = Deno.makeTempDirSync();
  readonly root = `${this.parent}/root`;
  readonly watcher: Watcher;
  /** Files the reader knows, with their contents; links with `->` and their target. */
  readonly known = new Map<string, string>();
  /** How often each path was to be looked at. */
  readonly looks = new Map<string, number>();
  fullLooks = 0;
  #changed = Promise.withResolvers<void>();

  constructor(prepare: (root: string) => void) {
    Deno.mkdirSync(this.root);
    prepare(this.root);
    this.watcher = startWatcher(this.root, {
      clock: systemClock,
      network: false,
      onDirty: (dirty) => this.#look(dirty),
    });
  }

  /** Waits until the first look is over. */
  static async start(prepare: (root: string) => void = () => {}): Promise<Folder> {
    const folder = new Folder(prepare);
    await folder.until(() => folder.fullLooks === 1);
    return folder;
  }

  #look(dirty: Dirty): void {
    if (dirty.all) {
      this.fullLooks++;
      this.known.clear();
      this.#readAll("");
    }
    for (const [path, depth] of dirty.paths) {
      this.looks.set(path, (this.looks.get(path) ?? 0) + 1);
      this.#read(path, depth === "deep");
    }
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #read(path: SyncPath, deep: boolean): void {
    for (const known of this.known.keys()) {
      if (known.startsWith(`${path}/`) && (deep || !isDirectory(this.at(path)))) this.known.delete(known);
    }
    this.known.delete(path);
    const stat = lstat(this.at(path));
    if (stat === null) return;
    if (stat.isFile) this.known.set(path, Deno.readTextFileSync(this.at(path)));
    if (stat.isSymlink) this.known.set(path, `->${Deno.readLinkSync(this.at(path))}`);
    if (stat.isDirectory && deep) this.#readAll(`${path}/`);
  }

  #readAll(prefix: string): void {
    let names: string[];
    try {
      names = [...Deno.readDirSync(this.at(prefix))].map(({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    for (const name of names) if (name !== ".fsync") this.#read(`${prefix}${name}` as SyncPath, true);
  }

  at(path: string): string {
    return `${this.root}/${path}`;
  }

  write(path: string, text: string): void {
    Deno.writeTextFileSync(this.at(path), text);
  }

  /** Waits, look by look, until `proven` holds. */
  async until(proven: () => boolean, context = ""): Promise<void> {
    const given = new AbortController();
    const late = systemClock.sleep(LIMIT_MS, given.signal).then(() => "late");
    while (!proven()) {
      const outcome = await Promise.race([this.#changed.promise, late]);
      assert(
        outcome !== "late",
        `not seen in time; ${context}; known: ${this.known.size}, full looks: ${this.fullLooks}`,
      );
    }
    given.abort();
  }

  /** Waits until the reader knows exactly what is on disk. */
  async untilTrue(context = ""): Promise<void> {
    await this.until(() => sameMap(this.known, onDisk(this.root)), context);
  }

  /** Everything that happened before this is over: events keep their order. */
  async flush(): Promise<void> {
    const mark = `mark${++marks}`;
    this.write(mark, "");
    await this.until(() => this.known.has(mark));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watcher.close();
    Deno.removeSync(this.parent, { recursive: true });
  }
}

let marks = 0;

function lstat(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}

function isDirectory(path: string): boolean {
  return lstat(path)?.isDirectory ?? false;
}

function onDisk(root: string, prefix = "", found = new Map<string, string>()): Map<string, string> {
  for (const { name, isFile, isSymlink, isDirectory } of Deno.readDirSync(`${root}/${prefix}`)) {
    const path = `${prefix}${name}`;
    if (isFile) found.set(path, Deno.readTextFileSync(`${root}/${path}`));
    if (isSymlink) found.set(path, `->${Deno.readLinkSync(`${root}/${path}`)}`);
    if (isDirectory && path !== ".fsync") onDisk(root, `${path}/`, found);
  }
  return found;
}

function sameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && a.entries().every(([key, value]) => b.get(key) === value);
}

async function shell(cwd: string, script: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("bash", { args: ["-ec", script], cwd }).output();
  assert(success, new TextDecoder().decode(stderr));
}

function test(name: string, run: (folder: Folder) => Promise<void>, prepare?: (root: string) => void): void {
  Deno.test(name, async () => {
    await using folder = await Folder.start(prepare);
    await run(folder);
  });
}

test("a single write is one look", async (folder) => {
  for (let i = 0; i < 10; i++) {
    folder.write(`f${i}`, "hello");
    await folder.untilTrue();
  }
  await folder.flush();
  const looks = Array.from({ length: 10 }, (_, i) => folder.looks.get(`f${i}`)!);
  // A machine that stands still in the middle of a write may make two of one.
  assert(looks.filter((count) => count === 1).length >= 8, `looks: ${looks}`);
  assertEquals(folder.fullLooks, 1);
});

test("reading is no event", async (folder) => {
  Deno.readTextFileSync(folder.at("f"));
  [...Deno.readDirSync(folder.root)];
  await folder.flush();
  assertEquals(folder.looks.get("f"), undefined);
}, (root) => Deno.writeTextFileSync(`${root}/f`, "old"));

test("a hundred atomic saves end with the last content and without a full look", async (folder) => {
  for (let i = 0; i < 100; i++) {
    folder.write("f.tmp", `version ${i}`);
    Deno.renameSync(folder.at("f.tmp"), folder.at("f"));
    await systemClock.yield();
  }
  await folder.untilTrue();
  assertEquals([folder.known.get("f"), folder.fullLooks], ["version 99", 1]);
});

test("files in directories that are made and filled at once are all seen", async (folder) => {
  await shell(folder.root, `for i in {1..200}; do mkdir -p $i/a/b/c; echo $i > $i/a/b/c/f; done`);
  await folder.untilTrue();
  assertEquals([folder.known.size, folder.fullLooks], [200, 1]);
});

test("a directory of a hundred files moved in from outside is seen whole", async (folder) => {
  await shell(
    folder.parent,
    `mkdir -p out/sub; for i in {1..100}; do echo $i > out/sub/$i; done; mv out root/in`,
  );
  await folder.untilTrue();
  folder.write("in/sub/late", "x");
  await folder.untilTrue();
  assertEquals([folder.known.size, folder.fullLooks], [101, 1]);
});

test("a burst of five thousand files is seen whole", async (folder) => {
  await shell(folder.root, `mkdir d; for i in {1..5000}; do echo $i > d/$i; done`);
  await folder.until(() => folder.known.size === 5_000);
  await folder.untilTrue();
});

test("a removed directory is gone with all below", async (folder) => {
  await shell(folder.root, "rm -rf d");
  await folder.untilTrue();
  assertEquals([folder.known.size, folder.fullLooks], [0, 1]);
}, (root) => {
  for (const dir of ["d/a/b", "d/c"]) Deno.mkdirSync(`${root}/${dir}`, { recursive: true });
  for (const file of ["d/1", "d/a/2", "d/a/b/3", "d/c/4"]) Deno.writeTextFileSync(`${root}/${file}`, "x");
});

test("a renamed directory, and what is then written into it, is seen under its new name", async (folder) => {
  Deno.renameSync(folder.at("d"), folder.at("e"));
  await folder.untilTrue();
  folder.write("e/a/new", "x");
  await folder.untilTrue();
  assertEquals([[...folder.known.keys()].sort(), folder.fullLooks], [["e/a/f", "e/a/new"], 1]);
}, (root) => {
  Deno.mkdirSync(`${root}/d/a`, { recursive: true });
  Deno.writeTextFileSync(`${root}/d/a/f`, "x");
});

test("a change of mode is one look", async (folder) => {
  Deno.chmodSync(folder.at("f"), 0o600);
  await folder.until(() => folder.looks.has("f"));
  await folder.flush();
  assertEquals([folder.looks.get("f"), folder.fullLooks], [1, 1]);
}, (root) => Deno.writeTextFileSync(`${root}/f`, "x"));

test("a name that is not UTF-8 does not stop the others", async (folder) => {
  await shell(folder.root, `echo x > $'d/bad\\xff.txt'; echo x > d/good`);
  await folder.until(() => folder.known.has("d/good"));
  folder.write("d/later", "x");
  await folder.until(() => folder.known.has("d/later"));
}, (root) => Deno.mkdirSync(`${root}/d`));

test("our own folder is ignored", async (folder) => {
  Deno.writeTextFileSync(folder.at(".fsync/stage/x"), "x");
  Deno.renameSync(folder.at(".fsync/stage/x"), folder.at("placed"));
  await folder.untilTrue();
  assertEquals([[...folder.looks.keys()], folder.fullLooks], [["placed"], 1]);
}, (root) => Deno.mkdirSync(`${root}/.fsync/stage`, { recursive: true }));

test("health counts what the kernel watches", async (folder) => {
  const { mode, watched, directories, reason } = await folder.watcher.health();
  assertEquals({ mode, watched, directories, reason }, {
    mode: "events",
    watched: 44,
    directories: 44,
    reason: null,
  });
  Deno.removeSync(folder.at("3"), { recursive: true });
  Deno.mkdirSync(folder.at("new"));
  folder.write("new/f", "x");
  await folder.untilTrue();
  const after = await folder.watcher.health();
  assertEquals([after.watched, after.directories], [44, 44]);
}, (root) => {
  Deno.mkdirSync(`${root}/.fsync`);
  for (let i = 0; i < 42; i++) Deno.mkdirSync(`${root}/${i}`);
  Deno.mkdirSync(`${root}/1/sub`);
});

test("a root that is renamed away is told", async (folder) => {
  Deno.renameSync(folder.root, `${folder.parent}/away`);
  await folder.until(() => folder.fullLooks === 2);
  const { root, mode } = await folder.watcher.health();
  assertEquals({ root, mode }, { root: "missing", mode: "polling" });
});

test("a root that is removed and made anew is watched again", async (folder) => {
  Deno.removeSync(folder.root);
  Deno.mkdirSync(folder.root);
  await folder.until(() => folder.fullLooks >= 2);
  await folder.until(() => folder.known.size === 0);
  const { watched, directories } = await folder.watcher.health();
  assertEquals([watched, directories], [1, 1]);
  folder.write("f", "x");
  await folder.untilTrue();
});

test("a root behind a link is watched like any other", async (folder) => {
  Deno.symlinkSync(folder.root, `${folder.parent}/link`);
  const started = Promise.withResolvers<void>();
  const seen = Promise.withResolvers<void>();
  const watcher = startWatcher(`${folder.parent}/link`, {
    clock: systemClock,
    network: false,
    onDirty: (dirty) => {
      if (dirty.all) started.resolve();
      if (dirty.paths.has("f" as SyncPath)) seen.resolve();
    },
  });
  await started.promise;
  folder.write("f", "x");
  await seen.promise;
  await watcher.close();
});

test("a named pipe does not stop the events", async (folder) => {
  await shell(folder.root, "mkfifo pipe; echo x > after");
  await folder.untilTrue();
  assertEquals([folder.known.get("after"), folder.fullLooks], ["x\n", 1]);
});

test("links are seen wherever they lead", async (folder) => {
  Deno.symlinkSync("/", folder.at("out"));
  Deno.symlinkSync("nothing", folder.at("dangling"));
  await folder.untilTrue();
  Deno.symlinkSync("elsewhere", folder.at("tmp"));
  Deno.renameSync(folder.at("tmp"), folder.at("out"));
  await folder.untilTrue();
  assertEquals([folder.known.get("out"), folder.fullLooks], ["->elsewhere", 1]);
});

test("a directory that left the folder is not watched any more, also after many moves", async (folder) => {
  for (let i = 0; i < 50; i++) {
    await shell(folder.parent, `mkdir -p root/d${i}/a/b; mv root/d${i} out${i}; mv out${i}/a root/back${i}`);
  }
  await folder.flush();
  const { watched, directories } = await folder.watcher.health();
  assertEquals([watched, directories], [101, 101]);
  await shell(folder.parent, "for i in {0..49}; do echo $i > root/back$i/b/f; done");
  await folder.untilTrue();
  assertEquals(folder.fullLooks, 1);
});

test("directories swapped and nested into each other keep their paths", async (folder) => {
  await shell(
    folder.root,
    `mkdir -p x/1 y/2; for i in {1..50}; do
      mv x t; mv y x; mv t y
      mkdir -p x/deep; mv x/deep y/deep; rm -rf y/deep
    done; mv x y/x; echo 1 > y/x/1/f; echo 2 > y/2/f`,
  );
  await folder.untilTrue();
  await shell(folder.root, "echo 3 > y/x/1/f; echo 4 > y/2/f");
  await folder.untilTrue();
  assertEquals([folder.known.get("y/x/1/f"), folder.known.get("y/2/f"), folder.fullLooks], ["3\n", "4\n", 1]);
});

test("when the kernel's queue overflows everything is looked at", async (folder) => {
  const queued = Number(Deno.readTextFileSync("/proc/sys/fs/inotify/max_queued_events"));
  // Without a turn of the event loop nobody reads the queue.
  for (let i = 0; i < queued; i++) {
    folder.write(`f${i % 10}`, "x");
    if (i % 1_000 === 0) Deno.mkdirSync(folder.at(`d${i}`));
  }
  folder.write("d0/last", "x");
  await folder.until(() => folder.fullLooks === 2);
  await folder.untilTrue();
  const health = await folder.watcher.health();
  assert(health.lastOverflow !== null);
  assertEquals(health.watched, health.directories);
});

test("whatever happens to files and directories, a reader who looks where told knows it all", async (folder) => {
  const seed = seedForRun();
  const random = new SeededRandom(seed);
  const chaos = new Chaos(folder, random);
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 40; i++) {
      chaos.step();
      if (random.chance(1 / 8)) await systemClock.yield();
    }
    await folder.untilTrue(`seed ${seed}, round ${round}`);
  }
  assertEquals(folder.fullLooks, 1, `seed ${seed}`);
  const { watched, directories } = await folder.watcher.health();
  assertEquals(watched, directories, `seed ${seed}`);
});

test("the same, while another process does it", async (folder) => {
  const seed = Number(seedForRun() % 65_536n);
  const script = `set +e; RANDOM=${seed}; names=(a b c)
    place() { at=root; for ((n = RANDOM % 4; n >= 0; n--)); do at=$at/\${names[RANDOM % 3]}; done; }
    for i in {1..500}; do
      place; from=$at; place
      case $((RANDOM % 6)) in
        0|1) mkdir -p $at;;
        2) [ -d $at ] && echo $i > $at/f;;
        3) mv -T $from $at;;
        4) mv -T $at out$((RANDOM % 3)); mv -T out$((RANDOM % 3)) $from;;
        5) [ $((RANDOM % 4)) = 0 ] && rm -rf $at;;
      esac
    done 2>/dev/null; true`;
  await shell(folder.parent, script);
  await folder.untilTrue(`seed ${seed}`);
  const { watched, directories } = await folder.watcher.health();
  assertEquals([watched, folder.fullLooks], [directories, 1], `seed ${seed}`);
});

/** Random operations on few names, so that they meet. */
class Chaos {
  readonly #folder: Folder;
  readonly #random: SeededRandom;
  #writes = 0;

  constructor(folder: Folder, random: SeededRandom) {
    this.#folder = folder;
    this.#random = random;
    Deno.mkdirSync(`${folder.parent}/out`);
  }

  step(): void {
    try {
      this.#step();
    } catch {
      // Half of what chance asks for is not possible, and does nothing.
    }
  }

  #step(): void {
    const folder = this.#folder;
    switch (this.#random.int(9)) {
      case 0:
      case 1:
        return Deno.mkdirSync(folder.at(this.#place()), { recursive: true });
      case 2:
      case 3:
        return folder.write(this.#place(), `write ${this.#writes++}`);
      case 4:
      case 5:
        return Deno.renameSync(folder.at(this.#place()), folder.at(this.#place()));
      case 6:
        return Deno.renameSync(folder.at(this.#place()), `${folder.parent}/out/${this.#random.int(4)}`);
      case 7:
        return Deno.renameSync(`${folder.parent}/out/${this.#random.int(4)}`, folder.at(this.#place()));
      default:
        return Deno.removeSync(folder.at(this.#place()), { recursive: true });
    }
  }

  #place(): string {
    const depth = 1 + this.#random.int(4);
    return Array.from({ length: depth }, () => this.#random.pick(["a", "b", "c"])).join("/");
  }
}

Deno.test("events: directories to be skipped cost no watch, until they are not skipped any more", async () => {
  const root = Deno.makeTempDirSync();
  for (const dir of ["a/b", "out/x/y", "out/z"]) Deno.mkdirSync(`${root}/${dir}`, { recursive: true });
  let skipped = (path: string) => path === "out" || path.startsWith("new");
  const seen: string[] = [];
  let wake = Promise.withResolvers<void>();
  const watcher = startWatcher(root, {
    clock: systemClock,
    network: false,
    skip: (path) => skipped(path),
    onDirty: (dirty) => {
      seen.push(...dirty.all ? ["all"] : dirty.paths.keys());
      wake.resolve();
      wake = Promise.withResolvers();
    },
  });
  const until = async (holds: () => boolean) => {
    while (!holds()) await wake.promise;
  };
  try {
    await until(() => seen.includes("all"));
    const before = await watcher.health();
    assertEquals([before.watched, before.directories, before.mode], [3, 3, "events"]);

    // Made later, skipped all the same; and its neighbour is watched.
    Deno.mkdirSync(`${root}/new/x`, { recursive: true });
    Deno.mkdirSync(`${root}/seen`);
    await until(() => seen.includes("seen"));
    const after = await watcher.health();
    assertEquals([after.watched, after.directories], [4, 4]);

    seen.length = 0;
    skipped = () => false;
    watcher.skipChanged();
    await until(() => seen.includes("all"));
    Deno.writeTextFileSync(`${root}/out/x/y/f`, "f");
    await until(() => seen.includes("out/x/y/f"));
    const all = await watcher.health();
    assertEquals([all.watched, all.directories], [10, 10]);

    seen.length = 0;
    skipped = (path) => path === "out";
    watcher.skipChanged();
    await until(() => seen.includes("all"));
    const less = await watcher.health();
    assertEquals([less.watched, less.directories], [6, 6]);
  } finally {
    await watcher.close();
    Deno.removeSync(root, { recursive: true });
  }
});
