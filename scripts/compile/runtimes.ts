/** Deno's own npm packages, from which a self-extracting file gets its runtime. */
import { fromFileUrl } from "@std/path";
import { sha256 } from "./checksums.ts";
import { isProgramFor, type Target } from "./targets.ts";
import { runDeno } from "./tools.ts";

const CONFIG = fromFileUrl(new URL("./runtimes.json", import.meta.url));
const LOCK = fromFileUrl(new URL("./runtimes.lock", import.meta.url));

/**
 * Fetches the runtimes of all targets, or takes them from Deno's cache. Deno checks each package against the lock as it
 * arrives; the programs in them are checked by {@link readRuntime}.
 * @returns a temporary directory; the caller removes it
 */
export async function fetchRuntimes(): Promise<string> {
  const dir = Deno.makeTempDirSync({ prefix: "fsync-runtimes-" });
  Deno.copyFileSync(CONFIG, `${dir}/deno.json`);
  Deno.copyFileSync(LOCK, `${dir}/deno.lock`);
  await runDeno(["install", "--quiet", "--frozen"], dir);
  return dir;
}

/** The runtime of a target, from what {@link fetchRuntimes} returned. @throws {Error} unless it is the one that was pinned */
export function readRuntime(dir: string, target: Target): Uint8Array<ArrayBuffer> {
  const path = `${dir}/node_modules/${target.package}/deno`;
  const bytes = Deno.readFileSync(path);
  const found = sha256(bytes);
  if (found === target.runtimeSha256 && isProgramFor(path, target)) return bytes;
  throw new Error(
    `Cannot use the Deno of ${target.package}: its SHA-256 is ${found}, expected is ${target.runtimeSha256}`,
  );
}

/** The version of a target's runtime, from the pins. */
export function runtimeVersion(target: Target): string {
  const { imports } = JSON.parse(Deno.readTextFileSync(CONFIG)) as { imports: { [name: string]: string } };
  const specifier = imports[target.package] ?? "";
  return specifier.slice(specifier.lastIndexOf("@") + 1);
}
