/** A newcomer on a second machine: two commands, a real network between, a cable that is pulled, and an impostor. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Machines, whyNoMachines } from "./_machines.ts";
import { Person } from "./_person.ts";
import type { Program } from "./_program.ts";
import { until, type World, worldTest } from "./_world.ts";

const MINUTE_MS = 60_000;

function write(world: World, path: string, text: string): void {
  Deno.writeTextFileSync(world.path(path), text);
}

function holds(world: World, path: string, text: string): Promise<void> {
  return until(`${path} holds "${text}"`, () => {
    try {
      return Deno.readTextFileSync(world.path(path)) === text;
    } catch {
      return false;
    }
  });
}

const why = whyNoMachines();

if (why !== null) Deno.test.ignore(`e2e: a newcomer on a second machine (not tried here: ${why})`, () => {});
else {
  worldTest("a newcomer on a second machine syncs within a minute by two commands", async (world, t) => {
    using machines = new Machines();
    const host = new Person(world, "olga", machines.on("server", world, "olga"));
    const nina = new Person(world, "nina", machines.on("client", world, "nina"));
    // The real port on a real address: nobody else is on that machine.
    const serve = async (dir: string, user = host): Promise<Program> => {
      const server = world.start(`server of ${dir}`, ["server", dir], user.options);
      assertEquals(await server.line("Server listening on "), "Server listening on 0.0.0.0:65432");
      assertEquals(server.stdout[0], "Server listening on 0.0.0.0:65432");
      return server;
    };
    let server = await serve("server_files");
    write(world, "server_files/hello.txt", "from the server");
    let line = "";
    let watch: Program;

    await t.step("invite there, join and watch here", async () => {
      const began = performance.now();
      const invited = await host.run("invite", "nina");
      assertEquals(invited.code, 0, invited.stderr);
      line = invited.stdout.trim();
      // What the server's machine took for its address is where the newcomer finds it.
      assertStringIncludes(line, `fsync://nina@${machines.address}:65432/`);
      assert(!invited.stderr.includes("other machines cannot reach"));
      await nina.ok("join", line, "nina");
      watch = await nina.watch("nina");
      await holds(world, "nina/hello.txt", "from the server");
      write(world, "nina/mine.txt", "from nina");
      await holds(world, "server_files/mine.txt", "from nina");
      const ms = performance.now() - began;
      assert(ms < MINUTE_MS, `it took ${Math.round(ms)} ms`);
      assertStringIncludes(await host.ok("log", "--data", "server_files"), "Joined: nina@");
    });

    await t.step("a cable that is pulled and put in again is made up for", async () => {
      machines.cable("down");
      write(world, "nina/offline.txt", "nina, without a cable");
      write(world, "server_files/meanwhile.txt", "olga, meanwhile");
      await until(
        "the server has seen it",
        () => world.versions().some(({ path }) => path === "meanwhile.txt"),
      );
      assertEquals(world.versions().some(({ path }) => path === "offline.txt"), false);
      machines.cable("up");
      await holds(world, "nina/meanwhile.txt", "olga, meanwhile");
      await holds(world, "server_files/offline.txt", "nina, without a cable");
    });

    await t.step("also if the server was started anew meanwhile", async () => {
      machines.cable("down");
      await server.kill();
      server = await serve("server_files");
      write(world, "nina/later.txt", "nina again");
      write(world, "server_files/anew.txt", "olga again");
      const connected = watch.count("Connected as nina");
      machines.cable("up");
      await holds(world, "server_files/later.txt", "nina again");
      await holds(world, "nina/anew.txt", "olga again");
      assertEquals(watch.count("Connected as nina"), connected + 1);
      await world.equal("nina");
    });

    await t.step("another server at the same address is refused, and nothing changes", async () => {
      const before = world.tree("nina");
      assertEquals((await server.stop()).code, 0);
      const mallory = new Person(world, "mallory", machines.on("server", world, "mallory"));
      const impostor = await serve("impostor_files", mallory);
      assertEquals(await watch.exited, 4);
      for (const args of [["sync-all", "nina"], ["join", line, "other"]]) {
        const { code, stderr } = await nina.run(...args);
        assertEquals(code, 4);
        assertStringIncludes(stderr, "its certificate is not the pinned one");
      }
      assertEquals(world.tree("nina"), before);
      // Nobody got as far as to sign in.
      assertEquals(impostor.count("Refused"), 0);
      await impostor.stop();
      await serve("server_files");
      await nina.ok("sync-all", "nina");
    });
  });
}
