/**
 * The random convergence test in memory: `deno task sim --seed N --count M [--verbose]`. The first seed that fails is
 * shrunk to the steps that matter, and printed; exit code 1. `--only write,sync,powerCut` lets only these kinds of steps
 * happen, `--keep-going` goes on after a failure, `--no-shrink` prints it as it is.
 */
import { parseArgs } from "@std/cli/parse-args";
import { describeScheme, runScheme, runSeed } from "../tests/sim/run.ts";
import { shrink } from "../tests/sim/shrink.ts";

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    string: ["seed", "count", "only"],
    boolean: ["verbose", "keep-going", "no-shrink"],
    default: { seed: "1", count: "1000", only: "" },
  });
  const first = BigInt(args.seed);
  const count = Number(args.count);
  const started = performance.now();
  const log = args.verbose ? (line: string) => console.log(line) : undefined;
  const only = args.only.split(",").filter((name) => name !== "");
  let failed = 0;
  for (let i = 0; i < count; i++) {
    const outcome = await runSeed(first + BigInt(i), { log, only });
    if (outcome.failure === null) continue;
    failed++;
    console.log(
      `seed ${outcome.scheme.seed} failed: ${outcome.failure.message.split("\n").slice(0, 3).join(" ")}`,
    );
    if (args["keep-going"]) continue;
    if (args["no-shrink"]) {
      console.log(outcome.failure.stack);
      return 1;
    }
    const small = await shrink(outcome);
    await runScheme(small.scheme, { log: (line) => console.log(line) });
    console.log(describeScheme(small.scheme));
    console.log(small.failure?.stack ?? "");
    return 1;
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(`${count - failed} of ${count} seeds from ${first} on held, ${seconds.toFixed(1)} s`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
