/** MS02, MS03: a server that wants to reach outside through links, its own ones or the user's. */
import { assert, assertEquals } from "@std/assert";
import { parsePath } from "../../core/path.ts";
import { freeChanges, freeDir, freeNotice } from "./free_frames.ts";
import { hostileTest, type Rig } from "./rig.ts";

const p = parsePath;

/** Links that lead to the canaries, from the root of the folder. */
const TARGETS = (rig: Rig) => ["../canary", rig.canary, "./../canary/../canary/", "../root/../canary"];

hostileTest("MS02: a link and things below it, told together", async (rig) => {
  for (const target of TARGETS(rig)) {
    const { server } = rig;
    server.heads.clear();
    server.setHead(p("d"), { kind: "link", target }, null);
    server.put("d2/ok", "fine");
    // As files, as a directory, as a link; of names that the canary has, and of new ones.
    for (const name of ["x", "new", "below/deep"]) server.put(`d2/${name}`, "overwritten");
    const file = server.heads.get(p("d2/x"))!;
    for (const name of ["x", "new", "secret"]) server.setHead(p(`d/${name}`), file.entry, file.bytes);
    server.setHead(p("d/below"), { kind: "dir", mode: 0o700 }, null);
    server.setHead(p("d/below/deep"), file.entry, file.bytes);
    server.setHead(p("d/link"), { kind: "link", target: "x" }, null);
    const { problems } = await rig.status();
    assert(problems.length > 0, target);
    assertEquals(Deno.readLinkSync(rig.at("d")), target);
    rig.checkUntouched();
    assertEquals([...Deno.readDirSync(rig.canary)].map(({ name }) => name).sort(), ["below", "secret", "x"]);
    Deno.removeSync(rig.at("d"));
  }
});

hostileTest("MS02: a directory that becomes a link, with news of what was below it", async (rig) => {
  const { server } = rig;
  server.put("d/x", "inside");
  server.put("d/y", "inside");
  await rig.status();
  server.setHead(p("d/x"), null, null);
  server.setHead(p("d/y"), null, null);
  server.setHead(p("d"), { kind: "link", target: "../canary" }, null);
  await rig.status();
  assertEquals(rig.files(), ["d -> ../canary"]);
  server.put("d2", "a file");
  const { entry, bytes } = server.heads.get(p("d2"))!;
  for (const name of ["x", "secret", "fresh"]) server.setHead(p(`d/${name}`), entry, bytes);
  server.setHead(p("d/below"), null, null);
  server.setHead(p("d/y"), null, null);
  const { problems } = await rig.status();
  assertEquals(problems.map(({ path }) => path).sort(), ["d/fresh", "d/secret", "d/x"]);
  for (const name of ["x", "secret", "fresh"]) server.heads.delete(p(`d/${name}`));
  await rig.checkHonest({});
});

hostileTest("MS02: links below links, and a move through one", async (rig) => {
  const { server } = rig;
  server.put("a/keep", "kept");
  await rig.status();
  server.setHead(p("a/up"), { kind: "link", target: ".." }, null);
  server.setHead(p("a/out"), { kind: "link", target: "up/../canary" }, null);
  server.put("f", "text");
  const { entry, bytes } = server.heads.get(p("f"))!;
  server.setHead(p("a/up/beside"), entry, bytes);
  server.setHead(p("a/out/x"), entry, bytes);
  server.on.subscribe = async (talk, id, message) => {
    await server.honest(talk, id, message);
    const moves = [
      freeNotice.moved("a/out", "a/moved", ++server.revision),
      freeNotice.moved("a/keep", "a/out/keep", ++server.revision),
      freeNotice.moved("a", "a/up/canary", ++server.revision),
    ];
    for (const move of moves) await talk.frame(freeChanges(0, [move])).catch(() => {});
  };
  await rig.pass();
  await rig.watch(async (engine) => {
    await engine.atRest();
    await engine.atRest();
  }).catch(() => {});
  rig.checkUntouched();
});

for (const kind of ["pre-existing", "made while the server spoke"] as const) {
  hostileTest(
    `MS03: the user's own link (${kind}) is a leaf, whatever the server says below it`,
    async (rig) => {
      const { server } = rig;
      server.put("docs/x", "server's x");
      server.put("docs/secret", "server's secret");
      server.put("docs/below/deep", "server's deep");
      await rig.status();
      const makeLink = () => {
        Deno.removeSync(rig.at("docs"), { recursive: true });
        Deno.symlinkSync("../canary", rig.at("docs"));
      };
      // The user's delete and link must not reach this server before it speaks.
      server.on.upload = () => {};
      if (kind === "pre-existing") makeLink();
      else {
        server.on.download = (talk, id, message) => {
          makeLink();
          return server.honest(talk, id, message);
        };
      }
      server.put("docs/x", "overwritten");
      server.setHead(p("docs/secret"), null, null);
      server.setHead(p("docs/below/deep"), null, null);
      server.put("docs/fresh", "new");
      const engine = rig.engine();
      const stop = new AbortController();
      const passing = engine.pass(stop.signal).catch((error) => error);
      // An upload that is never answered holds the pass; what it does to the disk comes before or beside that.
      await until(() =>
        server.received.some(({ type }) => type === "upload") || engine.status().problems.length > 0
      );
      for (const talk of server.talks) talk.close();
      await passing;
      assertEquals(Deno.readLinkSync(rig.at("docs")), "../canary");
      rig.checkUntouched();
    },
  );
}

hostileTest(
  "MS03: what the user put behind a link before the first sync is neither read nor written",
  async (rig) => {
    const { server } = rig;
    Deno.symlinkSync("../canary", rig.at("docs"));
    Deno.symlinkSync("../beside", rig.at("file"));
    server.put("docs2/x", "t");
    const { entry, bytes } = server.heads.get(p("docs2/x"))!;
    server.setHead(p("docs"), { kind: "dir", mode: 0o755 }, null);
    server.setHead(p("docs/x"), entry, bytes);
    server.setHead(p("docs/fresh"), entry, bytes);
    server.setHead(p("file"), entry, bytes);
    server.on.upload = (talk, id, { items }) =>
      talk.send(id, {
        type: "results",
        results: items.map(() => ({
          status: "conflict",
          won: false,
          revision: ++server.revision,
          storedAs: null,
          reason: "",
        })),
      });
    await rig.pass();
    await rig.pass();
    rig.checkUntouched();
    for (const bytes of server.bytes) assert(!new TextDecoder().decode(bytes).includes("canary x"));
  },
);

hostileTest(
  "MS02: a directory's bits are set on it, not on what a link of its name leads to",
  async (rig) => {
    const { server } = rig;
    server.put("d/x", "1");
    await rig.status();
    Deno.removeSync(rig.at("d"), { recursive: true });
    Deno.symlinkSync("../canary", rig.at("d"));
    server.on.upload = () => {};
    server.on.subscribe = (talk, id) =>
      talk.frame(freeChanges(id, [freeNotice.set("d", ++server.revision + 50, freeDir(0o700))]));
    const engine = rig.engine();
    const passing = engine.pass(new AbortController().signal).catch(() => {});
    await until(() => server.received.some(({ type }) => type === "upload"));
    for (const talk of server.talks) talk.close();
    await passing;
    rig.checkUntouched();
  },
);

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!holds()) {
    assert(performance.now() < deadline, "it never came to this");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
