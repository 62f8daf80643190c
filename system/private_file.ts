/** Files that only their owner may read: keys, tokens. Written whole or not at all. */
import { dirname } from "@std/path";

const DIR_MODE = 0o700;
const FILE_MODE = 0o600;
const OTHERS = 0o077;

/** Others may read a file that holds a secret. */
export class ExposedFileError extends Error {
  override name = "ExposedFileError";
  readonly path: string;
  readonly hint: string;
  constructor(path: string) {
    super(`Cannot use "${path}": other users of this machine can read or change it`);
    this.path = path;
    this.hint = `make sure that nobody else has used it, then: chmod 600 "${path}"`;
  }
}

/** Creates `path` and its missing parents for this user alone; one that exists stays as it is. */
export function makePrivateDir(path: string): void {
  Deno.mkdirSync(path, { recursive: true, mode: DIR_MODE });
}

/** Replaces `path` in one step by a durable file with mode 0600. */
export function writePrivateFile(path: string, text: string): void {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    writeNew(temporary, new TextEncoder().encode(text));
    Deno.renameSync(temporary, path);
  } catch (error) {
    removeIfThere(temporary);
    throw error;
  }
  syncDir(dirname(path));
}

/**
 * The text of `path`, or `null` if there is none.
 * @param mayShow whether a file that others than its owner may read or write is in order
 * @throws {ExposedFileError} if others may read or write it
 */
export function readPrivateFile(
  path: string,
  mayShow: (info: Deno.FileInfo) => boolean = () => false,
): string | null {
  try {
    using file = Deno.openSync(path);
    const info = file.statSync();
    if (((info.mode ?? 0) & OTHERS) !== 0 && !mayShow(info)) throw new ExposedFileError(path);
    return readText(file, info.size);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Makes the names in a directory durable. */
export function syncDir(path: string): void {
  using dir = Deno.openSync(path);
  dir.syncSync();
}

function writeNew(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: FILE_MODE });
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.syncSync();
}

function readText(file: Deno.FsFile, size: number): string {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, filled));
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was never made.
  }
}
