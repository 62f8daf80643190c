/** Ignore files, excludes of one device, and `explain`, on the real program. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { until, type World, worldTest } from "./_world.ts";

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function write(world: World, path: string, text: string): void {
  const full = world.path(path);
  Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(full, text);
}

interface Explained {
  readonly state: string;
  readonly reasons: readonly string[];
  readonly rule: string | null;
}

async function explained(world: World, path: string): Promise<Explained> {
  const { stdout, stderr } = await world.run(["explain", path, "--json"]);
  try {
    return JSON.parse(stdout) as Explained;
  } catch {
    throw new Error(`explain ${path}: ${stdout}${stderr}`);
  }
}

worldTest(
  "what a shared ignore file names is not synced, on any machine, and never deleted by it",
  async (world) => {
    await world.startServer();
    write(world, "a/.fsyncignore", "*.log\nbuild/\n!keep.log\n");
    for (const path of ["a/x.log", "a/keep.log", "a/build/out.o", "a/src/main.c", "a/.main.c.swp"]) {
      write(
        world,
        path,
        path,
      );
    }
    const a = await world.startWatch("a");
    const b = await world.startWatch("b");
    await until(
      "b has what is not ignored",
      () => ["keep.log", "src/main.c", ".fsyncignore"].every((path) => exists(world.path(`b/${path}`))),
    );
    for (const path of ["x.log", "build", ".main.c.swp"]) {
      assert(!exists(world.path(`b/${path}`)) && !exists(world.path(`server_files/${path}`)), path);
    }
    // What b has of the ignored is b's own.
    write(world, "b/mine.log", "of b");
    write(world, "b/src/later.c", "later");
    await until("a has the later file", () => exists(world.path("a/src/later.c")));
    assert(!exists(world.path("a/mine.log")));

    // Newly ignored: told, and deleted nowhere.
    write(world, "a/.fsyncignore", "*.log\nbuild/\n!keep.log\nsrc/\n");
    await a.line(/Ignore rules changed/);
    await b.line(/Ignore rules changed/);
    for (const root of ["a", "b", "server_files"]) assert(exists(world.path(`${root}/src/main.c`)), root);
    write(world, "a/src/main.c", "changed on a alone");
    write(world, "a/other", "other");
    await until("b has the other file", () => exists(world.path("b/other")));
    assertEquals(Deno.readTextFileSync(world.path("b/src/main.c")), "a/src/main.c");

    // Synced again: the edit goes out.
    write(world, "b/.fsyncignore", "*.log\nbuild/\n!keep.log\n");
    await until(
      "the edit comes",
      () => Deno.readTextFileSync(world.path("b/src/main.c")) === "changed on a alone",
    );
    assert(
      exists(world.path("b/mine.log")) && exists(world.path("a/x.log")) &&
        exists(world.path("a/build/out.o")),
    );
  },
);

worldTest("excludes of one device hold there alone, and explain says why", async (world) => {
  await world.startServer();
  for (const path of ["a/film.iso", "a/note.txt", "a/t~"]) write(world, path, path);
  assertEquals((await world.syncAll("a")).code, 0);
  write(world, "b/here.iso", "of b");
  const added = await world.run(["exclude", "add", "*.iso", "--dir", "a", "--dry-run"]);
  assertEquals(added.code, 0, added.stderr);
  assertStringIncludes(added.stdout, "film.iso");
  assertStringIncludes(added.stdout, "1 path would no longer be synced");
  const listed = async () =>
    JSON.parse((await world.run(["exclude", "list", "--dir", "a", "--json"])).stdout).patterns;
  assertEquals(await listed(), [], "a dry run changes nothing");
  assertEquals((await world.run(["exclude", "add", "*.iso", "--dir", "a"])).code, 0);
  assertEquals(await listed(), ["*.iso"]);

  assertEquals((await world.syncAll("b")).code, 0);
  assert(exists(world.path("b/film.iso")), "it is still on the server");
  Deno.removeSync(world.path("b/note.txt"));
  write(world, "b/film.iso", "another film");
  assertEquals((await world.syncAll("b")).code, 0);
  assertEquals((await world.syncAll("a")).code, 0);
  assertEquals(
    Deno.readTextFileSync(world.path("a/film.iso")),
    "a/film.iso",
    "excluded: it stays as it is here",
  );
  assert(!exists(world.path("a/here.iso")) && !exists(world.path("a/note.txt")));

  const iso = await explained(world, "a/film.iso");
  assertEquals([iso.state, iso.rule], ["ignored", ".fsync/exclude:1: *.iso"]);
  const backup = await explained(world, "a/t~");
  assertEquals(backup.state, "ignored");
  assertStringIncludes(backup.reasons[0]!, "built-in");
  write(world, "a/new.txt", "new");
  assertEquals((await explained(world, "a/new.txt")).state, "pending");
  assertEquals((await world.syncAll("a")).code, 0);
  assertEquals((await explained(world, "a/new.txt")).state, "in sync");
  assertEquals((await explained(world, "a/nothing")).state, "unknown");

  // No longer excluded, and changed meanwhile: both films are kept, one as a version.
  write(world, "a/film.iso", "cut anew");
  assertEquals((await world.run(["exclude", "remove", "*.iso", "--dir", "a"])).code, 0);
  const again = await world.syncAll("a");
  assertEquals(again.code, 7, again.stderr);
  assertStringIncludes((await world.run(["explain", "a/film.iso"])).stdout, "conflict 1 is open");
  assert(exists(world.path("a/here.iso")));
});

worldTest("the choices of a folder are remembered, and what is no pattern is refused", async (world) => {
  await world.startServer();
  write(world, "a/.gitignore", "out\n");
  for (const path of ["a/out", "a/t~"]) write(world, path, path);
  assertEquals((await world.syncAll("a", "--use-gitignore", "--no-default-ignores")).code, 0);
  assert(!exists(world.path("server_files/out")) && exists(world.path("server_files/t~")));
  write(world, "a/u~", "u");
  assertEquals((await world.syncAll("a")).code, 0);
  assert(!exists(world.path("server_files/out")) && exists(world.path("server_files/u~")), "remembered");
  assertEquals((await world.run(["exclude", "gitignore", "off", "--dir", "a"])).code, 0);
  assertEquals((await world.syncAll("a")).code, 0);
  await world.equal("a");
  assert(exists(world.path("server_files/out")));
  const wrong = await world.run(["exclude", "add", "# note", "--dir", "a"]);
  assertEquals(wrong.code, 2);
  const server = await world.run(["exclude", "list", "--dir", "server_files"]);
  assertEquals(server.code, 1);
  assertStringIncludes(server.stderr, "a server keeps everything");
});

worldTest("an ignored tree is neither looked into nor watched, until its rule goes", async (world) => {
  await world.startServer();
  write(world, "a/.fsyncignore", "node_modules/\n");
  for (let i = 0; i < 200; i++) write(world, `a/node_modules/m${i}/index.js`, `${i}`);
  write(world, "a/src/main.js", "main");
  const a = await world.startWatch("a");
  await until("main is there", () => exists(world.path("server_files/src/main.js")));
  const watched = async () => {
    const { watcher } = JSON.parse((await world.run(["status", "a", "--json"])).stdout);
    return [watcher.mode, watcher.watched, watcher.directories];
  };
  assertEquals(await watched(), ["events", 2, 2]);
  write(world, "a/node_modules/m7/index.js", "changed");
  write(world, "a/node_modules/new/index.js", "new");
  write(world, "a/src/later.js", "later");
  await until("the later file is there", () => exists(world.path("server_files/src/later.js")));
  assertEquals(await watched(), ["events", 2, 2]);
  assert(!exists(world.path("server_files/node_modules")));

  Deno.removeSync(world.path("a/.fsyncignore"));
  await a.line("Ignore rules changed (.fsyncignore): ");
  await world.inSync("a");
  await until("all is watched", async () => (await watched()).join() === "events,204,204");
  write(world, "a/node_modules/m8/index.js", "changed");
  await until(
    "the change is there",
    () => Deno.readTextFileSync(world.path("server_files/node_modules/m8/index.js")) === "changed",
  );
});

worldTest(
  "explain and upload say of an ignored path that it is, and explain needs no server",
  async (world) => {
    const server = await world.startServer();
    write(world, "a/.fsyncignore", "*.o\n!keep.o\n");
    for (const path of ["a/x.o", "a/keep.o", "a/x.c"]) write(world, path, path);
    assertEquals((await world.syncAll("a")).code, 0);
    const upload = await world.run(["upload", "a/x.o"]);
    assertEquals([upload.code, upload.stdout], [6, "ERROR    x.o\n"]);
    assertStringIncludes(upload.stderr, "it is ignored by .fsyncignore:1: *.o");
    const online = await world.run(["explain", "a/keep.o"]);
    assertStringIncludes(online.stdout, "No rule ignores it: .fsyncignore:2: !keep.o");
    assertStringIncludes(online.stdout, "since: ");
    assertStringIncludes(online.stdout, ", by ann@");
    await server.stop();
    const offline = await world.run(["explain", "a/x.o"]);
    assertEquals(offline.code, 0);
    assertStringIncludes(offline.stdout, "It is ignored by .fsyncignore:1: *.o");
    assertStringIncludes(offline.stdout, "The server was not asked");
    const ours = await world.run(["explain", "a/.fsync/state.db"]);
    assertEquals(ours.code, 2);
    assertStringIncludes(ours.stderr, "belongs to fsync itself");
  },
);

worldTest(
  "status and dry runs go by rules that are still on the server, and change nothing",
  async (world) => {
    await world.startServer();
    write(world, "a/keep", "kept");
    assertEquals((await world.syncAll("a")).code, 0);
    Deno.mkdirSync(world.path("b"));
    assertEquals((await world.syncAll("b")).code, 0);
    write(world, "a/.fsyncignore", "*.log\n");
    write(world, "a/x.txt", "new");
    assertEquals((await world.syncAll("a")).code, 0);
    for (const path of ["b/mine.log", "b/mine.txt", "b/out"]) write(world, path, path);
    write(world, "b/.gitignore", "out\n");

    const before = world.tree("b");
    const dry = await world.syncAll("b", "--dry-run", "--use-gitignore");
    assertEquals(
      dry.stdout.split("\n").filter((line) => line !== "").map((line) => line.split("  (")[0]!.trim()).slice(
        0,
        4,
      ),
      ["upload    .gitignore", "upload    mine.txt", "download  .fsyncignore", "download  x.txt"],
    );
    assertStringIncludes(dry.stdout, "4 changes, none of them made");
    assertEquals(world.tree("b"), before);
    // Nor is the choice remembered.
    const status = await world.run(["status", "b", "--json"]);
    const told = JSON.parse(status.stdout);
    assertEquals(
      told.steps.map(({ path }: { path: string }) => path).sort(),
      [".fsyncignore", ".gitignore", "mine.txt", "out", "x.txt"],
    );
    assertEquals(told.unforeseen_rules, []);
    const why = await explained(world, "b/mine.log");
    assertEquals(why.state, "ignored");
    assertStringIncludes(why.rule!, "the server's, not here yet");
    assertEquals(world.tree("b"), before);

    // What is contested nobody can foresee.
    write(world, "b/.fsyncignore", "*.tmp\n");
    const open = await world.run(["status", "b"]);
    assertStringIncludes(
      open.stdout,
      "Newer rules wait on the server, so more or less may be synced: .fsyncignore",
    );
  },
);

worldTest("a .gitignore that the server has stays synced, also when it ignores itself", async (world, t) => {
  await world.startServer();
  const text = (path: string) => exists(world.path(path)) ? Deno.readTextFileSync(world.path(path)) : null;
  const sync = async (...names: string[]) => {
    for (const name of names) {
      const { code, stderr } = await world.syncAll(name, "--use-gitignore");
      assertEquals([code, stderr], [0, ""], name);
    }
  };
  Deno.mkdirSync(world.path("b"));
  write(world, "a/.gitignore", "out\n");
  write(world, "a/d/.gitignore", "x\n");
  await sync("a", "b");

  await t.step("what it says goes to all, and so does its correction", async () => {
    write(world, "a/.gitignore", "out\nlogs\n.gitignore\n");
    await sync("a", "b");
    assertEquals(text("b/.gitignore"), text("a/.gitignore"));
    write(world, "b/logs", "of b");
    await sync("b");
    assert(!exists(world.path("server_files/logs")));
    const why = await explained(world, "a/.gitignore");
    assertEquals(why.state, "in sync");
    assertStringIncludes(why.reasons.join(), ".gitignore:3: .gitignore does not count for it");
    write(world, "b/.gitignore", "out\nlogs\n*.tmp\n");
    await sync("b", "a");
    assertEquals(text("a/.gitignore"), "out\nlogs\n*.tmp\n");
  });

  await t.step("it goes along when its directory is renamed", async () => {
    write(world, "a/d/.gitignore", "x\n*\n");
    write(world, "a/d/x", "of a");
    await sync("a", "b");
    Deno.renameSync(world.path("a/d"), world.path("a/e"));
    await sync("a", "b", "a");
    for (const name of ["a", "server_files", "b"]) {
      assertEquals([text(`${name}/e/.gitignore`), exists(world.path(`${name}/d`))], ["x\n*\n", false], name);
    }
    assertEquals([text("a/e/x"), text("server_files/e/x")], ["of a", null]);
  });

  await t.step("one that ignored itself from the first, as caches have it, stays where it is", async () => {
    write(world, "a/cache/.gitignore", "*\n");
    write(world, "a/cache/big", "of a");
    await sync("a", "b");
    assert(!exists(world.path("server_files/cache")));
    assertEquals((await explained(world, "a/cache/.gitignore")).state, "ignored");
  });

  await t.step("rules of fsync leave it out all the same", async () => {
    assertEquals((await world.run(["exclude", "add", "/e/.gitignore", "--dir", "b"])).code, 0);
    write(world, "a/e/.gitignore", "y\n*\n");
    await sync("a", "b");
    assertEquals([text("server_files/e/.gitignore"), text("b/e/.gitignore")], ["y\n*\n", "x\n*\n"]);
  });

  await t.step("who deletes it deletes it for all", async () => {
    Deno.removeSync(world.path("b/.gitignore"));
    await sync("b", "a");
    assertEquals([text("a/.gitignore"), text("server_files/.gitignore")], [null, null]);
  });
});
