/** What stands at a path: a file, a directory or a symbolic link. Absence is `null`, never a kind. */

declare const contentIdBrand: unique symbol;

/**
 * Identity of a file's content, 64 lower-case hex digits: SHA-256 of the bytes for a content of one chunk, SHA-256 of
 * the chunk list for a larger one (see `chunk.ts`). Equal ids mean equal bytes.
 */
export type ContentId = string & { readonly [contentIdBrand]: true };

export interface FileEntry {
  readonly kind: "file";
  /** Bytes. */
  readonly size: number;
  /** Modification time, whole milliseconds since 1970 (may be negative). */
  readonly mtime: number;
  /** Permission bits, `mode & 0o777`; set-id and sticky bits never travel. */
  readonly mode: number;
  readonly content: ContentId;
}

export interface DirEntry {
  readonly kind: "dir";
  readonly mode: number;
}

export interface LinkEntry {
  readonly kind: "link";
  /** The link's text, carried verbatim and never followed. */
  readonly target: string;
}

export type Entry = FileEntry | DirEntry | LinkEntry;

/** Permission bits that travel. */
export const MODE_MASK = 0o777;
/** Latest and earliest time that travels (±100 million days, the range of a JavaScript date), milliseconds. */
export const MTIME_MS_MAX = 8.64e15;

/** Brings a time into the range that travels, as whole milliseconds. */
export function clampMtime(ms: number): number {
  if (Number.isNaN(ms)) return 0;
  return Math.max(-MTIME_MS_MAX, Math.min(MTIME_MS_MAX, Math.floor(ms)));
}

/** Whether two entries are the same in everything that is synced. */
export function sameEntry(a: Entry | null, b: Entry | null): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (a.kind === "file") {
    return b.kind === "file" && a.content === b.content && a.mtime === b.mtime && a.mode === b.mode;
  }
  if (a.kind === "dir") return b.kind === "dir" && a.mode === b.mode;
  return b.kind === "link" && a.target === b.target;
}

/**
 * Whether two entries hold the same content, whatever their times and modes. Entries with the same content are never
 * in conflict.
 */
export function sameContent(a: Entry | null, b: Entry | null): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (a.kind === "file") return b.kind === "file" && a.content === b.content;
  if (a.kind === "dir") return b.kind === "dir";
  return b.kind === "link" && a.target === b.target;
}

/** A short description for logs and plans: `file 12 B`, `dir`, `link → target`. */
export function describeEntry(entry: Entry | null): string {
  if (entry === null) return "absent";
  if (entry.kind === "file") return `file ${entry.size} B`;
  return entry.kind === "dir" ? "dir" : `link → ${entry.target}`;
}
