/**
 * Paths as they are synced: relative, `/`-separated, kept byte for byte (no Unicode normalisation).
 *
 * A raw string becomes a {@link SyncPath} in exactly one place, {@link parsePath}; behind it the type carries
 * the promise and nobody checks again.
 */

import { Bug } from "./invariant.ts";

declare const syncPathBrand: unique symbol;

/** A checked path below the root of a folder. The root itself has no `SyncPath`. */
export type SyncPath = string & { readonly [syncPathBrand]: true };

/** Longest path, in UTF-8 bytes (Linux `PATH_MAX`). */
export const PATH_BYTES_MAX = 4096;
/** Longest single name, in UTF-8 bytes (Linux `NAME_MAX`). */
export const NAME_BYTES_MAX = 255;
/** Longest text of a symbolic link, in UTF-8 bytes (`PATH_MAX - 1`). */
export const LINK_TARGET_BYTES_MAX = PATH_BYTES_MAX - 1;
/** The one name that is ours, at any depth: state, staging and lock live below it and are never synced. */
export const RESERVED_NAME = ".fsync";

/** A path that may not be synced; `message` says what is wrong with it, without the path itself. */
export class PathError extends Error {
  override name = "PathError";
}

const encoder = new TextEncoder();

/**
 * Checks a path that came from outside: a peer, a command line, a database.
 *
 * @throws {PathError} if it is empty, absolute, too long, not well-formed Unicode, or has a part that is empty,
 * `.`, `..`, longer than {@link NAME_BYTES_MAX}, holds NUL, or is {@link RESERVED_NAME}
 */
export function parsePath(raw: string): SyncPath {
  if (keepsRules(raw)) return raw as SyncPath;
  throw new PathError(brokenRule(raw));
}

const SLASH = 0x2f;
const DOT = 0x2e;

/** One pass and no allocation: every path of a listing and of a message goes through here. */
function keepsRules(raw: string): boolean {
  let start = 0;
  let bytesBefore = 0;
  let bytes = 0;
  for (let i = 0; i <= raw.length; i++) {
    const unit = i < raw.length ? raw.charCodeAt(i) : SLASH;
    if (unit === SLASH) {
      if (bytes === 0 || bytes > NAME_BYTES_MAX || isReserved(raw, start, i)) return false;
      bytesBefore += bytes + 1;
      if (bytesBefore > PATH_BYTES_MAX + 1) return false;
      bytes = 0;
      start = i + 1;
    } else if (unit < 0x80) {
      if (unit === 0) return false;
      bytes++;
    } else if (unit < 0x800) bytes += 2;
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 3;
    else {
      const low = raw.charCodeAt(i + 1);
      if (unit > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return false;
      bytes += 4;
      i++;
    }
  }
  return true;
}

/** Whether the part of `raw` from `start` to `end` is one of the names that nobody may use. */
function isReserved(raw: string, start: number, end: number): boolean {
  if (raw.charCodeAt(start) !== DOT) return false;
  const length = end - start;
  if (length === 1 || (length === 2 && raw.charCodeAt(start + 1) === DOT)) return true;
  return length === RESERVED_NAME.length && raw.startsWith(RESERVED_NAME, start);
}

/** What to say of a path that does not keep the rules. */
function brokenRule(raw: string): string {
  if (raw === "") return "the path is empty";
  if (!raw.isWellFormed()) return "the path is not well-formed Unicode";
  if (raw.includes("\0")) return "the path contains a NUL character";
  if (raw.startsWith("/")) return "the path is absolute";
  if (utf8Length(raw) > PATH_BYTES_MAX) return `the path is longer than ${PATH_BYTES_MAX} bytes`;
  for (const part of raw.split("/")) {
    if (part === "") return "the path has an empty part";
    if (part === "." || part === "..") return `the path has a "${part}" part`;
    if (part === RESERVED_NAME) return `the name "${RESERVED_NAME}" is reserved`;
    if (utf8Length(part) > NAME_BYTES_MAX) return `a name is longer than ${NAME_BYTES_MAX} bytes`;
  }
  throw new Bug("a path that keeps the rules was refused");
}

/** The path of `name` inside `dir` (`null` is the root). The name is checked, the directory was. */
export function joinPath(dir: SyncPath | null, name: string): SyncPath {
  return dir === null ? parsePath(name) : parsePath(`${dir}/${name}`);
}

/** Why `name` cannot be synced, or `null` if it can. */
export function nameProblem(name: string): string | null {
  if (!keepsRules(name)) return brokenRule(name);
  return name.includes("/") ? "the name contains a slash" : null;
}

/** Length of `text` in UTF-8 bytes. */
export function utf8Length(text: string): number {
  // A short ASCII-looking string is the usual case; counting avoids an allocation per path.
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return encoder.encode(text).length;
  }
  return text.length;
}

/** The directory that holds `path`, or `null` for the root. */
export function parentOf(path: SyncPath): SyncPath | null {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? null : path.slice(0, slash) as SyncPath;
}

/** The last part of `path`. */
export function nameOf(path: SyncPath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether `path` lies below `dir` (a path is not below itself). */
export function isBelow(path: SyncPath, dir: SyncPath): boolean {
  return path.length > dir.length && path.charCodeAt(dir.length) === 47 && path.startsWith(dir);
}

/** Whether `path` is `dir` or lies below it. */
export function isAtOrBelow(path: SyncPath, dir: SyncPath): boolean {
  return path === dir || isBelow(path, dir);
}

/** Every directory above `path`, nearest first, without the root. */
export function* ancestorsOf(path: SyncPath): Generator<SyncPath> {
  for (let up = parentOf(path); up !== null; up = parentOf(up)) yield up;
}

/** Whether a directory above `path` is in `set`. */
export function hasAncestorIn(path: SyncPath, set: { has(path: SyncPath): boolean }): boolean {
  for (const dir of ancestorsOf(path)) if (set.has(dir)) return true;
  return false;
}

/** The path that `path` (at or below `from`) has after `from` was renamed to `to`. */
export function rebase(path: SyncPath, from: SyncPath, to: SyncPath): SyncPath {
  return (to + path.slice(from.length)) as SyncPath;
}

/** Orders paths so that a directory stands before what it holds. */
export function comparePaths(a: SyncPath, b: SyncPath): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Number of parts. */
export function depthOf(path: SyncPath): number {
  let depth = 1;
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) === 47) depth++;
  return depth;
}

/**
 * A path for a person's eyes: control characters, and what a terminal would act on, are escaped.
 * Never parsed back.
 */
export function displayPath(path: string): string {
  // deno-lint-ignore no-control-regex
  return path.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (char) => {
    const named = { "\n": "\\n", "\t": "\\t", "\r": "\\r", "\x1b": "\\e" }[char];
    return named ?? `\\u{${char.charCodeAt(0).toString(16)}}`;
  });
}
