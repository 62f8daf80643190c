/**
 * One folder on disk, as sync needs it: confined to its root, never following a link, with replacing and removing that
 * check what they destroy. `real_disk.ts` is Linux, `tests/fakes/mem_disk.ts` its twin; both pass
 * `tests/conformance/disk_suite.ts`.
 *
 * Calls are synchronous, because for small files that is several times faster; callers work in slices.
 * Only {@link Disk.sync} waits for the hardware and is a promise.
 */
import type { SyncPath } from "../core/path.ts";

export type FileKind = "file" | "dir" | "link" | "other";

/** What lstat tells. Two equal stats (see {@link sameStat}) mean an untouched file, up to the racy window. */
export interface Stat {
  readonly kind: FileKind;
  readonly size: number;
  /** Microseconds since 1970, rounded down. */
  readonly mtimeUs: number;
  readonly ctimeUs: number;
  readonly ino: number;
  /** Permission, set-id and sticky bits (`& 0o7777`). */
  readonly mode: number;
  /** Number of names (hard links). */
  readonly nlink: number;
}

/** One name in a directory. A name that cannot be synced has a `problem` and only a lossy, displayable `name`. */
export type DirItem =
  | { readonly name: string; readonly stat: Stat }
  | { readonly name: string; readonly problem: string };

export type DiskErrorCode =
  | "not_found"
  | "permission"
  | "not_a_directory"
  | "is_a_directory"
  | "not_a_file"
  | "link_in_path"
  | "not_empty"
  | "exists"
  | "no_space"
  | "read_only"
  | "name_too_long"
  | "too_many_files"
  | "io";

/** A file operation that failed. `message` reads `Cannot <action> "<path>": <reason>`. */
export class DiskError extends Error {
  override name = "DiskError";
  readonly code: DiskErrorCode;
  readonly path: string;
  constructor(code: DiskErrorCode, action: string, path: string, reason: string) {
    super(`Cannot ${action} "${path}": ${reason}`);
    this.code = code;
    this.path = path;
  }
}

/** An open regular file. */
export interface ReadHandle {
  /** fstat. */
  stat(): Stat;
  /** Fills `into` from `offset`; returns the bytes read, 0 at the end of the file. */
  read(into: Uint8Array, offset: number): number;
  close(): void;
}

export interface ReadDisk {
  /**
   * The names in `dir` (`null`: the root), with their stats, in no particular order. `.fsync` in the root is left out;
   * elsewhere it is an item with a problem. A name that vanishes meanwhile is left out.
   * @throws {DiskError} not_found, not_a_directory, link_in_path, permission, io
   */
  list(dir: SyncPath | null): DirItem[];
  /** lstat; `null` if there is nothing (also if a parent is missing or is no directory).
   * @throws {DiskError} permission, link_in_path, io */
  stat(path: SyncPath): Stat | null;
  /**
   * Whether what was seen at `path` still is there, untouched. The path is walked anew, so what was read just before was
   * not read where it had been moved to in the middle of it.
   */
  isStill(path: SyncPath, seen: Stat): boolean;
  /** The text of a link. @throws {DiskError} also `io` if the text is not UTF-8 */
  readLink(path: SyncPath): string;
  /** Opens a regular file, without following a link and without blocking on a FIFO.
   * @throws {DiskError} not_found, not_a_file, link_in_path, permission, too_many_files, io */
  open(path: SyncPath): ReadHandle;
  /** A file that changed less than this long before it was looked at may have changed unseen (µs). */
  readonly racyWindowUs: number;
  /**
   * Whether a Unix group shares the folder (its root has the set-gid bit and is writable for the group): then the
   * group's bits of what stands in it say nothing about the file (see `core/shared_mode.ts`).
   */
  readonly groupShared: boolean;
}

export interface Meta {
  /** Permission bits. The disk may add group bits where the folder is shared by a Unix group. */
  readonly mode: number;
  /** Milliseconds since 1970. */
  readonly mtime: number;
}

declare const stagedBrand: unique symbol;
/** A file, link or directory that is complete in the staging area and waits for {@link Disk.place}. */
export type Staged = { readonly [stagedBrand]: true };

/** A large file being written in the staging area, under a name that survives a restart. */
export interface StageFile extends ReadHandle {
  /** Bytes that are there. */
  readonly size: number;
  append(bytes: Uint8Array): void;
  /** Cuts the file to `size` bytes. */
  truncate(size: number): void;
  /** Finishes the file. It is not durable before {@link Disk.sync}. */
  seal(meta: Meta): Staged;
}

/** What came of an action that first checks its target: done, or the target is not what was expected. */
export type Checked<T> = { readonly done: true; readonly value: T } | {
  readonly done: false;
  /** What stands there instead. */
  readonly found: Stat | null;
};

export interface Disk extends ReadDisk {
  /** Another text once a power cut may have taken what was not durable. */
  readonly boot: string;
  /** A complete small file in the staging area. */
  stageBytes(bytes: Uint8Array, meta: Meta): Staged;
  stageLink(target: string): Staged;
  stageDir(mode: number): Staged;
  /** Opens or goes on with the large staged file `key` (hex digits). */
  stageLarge(key: string): StageFile;
  /**
   * Stages a file of the private area (`.fsync/<name>`), by a second name for it if it has only one, by copying
   * otherwise.
   */
  stagePrivate(name: string, meta: Meta): Staged;
  /** The name under which it waits in the staging area. */
  stagedName(staged: Staged): string;
  /** What waits in the staging area, of this process or an earlier one, by name. `null`: it cannot be told what it is. */
  staged(): Map<string, Stat | null>;
  /** Throws a staged thing away. */
  discard(staged: Staged): void;
  /** Removes everything from the staging area except large files whose key `keep` accepts, and these names. */
  clearStage(keep: (key: string) => boolean, names?: ReadonlySet<string>): void;

  /**
   * Puts a staged thing at `path` in one step that leaves no gap, if what stands there still is `expected` (`null`:
   * nothing). A directory that is replaced must be empty. Otherwise nothing is changed and the staged thing stays.
   * @returns the stat of what stands there now
   * @throws {DiskError} not_found (no parent), not_a_directory, link_in_path, not_empty, permission, no_space …
   */
  place(staged: Staged, path: SyncPath, expected: Stat | null): Checked<Stat>;
  /** Removes what stands at `path` if it still is `expected`; a directory must be empty (DiskError not_empty). */
  remove(path: SyncPath, expected: Stat): Checked<null>;
  /** Renames, if `from` still is `expected` and nothing stands at `to`. Returns the new stat of the moved thing. */
  move(from: SyncPath, to: SyncPath, expected: Stat): Checked<Stat>;
  /**
   * Sets bits and time of a file, or bits of a directory, in place, if it still is `expected`. A file of another user,
   * who alone may do that, is replaced by a copy.
   */
  setMeta(path: SyncPath, meta: Partial<Meta>, expected: Stat): Checked<Stat>;
  /**
   * Gives the regular file at `path` a second name in the private area, if it still is `expected`; copies it where the
   * file system has no hard links.
   */
  linkPrivate(path: SyncPath, name: string, expected: Stat): Checked<null>;

  /** Makes everything written so far durable: contents, names, bits. @throws {DiskError} no_space, io */
  sync(): Promise<void>;
  /** Makes the content of one file in the tree durable (somebody else wrote it). */
  syncFile(path: SyncPath): Promise<void>;
  /** Bytes that an ordinary user can still write; `Infinity` where the file system does not tell. */
  freeBytes(): number;
  /** Releases descriptors. */
  close(): void;
}

/** Whether two looks at a path saw the same, untouched thing. Directories and links have no meaningful size or time. */
export function sameStat(a: Stat | null, b: Stat | null): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (a.kind !== b.kind || a.ino !== b.ino || a.mode !== b.mode) return false;
  if (a.kind === "dir") return true;
  return a.size === b.size && a.mtimeUs === b.mtimeUs && a.ctimeUs === b.ctimeUs;
}
