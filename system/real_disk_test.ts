import { assert, assertEquals, assertThrows } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { diskSuite } from "../tests/conformance/disk_suite.ts";
import { RealUser } from "../tests/fakes/user_side.ts";
import { DenoSys } from "./deno_sys.ts";
import { type Checked, type Disk, DiskError, sameStat } from "./disk.ts";
import { EACCES, EINVAL, ENOSYS, EPERM } from "./errno.ts";
import { isNetworkFileSystem } from "./file_system.ts";
import { openLibc } from "./libc.ts";
import { openByParts } from "./open_by_parts.ts";
import { openDisk } from "./real_disk.ts";
import { RENAME_EXCHANGE, type Sys } from "./sys.ts";

const libc = openLibc()!;

/** `base` with some calls replaced. */
function instead(base: Sys, calls: Partial<Sys>): Sys {
  return new Proxy(base, {
    get(target, key) {
      const call = Reflect.get(calls, key) ?? Reflect.get(target, key);
      return typeof call === "function" ? call.bind(key in calls ? calls : target) : call;
    },
  });
}

/** An old kernel on a file system without rename flags, hard links and in-kernel copies. */
const bare: Sys = instead(libc, {
  openBeneath: (fd, path, flags) => openByParts(libc, fd, path, flags),
  rename: (a, from, b, to, flags) => flags === 0 ? libc.rename(a, from, b, to, 0) : -EINVAL,
  copyRange: () => -ENOSYS,
  syncfs: null,
});

const systems: [string, Sys][] = [["libc", libc], ["node:fs", new DenoSys()], ["bare", bare]];
for (const [name, sys] of systems) diskSuite(`real disk (${name})`, () => realWorld(sys));

function realWorld(sys: Sys) {
  const root = Deno.makeTempDirSync();
  const disk = openDisk(root, { sys });
  const privatePath = (name: string) => `${root}/.fsync/${name}`;
  return {
    root,
    disk,
    user: new RealUser(root),
    reopen: () => openDisk(root, { sys }),
    staged: () => names(`${root}/.fsync/stage`),
    readPrivate: (name: string) => readOrNull(privatePath(name)),
    writePrivate: (name: string, bytes: Uint8Array) => {
      Deno.mkdirSync(`${root}/.fsync`, { recursive: true });
      Deno.writeFileSync(privatePath(name), bytes);
    },
    remove: () => Deno.removeSync(root, { recursive: true }),
  };
}

function names(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function readOrNull(path: string): Uint8Array | null {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const p = parsePath;
const META = { mode: 0o644, mtime: 1_600_000_000_000 };
const encoder = new TextEncoder();

type World = ReturnType<typeof realWorld>;

function realTest(title: string, sys: Sys, body: (world: World) => void | Promise<void>): void {
  Deno.test(`real disk: ${title}`, async () => {
    const world = realWorld(sys);
    try {
      await body(world);
    } finally {
      world.disk.close();
      world.remove();
    }
  });
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function stage(disk: Disk, text: string) {
  return disk.stageBytes(encoder.encode(text), META);
}

function done<T>(result: Checked<T>): T {
  assert(result.done);
  return result.value;
}

function code(action: () => unknown): string {
  return assertThrows(action, DiskError).code;
}

/** libc with `act` run once just before the first rename that `when` picks. */
function beforeRename(when: (flags: number) => boolean, act: () => void): Sys {
  let waiting = true;
  return instead(libc, {
    rename(a, from, b, to, flags) {
      if (waiting && when(flags)) {
        waiting = false;
        act();
      }
      return libc.rename(a, from, b, to, flags);
    },
  });
}

Deno.test("real disk: an edit between looking and replacing is given back", () => {
  const root = Deno.makeTempDirSync();
  const user = new RealUser(root);
  const sys = beforeRename((flags) => flags === RENAME_EXCHANGE, () => user.append("a", " edited"));
  const disk = openDisk(root, { sys });
  user.write("a", "seen");
  const staged = stage(disk, "mine");
  const result = disk.place(staged, p("a"), disk.stat(p("a")));
  assert(!result.done);
  assertEquals(result.found!.size, 11);
  assertEquals(new TextDecoder().decode(user.read("a")), "seen edited");
  done(disk.place(staged, p("a"), disk.stat(p("a"))));
  assertEquals(names(`${root}/.fsync/stage`), []);
  disk.close();
  Deno.removeSync(root, { recursive: true });
});

Deno.test("real disk: a file saved into a directory between looking and replacing it survives", () => {
  const root = Deno.makeTempDirSync();
  const user = new RealUser(root);
  const sys = beforeRename((flags) => flags === RENAME_EXCHANGE, () => user.write("d/new", "new"));
  const disk = openDisk(root, { sys });
  user.mkdir("d");
  assertEquals(code(() => disk.place(stage(disk, "mine"), p("d"), disk.stat(p("d")))), "not_empty");
  assertEquals(new TextDecoder().decode(user.read("d/new")), "new");
  disk.close();
  Deno.removeSync(root, { recursive: true });
});

Deno.test("real disk: an edit between looking and removing is given back", () => {
  const root = Deno.makeTempDirSync();
  const user = new RealUser(root);
  const sys = beforeRename((flags) => flags === 0, () => user.append("a", " edited"));
  const disk = openDisk(root, { sys });
  user.write("a", "seen");
  const result = disk.remove(p("a"), disk.stat(p("a"))!);
  assert(!result.done);
  assertEquals(new TextDecoder().decode(user.read("a")), "seen edited");
  disk.close();
  Deno.removeSync(root, { recursive: true });
});

Deno.test("real disk: what cannot be given back under its name is kept beside it", () => {
  const root = Deno.makeTempDirSync();
  const user = new RealUser(root);
  const name = "é".repeat(127);
  let renames = 0;
  const sys = instead(libc, {
    rename(a, from, b, to, flags) {
      // An edit before the file is taken aside, and a new file before it is given back.
      renames++;
      if (renames === 1) user.append(name, " edited");
      if (renames === 2) user.write(name, "newer");
      return libc.rename(a, from, b, to, flags);
    },
  });
  const disk = openDisk(root, { sys });
  user.write(name, "seen");
  assert(!disk.remove(p(name), disk.stat(p(name))!).done);
  const contents = names(root).filter((each) => each !== ".fsync")
    .map((each) => new TextDecoder().decode(user.read(each)));
  assertEquals(contents.sort(), ["newer", "seen edited"]);
  disk.close();
  Deno.removeSync(root, { recursive: true });
});

realTest("the stage and private area are for the user alone", libc, ({ root, disk }) => {
  disk.discard(stage(disk, "x"));
  assertEquals(Deno.statSync(`${root}/.fsync`).mode! & 0o7777, 0o700);
  assertEquals(Deno.statSync(`${root}/.fsync/stage`).mode! & 0o7777, 0o700);
});

realTest("a removed stage comes back, a removed private area does not", libc, ({ root, disk }) => {
  disk.discard(stage(disk, "x"));
  Deno.removeSync(`${root}/.fsync/stage`);
  done(disk.place(stage(disk, "y"), p("a"), null));
  Deno.removeSync(`${root}/.fsync`, { recursive: true });
  assertEquals(code(() => stage(disk, "z")), "not_found");
  assertEquals(names(root), ["a"]);
});

realTest("a link in place of the private area is not followed", libc, ({ root, user }) => {
  user.mkdir("elsewhere");
  user.symlink("elsewhere", ".fsync");
  const disk = openDisk(root);
  assertThrows(() => stage(disk, "x"), DiskError);
  assertEquals(names(`${root}/elsewhere`), []);
  disk.close();
});

for (const [name, sys] of systems) {
  realTest(`a folder shared by a group keeps group and bits (${name})`, sys, ({ root, disk, user }) => {
    const { gid } = Deno.statSync(root);
    user.mkdir("shared");
    user.mkdir("own");
    user.chmod("shared", 0o2770);
    const file = done(disk.place(disk.stageBytes(encoder.encode("x"), META), p("shared/f"), null));
    assertEquals(file.mode, 0o664);
    const script = disk.stageBytes(encoder.encode("x"), { mode: 0o700, mtime: 0 });
    assertEquals(done(disk.place(script, p("shared/s"), null)).mode, 0o770);
    assertEquals(done(disk.place(disk.stageDir(0o755), p("shared/d"), null)).mode, 0o2775);
    assertEquals(done(disk.place(stage(disk, "y"), p("shared/d/g"), null)).mode, 0o664);
    assertEquals(done(disk.setMeta(p("shared/f"), { mode: 0o600 }, file)).mode, 0o660);
    const dir = disk.stat(p("shared/d"))!;
    assertEquals(done(disk.setMeta(p("shared/d"), { mode: 0o700 }, dir)).mode, 0o2770);
    assertEquals(done(disk.place(stage(disk, "z"), p("own/f"), null)).mode, 0o644);
    assertEquals(Deno.statSync(`${root}/shared/d/g`).gid, gid);
  });

  realTest(
    `a file whose bits and time another user alone may set is replaced by a copy (${name})`,
    sys,
    (world) => {
      const { root, user } = world;
      user.write("f", "content");
      user.write("gone", "secret");
      user.chmod("f", 0o664);
      const before = world.disk.stat(p("f"))!;
      // Done by descriptor on a path: what is not ours. A staged file is ours.
      const foreign = instead(sys, {
        setMtimeAny: () => -EPERM,
        chmodAny: () => -EPERM,
        open: (dir, at, flags, mode) =>
          at === "gone" && flags < 0o1000000 ? -EACCES : sys.open(dir, at, flags, mode),
      });
      const disk = openDisk(root, { sys: foreign });
      const seen = disk.stat(p("f"))!;
      const now = done(disk.setMeta(p("f"), { mode: 0o755, mtime: 77_000 }, seen));
      assert(now.ino !== before.ino);
      assertEquals([now.mode, now.mtimeUs, text(user.read("f"))], [0o755, 77_000_000, "content"]);
      const timed = done(disk.setMeta(p("f"), { mtime: 99_000 }, now));
      assertEquals([timed.mode, timed.mtimeUs], [0o755, 99_000_000]);
      const unread = disk.stat(p("gone"))!;
      assertEquals(code(() => disk.setMeta(p("gone"), { mtime: 1 }, unread)), "permission");
      assert(sameStat(disk.stat(p("gone")), unread));
      assertEquals(names(`${root}/.fsync/stage`), []);
      disk.close();
    },
  );

  realTest(
    `a large file that another member began is finished as a copy (${name})`,
    sys,
    ({ root, user }) => {
      // The first file that is finished is another user's.
      let others = true;
      const foreign = instead(sys, {
        setMtime: (fd, mtime) => {
          if (!others) return sys.setMtime(fd, mtime);
          others = false;
          return -EPERM;
        },
      });
      const disk = openDisk(root, { sys: foreign });
      const large = disk.stageLarge("ab12");
      large.append(encoder.encode("content"));
      const placed = done(disk.place(large.seal({ mode: 0o755, mtime: 77_000 }), p("f"), null));
      assertEquals([placed.mode, placed.mtimeUs, text(user.read("f"))], [0o755, 77_000_000, "content"]);
      assertEquals([others, names(`${root}/.fsync/stage`)], [false, []]);
      disk.close();
    },
  );

  const asRoot = Deno.uid() === 0;
  Deno.test({
    name: `real disk: the group of a shared folder is another than ours (${name})`,
    // Only the superuser can give a file any group.
    ignore: !asRoot,
    fn() {
      const world = realWorld(sys);
      Deno.chownSync(world.root, null, 12345);
      Deno.chmodSync(world.root, 0o2775);
      const disk = world.reopen();
      done(disk.place(stage(disk, "x"), p("f"), null));
      done(disk.place(disk.stageDir(0o700), p("d"), null));
      done(disk.place(stage(disk, "x"), p("d/g"), null));
      const gids = ["f", "d", "d/g"].map((path) => Deno.statSync(`${world.root}/${path}`).gid);
      assertEquals(gids, [12345, 12345, 12345]);
      assertEquals(Deno.statSync(`${world.root}/d`).mode! & 0o7777, 0o2770);
      disk.close();
      world.disk.close();
      world.remove();
    },
  });

  Deno.test({
    name: `real disk: what this user may not do is named, and is no absence (${name})`,
    // Nothing is forbidden to the superuser.
    ignore: asRoot,
    fn() {
      const world = realWorld(sys);
      const { disk, user } = world;
      user.mkdir("none");
      user.mkdir("names");
      for (const path of ["none/a", "names/a", "f"]) user.write(path, "x");
      const inside = disk.stat(p("none/a"))!;
      user.chmod("f", 0);
      user.chmod("none", 0);
      user.chmod("names", 0o444);
      disk.list(null);
      assertEquals(code(() => disk.open(p("f"))), "permission");
      assertEquals(code(() => disk.list(p("none"))), "permission");
      assertEquals(code(() => disk.stat(p("none/a"))), "permission");
      assertEquals(code(() => disk.remove(p("none/a"), inside)), "permission");
      assertEquals(code(() => disk.place(stage(disk, "y"), p("none/b"), null)), "permission");
      assertEquals(disk.list(p("names")), [{ name: "a", problem: "it cannot be looked at" }]);
      done(disk.place(stage(disk, "z"), p("f"), disk.stat(p("f"))));
      for (const dir of ["none", "names"]) user.chmod(dir, 0o755);
      disk.close();
      world.remove();
    },
  });

  realTest(`the descriptors stay few and go (${name})`, sys, async ({ root, disk, user }) => {
    const open = () => names("/proc/self/fd").length;
    const before = open();
    for (let i = 0; i < 60; i++) {
      user.mkdir(`d${i}`);
      done(disk.place(stage(disk, "x"), p(`d${i}/f`), null));
      disk.list(p(`d${i}`));
      disk.open(p(`d${i}/f`)).close();
    }
    for (let i = 1; i < 60; i++) {
      done(disk.move(p(`d0/f`), p(`d${i}/g`), disk.stat(p("d0/f"))!));
      done(disk.move(p(`d${i}/g`), p(`d0/f`), disk.stat(p(`d${i}/g`))!));
    }
    assert(open() <= before + 20, `${open() - before} more descriptors`);
    await Promise.resolve();
    assert(open() <= before + 2, `${open() - before} more descriptors after the burst`);
    const other = openDisk(root, { sys });
    const syncing = other.sync();
    other.close();
    await syncing;
    disk.close();
    assertEquals(open(), before - 1);
  });

  realTest(`a folder that was moved or replaced is not taken for an emptied one (${name})`, sys, (world) => {
    const { root, disk } = world;
    done(disk.place(stage(disk, "x"), p("a"), null));
    Deno.renameSync(root, `${root}.away`);
    try {
      assertEquals(code(() => disk.list(null)), "not_found");
      Deno.mkdirSync(root);
      assertEquals(code(() => disk.list(null)), "not_found");
      Deno.removeSync(root);
    } finally {
      Deno.renameSync(`${root}.away`, root);
    }
    assertEquals(disk.list(null).length, 1);
  });
}

Deno.test("real disk: what is no directory cannot be opened as a folder", () => {
  const file = Deno.makeTempFileSync();
  assertEquals(code(() => openDisk(file)), "not_a_directory");
  assertEquals(code(() => openDisk(`${file}.none`)), "not_found");
  Deno.removeSync(file);
});

Deno.test("real disk: whole seconds widen the racy window", () => {
  const root = Deno.makeTempDirSync();
  const open = (sys: Sys) => {
    const disk = openDisk(root, { sys });
    disk.close();
    return disk.racyWindowUs;
  };
  const local = instead(libc, { statfs: () => ({ type: 0xef53, freeBytes: 1 }) });
  const remote = instead(libc, { statfs: () => ({ type: 0x6969, freeBytes: 1 }) });
  const coarse = instead(local, {
    owner(fd) {
      const owner = libc.owner(fd);
      return typeof owner === "number" ? owner : { ...owner, hasFraction: false };
    },
  });
  assertEquals([local, remote, coarse, new DenoSys()].map(open), [20_000, 2_000_000, 2_000_000, 2_000_000]);
  Deno.removeSync(root);
});

Deno.test("real disk: short writes are gone on with, a full disk is named", () => {
  const root = Deno.makeTempDirSync();
  let room = Infinity;
  const sys = instead(libc, {
    write(fd, bytes, offset) {
      if (offset >= room) return -28;
      return libc.write(fd, bytes.subarray(0, 1000), offset);
    },
  });
  const disk = openDisk(root, { sys });
  const content = new Uint8Array(10_500).map((_, i) => i);
  done(disk.place(disk.stageBytes(content, META), p("a"), null));
  assertEquals(Deno.readFileSync(`${root}/a`), content);
  const large = disk.stageLarge("ab");
  large.append(content);
  room = 12_000;
  assertEquals(code(() => large.append(content)), "no_space");
  assertEquals([large.size, large.stat().size], [10_500, 10_500]);
  room = 5000;
  assertEquals(code(() => disk.stageBytes(content, META)), "no_space");
  assertEquals(names(`${root}/.fsync/stage`), ["ab.part"]);
  large.close();
  disk.close();
  Deno.removeSync(root, { recursive: true });
});

realTest(
  "a failed sync is an error",
  instead(libc, { syncfs: () => Promise.resolve(-5) }),
  async ({ disk }) => {
    const error = await disk.sync().then(() => null, (reason) => reason);
    assert(error instanceof DiskError);
    assertEquals(error.code, "io");
  },
);

Deno.test("real disk: equal times and inode whichever way they are read", () => {
  const root = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${root}/a`, "x");
  const [one, two] = [libc, new DenoSys()].map((sys) => {
    const disk = openDisk(root, { sys });
    const stat = disk.stat(p("a"))!;
    disk.close();
    return stat;
  });
  assertEquals(two!.ino, one!.ino);
  assertEquals(two!.mtimeUs, Math.floor(one!.mtimeUs / 1000) * 1000);
  assertEquals(two!.ctimeUs, Math.floor(one!.ctimeUs / 1e6) * 1e6);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("real disk: the temporary directory lies on a local file system", () => {
  assertEquals(isNetworkFileSystem(Deno.makeTempDirSync()), false);
  assertEquals(isNetworkFileSystem("/does/not/exist"), false);
});
