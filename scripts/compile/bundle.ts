/** The program as a few JavaScript files that need nothing from anywhere. */
import { relative } from "@std/path";
import { runDeno } from "./tools.ts";

/** The file to start. */
export const MAIN_FILE = "main.js";

/**
 * Bundles `main.ts` of the staged sources: one file for each command and for what several share, so that a start loads
 * only what it needs. The same sources give the same bytes on every machine.
 * @returns contents by name, sorted
 */
export async function bundle(stage: string): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const outdir = `${stage}/.bundle`;
  const args = ["--quiet", "--no-check", "--platform", "deno", "--code-splitting", "--outdir", outdir];
  await runDeno(["bundle", ...args, "main.ts"], stage);
  const packages = await packageFolder(stage);
  const files = [...Deno.readDirSync(outdir)].map(({ name }) => name).sort();
  return new Map(files.map((name) => {
    const text = Deno.readTextFileSync(`${outdir}/${name}`);
    return [name, new TextEncoder().encode(withoutCachePaths(text, packages))];
  }));
}

/** Where Deno keeps packages, as the bundler names it. */
async function packageFolder(stage: string): Promise<string> {
  const { npmCache } = JSON.parse(await runDeno(["info", "--json"], stage)) as { npmCache: string };
  return relative(stage, Deno.realPathSync(npmCache));
}

/** Names a package's file by package and not by where this machine has its cache. */
export function withoutCachePaths(text: string, packages: string): string {
  return text.replaceAll(new RegExp(`${RegExp.escape(packages)}/[^/\\s"]+/`, "g"), "npm/");
}
