/** The real program against a server that was taken over: it has the key of the right one, and lies. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openState } from "../../client/sqlite_state.ts";
import { parsePath } from "../../core/path.ts";
import { systemRandom } from "../../system/random.ts";
import { freeChanges, freeFile, freeNotice } from "../hostile/free_frames.ts";
import { HostileServer } from "../hostile/hostile_server.ts";
import { type World, worldTest } from "./_world.ts";

const p = parsePath;
const FILES = 30;

/** Stands where the real server stood, with its identity and what it last told. */
function takeOver(world: World, stolen = true): HostileServer {
  const pem = (name: string) => Deno.readTextFileSync(world.path(`server_files/.fsync/tls/${name}.pem`));
  const state = openState(world.path("a/.fsync/state.db"), systemRandom);
  const { folder, epoch, view, seen } = state.binding();
  const rows = [...state.load()];
  state.close();
  const server = new HostileServer({
    port: world.port,
    tls: stolen ? { certPem: pem("cert"), keyPem: pem("key") } : null,
  });
  server.revision = seen;
  server.welcome = { folder: folder!, epoch: epoch!, view: view! };
  for (const [path, { entry, revision }] of rows) server.heads.set(path, { entry, revision, bytes: null });
  return server;
}

worldTest(
  "a server that was taken over cannot destroy what lies here, nor reach beside it",
  async (world, t) => {
    await world.startServer();
    Deno.mkdirSync(world.path("a"));
    for (let i = 0; i < FILES; i++) Deno.writeTextFileSync(world.path(`a/f${i}`), `text ${i}`);
    Deno.writeTextFileSync(world.path("beside"), "canary");
    assertEquals((await world.syncAll("a")).code, 0);
    await world.server.stop();
    const before = world.tree("a");
    const pass = async (change: (server: HostileServer) => unknown, stolen = true) => {
      await using server = takeOver(world, stolen);
      change(server);
      const end = await world.syncAll("a");
      assertEquals(Deno.readTextFileSync(world.path("beside")), "canary");
      return { ...end, server };
    };

    await t.step("MS09: without the key it is told nothing", async () => {
      const { code, server } = await pass(() => {}, false);
      assertEquals([code, server.received], [5, []]);
    });

    await t.step("MS01: a name that leads outside ends it", async () => {
      const { code, stderr } = await pass((server) => {
        const bad = freeNotice.set("../beside", server.revision + 1, freeFile("ab".repeat(32)));
        server.on.subscribe = (talk, id) => talk.frame(freeChanges(id, [bad]));
      });
      assertEquals(code, 5, stderr);
      assertStringIncludes(stderr, 'the path has a ".." part');
    });

    await t.step("MS02: nothing is written through a link", async () => {
      const link = await pass((server) => server.setHead(p("link"), { kind: "link", target: ".." }, null));
      assertEquals(link.code, 0, link.stderr);
      const { code, stderr } = await pass((server) => {
        server.put("plain", "overwritten");
        const { entry, bytes } = server.heads.get(p("plain"))!;
        server.setHead(p("link/beside"), entry, bytes);
      });
      assertEquals(code, 6);
      assertStringIncludes(stderr, 'Cannot write "link/beside": a part of the path is a symbolic link');
    });

    await t.step("MS05: everything deleted is held", async () => {
      const { code, stderr } = await pass((server) => {
        for (let i = 0; i < FILES; i++) server.setHead(p(`f${i}`), null, null);
      });
      assertEquals(code, 8, stderr);
      assertStringIncludes(stderr, `${FILES} of ${FILES + 1} files were deleted on the server`);
    });

    await t.step("MS06: other bytes than announced are not kept", async () => {
      const { code, stderr } = await pass((server) => {
        server.put("f0", "a new text");
        const { entry, revision } = server.heads.get(p("f0"))!;
        server.heads.set(p("f0"), { entry, revision, bytes: new TextEncoder().encode("other text") });
      });
      assertEquals(code, 6, stderr);
      assertStringIncludes(stderr, 'Cannot download "f0": the server sent other bytes than announced');
    });

    await t.step("names and reasons do nothing to a terminal", async () => {
      const evil = "\x1b]0;owned\x07\x9b31m\nroot";
      const { code, stdout, stderr } = await pass((server) => {
        server.welcome = { ...server.welcome, user: evil, folderName: evil };
        server.on.subscribe = (talk) =>
          talk.send(0, { type: "error", code: "internal", message: evil, hint: evil });
      });
      assertEquals(code, 1, stderr);
      assertStringIncludes(stderr, "\\e]0;owned");
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(stdout + stderr), stderr);
      const status = await world.run(["status", "a"]);
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(status.stdout + status.stderr), status.stdout);
    });

    await t.step("MS10: another folder in its place stops everything", async () => {
      const { code, stderr } = await pass((server) => server.welcome = { folder: "1".repeat(32) });
      assertEquals(code, 8, stderr);
    });

    await t.step(
      "the real server is then older than what was seen; a person decides, and nothing is lost",
      async () => {
        const here = world.tree("a");
        for (const [path, text] of before) assertEquals(here.get(path), text, path);
        await world.startServer();
        const held = await world.syncAll("a");
        assertEquals(held.code, 8, held.stderr);
        assertStringIncludes(held.stderr, "--accept-server");
        const accepted = await world.syncAll("a", "--accept-server");
        assertEquals(accepted.code, 0, accepted.stderr);
        const after = await world.equal("a");
        for (const path of before.keys()) assert(after.has(path), path);
      },
    );
  },
);
