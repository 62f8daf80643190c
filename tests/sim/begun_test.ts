/** What was begun and could not be written down: lost answers, killed processes, power cuts, and what users do then. */
import { assertEquals } from "@std/assert";
import type { UserSide } from "../fakes/user_side.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { A, B, S, type World, world } from "./world.ts";

/** Calls of disk and state in a pass as they are made here. */
const CALLS_MAX = 90;
/** Frames from the server in such a pass. */
const FRAMES_MAX = 9;

/** Tells a story once for each frame from the server that may be the last one to arrive at A. */
function whenAnswersGetLost(
  name: string,
  story: (w: World, lose: () => Promise<void>) => Promise<void>,
): void {
  Deno.test(`an answer got lost: ${name}`, async () => {
    for (let frames = 0; frames <= FRAMES_MAX; frames++) {
      await using w = await world({ clients: 2, seed: BigInt(frames) });
      await story(w, async () => {
        w.cutAfterFrames("b", frames);
        await w.pass(A);
        w.heal();
      });
      await w.settle();
      assertEquals(w.conflicts(), [], `after ${frames} frames`);
    }
  });
}

whenAnswersGetLost("what is deleted then does not come back", async (w, lose) => {
  w.put(A, { f: "1", "d/g": "2", stays: "3" });
  await lose();
  w.remove(A, "f", "d");
  await w.settle();
  w.checkAll({ stays: "3" });
});

whenAnswersGetLost("what is renamed then does not come back", async (w, lose) => {
  w.put(A, { f: "1", "d/g": "2" });
  await lose();
  w.rename(A, "f", "F");
  w.rename(A, "d", "e");
  await w.settle();
  w.checkAll({ F: "1", "e/g": "2" });
});

whenAnswersGetLost("a rename whose answer got lost is followed by a delete", async (w, lose) => {
  w.put(A, { "d/f": "1", "d/g": "2", h: "3" });
  await w.settle();
  w.rename(A, "d", "e");
  w.rename(A, "h", "i");
  await lose();
  w.remove(A, "e/f", "i");
  await w.settle();
  w.checkAll({ "e/g": "2" });
});

whenAnswersGetLost("what was deleted and is made again the same stays", async (w, lose) => {
  const write = () => {
    w.put(A, { f: "1" });
    w.act(A, (user) => user.touch("f", 1_000_000));
  };
  write();
  await w.settle();
  w.remove(A, "f");
  await lose();
  write();
  await w.settle();
  assertEquals(textOf(w, B, "f"), "1");
});

function textOf(w: World, actor: number, path: string): string | null {
  const { user } = w.machine(actor).disk;
  return user.exists(path) ? new TextDecoder().decode(user.read(path)) : null;
}

/** Tells a story once for each call after which B is killed while it receives, without and with a power cut. */
function whenKilled(
  name: string,
  prepare: (w: World) => Promise<void>,
  story: (w: World, label: string) => Promise<void>,
): void {
  for (const power of [false, true]) {
    Deno.test(`${power ? "a power cut" : "a kill"} while receiving: ${name}`, async () => {
      for (let calls = 1; calls <= CALLS_MAX; calls++) {
        await using w = await world({ clients: 2, seed: BigInt(calls) });
        await prepare(w);
        if (power) w.powerCutAfter(B, calls);
        else w.killAfter(B, calls);
        await w.pass(B);
        w.client(B).killAfter(Infinity);
        await story(w, `killed after ${calls} calls`);
        await w.settle();
      }
    });
  }
}

whenKilled(
  "an edit of what had arrived is no conflict, and what is deleted then stays deleted",
  async (w) => {
    w.put(A, { f: "one", g: "one" });
    await w.settle();
    w.put(A, { f: "two", g: "two", new: "two", "d/e/new": "two" });
    await w.sync(A);
  },
  async (w, label) => {
    const has = (path: string) => textOf(w, B, path) === "two";
    const edited = has("f");
    if (edited) w.act(B, (user) => user.append("f", ", edited"));
    const deleted = ["g", "new", "d/e/new"].filter(has);
    w.remove(B, ...deleted);
    await w.settle();
    assertEquals(w.conflicts(), [], label);
    assertEquals(textOf(w, A, "f"), edited ? "two, edited" : "two", label);
    for (const path of deleted) assertEquals(textOf(w, A, path), null, `${label}: ${path} came back`);
  },
);

whenKilled(
  "a directory that was removed and made again meanwhile stays",
  async (w) => {
    w.put(A, { "d/f": "1", stays: "2" });
    await w.settle();
    w.remove(A, "d");
    await w.sync(A);
  },
  async (w, label) => {
    w.act(A, (user) => user.mkdir("d"));
    await w.sync(A);
    await w.settle();
    w.checkAll({ "d/": "", stays: "2" });
    assertEquals(w.conflicts(), [], label);
  },
);

whenKilled(
  "an edit in a directory that had been moved is no conflict",
  async (w) => {
    w.put(A, { "d/f": "1", "d/g": "2" });
    await w.settle();
    w.rename(A, "d", "e");
    w.rename(A, "e/g", "g");
    await w.sync(A);
  },
  async (w, label) => {
    const { user } = w.client(B).disk;
    const edited = ["e/f", "g"].filter((path) => user.exists(path));
    w.act(B, (user) => edited.forEach((path) => user.append(path, ", edited")));
    await w.settle();
    w.checkAll({
      "e/f": edited.includes("e/f") ? "1, edited" : "1",
      g: edited.includes("g") ? "2, edited" : "2",
    });
    assertEquals(w.conflicts(), [], label);
  },
);

Deno.test("an answer got lost: its note ends with the next pass, even if something else cannot be synced", async () => {
  let kept = 0;
  for (let frames = 0; frames <= FRAMES_MAX; frames++) {
    await using w = await world({ clients: 2, seed: BigInt(frames) });
    w.put(A, { f: "1", bad: "1" });
    await w.settle();
    const { disk, state } = w.client(A);
    w.put(A, { f: "two" });
    w.put(B, { bad: "two" });
    await w.sync(B);
    disk.fault = (op, path) => op === "place" && path === "bad" ? "permission" : null;
    w.cutAfterFrames("b", frames);
    await w.pass(A);
    w.heal();
    kept += state.begun().length;
    const { problems } = await w.sync(A);
    assertEquals(problems.length, 1);
    assertEquals(state.begun(), [], `after ${frames} frames`);
    disk.fault = null;
  }
  // Else nothing was tried.
  assertEquals(kept > 0, true);
});

for (const power of [false, true]) {
  Deno.test(`${power ? "a power cut" : "a kill"} after what arrived was refused its place: both edits are kept`, async () => {
    for (let calls = 1; calls <= CALLS_MAX; calls++) {
      await using w = await world({ clients: 2, seed: BigInt(calls) });
      w.put(A, { f: "one", stays: "1" });
      await w.settle();
      w.put(A, { f: "two" });
      await w.sync(A);
      const { disk } = w.client(B);
      let refused = false;
      disk.fault = (op, path) => {
        if (op === "place" && path === "f" && !refused) {
          refused = true;
          w.put(B, { f: "mine" });
        }
        return null;
      };
      if (power) w.powerCutAfter(B, calls);
      else w.killAfter(B, calls);
      await w.pass(B);
      w.client(B).killAfter(Infinity);
      disk.fault = null;
      await w.settle();
      assertEquals(w.conflicts().length, refused ? 1 : 0, `killed after ${calls} calls`);
      assertEquals(w.history("f").toSorted(), refused ? ["mine", "one", "two"] : ["one", "two"]);
    }
  });
}

/** A power cut that takes everything that was not durable. */
class WorstRandom extends SeededRandom {
  constructor() {
    super(0n);
  }

  override fraction(): number {
    return 0.3;
  }

  override int(): number {
    return 0;
  }
}

/** A power cut that takes what was written to the state and not made durable, and nothing else. */
class StateTaken extends SeededRandom {
  #calls = 0;

  constructor() {
    super(0n);
  }

  override fraction(): number {
    return this.#calls++ === 0 ? 0.9 : 0.1;
  }

  override int(): number {
    return 0;
  }
}

Deno.test("a power cut that takes only what the state had not made durable: an edit of what had arrived is no conflict", async () => {
  let edited = 0;
  for (let calls = 1; calls <= CALLS_MAX; calls++) {
    await using w = await world({ clients: 2, seed: BigInt(calls) });
    w.put(A, { f: "one", g: "one", "d/h": "one", "e/gone": "one" });
    await w.settle();
    w.put(A, { f: "two", new: "two" });
    w.rename(A, "g", "e/g");
    w.remove(A, "e/gone");
    await w.sync(A);
    w.killAfter(B, calls);
    await w.pass(B);
    w.client(B).killAfter(Infinity);
    w.client(B).powerCut(new StateTaken());
    const here = ["f", "new"].filter((path) => textOf(w, B, path) === "two");
    if (textOf(w, B, "e/g") !== null) here.push("e/g");
    w.act(B, (user) => here.forEach((path) => user.append(path, ", edited")));
    edited += here.length;
    await w.settle();
    assertEquals(w.conflicts(), [], `cut after ${calls} calls`);
  }
  // Else nothing was tried.
  assertEquals(edited > 0, true);
});

/** Tells what a user did last before a power cut that took it from his disk, after each call of the upload. */
function whenNotSaved(
  name: string,
  act: (user: UserSide) => void,
  outcome: Readonly<Record<string, string>>,
): void {
  Deno.test(`a power cut takes from the disk what had been sent: ${name}`, async () => {
    const paths = ["f", "g", "stays"];
    const read = (w: World, actor: number) => paths.map((path) => textOf(w, actor, path));
    let arrived = 0;
    for (let calls = 1; calls <= CALLS_MAX; calls++) {
      await using w = await world({ clients: 2, seed: BigInt(calls) });
      w.put(A, { f: "one", stays: "stays" });
      await w.settle();
      act(w.client(A).disk.user);
      w.killAfter(A, calls);
      await w.pass(A);
      w.client(A).killAfter(Infinity);
      await w.pause(1000);
      const head = read(w, S);
      w.client(A).powerCut(new WorstRandom());
      for (let i = 0; i < 3; i++) for (const actor of [A, B]) await w.pass(actor);
      if (head.join() !== "one,,stays") arrived++;
      const wanted = head.join() === "one,,stays" ? head : paths.map((path) => outcome[path] ?? null);
      for (const actor of [S, A, B]) assertEquals(read(w, actor), wanted, `cut after ${calls} calls`);
      assertEquals(w.conflicts(), []);
    }
    // Else nothing was tried.
    assertEquals(arrived > 0 && arrived < CALLS_MAX, true);
  });
}

whenNotSaved("a new file comes back", (user) => user.write("g", "new"), {
  f: "one",
  g: "new",
  stays: "stays",
});
whenNotSaved("an edit comes back", (user) => user.write("f", "two"), { f: "two", stays: "stays" });
whenNotSaved("a delete is done again", (user) => user.remove("f"), { stays: "stays" });
whenNotSaved("a rename is done again", (user) => user.rename("f", "g"), { g: "one", stays: "stays" });
