/** A disk without room: nothing keeps the last of it from others, and soon after there is room all is well again. */
import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { token } from "./contents.ts";
import { treeDifferences } from "./tree.ts";
import { A, B, type World, world } from "./world.ts";

const MIB = 2 ** 20;
/** What the state needs to write anything: more than a chunk, so that what is left behind a chunk is never enough. */
const STATE_NEEDS = 300 * 1024;
/** "Soon", ms. Far less than the time between two looks at everything. */
const SOON_MS = 12_000;

interface Options {
  /** Whether the disk can tell how much room it has. */
  readonly hidesFree: boolean;
}

/** Two watchers in sync; from then on B's disk has `room` bytes left for its files, its staging area and its state. */
async function smallB(room: number, { hidesFree }: Options): Promise<World> {
  const w = await world({ clients: 2, seed: 7n, mode: "watch" });
  w.put(A, { x: "x" });
  await w.settle();
  const { disk, state } = w.client(B);
  disk.capacity = disk.inodes.used + room;
  disk.hidesFree = hidesFree;
  state.isFull = () => disk.capacity - disk.inodes.used < STATE_NEEDS;
  return w;
}

/** Whether B holds what A holds, and its state says so. */
function isLikeA(w: World): boolean {
  return treeDifferences(w.tree(A), w.tree(B)).length === 0 &&
    w.client(B).engine?.status().state === "in sync";
}

/** Waits until `holds`. @returns how long it took, ms */
async function until(w: World, holds: () => boolean, patienceMs: number): Promise<number> {
  for (let ms = 0; ms <= patienceMs; ms += 100) {
    if (holds()) return ms;
    await w.pause(100);
  }
  return Infinity;
}

const textAt = (w: World, actor: number, path: string) => w.tree(actor).get(path)?.text;
const hasProblem = (w: World) => () => w.eventsOf("problem", "B").some(({ path }) => path === "big");

for (const hidesFree of [false, true]) {
  const how = hidesFree ? "its room cannot be told" : "its room is known";

  Deno.test(`F01: a file that has no room leaves it to others, ${how}`, async () => {
    await using w = await smallB(MIB * 2, { hidesFree });
    w.put(A, { big: token("A", 1, 3 * MIB), y: "y", z: "z" });
    assertLess(await until(w, hasProblem(w), SOON_MS), Infinity);
    assertLess(await until(w, () => w.tree(B).size === 3, SOON_MS), Infinity);
    w.put(A, { x: "changed" });
    assertLess(await until(w, () => textAt(w, B, "x") === textAt(w, A, "x"), SOON_MS), Infinity);
    w.remove(A, "big");
    assertLess(await until(w, () => isLikeA(w), SOON_MS), Infinity);
    assertEquals(w.eventsOf("disconnected", "B"), []);
  });
}

Deno.test("F01: what had no room comes soon after there is some, and costs nothing meanwhile", async () => {
  await using w = await smallB(MIB * 2, { hidesFree: false });
  // No look at everything helps.
  w.client(B).watch.unfollow();
  w.put(A, { big: token("A", 1, 3 * MIB) });
  assertLess(await until(w, hasProblem(w), SOON_MS), Infinity);
  const carried = w.network.bytesCarried;
  await w.pause(50_000);
  assertLess(w.network.bytesCarried - carried, 10_000);
  w.client(B).disk.capacity += 4 * MIB;
  assertLess(await until(w, () => isLikeA(w), SOON_MS), Infinity);
});

for (const hidesFree of [false, true]) {
  const how = hidesFree ? "its room cannot be told" : "its room is known";

  Deno.test(`F01: a state that cannot be written is told once, leaves the server in peace, and heals soon, ${how}`, async () => {
    await using w = await smallB(STATE_NEEDS - 1, { hidesFree });
    const { disk } = w.client(B);
    w.put(A, { y: "y" });
    w.put(B, { z: "z" });
    const { length } = w.eventsOf("connected", "B");
    await w.pause(10 * 60_000);
    assertEquals(w.eventsOf("stuck", "B").map(({ hint }) => hint), [""]);
    assertEquals(w.eventsOf("connected", "B").length, length);
    assertEquals(w.eventsOf("disconnected", "B"), []);
    const { state, connected, stuck, reason } = w.client(B).engine!.status();
    assertEquals([state, connected, stuck?.noSpace, stuck?.reason], ["stuck", false, true, reason]);
    const carried = w.network.bytesCarried;
    await w.pause(10 * 60_000);
    // A watches, too, and its heart beats.
    assertLess(w.network.bytesCarried - carried, 10_000);

    w.put(B, { z: "changed", w: "w" });
    disk.capacity += 2 * MIB;
    assertLess(await until(w, () => isLikeA(w), SOON_MS), Infinity);
    assertEquals(w.eventsOf("connected", "B").length, length + 1);
    await w.settle();
    w.checkAll({ x: "x", y: "y", z: "changed", w: "w" });
  });
}

Deno.test("F01: where a little can be written and not all, the tries grow rare, and nobody hears of them", async () => {
  await using w = await smallB(MIB, { hidesFree: true });
  const { state, disk } = w.client(B);
  const write = state.write.bind(state);
  let tries = 0;
  state.write = (change) => {
    if ((change.set?.length ?? 0) > 0) {
      tries++;
      state.isFull = () => true;
    }
    try {
      write(change);
    } finally {
      state.isFull = () => false;
    }
  };
  w.put(A, { y: "y" });
  await w.pause(60 * 60_000);
  assertGreater(tries, 10);
  assertLess(tries, 40);
  assertEquals(w.eventsOf("stuck", "B").length, 1);
  state.write = write;
  disk.capacity += MIB;
  assertLess(await until(w, () => isLikeA(w), 8 * 60_000), Infinity);
});
