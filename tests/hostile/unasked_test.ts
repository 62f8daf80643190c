/** MS04, MS07: a server that asks, answers what nobody asked, or answers without end. */
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import type { ContentId } from "../../core/entry.ts";
import { parsePath } from "../../core/path.ts";
import { packBlock } from "../../protocol/block.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Message } from "../../protocol/messages.ts";
import { freeChanges, FreeFields, freeFile, freeFrame, freeNotice } from "./free_frames.ts";
import { hostileTest, type Rig } from "./rig.ts";

const p = parsePath;
const CONTENT = "ab".repeat(32) as ContentId;
const nothing = packBlock([new Uint8Array(0)]);
const AUTHOR = { user: "mallory", device: "lair" };

const version = new FreeFields().text("private").uint(1).bytes();
/** Whatever only a client may say: number and fields of each. */
const REQUESTS: Readonly<Record<string, readonly [number, Uint8Array]>> = {
  subscribe: [3, new FreeFields().uint(0).u8(1).bytes()],
  upload: [6, new FreeFields().uint(0).u8(0).uint(0).uint(0).bytes()],
  stage: [8, new FreeFields().hex(CONTENT).uint(200_000).uint(4).u8(0).bytes()],
  download: [11, new FreeFields().uint(1).raw(version).bytes()],
  fetch: [13, new FreeFields().raw(version).u8(0).uint(0).bytes()],
  versions: [18, new FreeFields().text("private").bytes()],
  read: [20, version],
  restore: [22, new FreeFields().u8(1).text("private").u8(3).u8(0).bytes()],
  conflicts: [24, new FreeFields().u8(1).bytes()],
  resolve: [26, new FreeFields().uint(1).u8(1).bytes()],
};

async function start(rig: Rig): Promise<void> {
  rig.server.put("kept", "kept");
  await rig.status();
  Deno.writeTextFileSync(rig.at("private"), "a private text");
}

/** Nothing of `text` has left this side. */
function checkKept(rig: Rig, text: string): void {
  const all = rig.server.bytes.map((bytes) => new TextDecoder().decode(bytes)).join("");
  assert(!all.includes(text), `the server has got "${text}"`);
}

hostileTest(
  "MS04: requests that only a client may make end the session, and are not answered",
  async (rig) => {
    await start(rig);
    const { server } = rig;
    for (const [type, [number, fields]] of Object.entries(REQUESTS)) {
      for (const id of [0, 1, 99]) {
        server.bytes.length = 0;
        server.on.subscribe = async (talk) => {
          await talk.frame(freeFrame(number, id, fields));
          await new Promise((resolve) => setTimeout(resolve, 2000));
        };
        const error = await rig.refusal();
        assert(error instanceof ProtocolError, `${type}, id ${id}: ${error}`);
        checkKept(rig, "a private text");
      }
    }
    await rig.checkHonest({ kept: "kept" });
  },
);

hostileTest("MS04: a link of the user's is sent as a link, never what it leads to", async (rig) => {
  const { server } = rig;
  Deno.symlinkSync("../canary/secret", rig.at("link"));
  Deno.symlinkSync("../canary", rig.at("dir"));
  assertEquals((await rig.status()).state, "in sync");
  assertEquals(server.heads.get(p("link"))?.entry, { kind: "link", target: "../canary/secret" });
  assertEquals([...server.heads.keys()].sort(), ["dir", "link"]);
  checkKept(rig, "canary secret");
});

hostileTest("MS07: answers to requests that nobody made, and second answers", async (rig) => {
  await start(rig);
  const { server } = rig;
  const answers: readonly Message[] = [
    { type: "results", results: [{ status: "ok", revision: 999 }] },
    { type: "contents", sizes: [0], block: nothing, last: true },
    { type: "fetching", first: 0, chunks: 1 },
    { type: "data", ops: [], block: nothing, last: true },
    { type: "staged", chunks: 0, prefix: new Uint8Array(0), complete: true },
    { type: "changes", notices: [], upTo: 999, more: false, conflicts: 0 },
    { type: "bytes", block: nothing, last: true },
    { type: "versionList", versions: [], more: false },
  ];
  for (const answer of answers) {
    for (const id of [7, 1000, 0xffff_ffff]) {
      server.on.subscribe = async (talk, own, message) => {
        await server.honest(talk, own, message);
        await talk.send(id, answer);
      };
      server.on.upload = () => {};
      const error = await rig.refusal();
      assert(error instanceof ProtocolError, `${answer.type}, id ${id}: ${error}`);
    }
  }
  await rig.checkHonest({ kept: "kept" });
});

hostileTest("MS07: more, fewer and other answers than were asked for", async (rig) => {
  const { server } = rig;
  server.put("a", "1");
  server.put("b", "2");
  const contents = (sizes: readonly number[], text: string, last: boolean): Message => {
    return { type: "contents", sizes, block: packBlock([new TextEncoder().encode(text)]), last };
  };
  const lies: readonly Message[][] = [
    [contents([1, 1, 1], "111", true)],
    [contents([1], "1", true)],
    [contents([1, 1], "12", false), contents([1], "3", true)],
    [contents([], "", false)],
    [{ type: "results", results: [] }],
    [{ type: "changes", notices: [], upTo: 1, more: false, conflicts: 0 }],
  ];
  for (const messages of lies) {
    server.on.download = async (talk, id) => {
      for (const message of messages) await talk.send(id, message);
    };
    assert(await rig.refusal() instanceof ProtocolError, JSON.stringify(messages));
  }
  server.on = {};
  Deno.writeTextFileSync(rig.at("mine"), "mine");
  for (const count of [0, 2, 1000]) {
    server.on.upload = (talk, id) =>
      talk.send(id, {
        type: "results",
        results: Array.from({ length: count }, () => ({ status: "ok", revision: 5 } as const)),
      });
    assert(await rig.refusal() instanceof ProtocolError, `${count} results`);
  }
  await rig.checkHonest({ a: "1", b: "2" });
  assertEquals(Deno.readTextFileSync(rig.at("mine")), "mine");
});

hostileTest("MS07: frames of impossible lengths cost no memory", async (rig) => {
  await start(rig);
  const { server } = rig;
  const before = Deno.memoryUsage().rss;
  for (const length of [0, 1, 2, 4, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 8 * 2 ** 20 + 1, 10_000_000]) {
    for (const when of ["hello", "subscribe"] as const) {
      server.on = {};
      server.on[when] = (talk: { frame(bytes: Uint8Array, length: number): Promise<void> }) =>
        talk.frame(new Uint8Array(4), length);
      const error = await rig.refusal();
      assert(["ProtocolError", "UnreachableError"].includes(error.name), `${length} at ${when}: ${error}`);
    }
  }
  assertLess(Deno.memoryUsage().rss - before, 64 * 2 ** 20);
  await rig.checkHonest({ kept: "kept" });
});

hostileTest("MS07: a compressed block that is a bomb, or ends elsewhere than it says", async (rig) => {
  const { server } = rig;
  server.put("a", "1");
  const zeros = packBlock([new Uint8Array(1_000_000)]);
  const before = Deno.memoryUsage().rss;
  for (const rawSize of [1, 999_999, 1_000_001, 1_310_720]) {
    server.on.download = (talk, id) => {
      const block = new FreeFields().u8(1).uint(rawSize).uint(zeros.bytes.length).raw(zeros.bytes).bytes();
      const size = Math.min(rawSize, 131_072);
      const sizes = Array.from({ length: Math.ceil(rawSize / size) }, () => size);
      const fields = new FreeFields().u8(1).uint(sizes.length);
      for (const one of sizes) fields.uint(one + 1);
      return talk.frame(freeFrame(12, id, fields.raw(block).bytes()));
    };
    assert(await rig.refusal() instanceof ProtocolError, `${rawSize}`);
  }
  assertLess(Deno.memoryUsage().rss - before, 64 * 2 ** 20);
  await rig.checkHonest({ a: "1" });
});

hostileTest("MS07: a listing of empty pages ends", async (rig) => {
  await start(rig);
  const { server } = rig;
  server.on.subscribe = async (talk, id) => {
    const page = freeChanges(id, [], { more: true, count: 0 });
    const framed = new Uint8Array(4 + page.length);
    new DataView(framed.buffer).setUint32(0, page.length);
    framed.set(page, 4);
    const many = new Uint8Array(framed.length * 1000);
    for (let i = 0; i < 1000; i++) many.set(framed, i * framed.length);
    for (;;) await talk.raw(many);
  };
  assertStringIncludes((await rig.refusal()).message, "has no end");
  await rig.checkHonest({ kept: "kept" });
});

hostileTest("MS07: a listing of ever more paths ends before memory does", async (rig) => {
  const { server } = rig;
  server.put("kept", "kept");
  await rig.status();
  const entry = freeFile(CONTENT);
  const long = "p".repeat(200);
  let pages = 0;
  server.on.subscribe = async (talk, id) => {
    for (pages = 0; pages < 10_000; pages++) {
      const notices = Array.from(
        { length: 1000 },
        (_, i) => freeNotice.set(`${long}/${pages}-${i}`, 500 + pages, entry),
      );
      await talk.frame(freeChanges(id, notices, { more: true, upTo: 2 }));
    }
  };
  assertStringIncludes((await rig.refusal()).message, "more paths than this side has memory for");
  assertLess(pages, 200);
  await rig.checkHonest({ kept: "kept" });
}, { headsBytesMax: 8 * 2 ** 20 });

hostileTest("MS07: moves that breed ever more paths end before memory does", async (rig) => {
  const { server } = rig;
  for (let i = 0; i < 200; i++) server.put(`d0/f${i}`, `${i}`);
  await rig.status();
  server.on.subscribe = async (talk, id) => {
    await talk.send(id, { type: "changes", notices: [], upTo: server.revision, more: false, conflicts: 0 });
    for (let page = 0; page < 100; page++) {
      const notices = Array.from({ length: 1000 }, (_, i) => {
        const n = page * 1000 + i;
        return freeNotice.moved(`d${n}`, `d${n + 1}`, 1000 + n);
      });
      await talk.frame(freeChanges(0, notices, { upTo: 2 }));
    }
  };
  await rig.pass();
  assertEquals(rig.files().length, 201);
  server.on = {};
  server.revision += 200_000;
  await rig.checkHonest({ "d0/f1": "1" });
}, { headsBytesMax: 2 * 2 ** 20 });

hostileTest("MS07: a move that makes paths longer than any may be", async (rig) => {
  const { server } = rig;
  const deep = Array.from({ length: 10 }, () => "x".repeat(250)).join("/");
  server.put(`${deep}/f`, "deep");
  server.put("d/f", "text");
  await rig.status();
  server.on.subscribe = (talk, id) =>
    talk.frame(freeChanges(id, [freeNotice.moved("x".repeat(250), `d/${deep.slice(0, 2400)}`, 500)]));
  assert(await rig.refusal() instanceof ProtocolError);
  await rig.checkHonest({ "d/f": "text" });
});

hostileTest(
  "MS07: moves into, onto and out of each other change nothing that is not asked back",
  async (rig) => {
    const { server } = rig;
    server.put("a/b/c", "1");
    server.put("x", "2");
    await rig.status();
    const moves: readonly (readonly [string, string])[] = [
      ["a/b", "a"],
      ["a", "a/b/c/d"],
      ["a", "a"],
      ["x", "a/b"],
      ["nothing", "a"],
      ["a/b/c", "a/b/c/deeper"],
      ["a", "x"],
    ];
    for (const [from, to] of moves) {
      server.on.subscribe = (talk, id) => talk.frame(freeChanges(id, [freeNotice.moved(from, to, 900)]));
      await rig.pass();
      rig.checkUntouched();
    }
    server.on = {};
    server.revision += 2000;
    await rig.checkHonest({ "a/b/c": "1", x: "2" });
  },
);

hostileTest("MS07: notices and pings without end do not stop a pass, and take no memory", async (rig) => {
  await start(rig);
  const { server } = rig;
  server.on.subscribe = async (talk, id, message) => {
    await server.honest(talk, id, message);
    const notice = { kind: "set", path: p("kept"), from: null, author: AUTHOR } as const;
    const { entry } = server.heads.get(p("kept"))!;
    for (;;) {
      await talk.send(0, { type: "ping" });
      const notices = [{ ...notice, entry: entry!, revision: 1 }];
      await talk.send(0, { type: "changes", notices, upTo: 1, more: false, conflicts: 0 });
    }
  };
  const before = Deno.memoryUsage().rss;
  assertEquals((await rig.status()).state, "in sync");
  assertLess(Deno.memoryUsage().rss - before, 100 * 2 ** 20);
  await rig.checkHonest({ kept: "kept" });
});

hostileTest("MS07: a frame that never ends, and a session that ends at once, each time", async (rig) => {
  await start(rig);
  const { server } = rig;
  server.on.subscribe = (talk) => talk.frame(new Uint8Array(100), 1_000_000).then(() => talk.close());
  assertEquals((await rig.refusal()).name, "UnreachableError");
  server.on = {};
  server.on.subscribe = async (talk, id, message) => {
    await server.honest(talk, id, message);
    await talk.frame(Uint8Array.of(250, 0, 0, 0, 0));
  };
  server.connections = 0;
  await rig.watch(() => new Promise((resolve) => setTimeout(resolve, 3000)));
  // Back-off grows, or it would be a dozen.
  assertLess(server.connections, 8);
  await rig.checkHonest({ kept: "kept" });
});
