/**
 * Tests the simulation itself: faults are planted in copies of production modules, and some seed must catch each. A
 * fault that is no longer found in the source, or no longer caught, fails here.
 */
import { assert, assertEquals } from "@std/assert";
import { toFileUrl } from "@std/path";
import type { Disk } from "../../system/disk.ts";
import type { Ports } from "./ports.ts";
import { runSeed } from "./run.ts";

interface Edit {
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly old: string;
  readonly new: string;
}

interface Fault {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** Kinds of steps that bring it out soon. */
  readonly only: string;
}

const FAULTS: readonly Fault[] = [
  {
    name: "what was sent is not recognised when its answer is lost",
    edits: [{
      file: "client/unanswered.ts",
      old: "    if (sent === undefined || !sameEntry(sent, entry)) return;\n",
      new: "    if (sent !== undefined || !sameEntry(null, entry)) return;\n",
    }],
    only: "write,delete,rename,syncToEnd,cutAfterFrames",
  },
  {
    name: "what waits to be placed counts as placed after a crash",
    edits: [{
      file: "client/recovery.ts",
      old: "  if (waiting !== undefined && !isReplaced(entry, before, waiting)) return false;\n",
      new: "",
    }],
    only: "write,append,syncToEnd,killAfter",
  },
  {
    name: "what was to be placed is noted before it is durable",
    edits: [{
      file: "client/pull.ts",
      old:
        "    await this.#replica.makeDurable();\n    const placed = group.map(({ step: { path, entry, revision }, staged }) =>\n      [path, entry, revision, disk.stagedName(staged)] as const\n    );\n    const number = begun.begin({ placed });\n    try {\n      await begun.durable();\n",
      new:
        "    const placed = group.map(({ step: { path, entry, revision }, staged }) =>\n      [path, entry, revision, disk.stagedName(staged)] as const\n    );\n    const number = begun.begin({ placed });\n    try {\n      await begun.durable();\n      await this.#replica.makeDurable();\n",
    }],
    only: "write,append,save,syncToEnd,powerCutAfter",
  },
  {
    name: "a note outlives what it told of",
    edits: [{
      file: "client/begun.ts",
      old: "    if (this.#open.delete(number)) this.#finished.push(number);\n",
      new: "    this.#open.delete(number);\n",
    }],
    only: "write,append,syncToEnd",
  },
  {
    name: "the bits of a group travel",
    edits: [{
      file: "core/shared_mode.ts",
      old: "  if (agreed === null) return",
      new: "  if (mode >= 0) return mode;\n  if (agreed === null) return",
    }],
    only: "",
  },
  {
    name: "a delete beats an edit",
    edits: [{
      file: "core/plan.ts",
      old: `if (here === null) return { do: "download", path, entry: there!, revision, replaces: null };`,
      new: `if (here === null) return { do: "delete", path, base: revision };`,
    }],
    only: "write,append,delete,sync",
  },
  {
    name: "only the modification time tells of a change",
    edits: [{
      file: "system/disk.ts",
      old: "return a.size === b.size && a.mtimeUs === b.mtimeUs && a.ctimeUs === b.ctimeUs;",
      new: "return a.mtimeUs === b.mtimeUs;",
    }],
    only: "write,quietEdit,sync,syncToEnd",
  },
  {
    name: "the state is written before the disk is durable",
    edits: [{
      file: "client/replica.ts",
      old: "      await this.disk.sync();\n",
      new: "      this.clock.sleep(40).then(() => this.disk.sync()).catch(() => {});\n",
    }],
    only: "write,save,syncToEnd,powerCutAfter",
  },
  {
    name: "contents are placed without being durable",
    edits: [{
      file: "client/pull.ts",
      old: "    await this.#replica.makeDurable();\n    const placed",
      new: "    const placed",
    }],
    only: "write,save,syncToEnd,powerCutAfter",
  },
  {
    name: "a change is acknowledged before its content is durable",
    edits: [{
      file: "server/folder.ts",
      old: "      if (locations.size > 0) await this.contents.sync();\n",
      new: "",
    }],
    only: "write,syncToEnd,powerCut,restart",
  },
  {
    name: "a change is acknowledged before its record is durable",
    edits: [{
      file: "server/folder.ts",
      old: "      this.#write(draft, intake);\n",
      new: "      for (const done of settle) done();\n" +
        "      await this.contents.sync();\n" +
        "      await this.#clock.sleep(20);\n" +
        "      this.#write(draft, intake);\n",
    }],
    only: "write,syncToEnd,kill,restart",
  },
  {
    name: "a client conflicts with itself when an answer is lost",
    edits: [{
      file: "core/judge.ts",
      old: "const madeOnHead = head.revision === incoming.base || head.replica === incoming.replica;",
      new: "const madeOnHead = head.revision === incoming.base;",
    }, {
      // The client recognises what it sent; the server must know it too.
      file: "client/unanswered.ts",
      old: "    if (sent === undefined || !sameEntry(sent, entry)) return;\n",
      new: "    if (sent !== undefined || !sameEntry(null, entry)) return;\n",
    }],
    only: "append,save,sync,cut,cutAfterFrames",
  },
  {
    name: "a retry is applied twice",
    edits: [{
      file: "core/judge.ts",
      old: `  if (sameEntry(head.entry, entry)) return { verdict: "skip" };\n`,
      new: "",
    }, {
      file: "core/plan.ts",
      old: `  if (sameEntry(here, there)) return { do: "adopt", path, entry: there, revision };\n`,
      new: `  if (here === there) return { do: "adopt", path, entry: there, revision };\n`,
    }, {
      file: "client/unanswered.ts",
      old: "    if (sent === undefined || !sameEntry(sent, entry)) return;\n",
      new: "    if (sent !== undefined || !sameEntry(null, entry)) return;\n",
    }],
    only: "write,syncToEnd,cutAfterFrames",
  },
  {
    name: "paths are normalised",
    edits: [{
      file: "core/path.ts",
      old: "if (keepsRules(raw)) return raw as SyncPath;",
      new: `if (keepsRules(raw)) return raw.normalize("NFC") as SyncPath;`,
    }],
    only: "write,sync",
  },
  {
    name: "an object literal is a map",
    edits: [{
      file: "client/trees.ts",
      old: "readonly synced = new Map<SyncPath, SyncedNode>();",
      new: "readonly synced = new (class extends Map<SyncPath, SyncedNode> {\n" +
        `    override set(path: SyncPath, node: SyncedNode) {\n` +
        `      return path as string === "__proto__" ? this : super.set(path, node);\n    }\n  })();`,
    }],
    only: "write,mkdir,sync",
  },
  {
    name: "mass deletes are not held",
    edits: [{
      file: "core/guard.ts",
      old: "const held = deletes > 0 && filesBefore >= GUARDED_FILES_MIN && deleted * 2 > filesBefore;",
      new: "const held = false;",
    }],
    only: "many,wipe,syncToEnd",
  },
  {
    name: "a file is replaced without a look at what stands there",
    edits: [{
      file: "client/pull.ts",
      old: "done = disk.place(staged, step.path, expected);",
      new: "done = disk.place(staged, step.path, disk.stat(step.path));",
    }],
    only: "write,append,sync",
  },
  {
    name: "deletions are forgotten too early",
    edits: [{
      file: "server/folder.ts",
      old: "versions.filter((version) => since > 0 || version.entry !== null)",
      new: "versions.filter((version) => version.entry !== null)",
    }],
    only: "write,delete,syncToEnd",
  },
  {
    name: "what is ignored counts as deleted",
    edits: [{
      file: "client/ignoring.ts",
      old: "    trees.setAside(path);\n",
      new: "    if (trees.synced.has(path)) trees.noteGone(path);\n    else trees.setAside(path);\n",
    }],
    only: "write,ignore,exclude,syncToEnd",
  },
  {
    name: "what a look passes over counts as deleted",
    edits: [{
      file: "client/look.ts",
      old:
        "      if (this.#isLeftOut(path) || this.#isProtected(path) || this.#context.isBusy(path)) continue;\n" +
        "      const stat = this.#stat(path);\n",
      new: "      if (this.#isProtected(path) || this.#context.isBusy(path)) continue;\n" +
        "      const stat = this.#isLeftOut(path) ? null : this.#stat(path);\n",
    }, {
      file: "client/ignoring.ts",
      old: "    for (const [path, { entry }] of [...synced]) this.#review(path, entry);\n",
      new: "",
    }, {
      file: "client/trees.ts",
      old: "    if (this.synced.has(path)) this.local.set(path, null);\n    else this.local.delete(path);\n",
      new: "    this.local.set(path, null);\n    const aside = this.ignored.get(path);\n" +
        "    if (aside !== undefined) this.synced.set(path, { ...aside, stat: null, seen: 0 });\n",
    }],
    only: "write,ignore,exclude,syncToEnd",
  },
  {
    name: "a directory with ignored things on the server is deleted again and again",
    edits: [{
      file: "core/plan.ts",
      old: "  keepParentsOfIgnored(input, steps);\n",
      new: "",
    }],
    only: "write,removeTree,exclude,syncToEnd",
  },
  {
    name: "an ignored path is fetched when others change it",
    edits: [{
      file: "client/trees.ts",
      old: "    if (this.#noteIgnored(notice.path, entry, notice.revision)) return;\n",
      new: "",
    }, {
      file: "client/ignoring.ts",
      old: "    for (const [path, { entry }] of [...remote]) this.#review(path, entry);\n",
      new: "",
    }],
    only: "write,append,exclude,syncToEnd",
  },
];

/** Runs that a fault may survive. */
const SEEDS_MAX = 400;

for (const fault of FAULTS) {
  Deno.test(`planted fault: ${fault.name}`, async () => {
    const directory = Deno.makeTempDirSync();
    try {
      const { code, text } = await simulateWith(fault, directory);
      assertEquals(code, 1, `no seed caught it:\n${text}`);
      assert(/^seed \d+ failed: /m.test(text), `it failed otherwise:\n${text}`);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });
}

/** Runs the simulation on production code in which modules are replaced by faulty copies. */
async function simulateWith(fault: Fault, directory: string): Promise<{ code: number; text: string }> {
  const root = new URL("../../", import.meta.url);
  const { imports } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  for (const [name, target] of Object.entries<string>(imports)) {
    if (target.startsWith(".")) imports[name] = String(new URL(target, root));
  }
  for (const [n, edit] of fault.edits.entries()) {
    const source = new URL(edit.file, root);
    const copy = `${directory}/faulty${n}.ts`;
    Deno.writeTextFileSync(copy, faulty(source, edit));
    imports[String(source)] = String(toFileUrl(copy));
  }
  const map = `${directory}/imports.json`;
  Deno.writeTextFileSync(map, JSON.stringify({ imports }));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      "--no-lock",
      `--import-map=${map}`,
      String(new URL("scripts/sim.ts", root)),
      "--seed=1",
      `--count=${SEEDS_MAX}`,
      `--only=${fault.only}`,
      "--no-shrink",
    ],
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** The module with the fault in it, able to stand elsewhere. */
function faulty(source: URL, edit: Edit): string {
  const good = Deno.readTextFileSync(source);
  assertEquals(good.split(edit.old).length, 2, `the place of the fault in ${edit.file}`);
  return good.replace(edit.old, () => edit.new)
    .replaceAll(/(from\s+")(\.[^"]+)"/g, (_, from, path) => `${from}${new URL(path, source)}"`);
}

/** The first seed that catches a fault of the ports. */
async function firstCaught(ports: Partial<Ports>): Promise<bigint | null> {
  for (let seed = 1n; seed <= SEEDS_MAX; seed++) {
    if ((await runSeed(seed, { ports })).failure !== null) return seed;
  }
  return null;
}

Deno.test("planted fault: a disk that makes nothing durable", async () => {
  const careless = (disk: Disk): Disk =>
    new Proxy(disk, {
      get: (object, key) => key === "sync" ? () => Promise.resolve() : Reflect.get(object, key),
    });
  assert(await firstCaught({ disk: careless }) !== null);
});

Deno.test("planted fault: a watcher that ignores that it lost events", async () => {
  assert(await firstCaught({ hint: (request) => request.all ? null : request }) !== null);
});
