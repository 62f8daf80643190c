/** Contents of past versions, checked against what they have to be. */
import { chunkContent, digestHex, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import type { FileEntry } from "../core/entry.ts";
import { displayPath } from "../core/path.ts";
import type { History, PastVersion } from "../protocol/history.ts";
import { SetupError } from "./_exit.ts";

/** What is read into memory to be shown; a size that a server only claims takes no more. */
const SHOWN_BYTES_MAX = 16 * 1024 * 1024;

/** All bytes of a version of a file. @throws {SetupError} if it is none, or is not what the server said */
export async function readVersion(
  history: History,
  version: PastVersion,
  bytesMax = SHOWN_BYTES_MAX,
): Promise<Uint8Array> {
  const entry = fileOf(version);
  if (entry.size > bytesMax) {
    throw new SetupError("failed", `Cannot show ${nameOf(version)}: it is too large`);
  }
  const bytes = new Uint8Array(entry.size);
  let at = 0;
  await history.read(version.path, version.revision, (piece) => {
    if (at + piece.length > bytes.length) throw damaged(version);
    bytes.set(piece, at);
    at += piece.length;
  });
  if (at !== bytes.length || contentOf(entry, (into, from) => copy(bytes, into, from)) !== entry.content) {
    throw damaged(version);
  }
  return bytes;
}

/**
 * Writes a version of a file to `target`, which must not be there.
 *
 * @param part where it is collected first, on the same file system
 * @throws {SetupError}
 */
export async function exportVersion(
  history: History,
  version: PastVersion,
  target: string,
  part = `${target}.part`,
): Promise<void> {
  const entry = fileOf(version);
  const file = create(part, target);
  try {
    let size = 0;
    await history.read(version.path, version.revision, (piece) => {
      size += piece.length;
      if (size > entry.size) throw damaged(version);
      writeAll(file, piece);
    });
    const content = contentOf(entry, (into, offset) => {
      file.seekSync(offset, Deno.SeekMode.Start);
      return file.readSync(into) ?? 0;
    });
    if (content !== entry.content) throw damaged(version);
    file.syncDataSync();
    Deno.chmodSync(part, entry.mode);
    file.utimeSync(new Date(entry.mtime), new Date(entry.mtime));
    Deno.linkSync(part, target);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw exists(target);
    throw error;
  } finally {
    file.close();
    Deno.removeSync(part);
  }
}

function create(part: string, target: string): Deno.FsFile {
  try {
    Deno.lstatSync(target);
  } catch {
    try {
      return Deno.openSync(part, { read: true, write: true, createNew: true, mode: 0o600 });
    } catch (error) {
      const reason = error instanceof Error ? error.message.replace(/ \(os error.*$/, "") : String(error);
      throw new SetupError("failed", `Cannot write "${target}": ${reason}`);
    }
  }
  throw exists(target);
}

function exists(target: string): SetupError {
  return new SetupError("failed", `Cannot write "${target}": it is there already`, "choose another name");
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

function copy(bytes: Uint8Array, into: Uint8Array, offset: number): number {
  const part = bytes.subarray(offset, offset + into.length);
  into.set(part);
  return part.length;
}

/** Identity of what `read` gives, `null` if it has not the size of `entry`. */
export function contentOf(
  entry: FileEntry,
  read: (into: Uint8Array, offset: number) => number,
): string | null {
  if (entry.size <= SINGLE_CHUNK_MAX) {
    const bytes = new Uint8Array(entry.size + 1);
    let size = 0;
    for (let n = 1; n > 0 && size < bytes.length; size += n) n = read(bytes.subarray(size), size);
    return size === entry.size ? digestHex(bytes.subarray(0, size)) : null;
  }
  const cutting = chunkContent(read);
  for (;;) {
    const { done, value } = cutting.next();
    if (done === true) return value.totalSize() === entry.size ? value.contentId() : null;
  }
}

export function fileOf(version: PastVersion): FileEntry {
  if (version.entry?.kind === "file") return version.entry;
  const what = version.entry === null ? "a delete" : version.entry.kind === "dir" ? "a directory" : "a link";
  throw new SetupError("failed", `Cannot read ${nameOf(version)}: it is ${what}`);
}

function damaged(version: PastVersion): SetupError {
  const message = `Cannot read ${nameOf(version)}: the server sent something else`;
  return new SetupError("failed", message, "run fsync check on the server");
}

/** `a.txt, version 3` */
export function nameOf({ path, revision }: PastVersion): string {
  return `${displayPath(path)}, version ${revision}`;
}
