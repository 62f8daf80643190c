/**
 * Recognises renames: something that is gone at one path and new at another, by inode first, then by content.
 * A renamed directory is one rename; what else changed inside it remains as ordinary changes afterwards.
 */
import { type Entry, sameContent } from "./entry.ts";
import { comparePaths, hasAncestorIn, isAtOrBelow, type SyncPath } from "./path.ts";

export interface Placed {
  readonly entry: Entry;
  /** Inode number, 0 if unknown. */
  readonly ino: number;
}

export interface Rename {
  readonly from: SyncPath;
  readonly to: SyncPath;
}

export interface RenameInput {
  /** What both sides agreed on and is gone here. */
  readonly gone: ReadonlyMap<SyncPath, Placed>;
  /** What is new here. */
  readonly created: ReadonlyMap<SyncPath, Placed>;
  /** Paths that the server changed: nothing at, above or below them is renamed. */
  readonly remoteChanged: Iterable<SyncPath>;
}

/** Renames that do not overlap, destinations in order. */
export function findRenames(input: RenameInput): Rename[] {
  if (input.gone.size === 0 || input.created.size === 0) return [];
  const byInode = new Map<number, SyncPath>();
  const byContent = new Map<string, SyncPath>();
  for (const [path, placed] of input.gone) {
    if (placed.ino !== 0) byInode.set(placed.ino, path);
    if (placed.entry.kind === "file" && placed.entry.size > 0) byContent.set(placed.entry.content, path);
  }
  const remoteChanged = [...input.remoteChanged];
  const takenFrom = new Set<SyncPath>();
  const takenTo = new Set<SyncPath>();
  const renames: Rename[] = [];

  for (const to of [...input.created.keys()].sort(comparePaths)) {
    if (hasAncestorIn(to, takenTo)) continue;
    const placed = input.created.get(to)!;
    const from = origin(placed, input.gone, byInode, byContent, takenFrom);
    if (from === null || isAtOrBelow(to, from)) continue;
    if (
      remoteChanged.some((path) => isAtOrBelow(path, from) || isAtOrBelow(path, to) || isAtOrBelow(to, path))
    ) {
      continue;
    }
    takenFrom.add(from);
    takenTo.add(to);
    renames.push({ from, to });
  }
  return renames;
}

function origin(
  placed: Placed,
  gone: ReadonlyMap<SyncPath, Placed>,
  byInode: ReadonlyMap<number, SyncPath>,
  byContent: ReadonlyMap<string, SyncPath>,
  takenFrom: ReadonlySet<SyncPath>,
): SyncPath | null {
  const free = (path: SyncPath | undefined): path is SyncPath =>
    path !== undefined && !takenFrom.has(path) && !hasAncestorIn(path, takenFrom) &&
    !hasDescendant(path, takenFrom);
  const sameInode = placed.ino === 0 ? undefined : byInode.get(placed.ino);
  if (free(sameInode) && sameContent(gone.get(sameInode)!.entry, placed.entry)) return sameInode;
  const sameBytes = placed.entry.kind === "file" ? byContent.get(placed.entry.content) : undefined;
  return free(sameBytes) ? sameBytes : null;
}

function hasDescendant(path: SyncPath, set: ReadonlySet<SyncPath>): boolean {
  for (const other of set) if (isAtOrBelow(other, path)) return true;
  return false;
}
