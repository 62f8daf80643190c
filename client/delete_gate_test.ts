import { assert, assertEquals } from "@std/assert";
import type { ContentId, Entry } from "../core/entry.ts";
import { parsePath, type SyncPath } from "../core/path.ts";
import { type Plan, plan } from "../core/plan.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { DeleteGate, DELETES_QUIET_MS } from "./delete_gate.ts";
import type { EngineEvent } from "./events.ts";
import { Trees } from "./trees.ts";

const AUTHOR = { user: "anna", device: "laptop" };
const MINUTE = 60_000;

const file = (content: string): Entry => ({
  kind: "file",
  size: 1,
  mtime: 0,
  mode: 0o644,
  content: content as ContentId,
});

/** A folder of `f0`, `f1`, …, of which users delete, behind a gate. */
class Folder {
  readonly trees = new Trees();
  readonly clock = new ManualClock();
  readonly events: EngineEvent[] = [];
  readonly gate: DeleteGate;

  constructor(files: number, { guardRemote = true } = {}) {
    for (let i = 0; i < files; i++) this.trees.agree(pathOf(i), file(`c${i}`), 1, null, null);
    const emit = (event: EngineEvent) => void this.events.push(event);
    this.gate = new DeleteGate({ trees: this.trees, clock: this.clock, emit, guardRemote });
  }

  deleteHere(from: number, to: number): void {
    for (let i = from; i < to; i++) this.trees.noteGone(pathOf(i));
  }

  deleteThere(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      this.trees.noteNotice({ kind: "gone", path: pathOf(i), revision: 2, author: AUTHOR });
    }
  }

  newHere(path: string, content: string): void {
    const stat = { kind: "file" as const, size: 1, mtimeUs: 0, ctimeUs: 0, ino: 1, mode: 0o644, nlink: 1 };
    const entry = file(content);
    this.trees.noteFound(parsePath(path), { entry, stat, racy: false, bytes: null, chunks: null, seen: 0 });
  }

  newThere(path: string, content: string): void {
    const notice = { kind: "set" as const, path: parsePath(path), revision: 2, from: null, author: AUTHOR };
    this.trees.noteNotice({ ...notice, entry: file(content) });
  }

  plan(): Plan {
    const local = new Map([...this.trees.local].map(([path, found]) => [path, found?.entry ?? null]));
    return plan({ synced: this.trees.synced, local, remote: this.trees.remote });
  }

  /** What passes now: deletes and removals, and the other steps. */
  pass({ settle = true } = {}): { deletes: number; removals: number; others: number } {
    const { push, download, remove } = this.gate.filter(this.plan(), settle);
    const deletes = push.filter((step) => step.do === "delete").length;
    return { deletes, removals: remove.length, others: push.length - deletes + download.length };
  }

  /** Carries out what passes, as push and pull do. */
  carryOut({ settle = true } = {}): number {
    const { push, remove } = this.gate.filter(this.plan(), settle);
    const gone = [...push.filter((step) => step.do === "delete"), ...remove].map(({ path }) => path);
    for (const path of gone) {
      this.trees.agreeGone(path, 3);
      this.trees.local.delete(path);
    }
    return gone.length;
  }

  held(): string | null {
    const { held } = this.gate;
    return held === null ? null : `${held.deletes} of ${held.files} ${held.side}`;
  }
}

function pathOf(i: number): SyncPath {
  return parsePath(`f${i}`);
}

const NOTHING = { deletes: 0, removals: 0, others: 0 };

Deno.test("delete gate: a few deletes rest until no more come, then pass", async () => {
  const folder = new Folder(100);
  folder.deleteHere(0, 3);
  assertEquals([folder.pass(), folder.gate.resting], [NOTHING, true]);
  await folder.clock.advance(DELETES_QUIET_MS - 1);
  folder.deleteHere(3, 4);
  assertEquals(folder.pass(), NOTHING);
  await folder.clock.advance(DELETES_QUIET_MS - 1);
  assertEquals(folder.pass(), NOTHING);
  await folder.clock.advance(1);
  assertEquals([folder.pass().deletes, folder.gate.resting, folder.held()], [4, false, null]);
  assertEquals(folder.gate.wantsFullLook, false);
});

Deno.test("delete gate: other steps do not wait for deletes", () => {
  const folder = new Folder(100);
  folder.deleteHere(0, 3);
  folder.newHere("new", "n");
  folder.newThere("there", "t");
  assertEquals(folder.pass(), { deletes: 0, removals: 0, others: 2 });
});

Deno.test("delete gate: a pass that was asked for waits for nothing", () => {
  const folder = new Folder(100);
  folder.deleteHere(0, 3);
  assertEquals(folder.pass({ settle: false }).deletes, 3);
  const mass = new Folder(100);
  mass.deleteHere(0, 60);
  assertEquals([mass.pass({ settle: false }).deletes, mass.held()], [0, "60 of 100 here"]);
});

Deno.test("delete gate: many deletes are confirmed by a look at everything first", async () => {
  const folder = new Folder(100);
  folder.deleteHere(0, 11);
  folder.pass();
  await folder.clock.advance(DELETES_QUIET_MS);
  assertEquals([folder.pass(), folder.gate.wantsFullLook, folder.gate.resting], [NOTHING, true, true]);
  folder.gate.wantsFullLook = false;
  assertEquals([folder.pass().deletes, folder.gate.wantsFullLook], [11, false]);
});

Deno.test("delete gate: a mass delete that comes in growing parts is held as a whole", async () => {
  const folder = new Folder(100);
  for (let part = 0; part < 6; part++) {
    folder.deleteHere(10 * part, 10 * part + 10);
    assertEquals(folder.carryOut(), 0);
    await folder.clock.advance(DELETES_QUIET_MS / 2);
  }
  await folder.clock.advance(DELETES_QUIET_MS);
  folder.pass();
  assertEquals([folder.pass(), folder.held()], [NOTHING, "60 of 100 here"]);
  assertEquals(folder.events, [{ type: "held", side: "here", deletes: 60, files: 100 }]);
});

Deno.test("delete gate: what was let go before counts, and what is held is told once and stays", async () => {
  const folder = new Folder(30);
  folder.deleteHere(0, 10);
  folder.pass();
  await folder.clock.advance(DELETES_QUIET_MS);
  assertEquals(folder.carryOut(), 10);
  await folder.clock.advance(MINUTE / 2);
  folder.deleteHere(10, 20);
  folder.pass();
  for (const wait of [DELETES_QUIET_MS, 0, 2 * MINUTE, 100 * MINUTE]) {
    await folder.clock.advance(wait);
    assertEquals([folder.pass(), folder.held()], [NOTHING, "20 of 30 here"]);
  }
  assertEquals(folder.events.length, 1);
});

Deno.test("delete gate: deletes that passed and could not be carried out count once", async () => {
  const folder = new Folder(30);
  folder.deleteHere(0, 10);
  folder.pass();
  await folder.clock.advance(DELETES_QUIET_MS);
  for (let attempt = 0; attempt < 5; attempt++) assertEquals(folder.pass().deletes, 10);
});

Deno.test("delete gate: deletes far apart pass", async () => {
  const folder = new Folder(40);
  for (let part = 0; part < 4; part++) {
    folder.deleteHere(5 * part, 5 * part + 5);
    folder.pass();
    await folder.clock.advance(DELETES_QUIET_MS);
    assertEquals(folder.carryOut(), 5);
    await folder.clock.advance(MINUTE + 1);
  }
});

Deno.test("delete gate: approval lets everything pass, once", () => {
  const folder = new Folder(100);
  folder.deleteHere(0, 60);
  folder.pass({ settle: false });
  folder.gate.approve();
  assertEquals([folder.carryOut({ settle: false }), folder.held()], [60, null]);
  folder.deleteHere(60, 90);
  assertEquals([folder.pass({ settle: false }).deletes, folder.held()], [0, "30 of 40 here"]);
});

Deno.test("delete gate: what was approved and could not be carried out needs no second approval", () => {
  const folder = new Folder(100);
  folder.deleteHere(0, 60);
  folder.gate.approve();
  for (let attempt = 0; attempt < 3; attempt++) assertEquals(folder.pass({ settle: false }).deletes, 60);
  const there = new Folder(100);
  there.deleteThere(0, 60);
  there.gate.approve();
  for (let attempt = 0; attempt < 3; attempt++) assertEquals(there.pass({ settle: false }).removals, 60);
});

Deno.test("delete gate: what was taken back is held no longer", () => {
  const folder = new Folder(100);
  folder.deleteHere(0, 60);
  folder.pass({ settle: false });
  assert(folder.held() !== null);
  for (let i = 0; i < 58; i++) folder.trees.local.delete(pathOf(i));
  assertEquals([folder.pass({ settle: false }).deletes, folder.held()], [2, null]);
});

Deno.test("delete gate: what only moved is not lost", () => {
  const folder = new Folder(30);
  folder.deleteHere(0, 30);
  for (let i = 0; i < 30; i++) folder.newHere(`n${i}`, `c${i}`);
  assertEquals([folder.pass({ settle: false }), folder.held()], [
    { deletes: 30, removals: 0, others: 30 },
    null,
  ]);
});

Deno.test("delete gate: a file that needs held deletes below it waits with them", () => {
  const trees = new Folder(0);
  trees.trees.agree(parsePath("d"), { kind: "dir", mode: 0o755 }, 1, null, null);
  for (let i = 0; i < 30; i++) trees.trees.agree(parsePath(`d/${i}`), file(`c${i}`), 1, null, null);
  for (let i = 0; i < 30; i++) trees.trees.noteGone(parsePath(`d/${i}`));
  trees.newHere("d", "now a file");
  assertEquals([trees.pass({ settle: false }), trees.held()], [NOTHING, "30 of 30 here"]);
});

Deno.test("delete gate: the server's mass delete is held too, its few deletes pass at once", async () => {
  const few = new Folder(100);
  few.deleteThere(0, 10);
  assertEquals(few.pass().removals, 10);

  const folder = new Folder(100);
  for (let part = 0; part < 6; part++) {
    folder.deleteThere(0, 12 * part + 12);
    assertEquals(folder.pass().removals, 0);
    await folder.clock.advance(400);
  }
  await folder.clock.advance(100);
  assertEquals([folder.pass(), folder.held()], [NOTHING, "72 of 100 server"]);
  folder.gate.approve();
  assertEquals(folder.pass().removals, 72);
});

Deno.test("delete gate: what the server only moved is not lost", () => {
  const folder = new Folder(30);
  folder.deleteThere(0, 30);
  for (let i = 0; i < 30; i++) folder.newThere(`n${i}`, `c${i}`);
  assertEquals([folder.pass({ settle: false }), folder.held()], [
    { deletes: 0, removals: 30, others: 30 },
    null,
  ]);
});

Deno.test("delete gate: the server's own tree follows its records without a question", () => {
  const folder = new Folder(100, { guardRemote: false });
  folder.deleteThere(0, 100);
  assertEquals(folder.pass().removals, 100);
});
