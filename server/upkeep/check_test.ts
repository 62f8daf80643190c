/** Damage of every kind on a real store: it is found, named, and brought back where the bytes are somewhere else. */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { openDisk } from "../../system/real_disk.ts";
import { large, noise } from "../../tests/conformance/contents_suite.ts";
import { OpenStore, StorePlace } from "../../tests/fakes/store_place.ts";
import { archiveLarge } from "./archive.ts";
import { StoreCheck, type StoreReport } from "./check.ts";
import { repack } from "./repack.ts";
import { repairStore } from "./repair.ts";

const text = (value: string) => new TextEncoder().encode(value.repeat(300));
const BIG = noise(500_000, 3);
const NEXT = BIG.slice();
NEXT.set(noise(100, 9), 250_000);

async function fill(store: OpenStore): Promise<void> {
  await store.put("small", text("old "));
  await store.put("small", text("new "));
  await store.put("other", text("other "));
  await store.put("big", BIG);
  await store.put("big", NEXT);
}

/** A filled store, changed by `damage` while it is closed; what a check says, and what it says after a repair. */
async function checked(
  damage: (root: string) => void,
  prepare: (store: OpenStore) => Promise<unknown> = () => Promise.resolve(),
): Promise<{ readonly found: string[]; readonly repaired: string[]; readonly after: string[] }> {
  using place = new StorePlace();
  const root = `${place.root}/a`;
  let store = new OpenStore(root);
  await fill(store);
  await prepare(store);
  store.close();
  damage(root);
  store = new OpenStore(root);
  const disk = openDisk(root);
  try {
    const check = new StoreCheck(store.parts());
    await check.run();
    const done = await repairStore(store.parts(), check, disk);
    const again = new StoreCheck(store.parts());
    await again.run();
    const repaired = check.report(done).findings.filter((one) => one.repaired).flatMap((one) => one.versions);
    return { found: lines(check.report()), repaired, after: lines(again.report()) };
  } finally {
    disk.close();
    store.close();
  }
}

function lines({ findings }: StoreReport): string[] {
  return findings.map(({ versions, text }) => `${versions.join(", ")}: ${text}`).sort();
}

function flip(path: string, at: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  Deno.writeFileSync(path, bytes);
}

const pack = (root: string) => `${root}/.fsync/packs/000001.pack`;
const largeOf = (root: string, bytes: Uint8Array) => {
  const files = [...Deno.readDirSync(`${root}/.fsync/large`)].map(({ name }) =>
    `${root}/.fsync/large/${name}`
  );
  return files.find((path) => Deno.readFileSync(path).every((byte, i) => byte === bytes[i]))!;
};

Deno.test("a store as it should be has no findings, packed in any way", async () => {
  assertEquals((await checked(() => {})).found, []);
  const tidy = async (store: OpenStore) => {
    await archiveLarge(store.parts());
    await repack(store.parts(), { looseBytesMin: 0 });
  };
  assertEquals((await checked(() => {}, tidy)).found, []);
});

Deno.test("a flipped byte in a pack names the versions; the plain file brings its content back", async () => {
  const { found, after } = await checked((root) => flip(pack(root), 25));
  assertEquals(found, ["small (1): the block at 0 of pack 1 is damaged"]);
  assertEquals(after, found);
  const second = await checked((root) => {
    Deno.writeFileSync(`${root}/other`, text("other "));
    flip(pack(root), -1);
  });
  assertEquals(second.found.length, 1);
  assert(second.found[0]!.startsWith("other (3): the block at "));
  assertEquals([second.repaired, second.after], [["other (3)"], []]);
});

Deno.test("a damaged header hides no good block behind it, and a plain file of other bytes is no help", async () => {
  const { found, after } = await checked((root) => {
    Deno.writeFileSync(`${root}/small`, text("else "));
    flip(pack(root), 1);
  });
  assertEquals(found, ["small (1): the block at 0 of pack 1 is damaged"]);
  assertEquals(after, found);
});

Deno.test("a pack that is gone loses what it held", async () => {
  const { found } = await checked((root) => Deno.removeSync(pack(root)));
  assertEquals(found.map((line) => line.slice(0, line.indexOf(":"))), [
    "other (3)",
    "small (1)",
    "small (2)",
  ]);
});

Deno.test("a flipped byte in a large file is found; a copy in the tree brings it back", async () => {
  const lost = await checked((root) => flip(largeOf(root, BIG), 400_000));
  assertEquals(lost.found.length, 1);
  assert(/^big \(4\): the file large\/[0-9a-f]{64} is damaged$/.test(lost.found[0]!), lost.found[0]);
  const back = await checked((root) => {
    Deno.writeFileSync(`${root}/big`, NEXT);
    flip(largeOf(root, NEXT), 9);
  });
  assertEquals([back.found.length, back.after], [1, []]);
  const longer = await checked((root) =>
    Deno.writeFileSync(largeOf(root, BIG), new Uint8Array(1), { append: true })
  );
  assertEquals(longer.found.length, 1);
});

Deno.test("a damaged chunk of an archived content comes back from a content that shares it", async () => {
  const shared = await checked((root) => flip(pack(root), 5_000), (store) => archiveLarge(store.parts()));
  assertEquals(shared.found.length, 1);
  assert(shared.found[0]!.startsWith("big (4): the block at "), shared.found[0]);
  const whole = noise(800_000, 77);
  const { chunks } = large(whole);
  const back = await checked((root) => flip(pack(root), -1), async (store) => {
    await archiveLarge(store.parts());
    // Cut where a chunk ends, so that every chunk of the older one is one of the newer.
    await store.put("grown", whole.slice(0, chunks.offsets()[chunks.length - 1]!));
    await store.put("grown", whole);
    await archiveLarge(store.parts());
  });
  assertEquals(back.found.map((line) => line.slice(0, 9)), ["grown (6)"]);
  assertEquals([back.repaired, back.after], [["grown (6)"], []]);
  const single = await checked(
    (root) => Deno.removeSync(largeOf(root, NEXT)),
    (store) => archiveLarge(store.parts()),
  );
  assertEquals(single.found.map((line) => line.slice(0, 8)), ["big (5):"]);
});

Deno.test("rows of the index that are lost are found again in the packs", async () => {
  const { found, after, repaired } = await checked((root) => {
    const db = new DatabaseSync(`${root}/.fsync/server.db`);
    db.exec("DELETE FROM location");
    db.close();
  }, async (store) => {
    await repack(store.parts(), { looseBytesMin: 0 });
  });
  assertEquals(found.length, 3);
  assertEquals(repaired.sort(), ["other (3)", "small (1)", "small (2)"]);
  assertEquals(after, []);
});

Deno.test("an open conflict whose version is gone is told", async () => {
  const { found } = await checked(() => {}, (store) => {
    store.dispute("small", 2, 99);
    return Promise.resolve();
  });
  assertEquals(found, [': The open conflict on "small" names version 99, which is missing']);
});
