/** Archiving, pruning and rewriting on a real store that is killed after each step. */
import { assert, assertEquals } from "@std/assert";
import { KEEP_EVERYTHING } from "../../core/retention.ts";
import { noise } from "../../tests/conformance/contents_suite.ts";
import { OpenStore, StorePlace } from "../../tests/fakes/store_place.ts";
import { systemClock } from "../../system/clock.ts";
import { archiveLarge } from "./archive.ts";
import { type Finding, StoreCheck } from "./check.ts";
import { choosePruned, NO_RETENTION, prune, readRetention, type Retention, writeRetention } from "./prune.ts";
import { repack } from "./repack.ts";

const text = (value: string) => new TextEncoder().encode(value.repeat(300));
const LAST_TWO: Retention = { rules: { ...KEEP_EVERYTHING, last: 2 }, sizeMax: 0 };

/** Small files with equal contents, versions of a large file that share chunks, deletions, an open conflict. */
async function fill(store: OpenStore): Promise<void> {
  const big = noise(900_000, 3);
  for (let n = 0; n < 5; n++) {
    await store.put("small", text(`version ${n} `));
    await store.put("dir/twin", text(`version ${n} `));
    big.set(noise(200, 100 + n), 400_000);
    await store.put("big", big);
  }
  await store.put("gone", text("deleted "));
  await store.put("dir/twin", null);
  const first = await store.put("disputed", text("mine "));
  for (const one of ["a ", "b ", "c "]) await store.put("disputed", text(one));
  const winner = await store.put("disputed", text("theirs "));
  store.dispute("disputed", winner, first);
  await store.put("gone", null);
}

async function whole(store: OpenStore): Promise<string[]> {
  const versions = await choosePruned(store.parts(), LAST_TWO);
  return versions.map(({ path, revision }) => `${path}@${revision}`).sort();
}

class Killed extends Error {}

function killAt(n: number): { readonly onStep: (step: string) => void; readonly steps: string[] } {
  const steps: string[] = [];
  const onStep = (step: string) => {
    steps.push(step);
    if (steps.length === n) throw new Killed(step);
  };
  return { onStep, steps };
}

Deno.test("rules choose versions, and spare heads, deletions that are heads, and open conflicts", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`);
  await fill(store);
  const chosen = await whole(store);
  store.close();
  assertEquals(
    chosen,
    [
      "big@3",
      "big@6",
      "big@9",
      "dir/twin@11",
      "dir/twin@2",
      "dir/twin@5",
      "dir/twin@8",
      "disputed@19",
      "disputed@20",
      "small@1",
      "small@4",
      "small@7",
    ].filter((key) => chosen.includes(key)),
  );
  assert(chosen.includes("small@1") && !chosen.some((key) => key === "disputed@18"));
});

Deno.test("without rules nothing is chosen; rules are remembered", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`);
  await fill(store);
  assertEquals(readRetention(store.records), NO_RETENTION);
  assertEquals(await choosePruned(store.parts(), NO_RETENTION), []);
  writeRetention(store.records, LAST_TWO);
  assertEquals(readRetention(store.records), LAST_TWO);
  store.close();
});

Deno.test("a limit of size lets the oldest go until the history fits", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`);
  await fill(store);
  const chosen = await choosePruned(store.parts(), { rules: KEEP_EVERYTHING, sizeMax: 2_000_000 });
  assertEquals(chosen.filter(({ path }) => path === "big").map(({ revision }) => revision), [3, 6]);
  store.close();
});

Deno.test("what is archived is read as before, and takes the room of what differs", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`);
  await fill(store);
  const before = store.read();
  const { contents, bytes, damaged } = await archiveLarge(store.parts());
  assertEquals([contents, bytes, damaged], [4, 4 * 900_000, []]);
  assertEquals(store.read(), before);
  const packs = store.contents.packs().reduce((sum, { size }) => sum + size, 0);
  assert(packs < 1_700_000, `${packs} bytes`);
  assertEquals([...store.contents.largeFiles()].length, 1);
  await repack(store.parts(), { looseBytesMin: 0 });
  assertEquals(store.read(), before);
  store.close();
});

Deno.test("a large file with a second name, or damaged, is not archived", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`);
  await fill(store);
  const large = [...store.contents.largeFiles()].map(({ id }) => `${place.root}/a/.fsync/large/${id}`);
  const old = large.filter((path) => !path.endsWith(headOf(store, "big")));
  Deno.linkSync(old[0]!, `${place.root}/a/plain`);
  const bytes = Deno.readFileSync(old[1]!);
  bytes[5]! ^= 1;
  Deno.writeFileSync(old[1]!, bytes);
  const { contents, damaged } = await archiveLarge(store.parts());
  assertEquals([contents, damaged.length], [2, 1]);
  assert(old[1]!.endsWith(damaged[0]!));
  assertEquals([...store.contents.largeFiles()].length, 3);
  store.close();
});

function headOf(store: OpenStore, path: string): string {
  const entry = [...store.records.liveHeads()].find((head) => head.path === path)?.entry;
  return entry?.kind === "file" ? entry.content : "";
}

Deno.test("two files with equal content: one is pruned, the other and every kept version stay", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`);
  await store.put("a", text("same "));
  await store.put("b", text("same "));
  await store.put("a", text("other "));
  const report = await prune(
    store.parts(),
    await choosePruned(store.parts(), { ...LAST_TWO, rules: { ...KEEP_EVERYTHING, last: 1 } }),
  );
  assertEquals(report.versions.map(({ path, revision }) => `${path}@${revision}`), ["a@1"]);
  assertEquals(report.contents, 0);
  assertEquals([...store.read().keys()], ["a@3", "b@2"]);
  store.close();
});

Deno.test("a kill after any step leaves every kept version readable, and the next run ends the work", async () => {
  using place = new StorePlace();
  const options = 300_000;
  const first = new OpenStore(`${place.root}/first`, options);
  await fill(first);
  const before = first.read();
  const gone = await whole(first);
  first.close();
  const kept = new Map([...before].filter(([key]) => !gone.includes(key)));
  const met = new Set<string>();
  for (let n = 1;; n++) {
    const root = place.copy("first", "run");
    const { onStep, steps } = killAt(n);
    const killed = await runKilled(new OpenStore(root, options), onStep);
    for (const step of steps) met.add(step);
    const again = new OpenStore(root, options);
    assertEquals(again.contents.problem, null, `after ${steps.at(-1)}`);
    assertKept(again, kept, `${n}: ${steps.at(-1)}`);
    assertEquals(await findings(again), [], `${n}: ${steps.at(-1)}`);
    // A file that nothing names may be an upload's for a day.
    const parts = again.parts(undefined, { ...systemClock, now: () => Date.now() + 25 * 3_600_000 });
    await prune(parts, await choosePruned(parts, LAST_TWO));
    assertEquals(again.read(), kept, `${n}: ${steps.at(-1)}, run again`);
    // What is written then lies where nothing else does.
    await again.put("later", text("later "));
    again.close();
    const last = new OpenStore(root, options);
    assertKept(last, kept, `${n}: ${steps.at(-1)}, opened again`);
    assertEquals(await findings(last), [], `${n}: ${steps.at(-1)}, opened again`);
    assertEquals([...last.contents.largeFiles()].length, 1);
    last.close();
    place.remove("run");
    if (!killed) break;
  }
  const all = [
    "forgotten",
    "collected",
    "file removed",
    "appended",
    "durable",
    "recorded",
    "removed",
    "marked",
  ];
  assertEquals([...met].sort(), [...all, "pack removed"].sort());
});

/** @returns whether the run was killed */
async function runKilled(store: OpenStore, onStep: (step: string) => void): Promise<boolean> {
  try {
    await prune(store.parts(onStep), await choosePruned(store.parts(), LAST_TWO));
    return false;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return true;
  } finally {
    store.close();
  }
}

async function findings(store: OpenStore): Promise<readonly Finding[]> {
  const check = new StoreCheck(store.parts());
  await check.run();
  return check.report().findings;
}

function assertKept(store: OpenStore, kept: ReadonlyMap<string, string>, title: string): void {
  const found = store.read();
  for (const [key, digest] of kept) assertEquals(found.get(key), digest, `${title}: ${key}`);
}
