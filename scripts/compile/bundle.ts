/** The program as a few JavaScript files that need nothing from anywhere. */
import { runDeno } from "./tools.ts";

/**
 * Bundles `main.ts` of the staged sources: one file for each command and for what several share, so that a start loads
 * only what it needs. The same sources give the same bytes on every machine.
 * @returns contents by name, sorted; `main.js` is the one to start
 */
export async function bundle(stage: string): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const outdir = `${stage}/.bundle`;
  // With the packages below the sources no path depends on where this machine keeps its cache.
  const how = ["--quiet", "--no-check", "--node-modules-dir=auto", "--platform", "deno", "--code-splitting"];
  await runDeno(["bundle", ...how, "--outdir", outdir, "main.ts"], stage);
  const names = [...Deno.readDirSync(outdir)].map(({ name }) => name).sort();
  return new Map(names.map((name) => [name, Deno.readFileSync(`${outdir}/${name}`)]));
}
