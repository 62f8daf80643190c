/** MS06: contents that are not what was announced. Nothing of them is kept, the rest goes on, and they are tried again. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { chunkContent, type ChunkList, digest, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { FileEntry } from "../../core/entry.ts";
import { parsePath } from "../../core/path.ts";
import { packBlock } from "../../protocol/block.ts";
import { dataMessages } from "../../protocol/data_stream.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Data, DataOp } from "../../protocol/messages.ts";
import type { HostileServer, Talk } from "./hostile_server.ts";
import { hostileTest, type Rig } from "./rig.ts";

const p = parsePath;
const encode = (text: string) => new TextEncoder().encode(text);

/** What the server sends for `bad`, whatever was asked; other files come as they are. */
function lie(server: HostileServer, sent: (bytes: Uint8Array) => Uint8Array): void {
  server.on.download = (talk, id, { items }) => {
    const all = items.map(({ path }) => {
      const { bytes } = server.heads.get(path)!;
      return path === "bad" ? sent(bytes!) : bytes!;
    });
    const sizes = all.map(({ length }) => length);
    return talk.send(id, { type: "contents", sizes, block: packBlock(all), last: true });
  };
}

const LIES: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  "other bytes of the same length": (bytes) => bytes.map((byte) => byte ^ 1),
  "the start of it": (bytes) => bytes.slice(0, -1),
  "nothing": () => new Uint8Array(0),
  "more than announced": (bytes) => new Uint8Array([...bytes, 0]),
  "the right bytes of another file": () => encode("good text"),
};

for (const [name, sent] of Object.entries(LIES)) {
  hostileTest(`MS06: ${name}, as a new file and as a new version`, async (rig) => {
    const { server } = rig;
    server.put("good", "good text");
    server.put("bad", "the right bytes");
    lie(server, sent);
    const first = await rig.status();
    assertEquals(first.problems.map(({ reason }) => reason), [
      'Cannot download "bad": the server sent other bytes than announced',
    ]);
    assertEquals(rig.files(), ["good=good text"]);
    server.on = {};
    assertEquals((await rig.status()).state, "in sync");
    server.put("bad", "a newer version");
    lie(server, sent);
    assertEquals((await rig.status()).state, "problems");
    assertEquals(rig.files(), ["bad=the right bytes", "good=good text"]);
    await rig.checkHonest({ bad: "a newer version", good: "good text" });
  });
}

hostileTest("MS06: a file that is announced with the content of another size", async (rig) => {
  const { server } = rig;
  server.put("good", "good text");
  const { entry, bytes } = server.heads.get(p("good"))!;
  server.setHead(p("bad"), { ...entry as FileEntry, size: 4 }, bytes);
  assertEquals((await rig.status()).state, "problems");
  assertEquals(rig.files(), ["good=good text"]);
  server.heads.delete(p("bad"));
  await rig.checkHonest({ good: "good text" });
});

/** A large file on the server, with its chunks. */
class Large {
  readonly bytes = new Uint8Array(600_000);
  readonly chunks: ChunkList;

  constructor(seed: number) {
    for (let i = 0, x = seed; i < this.bytes.length; i++) {
      x = Math.imul(x, 1_664_525) + 1_013_904_223;
      this.bytes[i] = x >>> 24;
    }
    const cutter = chunkContent((into, at) => {
      const part = this.bytes.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    });
    let step = cutter.next();
    while (!step.done) step = cutter.next();
    this.chunks = step.value;
  }

  get entry(): FileEntry {
    const content = this.chunks.contentId();
    return { kind: "file", size: this.bytes.length, mtime: 1000, mode: 0o644, content };
  }

  messages(): Data[] {
    const messages = dataMessages({
      chunks: this.chunks,
      base: null,
      first: 0,
      read: (into, at) => {
        const part = this.bytes.subarray(at, at + into.length);
        into.set(part);
        return part.length;
      },
    });
    return Array.from(messages, (message) => structuredClone(message));
  }

  /** As an honest server. */
  async send(talk: Talk, id: number, messages = this.messages()): Promise<void> {
    await talk.send(id, { type: "fetching", first: 0, chunks: this.chunks.length });
    for (const message of messages) await talk.send(id, message);
  }
}

function data(ops: readonly DataOp[], bytes: Uint8Array, last = true): Data {
  return { type: "data", ops, block: packBlock([bytes]), last };
}

const large = new Large(7);
const other = new Large(8);
const small = encode("a chunk");
const LARGE_LIES: Record<string, readonly Data[]> = {
  "the whole of another file": other.messages(),
  "half of it": [firstChunks(large, 3)],
  "nothing": [data([], new Uint8Array(0))],
  "more than announced": [
    ...large.messages().map((message) => ({ ...message, last: false })),
    ...other.messages(),
  ],
  "chunks under a wrong name": [data([{ op: "new", id: digest(encode("x")), size: small.length }], small)],
  "its chunks in another cut": [data([{ op: "new", id: digest(small), size: small.length }], small)],
  "parts of a base that was not named": [data([{ op: "base", index: 0, count: 3 }], new Uint8Array(0))],
  "parts of a base that it does not have": [
    data([{ op: "base", index: 2 ** 29, count: 1 }], new Uint8Array(0)),
  ],
  "a chunk that was never sent again": [data([{ op: "self", index: 5 }], new Uint8Array(0))],
  "one chunk again and again": [
    data([{ op: "new", id: digest(small), size: small.length }, ...repeated(4000)], small),
  ],
};

function firstChunks({ bytes, chunks }: Large, count: number): Data {
  const ops = Array.from({ length: count }, (_, i): DataOp => {
    return { op: "new", id: chunks.idAt(i), size: chunks.sizeAt(i) };
  });
  return data(ops, bytes.subarray(0, chunks.offsets()[count]!));
}

function repeated(count: number): DataOp[] {
  return Array.from({ length: count }, () => ({ op: "self", index: 0 }));
}

async function checkLarge(rig: Rig): Promise<void> {
  rig.server.on.fetch = (talk, id) => large.send(talk, id);
  assertEquals((await rig.status()).state, "in sync");
  assertEquals(Deno.readFileSync(rig.at("bad")), large.bytes);
}

for (const [name, messages] of Object.entries(LARGE_LIES)) {
  hostileTest(`MS06: a large file comes as ${name}`, async (rig) => {
    assert(large.bytes.length > SINGLE_CHUNK_MAX);
    const { server } = rig;
    server.put("good", "good text");
    server.setHead(p("bad"), large.entry, null);
    server.on.fetch = (talk, id) => large.send(talk, id, [...messages]);
    const { problems } = await rig.status();
    assertEquals(problems.map(({ path }) => path), ["bad"]);
    assertStringIncludes(problems[0]!.reason, "the server sent other bytes than announced");
    assertEquals(rig.files(), ["good=good text"]);
    rig.checkUntouched();
    await checkLarge(rig);
    rig.checkUntouched();
  });
}

hostileTest("MS06: a new version of a large file that is none leaves the old one", async (rig) => {
  const { server } = rig;
  server.setHead(p("bad"), large.entry, null);
  await checkLarge(rig);
  server.setHead(p("bad"), other.entry, null);
  server.on.fetch = (talk, id) =>
    other.send(talk, id, [data([{ op: "base", index: 0, count: large.chunks.length }], new Uint8Array(0))]);
  assertEquals((await rig.status()).state, "problems");
  assertEquals(Deno.readFileSync(rig.at("bad")), large.bytes);
  server.on.fetch = (talk, id) => other.send(talk, id);
  assertEquals((await rig.status()).state, "in sync");
  assertEquals(Deno.readFileSync(rig.at("bad")), other.bytes);
});

hostileTest("MS06: a large file that goes on where this side is not", async (rig) => {
  const { server } = rig;
  server.put("good", "good text");
  server.setHead(p("bad"), large.entry, null);
  server.on.fetch = (talk, id) => talk.send(id, { type: "fetching", first: 2, chunks: 5 });
  assert(await rig.refusal() instanceof ProtocolError);
  await checkLarge(rig);
});

hostileTest("MS06: a large content sent as a small one, and a small one to be fetched", async (rig) => {
  const { server } = rig;
  server.put("good", "good text");
  server.setHead(p("bad"), { ...large.entry, size: 100 }, null);
  server.on.download = (talk, id, { items }) =>
    talk.send(id, {
      type: "contents",
      sizes: items.map(() => 0),
      block: packBlock([new Uint8Array(0)]),
      last: true,
    });
  assertEquals((await rig.status()).problems.map(({ path }) => path).sort(), ["bad", "good"]);
  server.heads.delete(p("bad"));
  await rig.checkHonest({ good: "good text" });
});
