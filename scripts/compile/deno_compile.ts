/** The first choice: one executable by `deno compile`. It needs Deno's runtime for the target. */
import { RUN_FLAGS } from "../run_flags.ts";
import { isProgramFor, type Target } from "./targets.ts";
import { runDeno } from "./tools.ts";

/** From where Deno itself takes the runtime. */
const RUNTIMES = "https://dl.deno.land/release";
/** A host that is there answers sooner, ms. */
const PROBE_MS_MAX = 5_000;

/** Why Deno's runtime for the target cannot be had; `null` if it can. */
export async function runtimeProblem(target: Target): Promise<string | null> {
  const own = Deno.env.get("DENORT_BIN");
  if (own) return ownRuntimeProblem(own, target);
  const file = `v${Deno.version.deno}/denort-${target.name}.zip`;
  if (await isCached(file)) return null;
  // Deno would try for minutes where nothing answers.
  return await probeProblem(`${RUNTIMES}/${file}`);
}

function ownRuntimeProblem(path: string, target: Target): string | null {
  try {
    return isProgramFor(path, target) ? null : `"${path}" (DENORT_BIN) is no program for ${target.machine}`;
  } catch (error) {
    return `Cannot read "${path}" (DENORT_BIN): ${error instanceof Error ? error.message : error}`;
  }
}

async function isCached(file: string): Promise<boolean> {
  const { denoDir } = JSON.parse(await runDeno(["info", "--json"], ".")) as { denoDir: string };
  try {
    return Deno.statSync(`${denoDir}/dl/release/${file}`).isFile;
  } catch {
    return false;
  }
}

async function probeProblem(url: string): Promise<string | null> {
  try {
    const { ok, status } = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(PROBE_MS_MAX) });
    return ok ? null : `${url} answers with ${status}`;
  } catch {
    return `${new URL(url).host} cannot be reached`;
  }
}

/** Compiles `main.ts` of the staged sources to `output`. @throws {Error} if that fails */
export async function denoCompile(stage: string, target: Target, output: string): Promise<void> {
  const how = ["--quiet", "--no-check", "--target", target.name, "--output", output];
  await runDeno(["compile", ...how, ...RUN_FLAGS, "main.ts"], stage);
}
