/** A copy of the sources in which the program says how it was built. */
import { fromFileUrl } from "@std/path";
import type { Build } from "../../cli/_build.ts";
import { askTool } from "./tools.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
/** What the program is made of. */
const PARTS = ["main.ts", "deno.json", "deno.lock", "std_types"];
const ROOMS = ["cli", "client", "core", "protocol", "server", "system", "watcher"];
const BUILD_FILE = "cli/_build.ts";

/** Copies the sources into a new temporary directory and returns it; the caller removes it. */
export function stageSources(build: Build): string {
  const stage = Deno.makeTempDirSync({ prefix: "fsync-build-" });
  for (const part of [...PARTS, ...ROOMS]) copy(`${ROOT}${part}`, `${stage}/${part}`);
  const text = Deno.readTextFileSync(`${stage}/${BUILD_FILE}`);
  Deno.writeTextFileSync(`${stage}/${BUILD_FILE}`, withBuild(text, build));
  return stage;
}

/** The build file's text, saying `build`. */
export function withBuild(text: string, build: Build): string {
  const stated = /^export const BUILD: Build = .*;$/m;
  if (!stated.test(text)) throw new Error(`Cannot state the build in "${BUILD_FILE}": it has no BUILD line`);
  return text.replace(stated, () => `export const BUILD: Build = ${JSON.stringify(build)};`);
}

/** The commit of the checkout, marked if something that is built from differs from it; `null` outside of git. */
export function currentCommit(): string | null {
  const head = askTool("git", ["rev-parse", "--short=12", "HEAD"], ROOT);
  if (head === null) return null;
  const changes = askTool("git", ["status", "--porcelain", "--", ...PARTS, ...ROOMS, "scripts"], ROOT);
  return changes === "" ? head : `${head}-dirty`;
}

function copy(from: string, to: string): void {
  if (Deno.statSync(from).isFile) return Deno.copyFileSync(from, to);
  Deno.mkdirSync(to);
  for (const { name } of Deno.readDirSync(from)) {
    if (!name.endsWith("_test.ts")) copy(`${from}/${name}`, `${to}/${name}`);
  }
}
