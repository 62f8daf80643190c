/**
 * Carries plans out on a small model of a server and its replicas: whatever each of them did, the trees become equal,
 * and nothing that only one place held is destroyed.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { conflictPath } from "./conflict_name.ts";
import { type ContentId, describeEntry, type Entry, sameContent, sameEntry } from "./entry.ts";
import { type HeadView, judgeDelete, judgePut } from "./judge.ts";
import { comparePaths, isBelow, parentOf, parsePath, type SyncPath } from "./path.ts";
import { type Plan, plan, planPath, type RemoteView, type Step, type SyncedView } from "./plan.ts";

type Tree = Map<SyncPath, Entry>;
type PutResult =
  | { readonly status: "ok"; readonly revision: number }
  | { readonly status: "skip"; readonly revision: number; readonly head: Entry }
  | { readonly status: "lost"; readonly revision: number; readonly storedAs: SyncPath | null }
  | { readonly status: "stale" };

const file = (content: string, mtime = 1): Entry => ({
  kind: "file",
  size: 1,
  mtime,
  mode: 0o644,
  content: content as ContentId,
});
const dir = (mode = 0o755): Entry => ({ kind: "dir", mode });
const link = (target: string): Entry => ({ kind: "link", target });

function holdsBelow(paths: Iterable<SyncPath>, above: SyncPath): boolean {
  for (const path of paths) if (isBelow(path, above)) return true;
  return false;
}

/** Accepts by the conflict rule; remembers every content. */
class ModelServer {
  readonly heads = new Map<SyncPath, HeadView>();
  readonly gone = new Map<SyncPath, number>();
  readonly history: Entry[] = [];
  revision = 0;
  conflicts = 0;

  keeps(entry: Entry): boolean {
    return entry.kind === "dir" || this.history.some((old) => sameContent(old, entry));
  }

  tree(): Tree {
    return new Map([...this.heads].map(([path, head]) => [path, head.entry]));
  }

  put(replica: string, path: SyncPath, entry: Entry, base: number): PutResult {
    const parent = parentOf(path);
    if (parent !== null && this.heads.get(parent)?.entry.kind !== "dir") return { status: "stale" };
    const head = this.heads.get(path) ?? null;
    const incoming = { base, replica, time: this.revision, clockOffset: 0 };
    const verdict = judgePut(head, holdsBelow(this.heads.keys(), path), entry, incoming);
    if (verdict.verdict === "skip") return { status: "skip", revision: head!.revision, head: head!.entry };
    if (verdict.verdict === "accept") return { status: "ok", revision: this.#set(replica, path, entry) };
    this.conflicts++;
    if (verdict.verdict === "conflict") {
      if (verdict.winner === "incoming") return { status: "ok", revision: this.#set(replica, path, entry) };
      this.history.push(entry);
      return { status: "lost", revision: ++this.revision, storedAs: null };
    }
    const aside = conflictPath(path, "model", 0, (other) => this.heads.has(other));
    if (verdict.aside === "incoming") {
      return { status: "lost", revision: this.#set(replica, aside, entry), storedAs: aside };
    }
    this.#set("", aside, head!.entry);
    return { status: "ok", revision: this.#set(replica, path, entry) };
  }

  delete(replica: string, path: SyncPath, base: number): "done" | "stale" {
    const head = this.heads.get(path) ?? null;
    const incoming = { base, replica, time: this.revision, clockOffset: 0 };
    const verdict = judgeDelete(head, holdsBelow(this.heads.keys(), path), incoming);
    if (verdict !== "accept") return verdict === "skip" ? "done" : "stale";
    this.heads.delete(path);
    this.gone.set(path, ++this.revision);
    return "done";
  }

  #set(replica: string, path: SyncPath, entry: Entry): number {
    const revision = ++this.revision;
    this.heads.set(path, { entry, revision, replica, time: revision, clockOffset: 0 });
    this.gone.delete(path);
    this.history.push(entry);
    return revision;
  }
}

class ModelReplica {
  readonly name: string;
  readonly tree: Tree;
  readonly synced: Map<SyncPath, SyncedView>;
  readonly #server: ModelServer;

  constructor(name: string, server: ModelServer) {
    this.name = name;
    this.#server = server;
    this.tree = server.tree();
    this.synced = new Map(
      [...server.heads].map(([path, { entry, revision }]) => [path, { entry, revision }]),
    );
  }

  plan(): Plan {
    const local = new Map<SyncPath, Entry | null>();
    const remote = new Map<SyncPath, RemoteView>();
    for (const [path, { entry, revision }] of this.synced) {
      if (!sameEntry(this.tree.get(path) ?? null, entry)) local.set(path, this.tree.get(path) ?? null);
      const gone = this.#server.gone.get(path);
      if (gone !== undefined && gone > revision) remote.set(path, { entry: null, revision: gone });
    }
    for (const [path, entry] of this.tree) if (!this.synced.has(path)) local.set(path, entry);
    for (const [path, { entry, revision }] of this.#server.heads) {
      if (revision > (this.synced.get(path)?.revision ?? -1)) remote.set(path, { entry, revision });
    }
    return plan({ synced: this.synced, local, remote });
  }

  /** As push and pull do; returns whether there was anything to do. */
  carryOut({ adopt, push, download, remove }: Plan): boolean {
    for (const { path, entry, revision } of adopt) this.#agree(path, entry, revision);
    for (const step of push) this.#push(step);
    for (const step of download) if (step.entry.kind === "dir") this.#download(step);
    for (const step of remove) this.#remove(step);
    for (const step of download) if (step.entry.kind !== "dir") this.#download(step);
    return adopt.length + push.length + download.length + remove.length > 0;
  }

  #agree(path: SyncPath, entry: Entry | null, revision: number): void {
    if (entry === null) this.synced.delete(path);
    else this.synced.set(path, { entry, revision });
  }

  #push(step: Plan["push"][number]): void {
    const { path, base } = step;
    if (step.do === "delete") {
      if (this.#server.delete(this.name, path, base) === "done") this.synced.delete(path);
      return;
    }
    assert(sameEntry(this.tree.get(path) ?? null, step.entry), `${path} is uploaded as it is not`);
    const result = this.#server.put(this.name, path, step.entry, base);
    if (result.status === "stale") return;
    if (result.status === "ok") return this.#agree(path, step.entry, result.revision);
    if (result.status === "skip") {
      return this.#agree(path, step.entry, sameEntry(result.head, step.entry) ? result.revision : 0);
    }
    if (result.storedAs === null) return this.#agree(path, step.entry, 0);
    this.tree.delete(path);
    this.synced.delete(path);
    this.tree.set(result.storedAs, step.entry);
    this.#agree(result.storedAs, step.entry, result.revision);
  }

  #download(step: Extract<Step, { do: "download" }>): void {
    const { path, entry, revision, replaces } = step;
    // Contents are asked for by revision, and names were checked when they came.
    if (this.#server.heads.get(path)?.revision !== revision) return;
    const here = this.tree.get(path) ?? null;
    if (!sameEntry(here, replaces)) return;
    const parent = parentOf(path);
    if (parent !== null && this.tree.get(parent)?.kind !== "dir") return;
    if (here?.kind === "dir" && entry.kind !== "dir" && holdsBelow(this.tree.keys(), path)) return;
    this.#destroy(path, here);
    this.tree.set(path, entry);
    this.#agree(path, entry, revision);
  }

  #remove({ path, entry }: Extract<Step, { do: "remove" }>): void {
    const here = this.tree.get(path) ?? null;
    if (!sameEntry(here, entry) || holdsBelow(this.tree.keys(), path)) return;
    this.#destroy(path, here);
    this.tree.delete(path);
    this.synced.delete(path);
  }

  #destroy(path: SyncPath, entry: Entry | null): void {
    assert(entry === null || this.#server.keeps(entry), `${path}: the only copy is destroyed`);
  }
}

/** Lets everybody sync in turn until nobody has anything to do. */
function settle(replicas: readonly ModelReplica[]): void {
  for (let round = 0; round < 12; round++) {
    const busy = replicas.map((replica) => replica.carryOut(replica.plan()));
    if (!busy.includes(true)) return;
  }
  throw new Error(`It does not come to rest: ${JSON.stringify(replicas.map((replica) => replica.plan()))}`);
}

function listing(tree: Tree): string[] {
  return [...tree].sort(([a], [b]) => comparePaths(a, b)).map(([path, entry]) =>
    `${path}: ${JSON.stringify(entry)}`
  );
}

const P = parsePath("a");

const KINDS: readonly (Entry | null)[] = [null, file("A"), file("B"), dir(), link("t")];

for (const synced of KINDS) {
  Deno.test(`plan model: one path, agreed ${synced?.kind === "file" ? `file ${synced.content}` : describeEntry(synced)}, everything here and there`, () => {
    for (const here of KINDS) for (const there of KINDS) checkOnePath(synced, here, there);
  });
}

function checkOnePath(agreed: Entry | null, here: Entry | null, there: Entry | null): void {
  const server = new ModelServer();
  if (agreed !== null) server.put("setup", P, agreed, 0);
  const replica = new ModelReplica("here", server);
  const other = new ModelReplica("there", server);
  set(other, there);
  settle([other]);
  assertEquals(server.tree(), other.tree);
  set(replica, here);

  const what = `agreed ${describeEntry(agreed)}, ${JSON.stringify(here)} here, ${
    JSON.stringify(there)
  } there`;
  const { adopt, push, download, remove } = replica.plan();
  const [step, ...rest] = [...adopt, ...push, ...download, ...remove];
  assertEquals(rest, [], what);
  const changedHere = !sameEntry(here, agreed), changedThere = !sameEntry(there, agreed);
  assertEquals(
    step === undefined,
    !changedHere && !changedThere,
    `${what}: a step only if something differs`,
  );
  if (step === undefined) return;
  const same = sameEntry(here, there);
  assertEquals(step.do === "adopt", same, `${what}: equal sides are adopted, and only they`);
  if (same) return;
  if (changedHere && here !== null) {
    assertEquals(step.do, "upload", `${what}: what is new here goes up first`);
  }
  if (!changedHere) assert(["download", "remove"].includes(step.do), `${what}: nothing old goes up`);
  if (changedThere && there !== null && here === null) assertEquals(step.do, "download", what);
  if (step.do === "delete") assert(!changedThere, `${what}: an edit there beats a delete here`);
  if (step.do === "remove") assert(!changedHere, `${what}: an edit here beats a delete there`);
  if (step.do === "upload") assertEquals(step.conflict, changedThere && there !== null, what);

  const conflicts = server.conflicts;
  settle([replica, other]);
  assertEquals(listing(replica.tree), listing(server.tree()), what);
  assertEquals(listing(other.tree), listing(server.tree()), what);
  for (const entry of [agreed, here, there]) assert(entry === null || server.keeps(entry), `${what}: lost`);
  if (!changedHere || !changedThere) {
    assertEquals(server.conflicts, conflicts, `${what}: one side alone is no conflict`);
    const wanted = changedHere ? here : there;
    assertEquals(replica.tree.get(P) ?? null, wanted, what);
  }
}

function set(replica: ModelReplica, entry: Entry | null): void {
  if (entry === null) replica.tree.delete(P);
  else replica.tree.set(P, entry);
}

Deno.test("plan model: what one path needs does not depend on what is agreed elsewhere", () => {
  const synced = { entry: file("A"), revision: 1 };
  assertEquals(planPath(P, synced, null, null), null);
  assertEquals(planPath(P, null, { entry: null }, { entry: null, revision: 3 }), {
    do: "adopt",
    path: P,
    entry: null,
    revision: 3,
  });
});

type Edit =
  | { readonly do: "write"; readonly at: SyncPath; readonly entry: Entry }
  | { readonly do: "remove"; readonly at: SyncPath }
  | { readonly do: "move"; readonly at: SyncPath; readonly to: SyncPath };

/** As a user's program: below what is no directory nothing can be made; a removed directory takes all it holds. */
function edit(tree: Tree, { at, ...how }: Edit): void {
  const removeAll = (top: SyncPath) => {
    for (const path of [...tree.keys()]) if (path === top || isBelow(path, top)) tree.delete(path);
  };
  const hasRoom = (path: SyncPath) => {
    const parent = parentOf(path);
    return parent === null || tree.get(parent)?.kind === "dir";
  };
  if (how.do === "remove") return removeAll(at);
  if (how.do === "write") {
    if (!hasRoom(at)) return;
    if (how.entry.kind !== "dir" || tree.get(at)?.kind !== "dir") removeAll(at);
    return void tree.set(at, how.entry);
  }
  if (how.to === at || isBelow(how.to, at) || isBelow(at, how.to) || !tree.has(at) || !hasRoom(how.to)) {
    return;
  }
  const moved = [...tree].filter(([path]) => path === at || isBelow(path, at));
  removeAll(how.to);
  removeAll(at);
  for (const [path, entry] of moved) tree.set((how.to + path.slice(at.length)) as SyncPath, entry);
}

const path = fc.constantFrom(
  ...["a", "b", "a/a", "a/b", "b/a", "b/b", "a/a/a", "a/a/b", "b/a/a"].map(parsePath),
);
const entry: fc.Arbitrary<Entry> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(fc.constantFrom(..."ABCDEF"), fc.integer({ min: 1, max: 3 })).map((of) =>
      file(...of)
    ),
  },
  { weight: 5, arbitrary: fc.constantFrom(dir(), dir(), dir(), dir(0o700)) },
  { weight: 1, arbitrary: fc.constantFrom(link("t"), link("u")) },
);
const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("write" as const), at: path, entry }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), at: path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("move" as const), at: path, to: path }) },
);
const edits = (maxLength: number) => fc.array(anyEdit, { maxLength });

function worldOf(
  setup: readonly Edit[],
  names: readonly string[],
): { server: ModelServer; replicas: ModelReplica[] } {
  const server = new ModelServer();
  const first = new ModelReplica("setup", server);
  for (const one of setup) edit(first.tree, one);
  settle([first]);
  assertEquals(listing(server.tree()), listing(first.tree));
  return { server, replicas: names.map((name) => new ModelReplica(name, server)) };
}

Deno.test("plan model: who changes a tree alone gets exactly that tree everywhere, without a conflict", () => {
  fc.assert(
    fc.property(edits(12), edits(8), (setup, changes) => {
      const { server, replicas } = worldOf(setup, ["A", "B"]);
      for (const change of changes) edit(replicas[0]!.tree, change);
      const wanted = listing(replicas[0]!.tree);
      settle(replicas);
      for (const tree of [server.tree(), ...replicas.map((replica) => replica.tree)]) {
        assertEquals(listing(tree), wanted);
      }
      assertEquals(server.conflicts, 0);
    }),
    { numRuns: 1500 },
  );
});

/** What the schedule does next: edits of a replica, a plan made now and carried out later, or the carrying out. */
type Turn = {
  readonly who: number;
  readonly edits: readonly Edit[];
  readonly sync: "none" | "plan" | "carry out";
};
const turn: fc.Arbitrary<Turn> = fc.record({
  who: fc.nat(2),
  edits: edits(4),
  sync: fc.constantFrom("none", "plan", "carry out"),
});

Deno.test("plan model: three replicas change at once: all converge, and every content is kept", () => {
  fc.assert(
    fc.property(edits(12), fc.array(turn, { minLength: 2, maxLength: 10 }), (setup, turns) => {
      const { server, replicas } = worldOf(setup, ["A", "B", "C"]);
      // A plan may be carried out when others have changed the server already, but not after edits here: the disk
      // refuses those steps.
      const waiting = new Map<ModelReplica, Plan>();
      for (const { who, edits, sync } of turns) {
        const replica = replicas[who]!;
        if (edits.length > 0) waiting.delete(replica);
        for (const one of edits) edit(replica.tree, one);
        if (sync === "plan") waiting.set(replica, replica.plan());
        if (sync !== "carry out") continue;
        replica.carryOut(waiting.get(replica) ?? replica.plan());
        waiting.delete(replica);
      }
      const written = replicas.flatMap((replica) => [...replica.tree.values()]);
      settle(replicas);
      const wanted = listing(server.tree());
      for (const replica of replicas) assertEquals(listing(replica.tree), wanted);
      for (const entry of written) assert(server.keeps(entry), `${JSON.stringify(entry)} is lost`);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("plan model: trees that are equal meet without a conflict, whatever they are", () => {
  fc.assert(
    fc.property(edits(12), (setup) => {
      const { server, replicas } = worldOf(setup, ["A"]);
      const meeting = new ModelReplica("B", server);
      meeting.synced.clear();
      const { push, download, remove } = meeting.plan();
      assertEquals([push, download, remove], [[], [], []]);
      settle([meeting, ...replicas]);
      assertEquals(listing(meeting.tree), listing(replicas[0]!.tree));
      assertEquals(server.conflicts, 0);
    }),
  );
});
