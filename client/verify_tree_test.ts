import { assertEquals } from "@std/assert";
import { singleChunkId } from "../core/chunk.ts";
import type { Entry } from "../core/entry.ts";
import { parsePath, type SyncPath } from "../core/path.ts";
import { systemClock } from "../system/clock.ts";
import { openDisk } from "../system/real_disk.ts";
import { large, noise } from "../tests/conformance/contents_suite.ts";
import type { Synced } from "./state.ts";
import { verifyTree } from "./verify_tree.ts";

const BIG = noise(300_000, 4);
const SMALL = new TextEncoder().encode("small");

Deno.test("files that look untouched must have the bytes that were synced; others are not judged", async () => {
  const root = Deno.makeTempDirSync();
  const disk = openDisk(root);
  try {
    const rows = new Map<SyncPath, Synced>();
    const put = (name: string, bytes: Uint8Array, synced = bytes) => {
      Deno.writeFileSync(`${root}/${name}`, bytes);
      const content = synced.length > 200_000 ? large(synced).id : singleChunkId(synced);
      const entry: Entry = { kind: "file", size: synced.length, mtime: 0, mode: 0o644, content };
      rows.set(parsePath(name), { entry, revision: rows.size + 1, stat: disk.stat(parsePath(name)) });
    };
    const rotten = (bytes: Uint8Array) => bytes.map((byte, i) => i === 3 ? byte ^ 1 : byte);
    put("small", SMALL);
    put("big", BIG);
    put("empty", new Uint8Array(0));
    put("small-rotten", rotten(SMALL), SMALL);
    put("big-rotten", rotten(BIG), BIG);
    put("gone", SMALL);
    put("changed", SMALL);
    Deno.removeSync(`${root}/gone`);
    Deno.writeTextFileSync(`${root}/changed`, "a user's edit");
    Deno.mkdirSync(`${root}/dir`);
    rows.set(parsePath("dir"), { entry: { kind: "dir", mode: 0o755 }, revision: 9, stat: null });
    const { files, bytes, changed, findings } = await verifyTree(disk, rows, systemClock);
    assertEquals([files, bytes, changed], [3, 300_005, 1]);
    assertEquals(findings, [
      { path: parsePath("small-rotten"), what: "damaged", revision: 4 },
      { path: parsePath("big-rotten"), what: "damaged", revision: 5 },
      { path: parsePath("gone"), what: "missing", revision: 6 },
    ]);
  } finally {
    disk.close();
    Deno.removeSync(root, { recursive: true });
  }
});
