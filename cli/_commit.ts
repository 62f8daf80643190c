/** The commit that this program was made from. */
import { fromFileUrl } from "@std/path";
import { BUILD } from "./_build.ts";

const COMMIT = /^[0-9a-f]{40,64}$/;
/** As many digits as a build states. */
const SHORT = 12;

/** As the build says, or the checkout that it runs from; `null` if neither knows. */
export function commit(): string | null {
  if (BUILD.kind !== "sources") return BUILD.commit;
  const found = headCommit(fromFileUrl(new URL("../.git", import.meta.url)));
  return found === null ? null : found.slice(0, SHORT);
}

/** The commit that `HEAD` stands for, read without git; `path` is `.git`. */
export function headCommit(path: string): string | null {
  const dir = gitDir(path);
  const head = read(`${dir}/HEAD`);
  if (head === null) return null;
  if (!head.startsWith("ref: ")) return COMMIT.test(head) ? head : null;
  const name = head.slice("ref: ".length);
  // A linked working tree has its own HEAD, and the branches of the other one.
  const shared = read(`${dir}/commondir`);
  return branchCommit(dir, name) ?? (shared === null ? null : branchCommit(`${dir}/${shared}`, name));
}

/** In a linked working tree `.git` is a file that says where the directory is. */
function gitDir(path: string): string {
  const text = read(path);
  return text !== null && text.startsWith("gitdir: ") ? text.slice("gitdir: ".length) : path;
}

function branchCommit(dir: string, name: string): string | null {
  const loose = read(`${dir}/${name}`);
  if (loose !== null && COMMIT.test(loose)) return loose;
  const line = read(`${dir}/packed-refs`)?.split("\n").find((line) => line.endsWith(` ${name}`));
  const packed = line?.split(" ")[0] ?? "";
  return COMMIT.test(packed) ? packed : null;
}

function read(path: string): string | null {
  try {
    return Deno.readTextFileSync(path).trimEnd();
  } catch {
    return null;
  }
}
