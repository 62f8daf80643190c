/**
 * `deno task compile`: one executable file for each target in `dist/`, with `SHA256SUMS` beside them.
 *
 *     --target NAME        only this one; may be given more than once
 *     --outdir DIR         instead of dist
 *     --self-extracting    do not try `deno compile`
 *     --runtime FILE       a Deno for the (one) target, instead of the pinned package; implies --self-extracting
 *     --fast               compress little
 *
 * `docs/packaging.md` describes what comes out.
 */
import { parseArgs } from "@std/cli/parse-args";
import { ensureDirSync } from "@std/fs";
import { resolve } from "@std/path";
import config from "../deno.json" with { type: "json" };
import type { Build } from "../cli/_build.ts";
import { bundle } from "./compile/bundle.ts";
import { checksumLines } from "./compile/checksums.ts";
import { denoCompile, runtimeProblem } from "./compile/deno_compile.ts";
import { fetchRuntimes, readRuntime, runtimeVersion } from "./compile/runtimes.ts";
import { selfExtracting } from "./compile/self_extracting.ts";
import { currentCommit, stageSources } from "./compile/stage.ts";
import { findTarget, isProgramFor, ownTarget, type Target, TARGETS } from "./compile/targets.ts";
import { askTool } from "./compile/tools.ts";

interface Options {
  readonly targets: readonly Target[];
  readonly outdir: string;
  readonly selfExtracting: boolean;
  readonly runtime: string | null;
  readonly level: number;
}

/** The name of a target's file. */
function fileName(target: Target): string {
  return `fsync-${target.name}`;
}

/** @throws {Error} if the arguments make no sense */
function readOptions(words: readonly string[]): Options {
  const args = parseArgs([...words], {
    string: ["target", "outdir", "runtime"],
    boolean: ["self-extracting", "fast"],
    collect: ["target"],
    default: { outdir: "dist" },
    unknown: (word: string) => {
      throw new Error(`Cannot use "${word}": see the head of scripts/compile.ts`);
    },
  });
  const targets = args.target.length === 0 ? TARGETS : args.target.map(knownTarget);
  if (args.runtime !== undefined && targets.length !== 1) {
    throw new Error("Cannot use one --runtime for several targets: name the target");
  }
  return {
    targets,
    outdir: resolve(args.outdir),
    selfExtracting: args["self-extracting"] || args.runtime !== undefined,
    runtime: args.runtime ?? null,
    level: args.fast ? 1 : 9,
  };
}

function knownTarget(name: string): Target {
  const target = findTarget(name);
  if (target !== null) return target;
  throw new Error(`Cannot build for "${name}": known are ${TARGETS.map(({ name }) => name).join(", ")}`);
}

/** Splits the targets by how they can be built, and says why where it is the second way. */
async function choose(options: Options): Promise<{ compiled: Target[]; unpacked: Target[] }> {
  if (options.selfExtracting) return { compiled: [], unpacked: [...options.targets] };
  const compiled: Target[] = [], unpacked: Target[] = [];
  for (const target of options.targets) {
    const problem = await runtimeProblem(target);
    if (problem === null) {
      compiled.push(target);
      continue;
    }
    unpacked.push(target);
    console.error(`NOTICE ${target.name}: "deno compile" needs a runtime from Deno, and ${problem}.`);
    console.error("       Building a self-extracting file of the same name from Deno's npm package instead.");
  }
  return { compiled, unpacked };
}

/** Runs `use` on sources that say `build`. */
async function withStage(build: Build, use: (stage: string) => Promise<void>): Promise<void> {
  const stage = stageSources(build);
  try {
    await use(stage);
  } finally {
    Deno.removeSync(stage, { recursive: true });
  }
}

async function buildCompiled(
  targets: readonly Target[],
  commit: string | null,
  outdir: string,
): Promise<void> {
  await withStage({ kind: "compiled", commit }, async (stage) => {
    for (const target of targets) {
      await put(target, outdir, `deno compile, Deno ${Deno.version.deno}`, async (path) => {
        await denoCompile(stage, target, path);
      });
    }
  });
}

async function buildSelfExtracting(options: Options, targets: readonly Target[], commit: string | null) {
  await withStage({ kind: "self-extracting", commit }, async (stage) => {
    const library = await bundle(stage);
    const runtimes = options.runtime === null ? await fetchRuntimes() : null;
    try {
      for (const target of targets) {
        const runtime = runtimes === null
          ? readOwnRuntime(options.runtime!, target)
          : readRuntime(runtimes, target);
        const parts = { version: config.version, target, runtime, library, level: options.level };
        const how = `self-extracting, Deno ${runtimes === null ? "given" : runtimeVersion(target)}`;
        await put(target, options.outdir, how, (path) => Deno.writeFile(path, selfExtracting(parts)));
      }
    } finally {
      if (runtimes !== null) Deno.removeSync(runtimes, { recursive: true });
    }
  });
}

function readOwnRuntime(path: string, target: Target): Uint8Array<ArrayBuffer> {
  if (!isProgramFor(path, target)) {
    throw new Error(`Cannot use "${path}": it is no program for ${target.machine}`);
  }
  return Deno.readFileSync(path);
}

/** Writes the file of a target under another name, tries it, and puts it in its place: the old one may be running. */
async function put(target: Target, outdir: string, how: string, write: (path: string) => Promise<void>) {
  const output = `${outdir}/${fileName(target)}`;
  const path = `${output}.new`;
  await write(path);
  try {
    Deno.chmodSync(path, 0o755);
    const answer = target === ownTarget() ? tried(path) : `not tried: it is for ${target.machine}`;
    console.log(`${output} (${how}, ${(Deno.statSync(path).size / 1e6).toFixed(1)} MB)\n  ${answer}`);
    Deno.renameSync(path, output);
  } catch (error) {
    Deno.removeSync(path);
    throw error;
  }
}

/** What the built file says of itself. @throws {Error} if it does not start */
function tried(path: string): string {
  const cache = Deno.makeTempDirSync({ prefix: "fsync-try-" });
  const answer = askTool(path, ["version"], cache, { XDG_CACHE_HOME: cache });
  Deno.removeSync(cache, { recursive: true });
  if (answer?.startsWith("fsync ")) return answer;
  throw new Error("Cannot use what was built: it does not start (is DENORT_BIN a runtime of this Deno?)");
}

/** Lists what stands in `outdir`, also from an earlier run for another target. */
function writeSums(outdir: string): void {
  const names = TARGETS.map(fileName).filter((name) => {
    try {
      return Deno.statSync(`${outdir}/${name}`).isFile;
    } catch {
      return false;
    }
  });
  const files = new Map(names.map((name) => [name, Deno.readFileSync(`${outdir}/${name}`)]));
  Deno.writeTextFileSync(`${outdir}/SHA256SUMS`, checksumLines(files));
}

async function main(): Promise<void> {
  const options = readOptions(Deno.args);
  ensureDirSync(options.outdir);
  const commit = currentCommit();
  const { compiled, unpacked } = await choose(options);
  if (compiled.length > 0) await buildCompiled(compiled, commit, options.outdir);
  if (unpacked.length > 0) await buildSelfExtracting(options, unpacked, commit);
  writeSums(options.outdir);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`compile: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
