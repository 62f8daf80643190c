import { assertEquals, assertRejects } from "@std/assert";
import { compare, type CompareOptions } from "./compare.ts";
import { mustRun } from "./process.ts";
import type { Measurement, Rig } from "./rig.ts";
import { SCENARIOS } from "./workloads.ts";

const SMALL_FILES = SCENARIOS[0]!;

/** Syncs by `cp`; or only says so. */
class CopyRig implements Rig {
  readonly name;
  readonly serverTree: string;
  readonly #lazy: boolean;

  constructor(name: Rig["name"], dir: string, lazy: boolean) {
    this.name = name;
    this.serverTree = `${dir}/server`;
    this.#lazy = lazy;
    Deno.mkdirSync(this.serverTree);
  }

  rest(): Promise<void> {
    return Promise.resolve();
  }
  async up(root: string): Promise<Measurement> {
    return await this.#copy(root, this.serverTree);
  }
  async down(root: string): Promise<Measurement> {
    return await this.#copy(this.serverTree, root);
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #copy(from: string, to: string): Promise<Measurement> {
    if (!this.#lazy) {
      Deno.removeSync(to, { recursive: true });
      await mustRun("cp", "-a", from, to);
    }
    return { seconds: this.name === "fsync" ? 1 : 2, wireBytes: 0, clientPeakBytes: 0, serverPeakBytes: 0 };
  }
}

Deno.test("only chosen workloads are reported; what they need is done", async () => {
  using dir = temporary();
  const results = await compare(SMALL_FILES, {
    ...options(dir.path),
    repeats: 2,
    chosen: (name) => name === "rename",
  });
  assertEquals(results.map(({ name }) => name), ["rename"]);
  assertEquals(results[0]?.fsync.map(({ seconds }) => seconds), [1, 1]);
  assertEquals(results[0]?.rsync.map(({ seconds }) => seconds), [2, 2]);
});

Deno.test("contenders take turns in being first", async () => {
  using dir = temporary();
  const steps: string[] = [];
  await compare(SMALL_FILES, {
    ...options(dir.path),
    repeats: 2,
    chosen: (name) => name === "first-sync",
    onProgress: (text) => steps.push(text),
  });
  assertEquals(steps, ["first-sync: fsync", "first-sync: rsync", "first-sync: rsync", "first-sync: fsync"]);
});

Deno.test("a contender whose tree is wrong fails the benchmark", async () => {
  using dir = temporary();
  const starters = [(place: string) => Promise.resolve(new CopyRig("fsync", place, true))];
  await assertRejects(
    () => compare(SMALL_FILES, { ...options(dir.path), starters }),
    Error,
    "fsync did not do the work: only",
  );
});

function options(dir: string): CompareOptions {
  return {
    dir,
    sizes: { tree: null, files: 10, largeBytes: 1000, seed: 1n },
    repeats: 1,
    timesMax: 1,
    chosen: () => true,
    starters: [
      (place) => Promise.resolve(new CopyRig("fsync", place, false)),
      (place) => Promise.resolve(new CopyRig("rsync", place, false)),
    ],
    onSource: () => {},
    onProgress: () => {},
  };
}

function temporary(): { readonly path: string } & Disposable {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
