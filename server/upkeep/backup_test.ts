/** Backups of a real store: what they hold, what a kill leaves, what goes on meanwhile. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { KEEP_EVERYTHING } from "../../core/retention.ts";
import { noise } from "../../tests/conformance/contents_suite.ts";
import { OpenStore, StorePlace } from "../../tests/fakes/store_place.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import { backUp, BackupError } from "./backup.ts";
import { StoreCheck } from "./check.ts";
import { choosePruned, prune, type Retention } from "./prune.ts";
import { repack } from "./repack.ts";

const text = (value: string) => new TextEncoder().encode(value.repeat(300));
const LAST_ONE: Retention = { rules: { ...KEEP_EVERYTHING, last: 1 }, sizeMax: 0 };
const PACK_BYTES = 8 * 1024;

async function fill(store: OpenStore, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    await store.put("small", text(`version ${n} `));
    await store.put(`file${n}`, noise(3000, n));
    await store.put("large", noise(300_000, n));
  }
}

/** What the store at `root` holds, every version of it, and that nothing is wrong with it. */
async function held(root: string): Promise<Map<string, string>> {
  const store = new OpenStore(root, PACK_BYTES);
  try {
    const check = new StoreCheck(store.parts());
    await check.run();
    assertEquals(check.report(new Set()).findings, []);
    return store.read();
  } finally {
    store.close();
  }
}

function backUpTo(
  store: OpenStore,
  to: string,
  options: { clock?: Clock; onStep?: (step: string) => void } = {},
) {
  const parts = store.parts(options.onStep, options.clock);
  return backUp(parts, `${store.root}/.fsync`, to, store.records.identity().folder);
}

Deno.test("a backup holds every version, and the next one copies only what is new", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`, PACK_BYTES);
  const to = `${place.root}/copy`;
  await fill(store, 0, 4);
  const first = await backUpTo(store, to);
  assert(first.files > 4 && first.known === 0, JSON.stringify(first));
  assertEquals(await held(to), store.read());

  await fill(store, 4, 5);
  const second = await backUpTo(store, to);
  assert(second.files < first.files && second.known > 0, JSON.stringify(second));
  assertEquals(await held(to), store.read());

  // What pruning and rewriting took away is not kept for ever.
  const chosen = await choosePruned(store.parts(), LAST_ONE);
  await prune(store.parts(), chosen);
  await repack(store.parts(), { looseBytesMin: 0 });
  await backUpTo(store, to);
  assertEquals(await held(to), store.read());
  const names = (root: string, dir: string) =>
    [...Deno.readDirSync(`${root}/.fsync/${dir}`)].map(({ name }) => name);
  for (const dir of ["packs", "large"]) assertEquals(names(to, dir).sort(), names(store.root, dir).sort());
  store.close();
});

Deno.test("what is uploaded while a backup is made is no part of it, and harms nothing", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`, PACK_BYTES);
  await fill(store, 0, 4);
  const before = store.read();
  let [next, started] = [4, false];
  const clock: Clock = {
    ...systemClock,
    yield: async () => {
      if (started && next < 12) await fill(store, next, ++next);
    },
  };
  const onStep = (step: string) => {
    if (step === "records aside") started = true;
  };
  await backUpTo(store, `${place.root}/copy`, { clock, onStep });
  assert(next > 6, "nothing was uploaded meanwhile");
  assertEquals(await held(`${place.root}/copy`), before);
  store.close();
});

Deno.test("a kill after any step leaves the backup before, or the new one", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`, PACK_BYTES);
  await fill(store, 0, 3);
  const to = `${place.root}/copy`;
  await backUpTo(store, to);
  const before = await held(to);
  await fill(store, 3, 5);
  const steps: string[] = [];
  for (let n = 0;; n++) {
    steps.length = 0;
    const killed = place.copy("copy", `killed${n}`);
    const onStep = (step: string) => {
      if (steps.length === n) throw new Error(`killed at ${step}`);
      steps.push(step);
    };
    const done = await backUpTo(store, killed, { onStep }).then(() => true, () => false);
    const now = await held(killed);
    assert([before, store.read()].some((one) => equalMaps(one, now)), `after ${n} steps`);
    if (done) break;
    await backUpTo(store, killed);
    assertEquals(await held(killed), store.read());
  }
  assertEquals(steps, ["records aside", "contents there", "records there"]);
  store.close();
});

function equalMaps(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

Deno.test("a backup goes to no place where something else is", async () => {
  using place = new StorePlace();
  const [a, b] = ["a", "b"].map((name) => new OpenStore(`${place.root}/${name}`, PACK_BYTES));
  await fill(a!, 0, 1);
  await fill(b!, 0, 1);
  Deno.mkdirSync(`${place.root}/used`);
  Deno.writeTextFileSync(`${place.root}/used/mine`, "mine");
  await assertRejects(() => backUpTo(a!, `${place.root}/used`), BackupError, "something else is there");
  assertEquals(Deno.readTextFileSync(`${place.root}/used/mine`), "mine");
  await assertRejects(() => backUpTo(a!, `${place.root}/b`), BackupError, "something else is there");
  await backUpTo(a!, `${place.root}/copy`);
  await assertRejects(() => backUpTo(b!, `${place.root}/copy`), BackupError, "another folder");
  await assertRejects(() => backUpTo(a!, `${place.root}/used/mine`), BackupError);
  a!.close();
  b!.close();
});
