/** Files of the store at given offsets, with errors that say what a caller can decide by. */
import { ContentsError } from "./contents.ts";

const FILE_MODE = 0o600;

/** Opens a file for reading and writing; makes it, private, if it is not there. @throws {ContentsError} */
export function openForWriting(path: string): Deno.FsFile {
  return attempt("open", path, () => {
    return Deno.openSync(path, { read: true, write: true, create: true, mode: FILE_MODE });
  });
}

/** @throws {ContentsError} `missing` if there is none */
export function openForReading(path: string): Deno.FsFile {
  return attempt("open", path, () => Deno.openSync(path));
}

/** Bytes of the file at `path`, or `null` if no regular file stands there. @throws {ContentsError} */
export function sizeOf(path: string): number | null {
  try {
    const info = Deno.lstatSync(path);
    return info.isFile ? info.size : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw contentsError("look at", path, error);
  }
}

/** Fills `into` from `offset`; returns the bytes read, fewer only at the end of the file. */
export function readAt(file: Deno.FsFile, into: Uint8Array, offset: number): number {
  file.seekSync(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < into.length) {
    const count = file.readSync(into.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return filled;
}

/** Writes all of `bytes` at `offset`. */
export function writeAt(file: Deno.FsFile, bytes: Uint8Array, offset: number): void {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

/** Runs a file operation; what it throws becomes a {@link ContentsError} that names action and file. */
export function attempt<T>(action: string, path: string, operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw contentsError(action, path, error);
  }
}

/** No space left, file too large, quota used up. */
const NO_SPACE = new Set(["ENOSPC", "EFBIG", "EDQUOT"]);

export function contentsError(action: string, path: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ContentsError) return error;
  const { code } = error as { code?: unknown };
  const message = `Cannot ${action} "${path}": ${error.message}`;
  if (error instanceof Deno.errors.NotFound) return new ContentsError("missing", message);
  return new ContentsError(NO_SPACE.has(String(code)) ? "no_space" : "io", message);
}
