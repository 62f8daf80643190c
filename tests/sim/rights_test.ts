/**
 * A client whose rights change at any moment, over the production server: it ends with what it may see, and with what
 * its user changed where that was not allowed, which is told, and never came to the server.
 */
import { assert, assertEquals } from "@std/assert";
import type { Access } from "../../core/access.ts";
import { ancestorsOf, parsePath, type SyncPath } from "../../core/path.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import type { UserSide } from "../fakes/user_side.ts";
import { token } from "./contents.ts";
import { A, B, S, type World, world } from "./world.ts";

const USER = "userB";
const DIRS = ["", "pub/", "pub/ro/", "hid/", "own/", "own/deep/"];
const NAMES = ["a", "b", "c", "d"];
const PREFIXES = ["pub", "pub/ro", "hid", "own", "own/deep", "pub/a"].map(parsePath);
const ROUNDS = 14;

type Rules = Map<SyncPath | null, Access>;

/** A run of steps that a seed chooses. */
class Story {
  readonly w: World;
  readonly #random: SeededRandom;
  #sequence = 0;

  constructor(w: World, random: SeededRandom) {
    this.w = w;
    this.#random = random;
  }

  async step(): Promise<void> {
    const random = this.#random;
    const actor = random.chance(0.6) ? B : A;
    switch (random.int(12)) {
      case 0:
      case 1:
        return this.w.server.regrant(USER, this.rules());
      case 2:
        this.w.killAfter(B, random.int(60));
        return void await this.w.pass(B);
      case 3:
        this.w.kill(B);
        return;
      case 4:
      case 5:
        return void await this.w.pass(actor);
      case 6:
        this.w.beginPass(B);
        return await this.w.pause(random.int(80));
      default:
        this.w.act(actor, (user) => this.#edit(actor, user));
    }
  }

  /** Rights with at least something to see. */
  rules(): Rules {
    const random = this.#random;
    const rules: Rules = new Map();
    const any = (): Access => (["none", "read", "write"] as const)[random.int(3)]!;
    if (random.chance(0.6)) rules.set(null, random.chance(0.5) ? "read" : "write");
    for (const prefix of PREFIXES) if (random.chance(0.4)) rules.set(prefix, any());
    if (![...rules.values()].some((access) => access !== "none")) rules.set(PREFIXES[0]!, "read");
    return rules;
  }

  #edit(actor: number, user: UserSide): void {
    const random = this.#random;
    const [path, other] = [this.#path(), this.#path()];
    try {
      switch (random.int(7)) {
        case 0:
          return user.removeTree(path);
        case 1:
          return user.rename(path, other);
        case 2:
          return user.removeTree(path.slice(0, path.lastIndexOf("/")) || path);
        case 3:
          return user.mkdir(path);
        case 4:
          return user.rename(path.slice(0, path.lastIndexOf("/")) || path, `moved${random.int(3)}`);
        default: {
          const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
          if (parent !== "") user.mkdir(parent);
          return user.write(path, token(actor === A ? "A" : "B", this.#sequence++, 100));
        }
      }
    } catch {
      // What is not there cannot be moved.
    }
  }

  #path(): string {
    const random = this.#random;
    return DIRS[random.int(DIRS.length)]! + NAMES[random.int(NAMES.length)]!;
  }
}

/** Everybody syncs until nothing more happens. */
async function settle(w: World): Promise<void> {
  w.heal();
  w.server.killAfter(Infinity);
  if (!w.server.alive) w.server.start();
  for (const client of w.clients) client.killAfter(Infinity);
  let before = "";
  for (let round = 0;; round++) {
    assert(round < ROUNDS, "it does not come to rest");
    for (const actor of [A, B]) {
      const end = await w.pass(actor);
      if (end.error !== null) throw end.error;
      if (end.status.held !== null) await w.pass(actor, (engine) => w.approve(w.client(actor), engine));
    }
    await w.pause(3000);
    const machines = [w.server, ...w.clients];
    const after = [w.server.records.headRevision(), ...machines.map(({ watch }) => watch.changes)].join(" ");
    if (after === before) return;
    before = after;
  }
}

/** What must hold at rest. */
async function check(w: World): Promise<void> {
  const rights = w.server.rightsOf(USER);
  const [tree, here] = [w.tree(S), w.tree(B)];
  const { status } = await w.pass(B);
  const told = new Set(status!.problems.map(({ path }) => path));
  // Above or below what is kept, or there itself.
  const isKept = (path: string) =>
    [...told].some((kept) => kept === path || kept.startsWith(`${path}/`) || path.startsWith(`${kept}/`));
  for (const [path, { text, kind }] of tree) {
    const seen = rights.sees(path as SyncPath, kind === "dir");
    if (!seen) assert(!here.has(path) || isKept(path), `"${path}" is out of sight, and still here`);
    else assert(here.get(path)?.text === text || isKept(path), `"${path}" is not as on the server`);
  }
  for (const path of here.keys()) {
    assert(tree.has(path) || isKept(path), `"${path}" is only here, and nobody is told`);
  }
  // A place that may be written, in a directory that is not there and that may not be made.
  const isStuck = (path: SyncPath) =>
    [...ancestorsOf(path)].some((dir) => rights.at(dir) !== "write" && tree.get(dir)?.kind !== "dir");
  for (const path of [...told].map(parsePath)) {
    const allowed = rights.at(path) === "write" && !isStuck(path);
    assert(!allowed, `"${path}" may be written, and is kept back`);
  }
  assertEquals(status!.state === "in sync", told.size === 0);
}

const SEEDS = 60;

Deno.test("a client whose rights change at any moment ends with what it may see, and tells the rest", async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    await t.step(`seed ${seed}`, async () => {
      await using w = await world({ clients: 2, seed: BigInt(seed) });
      const story = new Story(w, new SeededRandom(BigInt(seed) + 1000n));
      for (let phase = 0; phase < 3; phase++) {
        for (let steps = 0; steps < 14; steps++) await story.step();
        w.server.regrant(USER, story.rules());
        await settle(w);
        await check(w);
      }
    });
  }
});

Deno.test("what a user wrote where it may only read never comes to the server", async () => {
  await using w = await world({ clients: 2, seed: 3n, mode: "watch" });
  w.put(A, { "ro/f": "from A", "rw/f": "from A" });
  await w.pause(3000);
  w.server.regrant(USER, new Map<SyncPath | null, Access>([[null, "write"], [parsePath("ro"), "read"]]));
  await w.pause(3000);
  w.put(B, { "ro/f": "secretly changed", "ro/new": "secretly new", "rw/f": "openly changed" });
  await w.pause(3000);
  w.rename(B, "rw/f", "ro/moved");
  await w.pause(3000);
  w.check(A, { "ro/f": "from A", "rw/": "" });
  w.check(B, {
    "ro/f": "secretly changed",
    "ro/new": "secretly new",
    "ro/moved": "openly changed",
    "rw/": "",
  });
  const status = w.client(B).engine!.status();
  assertEquals(status.problems.map(({ path }) => path).sort(), ["ro/f", "ro/moved", "ro/new"]);
  w.server.regrant(USER, new Map([[null, "write"]]));
  await w.pause(5000);
  w.check(A, {
    "ro/f": "secretly changed",
    "ro/new": "secretly new",
    "ro/moved": "openly changed",
    "rw/": "",
  });
});
