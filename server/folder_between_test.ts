/** Upkeep runs between groups of uploads, never inside one. */
import { Rights } from "../core/access.ts";
import { assertEquals, assertRejects } from "@std/assert";
import { digestHex } from "../core/chunk.ts";
import type { ContentId } from "../core/entry.ts";
import { parsePath } from "../core/path.ts";
import { packBlock } from "../protocol/block.ts";
import { systemClock } from "../system/clock.ts";
import { large, noise, store } from "../tests/conformance/contents_suite.ts";
import { MemContents } from "../tests/fakes/mem_contents.ts";
import { MemRecords } from "../tests/fakes/mem_records.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { Folder, type UploadJob } from "./folder.ts";

const ACTOR = { user: "ann", device: "laptop", replica: "7".repeat(32), clockOffset: 0 };
const CALLER = { actor: ACTOR, rights: () => Rights.ALL };

function folderOf(contents: MemContents): { readonly folder: Folder; readonly records: MemRecords } {
  const records = new MemRecords(new SeededRandom(1n), systemClock);
  return { records, folder: new Folder({ records, contents, clock: systemClock, onCommit: () => {} }) };
}

function job(path: string, text: string): UploadJob {
  const raw = new TextEncoder().encode(text);
  const content = digestHex(raw) as ContentId;
  const entry = { kind: "file", size: raw.length, mtime: 1, mode: 0o644, content } as const;
  const item = { op: "put", path: parsePath(path), base: 0, entry, source: { from: "inline" } } as const;
  return { caller: CALLER, items: [item], block: packBlock([raw]), raw, staged: new Map() };
}

Deno.test("work between groups waits for the group that is written, and the next group waits for it", async () => {
  const events: string[] = [];
  const { promise: synced, resolve: release } = Promise.withResolvers<void>();
  const { promise: began, resolve: begin } = Promise.withResolvers<void>();
  const syncData = () => {
    events.push("sync");
    begin();
    return synced;
  };
  const { folder, records } = folderOf(new MemContents(undefined, { syncData }));
  const first = folder.upload(job("a", "one")).then(() => events.push("a"));
  await began;
  const between = folder.between(async () => {
    events.push("upkeep");
    await systemClock.yield();
    assertEquals(records.headRevision(), 1);
    events.push("upkeep ends");
  });
  const second = folder.upload(job("b", "two")).then(() => events.push("b"));
  release();
  await Promise.all([first, between, second]);
  assertEquals(events, ["sync", "a", "upkeep", "upkeep ends", "sync", "b"]);
});

Deno.test("work that fails fails alone", async () => {
  const { folder } = folderOf(new MemContents());
  const failing = folder.between(() => {
    throw new Error("no");
  });
  const upload = folder.upload(job("a", "one"));
  await assertRejects(() => failing, Error, "no");
  assertEquals((await upload)[0]?.status, "ok");
  assertEquals(await folder.between(() => 7), 7);
});

Deno.test("a large content that was collected since it was staged is not committed", async () => {
  const contents = new MemContents();
  const { folder } = folderOf(contents);
  const content = large(noise(200_000, 1));
  await store(contents, content);
  const entry = { kind: "file", size: 200_000, mtime: 1, mode: 0o644, content: content.id } as const;
  const item = { op: "put", path: parsePath("a"), base: 0, entry, source: { from: "staged" } } as const;
  const empty = new Uint8Array(0);
  const upload: UploadJob = {
    caller: CALLER,
    items: [item],
    block: packBlock([empty]),
    raw: empty,
    staged: new Map([[content.id, content.chunks]]),
  };
  await folder.between(() => contents.dropLarge(content.id));
  const [result] = await folder.upload(upload);
  assertEquals(result?.status === "error" ? result.code : result?.status, "corrupt");
  await store(contents, content);
  assertEquals((await folder.upload(upload))[0]?.status, "ok");
});
