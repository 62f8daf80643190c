/** Names for files that had to step aside: `name (conflict USER YYYY-MM-DD HH.MM.SS).ext`. */
import {
  joinPath,
  NAME_BYTES_MAX,
  nameOf,
  parentOf,
  PATH_BYTES_MAX,
  type SyncPath,
  utf8Length,
} from "./path.ts";

/**
 * A free name beside `path`, shortened to a valid length. Where the path is so long that no such name fits beside it,
 * the name is one in a directory above.
 *
 * @param time milliseconds since 1970, shown in local time
 * @param isTaken whether a path is in use
 */
export function conflictPath(
  path: SyncPath,
  user: string,
  time: number,
  isTaken: (path: SyncPath) => boolean,
): SyncPath {
  const { stem, extension } = splitName(nameOf(path));
  const mark = `(conflict ${cleanUser(user)} ${stamp(time)})`;
  const dir = roomyDir(parentOf(path), utf8Length(mark) + ROOM_AROUND_MARK);
  const bytesMax = nameBytesIn(dir);
  for (let n = 1;; n++) {
    const suffix = ` ${n === 1 ? mark : `${mark} ${n}`}`;
    const keptExtension = utf8Length(suffix + extension) < bytesMax ? extension : "";
    const room = bytesMax - utf8Length(suffix + keptExtension);
    const candidate = joinPath(dir, shorten(stem, room) + suffix + keptExtension);
    if (!isTaken(candidate)) return candidate;
  }
}

/** Bytes beside the mark: one character of the name, two spaces, and a number of up to eight digits. */
const ROOM_AROUND_MARK = 14;

function roomyDir(dir: SyncPath | null, bytes: number): SyncPath | null {
  return dir === null || nameBytesIn(dir) >= bytes ? dir : roomyDir(parentOf(dir), bytes);
}

/** Bytes that a name in `dir` can have. */
function nameBytesIn(dir: SyncPath | null): number {
  return dir === null ? NAME_BYTES_MAX : Math.min(NAME_BYTES_MAX, PATH_BYTES_MAX - utf8Length(dir) - 1);
}

function splitName(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf(".");
  return dot <= 0 ? { stem: name, extension: "" } : { stem: name.slice(0, dot), extension: name.slice(dot) };
}

/** A user's name inside a file name: short, and nothing that a path could mistake. */
function cleanUser(user: string): string {
  // deno-lint-ignore no-control-regex
  return shorten(user.toWellFormed().replace(/[/\x00-\x1f\x7f]/g, "_"), 64);
}

function shorten(text: string, bytesMax: number): string {
  let short = text;
  while (utf8Length(short) > bytesMax) short = [...short].slice(0, -1).join("");
  return short;
}

function stamp(time: number): string {
  const date = new Date(time);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}.${two(date.getMinutes())}.${two(date.getSeconds())}`;
}
