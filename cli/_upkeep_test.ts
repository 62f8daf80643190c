import { assert, assertEquals } from "@std/assert";
import { ContentsError } from "../server/store/contents.ts";
import { systemClock } from "../system/clock.ts";
import { openDisk } from "../system/real_disk.ts";
import { noise } from "../tests/conformance/contents_suite.ts";
import { OpenStore, StorePlace } from "../tests/fakes/store_place.ts";
import { Upkeep } from "./_upkeep.ts";

/** Runs the idle upkeep through as many minutes as there are revisions; the large files that are left after each. */
async function minutes(
  revisions: readonly number[],
  onStep?: (step: string) => void,
): Promise<{ readonly left: number[]; readonly problems: string[] }> {
  using place = new StorePlace();
  const root = `${place.root}/a`;
  const store = new OpenStore(root);
  const disk = openDisk(root);
  const stop = new AbortController();
  const left: number[] = [];
  const problems: string[] = [];
  const folder = { revision: 0 };
  const sleep = () => {
    if (left.length === revisions.length) stop.abort();
    else folder.revision = revisions[left.length]!;
    left.push([...store.contents.largeFiles()].length);
    return Promise.resolve();
  };
  try {
    await store.put("big", noise(300_000, 1));
    await store.put("big", noise(300_000, 2));
    const upkeep = new Upkeep(store.parts(onStep, { ...systemClock, sleep }), disk, `${store.root}/.fsync`);
    await upkeep.whenIdle(folder, stop.signal, (problem) => problems.push(problem));
    return { left: left.slice(1), problems };
  } finally {
    disk.close();
    store.close();
  }
}

Deno.test("history is archived when a minute brought nothing new, and not before", async () => {
  assertEquals(await minutes([1, 2, 3, 4]), { left: [2, 2, 2, 2], problems: [] });
  assertEquals(await minutes([1, 2, 2, 3]), { left: [2, 2, 1, 1], problems: [] });
});

Deno.test("upkeep that fails is told, and the server goes on", async () => {
  const { left, problems } = await minutes([1, 1, 1, 2, 2], () => {
    throw new ContentsError("no_space", "Cannot write: no space left");
  });
  assert(left.every((count) => count === 2));
  assertEquals(problems, ["Cannot write: no space left", "Cannot write: no space left"]);
});

Deno.test("one piece of upkeep waits for the other", async () => {
  using place = new StorePlace();
  const store = new OpenStore(`${place.root}/a`);
  const disk = openDisk(`${place.root}/a`);
  try {
    await store.put("a", noise(300_000, 1));
    await store.put("a", noise(300_000, 2));
    const upkeep = new Upkeep(store.parts(), disk, `${store.root}/.fsync`);
    const [pruned, checked] = await Promise.all([
      upkeep.answer({ do: "prune", retention: null, dryRun: false }),
      upkeep.answer({ do: "check", repair: false }),
    ]);
    assert("freed" in pruned && "findings" in checked);
    assertEquals([checked.findings, checked.contents], [[], 2]);
    assertEquals([...store.contents.largeFiles()].length, 1);
  } finally {
    disk.close();
    store.close();
  }
});
