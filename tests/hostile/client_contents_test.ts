/** MC24, MC25: contents that a hostile client never had, or that are not what it says; sizes that do not add up. */
import { assert, assertEquals } from "@std/assert";
import { digest, digestHex } from "../../core/chunk.ts";
import { packBlock } from "../../protocol/block.ts";
import type { Message } from "../../protocol/messages.ts";
import { large, noise } from "../conformance/contents_suite.ts";
import { FreeFields, freeFile } from "./free_frames.ts";
import { checkHonest, freeItem, HostileClient, hostileClientTest } from "./hostile_client.ts";

const encoder = new TextEncoder();
const INLINE = 1, VERSION = 2, STAGED = 3;

function put(path: string, entry: Uint8Array, source: Uint8Array): Uint8Array {
  return new FreeFields().u8(1).text(path).uint(0).raw(entry).raw(source).bytes();
}

function versionOf(path: string, revision: number): Uint8Array {
  return new FreeFields().u8(VERSION).text(path).uint(revision).bytes();
}

hostileClientTest(
  "MC24: a content is only taken from who shows its bytes, or names a version that holds it",
  async (world) => {
    const secret = encoder.encode("known to the server");
    const client = await HostileClient.signedIn(world);
    const [stored] = (await client.upload([freeItem.file("known", "known to the server")], secret))!;
    assert(stored?.status === "ok");
    const entry = freeFile(digestHex(secret), { size: secret.length });
    const other = freeFile(digestHex(encoder.encode("never uploaded by anybody")), { size: 25 });
    const status = async (item: Uint8Array, block?: Uint8Array) => {
      const result = (await client.upload([item], block))?.[0];
      return result?.status === "error" ? result.code : result?.status;
    };
    // The right bytes under a wrong hash, and wrong bytes under a right one.
    assertEquals(
      await status(put("a", entry, Uint8Array.of(INLINE)), secret.map((byte) => byte ^ 1)),
      "corrupt",
    );
    assertEquals(await status(put("b", other, Uint8Array.of(INLINE)), new Uint8Array(25)), "corrupt");
    // Whether the server has a content cannot be found out: the answer is the same.
    for (const path of ["none", "known"]) {
      for (const revision of [0, 99]) {
        assertEquals(await status(put("c", entry, versionOf(path, revision))), "notFound");
        assertEquals(await status(put("c", other, versionOf(path, revision))), "notFound");
      }
    }
    assertEquals(
      await status(put("c", other, versionOf("known", stored.revision))),
      "notFound",
      "another content",
    );
    const larger = freeFile(digestHex(secret), { size: secret.length + 1 });
    assertEquals(
      await status(put("c", larger, versionOf("known", stored.revision))),
      "notFound",
      "another size",
    );
    const huge = freeFile("ab".repeat(32), { size: 300_000 });
    assertEquals(await status(put("c", huge, Uint8Array.of(STAGED))), "corrupt", "never staged");
    client.close();
    // What was refused has no version, so it can appear nowhere.
    assertEquals([...new Set(world.versions().map(({ path }) => path))], ["known"]);
  },
);

type Ops = Extract<Message, { type: "data" }>["ops"];

hostileClientTest(
  "MC25: ops that point nowhere, overlap, or do not add up are answered, and nothing of them is stored",
  async (world) => {
    const { id: content, bytes, chunks } = large(noise(400_000, 7));
    const first = bytes.subarray(0, chunks.sizeAt(0));
    const good = { op: "new", id: digest(first), size: first.length } as const;
    const attacks: Record<string, { ops: Ops; bytes: Uint8Array; last: boolean }> = {
      "a base that is not there": {
        ops: [{ op: "base", index: 0, count: 5 }],
        bytes: new Uint8Array(0),
        last: true,
      },
      "a chunk of its own that did not come yet": {
        ops: [{ op: "self", index: 7 }],
        bytes: new Uint8Array(0),
        last: true,
      },
      "a chunk with another digest": { ops: [{ ...good, id: new Uint8Array(32) }], bytes: first, last: true },
      "too little": { ops: [good], bytes: first, last: true },
      "one chunk over and over": {
        ops: [good, ...Array(300).fill({ op: "self", index: 0 })] as Ops,
        bytes: first,
        last: true,
      },
      "nothing": { ops: [], bytes: new Uint8Array(0), last: true },
    };
    for (const [name, attack] of Object.entries(attacks)) {
      const client = await HostileClient.signedIn(world);
      const staged = await client.ask({
        type: "stage",
        content,
        size: bytes.length,
        chunks: chunks.length,
        base: null,
      });
      assert(staged?.type === "staged" && !staged.complete, name);
      const answer = await sendData(client, attack);
      assert(answer === null || answer.type === "error", `${name}: ${answer?.type}`);
      client.close();
    }
    // Announced sizes that cannot be: an answer, and no memory taken.
    for (
      const [size, count] of [[300_000, 0], [300_000, 2 ** 40], [2 ** 52, 3], [8 * 2 ** 40, 2 ** 25], [
        1000,
        1,
      ]]
    ) {
      const client = await HostileClient.signedIn(world);
      await client.send(8, new FreeFields().hex(content).uint(size!).uint(count!).u8(0).bytes());
      const answer = await client.next();
      assert(answer === null || answer.type === "error" || (answer.type === "staged" && !answer.complete));
      client.close();
    }
    await checkHonest(world);
    const stored = [...Deno.readDirSync(`${world.serverDir}/.fsync/large`)].map(({ name }) => name);
    assertEquals(stored, []);
  },
);

async function sendData(
  client: HostileClient,
  { ops, bytes, last }: { ops: Ops; bytes: Uint8Array; last: boolean },
) {
  const fields = new FreeFields().u8(last ? 1 : 0).uint(ops.length);
  for (const op of ops) {
    if (op.op === "base") fields.u8(1).uint(op.index).uint(op.count);
    else if (op.op === "self") fields.u8(2).uint(op.index);
    else fields.u8(3).raw(op.id).uint(op.size);
  }
  const block = packBlock([bytes]);
  fields.u8(block.encoding === "raw" ? 0 : 1).uint(block.rawSize).uint(block.bytes.length).raw(block.bytes);
  await client.continue(10, fields.bytes());
  return await client.next();
}
