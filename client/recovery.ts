/**
 * After a crash: what was begun here and has no row yet is recognised by what it left. Whatever then differs from it the
 * user did afterwards. What was moved gets rows of revision 0, for the server tells of these heads once more: what was
 * not written down, the cursor has not passed. What was placed may have been no news, so its note has the revision.
 *
 * - A staged thing that waits no more in the staging area has got its place. (It is thrown away only after its note.)
 * - What was to be removed, and is gone, or is another thing by its inode, was removed.
 * - What was to be moved, and stands at the new place by its inode, was moved.
 */
import { ChunkList } from "../core/chunk.ts";
import type { Entry } from "../core/entry.ts";
import { isAtOrBelow, parentOf, rebase, type SyncPath } from "../core/path.ts";
import { type Disk, DiskError, sameStat, type Stat } from "../system/disk.ts";
import type { Note } from "./begun.ts";
import type { State } from "./state.ts";
import type { Trees } from "./trees.ts";

export interface RecoveryParts {
  readonly trees: Trees;
  readonly disk: Disk;
  readonly state: State;
}

/** Agrees on what notes from before say, where it was done. */
export function recover(parts: RecoveryParts, notes: readonly Note[]): void {
  if (!notes.some(({ placed, removed, moved }) => placed ?? removed ?? moved)) return;
  const waiting = parts.disk.staged();
  for (const { moved = [], removed = [], placed = [] } of notes) {
    for (const [from, to, entry] of moved) {
      if (wasMoved(parts, from, to)) moveRows(parts, from, to, (path, old) => path === to ? entry : old);
    }
    for (const path of removed) if (wasRemoved(parts, path)) parts.trees.agreeGone(path, 0);
    for (const [path, entry, revision, name] of placed) {
      if (!wasPlaced(parts, path, entry, waiting.get(name))) continue;
      parts.trees.agree(path, entry, revision, null, null);
    }
  }
}

/** @param waiting what is in the staging area under the name of what was to be placed */
function wasPlaced(
  { trees, disk }: RecoveryParts,
  path: SyncPath,
  entry: Entry,
  waiting: Stat | null | undefined,
): boolean {
  const before = trees.synced.get(path)?.stat ?? null;
  if (waiting !== undefined && !isReplaced(entry, before, waiting)) return false;
  // After a power cut its directory may wait there itself, and hold it.
  const parent = parentOf(path);
  if (parent !== null && !trees.synced.has(parent) && statOf(disk, parent)?.kind !== "dir") return false;
  const now = statOf(disk, path);
  return now !== undefined && (before === null || !sameStat(now, before));
}

/**
 * Whether what waits is what stood there before, which is under that name for a moment. Its inode alone would not tell:
 * where the user deleted it, the new thing may have got the same one.
 */
function isReplaced(entry: Entry, before: Stat | null, waiting: Stat | null): boolean {
  if (before === null || waiting === null) return false;
  // No directory takes the place of another.
  if (waiting.kind === "dir" && entry.kind === "dir") return false;
  return sameStat({ ...waiting, ctimeUs: before.ctimeUs }, before);
}

function wasMoved({ trees, disk }: RecoveryParts, from: SyncPath, to: SyncPath): boolean {
  const ino = trees.synced.get(from)?.stat?.ino;
  return ino !== undefined && statOf(disk, to)?.ino === ino && statOf(disk, from)?.ino !== ino;
}

function wasRemoved({ trees, disk }: RecoveryParts, path: SyncPath): boolean {
  const node = trees.synced.get(path);
  if (node === undefined) return false;
  const now = statOf(disk, path);
  return now === null || (now !== undefined && node.stat !== null && now.ino !== node.stat.ino);
}

/** `undefined`: it cannot be told. */
function statOf(disk: Disk, path: SyncPath): Stat | null | undefined {
  try {
    return disk.stat(path);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return undefined;
  }
}

function moveRows(
  { trees, state }: RecoveryParts,
  from: SyncPath,
  to: SyncPath,
  entryAt: (path: SyncPath, old: Entry) => Entry,
): void {
  const rows = [...trees.synced].filter(([path]) => isAtOrBelow(path, from));
  for (const [path, { entry, stat }] of rows) {
    const chunks = state.chunks(path);
    const target = rebase(path, from, to);
    trees.agreeGone(path, 0);
    // Moving a thing itself changes its ctime; what is in a moved directory is as it was.
    const kept = path === from ? null : stat;
    trees.agree(target, entryAt(target, entry), 0, kept, chunks === null ? null : new ChunkList(chunks));
  }
}
