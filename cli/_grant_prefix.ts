/** Which part of a folder a person means by a path. */
import { isAbsolute, join, normalize, relative, resolve } from "@std/path";
import { parsePath, PathError, type SyncPath } from "../core/path.ts";
import { UsageError } from "./_exit.ts";

/**
 * The prefix in the folder at `root` that `word` names: `/` and `.` are all of it, a path on disk into the folder is
 * that place, and everything else is a path in the folder.
 *
 * @param root the folder's real path
 * @throws {UsageError}
 */
export function readPrefix(word: string, root: string): SyncPath | null {
  if (word === "/" || word === "." || word === "./") return null;
  const inside = insideOf(root, word);
  if (inside === "") return null;
  try {
    return parsePath(inside ?? normalize(word).replace(/^\/+/, "").replace(/\/+$/, ""));
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    throw new UsageError(
      `Cannot use "${word}": ${error.message}`,
      "name a path in the folder, or / for all of it",
    );
  }
}

/** The path in `root` of the place on disk that `word` names, `null` if it is elsewhere. */
function insideOf(root: string, word: string): string | null {
  const full = realPlace(resolve(word));
  if (full === root) return "";
  const path = relative(root, full);
  return path.startsWith("../") || path === ".." || isAbsolute(path) ? null : path;
}

/** `path` with all links in the part that exists followed. */
function realPlace(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    const parent = join(path, "..");
    return parent === path ? path : join(realPlace(parent), path.slice(path.lastIndexOf("/") + 1));
  }
}
