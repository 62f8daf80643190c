import { packBlock } from "../../protocol/block.ts";
import { assertEquals, assertThrows } from "@std/assert";
import type { ContentId } from "../../core/entry.ts";
import { ContentsError, type Location } from "../../server/store/contents.ts";
import { openContents } from "../../server/store/pack_contents.ts";
import { mapFiles, MemContents } from "../fakes/mem_contents.ts";
import { append, type ContentsPlace, contentsSuite } from "./contents_suite.ts";

const PACK_BYTES_MAX = 64 * 1024;

function emptyIndex() {
  const lists = new Map<ContentId, Uint8Array>();
  const locations = new Map<ContentId, Location>();
  return {
    lists,
    locations,
    chunkList: (id: ContentId) => lists.get(id) ?? null,
    location: (id: ContentId) => locations.get(id) ?? null,
  };
}

function realPlace(): ContentsPlace {
  const index = emptyIndex();
  const root = Deno.makeTempDirSync();
  const dir = `${root}/.fsync`;
  const place: ContentsPlace = {
    onSync: () => Promise.resolve(),
    index,
    open: () =>
      openContents(dir, {
        index,
        end: { pack: 0, offset: 0 },
        packBytesMax: PACK_BYTES_MAX,
        syncData: async (file) => {
          await place.onSync();
          await file.syncData();
        },
      }),
    damage({ pack, offset, length }: Location) {
      const path = `${dir}/packs/${String(pack).padStart(6, "0")}.pack`;
      const bytes = Deno.readFileSync(path);
      bytes[offset + length - 1]! ^= 1;
      Deno.writeFileSync(path, bytes);
    },
    part: (id) => readOrNull(`${dir}/incoming/${id}.part`),
    setPart: (id, bytes) => Deno.writeFileSync(`${dir}/incoming/${id}.part`, bytes),
    setLarge: (id: ContentId, bytes) => Deno.writeFileSync(`${dir}/large/${id}`, bytes),
    remove: () => Deno.removeSync(root, { recursive: true }),
  };
  return place;
}

function readOrNull(path: string): Uint8Array | null {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function memPlace(): ContentsPlace {
  const files = mapFiles();
  const index = emptyIndex();
  const place: ContentsPlace = {
    onSync: () => Promise.resolve(),
    index,
    open: () => contents,
    damage: (location) => contents.damage(location),
    part: (id) => files.read(`incoming/${id}.part`),
    setPart: (id, bytes) => files.write(`incoming/${id}.part`, bytes),
    setLarge: (id, bytes) => files.write(`large/${id}`, bytes),
    remove: () => {},
  };
  const contents = new MemContents(files, {
    index,
    packBytesMax: PACK_BYTES_MAX,
    syncData: () => place.onSync(),
  });
  return place;
}

contentsSuite("pack contents", realPlace);
contentsSuite("memory contents", memPlace);

Deno.test("memory contents: a power cut takes what was not synced, and nothing else", async () => {
  const contents = new MemContents();
  const kept = append(contents, [new Uint8Array([1])]);
  await contents.sync();
  const end = contents.durableEnd();
  const lost = append(contents, [new Uint8Array([2])], packBlock([new Uint8Array([2])]));
  contents.powerCut();
  assertEquals(contents.read(...kept[0]!), new Uint8Array([1]));
  assertThrows(() => contents.read(...lost[0]!), ContentsError);
  assertEquals(contents.durableEnd(), end);
});
