/**
 * `deno task bench`: fsync, as real processes on loopback, beside rsync doing the same work. What the numbers mean is
 * told in docs/benchmarks.md. Exit code 1 if somebody did not do the work, 2 for a wrong flag; a missed threshold is
 * only printed.
 */
import { parseArgs } from "@std/cli/parse-args";
import { compare, type CompareOptions, type Comparison } from "../tests/bench/compare.ts";
import { FsyncRig } from "../tests/bench/fsync_rig.ts";
import { type Latency, measureLatency } from "../tests/bench/latency.ts";
import { killAll } from "../tests/bench/process.ts";
import { formatLatency, formatTable, formatVerdicts, judge, ratio } from "../tests/bench/report.ts";
import type { Rig } from "../tests/bench/rig.ts";
import { hasRsync, RsyncRig } from "../tests/bench/rsync_rig.ts";
import type { TreeSize } from "../tests/bench/tree.ts";
import { SCENARIOS } from "../tests/bench/workloads.ts";

const HELP = `usage: deno task bench [flags]

  --small           tiny sizes: only shows that everything works
  --only NAME       only this workload (may be repeated)
  --repeats N       measure everything N times (default 3)
  --tree DIR        take this tree for the small files, not a generated one
  --files N         files in the generated tree (default 40000)
  --large-mib N     size of the large file (default 1024)
  --saves N         saves for the latency (default 200)
  --seed N          what generated things are made from (default 1)
  --dir DIR         where to work (default: the directory for temporary files)
  --program FILE    a compiled fsync, not the sources
  --no-tls          fsync without encryption, as rsync has none
  --no-rsync        without the rival
  --rsync-fsync     rsync makes each file durable too
  --json FILE       write all measurements there
`;
const LATENCY = "latency";
/** Files in the folder of the latency measurement. */
const LATENCY_FILES = 1000;
const SMALL = { files: 150, "large-mib": 2, saves: 5, repeats: 1, "latency-files": 20 };
const MIB = 1024 * 1024;

class UsageError extends Error {}

interface Options {
  readonly small: boolean;
  readonly repeats: number;
  readonly saves: number;
  readonly latencyFiles: number;
  readonly rsync: boolean;
  readonly json: string | null;
  readonly dir: string;
  readonly chosen: (name: string) => boolean;
  readonly sizes: CompareOptions["sizes"];
  readonly startFsync: (dir: string) => Promise<FsyncRig>;
  readonly startRsync: (dir: string) => Promise<Rig>;
}

async function main(): Promise<number> {
  const options = readOptions(Deno.args);
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  const dir = Deno.makeTempDirSync({ dir: options.dir, prefix: "fsync-bench-" });
  const interrupted = () => {
    killAll();
    removeUnderWriters(dir);
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", interrupted);
  Deno.addSignalListener("SIGTERM", interrupted);
  try {
    await measureAll(options, dir);
    return 0;
  } finally {
    Deno.removeSync(dir, { recursive: true });
    Deno.removeSignalListener("SIGINT", interrupted);
    Deno.removeSignalListener("SIGTERM", interrupted);
  }
}

/** What was killed may still finish a write. Nothing else may start meanwhile, so this waits in place. */
function removeUnderWriters(dir: string): void {
  const still = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < 100; tries++) {
    try {
      return Deno.removeSync(dir, { recursive: true });
    } catch {
      Atomics.wait(still, 0, 0, 20);
    }
  }
  console.error(`Cannot remove "${dir}": it is still being written to`);
}

async function measureAll(options: Options, dir: string): Promise<void> {
  const rival = options.rsync && await hasRsync();
  if (options.rsync && !rival) console.error("rsync is not installed: only fsync is measured");
  if (!options.small) await warmUp(options, dir, rival);
  const comparisons: Comparison[] = [];
  const sources: TreeSize[] = [];
  for (const scenario of SCENARIOS) {
    comparisons.push(
      ...await compare(scenario, {
        ...options,
        dir,
        timesMax: options.small ? 1 : Infinity,
        starters: rival ? [options.startFsync, options.startRsync] : [options.startFsync],
        onSource: (size) => sources.push(size),
        onProgress: progress,
      }),
    );
  }
  const latency = options.chosen(LATENCY) ? await latencyIn(dir, options) : null;
  progress("");
  for (const { entries, bytes } of sources) {
    console.log(`synced: ${entries.toLocaleString("en")} entries, ${(bytes / 1e6).toFixed(1)} MB`);
  }
  report(options, comparisons, latency);
}

/** The first run of a program on a machine is slower than all others; nobody's number shall have that in it. */
async function warmUp(options: Options, dir: string, rival: boolean): Promise<void> {
  progress("warming up");
  for (const start of rival ? [options.startFsync, options.startRsync] : [options.startFsync]) {
    const place = `${dir}/warm-up`;
    Deno.mkdirSync(`${place}/client`, { recursive: true });
    Deno.writeTextFileSync(`${place}/client/a.txt`, "warm");
    {
      await using rig = await start(place);
      await rig.up(`${place}/client`);
    }
    Deno.removeSync(place, { recursive: true });
  }
}

async function latencyIn(dir: string, options: Options): Promise<Latency> {
  const place = `${dir}/latency`;
  Deno.mkdirSync(place);
  progress(LATENCY);
  await using rig = await options.startFsync(place);
  const { saves, sizes, latencyFiles: files } = options;
  return await measureLatency(rig, { dir: place, saves, files, seed: sizes.seed });
}

function report(options: Options, comparisons: readonly Comparison[], latency: Latency | null): void {
  for (const line of formatTable(comparisons)) console.log(line);
  if (latency !== null) console.log(`\n${formatLatency(latency)}`);
  const verdicts = judge({ comparisons, latency });
  if (options.small) console.log("\nToo small to judge by.");
  else console.log(`\n${formatVerdicts(verdicts).join("\n")}`);
  if (options.json === null) return;
  const workloads = comparisons.map((comparison) => ({ ...comparison, ratio: ratio(comparison) }));
  const document = { small: options.small, workloads, latency, verdicts: options.small ? [] : verdicts };
  Deno.writeTextFileSync(options.json, JSON.stringify(document, null, 2) + "\n");
}

/** @returns `null` if help was asked for @throws {UsageError} */
function readOptions(raw: readonly string[]): Options | null {
  const args = parseArgs(raw, {
    boolean: ["small", "tls", "rsync", "rsync-fsync", "help"],
    negatable: ["tls", "rsync"],
    string: ["only", "repeats", "tree", "files", "large-mib", "saves", "seed", "dir", "program", "json"],
    collect: ["only"],
    default: { tls: true, rsync: true },
    unknown: (arg) => {
      throw new UsageError(`Cannot measure: "${arg}" is not known`);
    },
  });
  if (args.help) return null;
  const number = (name: keyof typeof SMALL, usual: number): number => {
    const text = args[name];
    if (typeof text !== "string") return args.small ? SMALL[name] : usual;
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`Cannot measure: --${name} ${text} is no number`);
    return Number(text);
  };
  const tree = args.tree === undefined ? null : Deno.realPathSync(args.tree);
  return {
    small: args.small,
    repeats: number("repeats", 3),
    saves: number("saves", 200),
    latencyFiles: number("latency-files", LATENCY_FILES),
    rsync: args.rsync,
    json: args.json ?? null,
    dir: Deno.realPathSync(args.dir ?? Deno.env.get("TMPDIR") ?? "/tmp"),
    chosen: chooser(args.only),
    sizes: {
      tree,
      files: number("files", 40_000),
      largeBytes: number("large-mib", 1024) * MIB,
      seed: BigInt(args.seed ?? 1),
    },
    startFsync: (dir) =>
      FsyncRig.start(dir, {
        tls: args.tls,
        program: args.program === undefined ? null : Deno.realPathSync(args.program),
      }),
    startRsync: (dir) => RsyncRig.start(dir, { durable: args["rsync-fsync"] }),
  };
}

function chooser(only: readonly string[]): (name: string) => boolean {
  const names = [...SCENARIOS.flatMap(({ steps }) => steps.map(({ name }) => name)), LATENCY];
  for (const name of only) {
    if (!names.includes(name)) {
      throw new UsageError(`Cannot measure "${name}": there are ${names.join(", ")}`);
    }
  }
  return (name) => only.length === 0 || only.includes(name);
}

function progress(text: string): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}

if (import.meta.main) {
  try {
    Deno.exit(await main());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    if (error instanceof UsageError) console.error("hint: deno task bench --help");
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}
