/** What one client that has signed in can make the server hold. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { Rights } from "../core/access.ts";
import { digestHex } from "../core/chunk.ts";
import type { ContentId, FileEntry } from "../core/entry.ts";
import { parsePath } from "../core/path.ts";
import { packBlock } from "../protocol/block.ts";
import { encode } from "../protocol/codec.ts";
import { REQUESTS_IN_FLIGHT_MAX } from "../protocol/limits.ts";
import type { Message, UploadItem } from "../protocol/messages.ts";
import { MemContents } from "../tests/fakes/mem_contents.ts";
import { Reception } from "../tests/fakes/reception.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { MAIN_FOLDER } from "./accounts/accounts.ts";

const MIB = 1024 * 1024;
const FILE_BYTES = 128 * 1024;
const WINDOW_BYTES = 4 * MIB;

interface NewFile {
  readonly item: UploadItem;
  readonly bytes: Uint8Array;
}

function newFile(n: number): NewFile {
  const bytes = new SeededRandom(BigInt(n)).bytes(FILE_BYTES);
  const entry: FileEntry = {
    kind: "file",
    size: bytes.length,
    mtime: 1,
    mode: 0o644,
    content: digestHex(bytes) as ContentId,
  };
  const source = { from: "inline" } as const;
  return { item: { op: "put", path: parsePath(`f${n}`), base: 0, entry, source }, bytes };
}

function uploadOf(files: readonly NewFile[]): Extract<Message, { type: "upload" }> {
  return {
    type: "upload",
    items: files.map(({ item }) => item),
    block: packBlock(files.map(({ bytes }) => bytes)),
  };
}

Deno.test("session: who asks for much and reads nothing makes the server hold a few blocks", async () => {
  await using reception = new Reception();
  reception.addUser("ann", MAIN_FOLDER);
  const folder = reception.folders.get(MAIN_FOLDER)!;
  const files = Array.from({ length: 8 }, (_, i) => newFile(i));
  const { items, block } = uploadOf(files);
  const actor = { user: "ann", device: "ann", replica: "0".repeat(32), clockOffset: 0 };
  const caller = { actor, rights: () => Rights.ALL };
  const results = await folder.upload({ caller, items, block, raw: block.bytes, staged: new Map() });
  const refs = results.map((result, i) => {
    assert(result.status === "ok");
    return { path: (items[i] as { path: ReturnType<typeof parsePath> }).path, revision: result.revision };
  });
  const { a, b } = reception.plug("10.0.0.7", { windowBytes: WINDOW_BYTES });
  await a.send(encode({ id: 0, message: reception.hello("ann") }));
  // Each would be answered by ten blocks of one MiB.
  const download: Message = { type: "download", items: Array(10).fill(refs).flat() };
  for (let id = 1; id <= REQUESTS_IN_FLIGHT_MAX; id++) await a.send(encode({ id, message: download }));
  await reception.clock.settle();
  assert(b.bytesWaiting >= WINDOW_BYTES, `${b.bytesWaiting} bytes wait`);
  assertLess(b.bytesWaiting, WINDOW_BYTES + 5 * MIB);
});

Deno.test("session: who sends faster than the disk writes is held back", async () => {
  await using reception = new Reception();
  const { promise: written, resolve: write } = Promise.withResolvers<void>();
  reception.addFolder(MAIN_FOLDER, new MemContents(undefined, { syncData: () => written }));
  reception.addUser("ann", MAIN_FOLDER);
  const { a } = reception.plug("10.0.0.7", { windowBytes: 100 * MIB });
  await a.send(encode({ id: 0, message: reception.hello("ann") }));
  const uploads = 30;
  let sent = 0;
  for (let id = 1; id <= uploads; id++) {
    const files = Array.from({ length: 8 }, (_, i) => newFile(id * 8 + i));
    const frame = encode({ id, message: uploadOf(files) });
    sent += frame.length;
    await a.send(frame);
  }
  await reception.clock.settle();
  const taken = sent - a.bytesWaiting;
  assertLess(taken, 18 * MIB);
  assert(taken > 8 * MIB, `only ${taken} bytes were taken`);
  write();
  for (let answered = 0; answered <= uploads; answered++) await a.receive();
  assertEquals(a.bytesWaiting, 0);
});
