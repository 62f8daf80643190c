/** Edits that met, on the real program: told to both sides, shown, settled. One user with several folders. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { until, type World, worldTest } from "./_world.ts";

async function ok(world: World, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await world.run(args);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

/** Several folders that hold `name` with the same text. */
async function shared(world: World, folders: readonly string[], files: { readonly [name: string]: string }) {
  for (const folder of folders) Deno.mkdirSync(world.path(folder));
  for (const [name, text] of Object.entries(files)) {
    Deno.writeTextFileSync(world.path(`${folders[0]}/${name}`), text);
  }
  for (const folder of folders) assertEquals((await world.syncAll(folder)).code, 0);
}

/** Writes `text`, as edited so many seconds ago. */
function edit(world: World, path: string, text: string, secondsAgo: number): void {
  Deno.writeTextFileSync(world.path(path), text);
  const time = new Date(Date.now() - secondsAgo * 1000);
  Deno.utimeSync(world.path(path), time, time);
}

interface Listed {
  readonly id: number;
  readonly path: string;
  readonly winner: { readonly revision: number };
  readonly loser: { readonly revision: number; readonly path: string };
  readonly base: { readonly revision: number } | null;
}

async function listed(world: World, ...flags: readonly string[]): Promise<Listed[]> {
  const text = await ok(world, "conflicts", "list", "--data", "server_files", "--json", ...flags);
  return (JSON.parse(text) as { conflicts: Listed[] }).conflicts;
}

worldTest(
  "the later of two offline edits has the name everywhere, the other is one command away (C01)",
  async (world, t) => {
    await world.startServer();
    await shared(world, ["a", "b"], { f: "one\ntwo\n" });
    edit(world, "a/f", "one\ntwo by a\n", 60);
    edit(world, "b/f", "one\ntwo by b\n", 5);
    const watches = await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
    await until(
      "both hold the later edit",
      () =>
        ["a", "b", "server_files"].every((name) =>
          Deno.readTextFileSync(world.path(`${name}/f`)).includes("by b")
        ),
    );

    await t.step("both sides and the server log it, once", async () => {
      for (const program of [...watches, world.server]) {
        await program.line("Conflict detected: f: kept ann's: ");
        assertEquals(program.count("Conflict detected: f"), 1, program.name);
      }
    });

    const [conflict] = await listed(world);
    await t.step("it is listed and shown, with a diff", async () => {
      assertEquals((await listed(world)).length, 1);
      const list = (await ok(world, "conflicts", "--dir", "a")).split("\n");
      assert(/^ID +PATH +KEPT +OTHER +WHY$/.test(list[0]!), list[0]);
      assert(
        /^ +1 {2}f +\d+ ann@\S+ +\d+ ann@\S+ +kept ann's: \d\d:\d\d:\d\d against /.test(list[1]!),
        list[1],
      );
      for (const args of [["show", "a/f"], ["show", "1", "--data", "server_files"]]) {
        const text = await ok(world, "conflicts", ...args);
        for (
          const part of [
            "Conflict 1: f (open)",
            "why    kept ann's",
            "\n+two by a\n",
            "\n-two by b\n",
            "\n one\n",
          ]
        ) {
          assertStringIncludes(text, part);
        }
        assertStringIncludes(text, `base   version ${conflict!.base!.revision} by ann@`);
      }
    });

    await t.step("the other is kept by its number, and everybody has it", async () => {
      const numbers = await world.run(["conflicts", "resolve", "a/f", "--keep", "mine"]);
      assertEquals(numbers.code, 2);
      assertStringIncludes(numbers.stderr, `say which: --keep ${conflict!.winner.revision} or --keep`);
      const said = await ok(world, "conflicts", "resolve", "a/f", "--keep", String(conflict!.loser.revision));
      assertEquals(said, `Resolved f: kept version ${conflict!.loser.revision}\n`);
      await world.server.line(`Conflict resolved: f, kept version ${conflict!.loser.revision} (by ann@`);
      await until(
        "both hold the other edit",
        () =>
          ["a", "b", "server_files"].every((name) =>
            Deno.readTextFileSync(world.path(`${name}/f`)).includes("by a")
          ),
      );
      assertEquals(await listed(world), []);
      assertEquals((await listed(world, "--all")).length, 1);
      await world.inSync("a", "b");
      for (const name of ["a", "b"]) {
        const { stdout } = await world.run(["status", name, "--json"]);
        assertEquals((JSON.parse(stdout) as { conflicts: number }).conflicts, 0);
      }
    });
  },
);

worldTest(
  "three edits of one file leave a winner and two others, and nothing is lost (C02, C03, C07)",
  async (world, t) => {
    await world.startServer();
    await shared(world, ["a", "b", "c"], { f: "base", same: "base" });
    for (const [i, name] of ["a", "b", "c"].entries()) {
      edit(world, `${name}/f`, `edit of ${name}`, 60 - i);
      edit(world, `${name}/same`, "the same edit", 60 - i);
      edit(world, `${name}/new`, `new of ${name}`, 60 - i);
    }
    for (const name of ["a", "b", "c"]) await world.syncAll(name);
    for (const name of ["a", "b", "c"]) assertEquals((await world.syncAll(name)).code, 7);
    await world.equal("a", "b", "c");
    assertEquals(Deno.readTextFileSync(world.path("a/f")), "edit of c");
    assertEquals(Deno.readTextFileSync(world.path("a/new")), "new of c");
    assertEquals((await listed(world)).map(({ path }) => path).sort(), ["f", "f", "new", "new"]);

    await t.step("both are kept: the others come beside, in bulk", async () => {
      const { code } = await world.run(["conflicts", "resolve", "a/*", "--keep", "3"]);
      assertEquals(code, 2);
      const said = await ok(world, "conflicts", "resolve", "a/*", "--keep", "both");
      assertStringIncludes(said, "4 conflicts resolved.");
      await world.server.line(
        /Conflict resolved: new, kept version \d+ and the other as new \(conflict ann .*\(by ann@/,
      );
      for (const name of ["a", "b", "c"]) assertEquals((await world.syncAll(name)).code, 0);
      const tree = await world.equal("a", "b", "c");
      const beside = [...tree.keys()].filter((path) => path.includes("(conflict ann "));
      assertEquals(beside.length, 4);
      const texts = [...beside, "f", "new"].map((path) => Deno.readTextFileSync(world.path(`b/${path}`)));
      const all = ["a", "b", "c"].flatMap((name) => [`edit of ${name}`, `new of ${name}`]);
      assertEquals(texts.sort(), all.sort());
    });

    await t.step("a conflict of what stands beside gets no longer name", async () => {
      const copy = [...world.tree("a").keys()].find((path) => path.startsWith("f (conflict "))!;
      edit(world, `a/${copy}`, "copy by a", 60);
      edit(world, `b/${copy}`, "copy by b", 30);
      await world.syncAll("a");
      assertEquals((await world.syncAll("b")).code, 7);
      await ok(world, "conflicts", "resolve", "--dir", "a", copy, "--keep", "both");
      await world.syncAll("a");
      const names = [...world.tree("a").keys()];
      assert(names.every((name) => name.split("(conflict").length <= 2), names.join("\n"));
      assertEquals(names.filter((name) => name.startsWith("f")).length, 4);
    });

    await t.step("what is not there is said in one line", async () => {
      const cases: [readonly string[], number, string][] = [
        [["conflicts", "show", "a/f"], 0, ""],
        [["conflicts", "resolve", "a/f", "--keep", "both"], 1, 'Cannot find a conflict of "a/f"'],
        [["conflicts", "show", "99", "--dir", "a"], 1, 'Cannot find a conflict of "99"'],
        [["conflicts", "resolve", "a/f"], 2, "--keep is missing"],
        [["conflicts", "shwo", "a/f"], 2, 'there is no "shwo"'],
      ];
      for (const [args, expected, text] of cases) {
        const { code, stderr } = await world.run(args);
        assertEquals(code, expected, args.join(" ") + stderr);
        assertStringIncludes(stderr, text);
      }
    });
  },
);

worldTest(
  "20 conflicts at once on one file of the longest name keep 20 contents (C08, C09)",
  async (world) => {
    const server = await world.startServer();
    const name = "🙂".repeat(62) + "abc.txt";
    const folders = Array.from({ length: 21 }, (_, i) => `c${i}`);
    Deno.mkdirSync(world.path("c0"));
    Deno.writeTextFileSync(world.path(`c0/${name}`), "base");
    assertEquals((await world.syncAll("c0")).code, 0);
    // Copies of a synced folder with its state would be the same replica: each is new, and holds another content.
    for (const [i, folder] of folders.entries()) {
      if (i > 0) Deno.mkdirSync(world.path(folder));
      edit(world, `${folder}/${name}`, `content ${i}`, 60);
    }
    await Promise.all(folders.slice(0, 7).map((folder) => world.syncAll(folder)));
    await Promise.all(folders.slice(7, 14).map((folder) => world.syncAll(folder)));
    await Promise.all(folders.slice(14).map((folder) => world.syncAll(folder)));
    assertEquals((await server.stop()).code, 0);
    // The first edit was made on the base; the 20 others met it or one another.
    assertEquals((await listed(world)).length, 20);
    await ok(world, "conflicts", "resolve", "--data", "server_files", name, "--keep", "both");
    const files = [...world.tree("server_files").keys()];
    const texts = files.map((path) => Deno.readTextFileSync(world.path(`server_files/${path}`)));
    assertEquals(texts.sort(), folders.map((_, i) => `content ${i}`).sort());
    assertEquals(await listed(world), []);
  },
);

const copiesIn = (world: World, name: string) =>
  [...world.tree(name).keys()].filter((path) => path.includes("(conflict ")).sort();

worldTest("with --on-conflict copy the other version stands beside, once", async (world, t) => {
  await world.startServer();
  await shared(world, ["a", "b"], { "f.txt": "base" });
  edit(world, "a/f.txt", "older", 60);
  edit(world, "b/f.txt", "newer", 5);

  await t.step("a pass writes it, and sends it on", async () => {
    assertEquals((await world.syncAll("a")).code, 0);
    assertEquals((await world.syncAll("b", "--on-conflict", "copy")).code, 7);
    assertEquals((await world.syncAll("a")).code, 7);
    await world.equal("a", "b");
    const [copy, ...more] = copiesIn(world, "a");
    assert(/^f \(conflict ann \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)\.txt$/.test(copy!), copy);
    assertEquals(more, []);
    assertEquals(Deno.readTextFileSync(world.path(`a/${copy}`)), "older");
    assertEquals(Deno.readTextFileSync(world.path("a/f.txt")), "newer");
  });

  await t.step("never twice, also when it was removed, and not for a conflict of a copy", async () => {
    const [copy] = copiesIn(world, "a");
    edit(world, `a/${copy}`, "copy by a", 60);
    edit(world, `b/${copy}`, "copy by b", 30);
    for (const name of ["a", "b", "a", "b"]) await world.syncAll(name);
    await world.equal("a", "b");
    assertEquals(copiesIn(world, "b"), [copy!]);
    Deno.removeSync(world.path(`b/${copy}`));
    for (const name of ["b", "a", "b"]) assertEquals((await world.syncAll(name)).code, 7);
    assertEquals(copiesIn(world, "a"), []);
    assertEquals((await listed(world)).length, 2);
  });

  await t.step("two watched folders that both copy agree on one file", async () => {
    const watches = await Promise.all(["a", "b"].map((name) => {
      const args = ["watch", name, "--server", world.address, "--on-conflict", "copy"];
      return world.start(name, args);
    }));
    await world.inSync("a", "b");
    // A first one for each: what was open before is written once more, by the folder that copies only now.
    await until("it is beside", () => copiesIn(world, "b").length === 1);
    for (const watch of watches) assertEquals((await watch.stop()).code, 0);
    edit(world, "a/f.txt", "third", 4);
    edit(world, "b/f.txt", "fourth", 2);
    await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
    await until("the third is beside, too", () => copiesIn(world, "a").length === 2);
    await world.inSync("a", "b");
    const texts = copiesIn(world, "b").map((path) => Deno.readTextFileSync(world.path(`b/${path}`)));
    assertEquals(texts.sort(), ["older", "third"]);
  });
});
