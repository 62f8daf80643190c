import { assertEquals, assertRejects } from "@std/assert";
import type { ContentId, FileEntry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { MemDisk } from "../tests/fakes/mem_disk.ts";
import { MemState } from "../tests/fakes/mem_state.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { Replica } from "./replica.ts";
import { StateError } from "./state.ts";

const F = "f" as SyncPath;
const ENTRY: FileEntry = {
  kind: "file",
  size: 3,
  content: "ab".repeat(32) as ContentId,
  mtime: 1,
  mode: 0o644,
};

function open(disk: MemDisk, state: MemState): Replica {
  const random = new SeededRandom(2n);
  return new Replica({ disk, state, clock: new ManualClock(), random, onEvent: () => {} });
}

/** A replica that has just noted that it places a file, and the file's name in the staging area. */
function placing(): { disk: MemDisk; state: MemState; replica: Replica; name: string; note: number } {
  const disk = new MemDisk();
  const state = new MemState(new SeededRandom(1n));
  const replica = open(disk, state);
  const name = disk.stagedName(disk.stageBytes(new Uint8Array(3), ENTRY));
  const note = replica.begun.begin({ placed: [[F, ENTRY, 5, name]] });
  return { disk, state, replica, name, note };
}

Deno.test("replica: what waits stays in the staging area for as long as its note", async () => {
  const { disk, replica, name, note } = placing();
  replica.clearStage(() => false);
  replica.begun.finish(note);
  replica.clearStage(() => false);
  assertEquals([...disk.staged().keys()], [name]);
  await replica.settle();
  replica.clearStage(() => false);
  assertEquals(disk.staged().size, 0);
});

Deno.test("replica: the next process clears the staging area when the notes are gone, not before", async () => {
  const { disk, state, name } = placing();
  const next = open(disk, state);
  state.failNextWrite = new StateError("io", "injected");
  await assertRejects(() => next.begin(), StateError, "injected");
  assertEquals([...disk.staged().keys()], [name]);
  next.reload();
  await next.begin();
  assertEquals([disk.staged().size, state.begun().length, next.trees.synced.size], [0, 0, 0]);
});

Deno.test("replica: what was not made durable is tried again before anything is thrown away", async () => {
  const { disk, state, replica, name, note } = placing();
  const staged = disk.stageBytes(new Uint8Array(4), ENTRY);
  const second = replica.begun.begin({ placed: [[F, ENTRY, 5, disk.stagedName(staged)]] });
  replica.begun.finish(note);
  replica.begun.finish(second);
  replica.discard(staged);
  const { durable } = state;
  state.durable = () => Promise.reject(new StateError("io", "injected"));
  for (let tries = 0; tries < 2; tries++) {
    await assertRejects(() => replica.settle(), StateError, "injected");
    assertEquals(disk.staged().size, 2);
  }
  state.durable = durable;
  await replica.settle();
  assertEquals([...disk.staged().keys()], [name]);
});
