/** What the plan does in each named case. `plan_model_test.ts` carries plans out. */
import { assertEquals } from "@std/assert";
import type { ContentId, Entry } from "./entry.ts";
import { parsePath, type SyncPath } from "./path.ts";
import { plan, planPath, type RemoteView, type Step, type SyncedView } from "./plan.ts";

/** A tree in a table: `"1"` is a file with that content, `"dir"` a directory, `"→ t"` a link. */
type Table = Readonly<Record<string, string>>;

interface PlanCase {
  readonly name: string;
  readonly synced?: Table;
  readonly local?: Table;
  readonly remote?: Table;
  /** Adoptions, pushes, downloads, removals, in this order. */
  readonly plan: readonly string[];
}

const SYNCED_REVISION = 10;
const REMOTE_REVISION = 20;

function entryOf(text: string | undefined): Entry | null {
  if (text === undefined) return null;
  if (text === "dir") return { kind: "dir", mode: 0o755 };
  if (text.startsWith("→ ")) return { kind: "link", target: text.slice(2) };
  return { kind: "file", size: text.length, mtime: 1000, mode: 0o644, content: text as ContentId };
}

function stepsOf({ synced = {}, local = {}, remote = {} }: PlanCase): Step[] {
  const agreed = new Map<SyncPath, SyncedView>();
  const here = new Map<SyncPath, Entry | null>();
  const there = new Map<SyncPath, RemoteView>();
  for (const name of new Set([...Object.keys(synced), ...Object.keys(local), ...Object.keys(remote)])) {
    const path = parsePath(name);
    const entry = entryOf(synced[name]);
    if (entry !== null) agreed.set(path, { entry, revision: SYNCED_REVISION });
    if (local[name] !== synced[name]) here.set(path, entryOf(local[name]));
    if (remote[name] !== synced[name]) {
      there.set(path, { entry: entryOf(remote[name]), revision: REMOTE_REVISION });
    }
  }
  const { adopt, push, download, remove } = plan({ synced: agreed, local: here, remote: there });
  return [...adopt, ...push, ...download, ...remove];
}

function shown(step: Step): string {
  if (step.do === "upload") return `${step.conflict ? "conflict" : "upload"} ${step.path}`;
  return `${step.do} ${step.path}`;
}

const ONE_PATH: readonly PlanCase[] = [
  { name: "nothing differs", synced: { a: "1" }, local: { a: "1" }, remote: { a: "1" }, plan: [] },
  { name: "new here → upload", local: { a: "1" }, plan: ["upload a"] },
  { name: "new there → download", remote: { a: "1" }, plan: ["download a"] },
  { name: "new on both, the same → adopt", local: { a: "1" }, remote: { a: "1" }, plan: ["adopt a"] },
  { name: "new on both, different → conflict", local: { a: "1" }, remote: { a: "2" }, plan: ["conflict a"] },
  {
    name: "edited here → upload",
    synced: { a: "1" },
    local: { a: "2" },
    remote: { a: "1" },
    plan: ["upload a"],
  },
  {
    name: "edited there → download",
    synced: { a: "1" },
    local: { a: "1" },
    remote: { a: "2" },
    plan: ["download a"],
  },
  {
    name: "edited on both, the same → adopt",
    synced: { a: "1" },
    local: { a: "2" },
    remote: { a: "2" },
    plan: ["adopt a"],
  },
  {
    name: "edited on both, different → conflict",
    synced: { a: "1" },
    local: { a: "2" },
    remote: { a: "3" },
    plan: ["conflict a"],
  },
  { name: "deleted here → delete", synced: { a: "1" }, local: {}, remote: { a: "1" }, plan: ["delete a"] },
  { name: "deleted there → remove", synced: { a: "1" }, local: { a: "1" }, remote: {}, plan: ["remove a"] },
  { name: "deleted on both → adopt", synced: { a: "1" }, local: {}, remote: {}, plan: ["adopt a"] },
  {
    name: "edited here, deleted there → keep the edit",
    synced: { a: "1" },
    local: { a: "2" },
    remote: {},
    plan: ["upload a"],
  },
  {
    name: "deleted here, edited there → keep the edit",
    synced: { a: "1" },
    local: {},
    remote: { a: "2" },
    plan: ["download a"],
  },
  {
    name: "retargeted here → upload",
    synced: { a: "→ t" },
    local: { a: "→ u" },
    remote: { a: "→ t" },
    plan: ["upload a"],
  },
  {
    name: "file here, link there → conflict",
    synced: { a: "1" },
    local: { a: "2" },
    remote: { a: "→ t" },
    plan: ["conflict a"],
  },
  {
    name: "file here, directory there → conflict",
    local: { a: "1" },
    remote: { a: "dir" },
    plan: ["conflict a"],
  },
];

const TREES: readonly PlanCase[] = [
  {
    name: "a new tree goes up, parents first",
    local: { d: "dir", "d/e": "dir", "d/e/f": "1", "d/a": "2" },
    plan: ["upload d", "upload d/a", "upload d/e", "upload d/e/f"],
  },
  {
    name: "a new tree comes down, parents first",
    remote: { d: "dir", "d/e": "dir", "d/e/f": "1", "d/a": "2" },
    plan: ["download d", "download d/a", "download d/e", "download d/e/f"],
  },
  {
    name: "a tree is deleted on the server, children first",
    synced: { d: "dir", "d/e": "dir", "d/e/f": "1", "d/a": "2" },
    remote: { d: "dir", "d/e": "dir", "d/e/f": "1", "d/a": "2" },
    plan: ["delete d/e/f", "delete d/a", "delete d/e", "delete d"],
  },
  {
    name: "a tree is removed here, children first",
    synced: { d: "dir", "d/e": "dir", "d/e/f": "1", "d/a": "2" },
    local: { d: "dir", "d/e": "dir", "d/e/f": "1", "d/a": "2" },
    plan: ["remove d/e/f", "remove d/a", "remove d/e", "remove d"],
  },
  {
    name: "an unrecognised move: the new place goes up before the old one is deleted",
    synced: { a: "1" },
    local: { z: "1" },
    remote: { a: "1" },
    plan: ["upload z", "delete a"],
  },
  {
    name: "dir → file: what the directory held is deleted before the file goes up",
    synced: { d: "dir", "d/e": "dir", "d/e/f": "1", x: "9" },
    local: { d: "2" },
    remote: { d: "dir", "d/e": "dir", "d/e/f": "1", x: "9" },
    plan: ["delete d/e/f", "delete d/e", "upload d", "delete x"],
  },
  {
    name: "file → dir: the directory goes up before what it holds",
    synced: { d: "1" },
    local: { d: "dir", "d/f": "2" },
    remote: { d: "1" },
    plan: ["upload d", "upload d/f"],
  },
  {
    name: "dir → file there: what it held is removed too",
    synced: { d: "dir", "d/f": "1" },
    local: { d: "dir", "d/f": "1" },
    remote: { d: "2" },
    plan: ["download d", "remove d/f"],
  },
  {
    name: "file → dir there",
    synced: { d: "1" },
    local: { d: "1" },
    remote: { d: "dir", "d/f": "2" },
    plan: ["download d", "download d/f"],
  },
  {
    name: "a directory deleted there stays for what is new in it here",
    synced: { d: "dir", "d/old": "1" },
    local: { d: "dir", "d/old": "1", "d/new": "2" },
    remote: {},
    plan: ["conflict d", "upload d/new", "remove d/old"],
  },
  {
    name: "so do all directories above it",
    synced: { d: "dir", "d/e": "dir", "d/e/old": "1" },
    local: { d: "dir", "d/e": "dir", "d/e/old": "2" },
    remote: {},
    plan: ["conflict d", "conflict d/e", "upload d/e/old"],
  },
  {
    name: "a directory that became a file there stays a directory for what is new in it here",
    synced: { d: "dir" },
    local: { d: "dir", "d/new": "2" },
    remote: { d: "1" },
    plan: ["conflict d", "upload d/new"],
  },
  {
    name: "a directory deleted here comes back for what is new in it there",
    synced: { d: "dir", "d/e": "dir", "d/e/old": "1" },
    local: {},
    remote: { d: "dir", "d/e": "dir", "d/e/old": "1", "d/e/new": "2" },
    plan: ["delete d/e/old", "download d", "download d/e", "download d/e/new"],
  },
  {
    name: "a file took the directory's place here: what is new in it there waits",
    synced: { d: "dir", "d/old": "1" },
    local: { d: "2" },
    remote: { d: "dir", "d/old": "1", "d/new": "3" },
    plan: ["delete d/old", "upload d"],
  },
  {
    name: "the same, deeper: the directory between waits too, and is not deleted under it",
    synced: { d: "dir", "d/e": "dir", "d/e/old": "1" },
    local: { d: "2" },
    remote: { d: "dir", "d/e": "dir", "d/e/old": "3" },
    plan: ["upload d"],
  },
  {
    name: "a new file here, a new directory there: what it holds waits",
    local: { d: "1" },
    remote: { d: "dir", "d/f": "2" },
    plan: ["conflict d"],
  },
  {
    name: "a name that only begins like a directory's is not below it",
    synced: { d: "dir", "d-x": "1", "d/f": "1" },
    local: { "d-x": "2" },
    remote: { d: "dir", "d-x": "1", "d/f": "1" },
    plan: ["upload d-x", "delete d/f", "delete d"],
  },
];

for (const one of [...ONE_PATH, ...TREES]) {
  Deno.test(`plan: ${one.name}`, () => assertEquals(stepsOf(one).map(shown), one.plan));
}

Deno.test("plan: a step says on what it was made and what it replaces", () => {
  const [upload] = stepsOf({ name: "", synced: { a: "1" }, local: { a: "2" }, remote: { a: "1" }, plan: [] });
  assertEquals(upload, {
    do: "upload",
    path: parsePath("a"),
    entry: entryOf("2")!,
    base: SYNCED_REVISION,
    conflict: false,
  });
  const [download] = stepsOf({
    name: "",
    synced: { a: "1" },
    local: { a: "1" },
    remote: { a: "2" },
    plan: [],
  });
  assertEquals(download, {
    do: "download",
    path: parsePath("a"),
    entry: entryOf("2")!,
    revision: REMOTE_REVISION,
    replaces: entryOf("1"),
  });
});

Deno.test("plan: a newer revision of what was agreed is what the local change was made on", () => {
  const synced = { entry: entryOf("1")!, revision: SYNCED_REVISION };
  const remote = { entry: entryOf("1"), revision: REMOTE_REVISION };
  const path = parsePath("a");
  assertEquals(planPath(path, synced, { entry: entryOf("2") }, remote), {
    do: "upload",
    path,
    entry: entryOf("2")!,
    base: REMOTE_REVISION,
    conflict: false,
  });
  // What somebody made anew, or put back, meets a delete as an edit would.
  assertEquals(planPath(path, synced, { entry: null }, remote), {
    do: "download",
    path,
    entry: entryOf("1")!,
    revision: REMOTE_REVISION,
    replaces: null,
  });
  assertEquals(planPath(path, { ...synced, revision: 0 }, { entry: null }, remote), {
    do: "delete",
    path,
    base: REMOTE_REVISION,
  });
  assertEquals(planPath(path, synced, null, remote), {
    do: "adopt",
    path,
    entry: entryOf("1"),
    revision: REMOTE_REVISION,
  });
});

Deno.test("plan: only bits or time differ", () => {
  const old = entryOf("1")! as Extract<Entry, { kind: "file" }>;
  const touched = { ...old, mtime: 2000 };
  const path = parsePath("a");
  const synced = { entry: old, revision: SYNCED_REVISION };
  assertEquals(planPath(path, synced, { entry: touched }, null)?.do, "upload");
  assertEquals(planPath(path, synced, null, { entry: touched, revision: REMOTE_REVISION })?.do, "download");
  assertEquals(planPath(path, synced, { entry: { ...old } }, null), null);
});

Deno.test("plan: a directory that holds something ignored on the server is not deleted, but comes back", () => {
  const agreed = new Map<SyncPath, SyncedView>();
  for (const [name, text] of [["d", "dir"], ["d/e", "dir"], ["d/a", "1"], ["d/e/b", "2"]]) {
    agreed.set(parsePath(name!), { entry: entryOf(text)!, revision: SYNCED_REVISION });
  }
  const here = new Map([...agreed.keys()].map((path) => [path, null]));
  const holdsIgnored = (dir: SyncPath) => (dir as string) === "d";
  const { push, download } = plan({ synced: agreed, local: here, remote: new Map(), holdsIgnored });
  assertEquals(push.map(shown), ["delete d/e/b", "delete d/a", "delete d/e"]);
  assertEquals(download.map(shown), ["download d"]);
});
