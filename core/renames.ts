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
  const origins = new Origins(input.gone);
  const remoteChanged = [...input.remoteChanged];
  const takenTo = new Set<SyncPath>();
  const renames: Rename[] = [];

  for (const to of [...input.created.keys()].sort(comparePaths)) {
    if (hasAncestorIn(to, takenTo)) continue;
    const placed = input.created.get(to)!;
    const from = origins.of(placed);
    if (from === null || isAtOrBelow(to, from)) continue;
    if (
      remoteChanged.some((path) => isAtOrBelow(path, from) || isAtOrBelow(path, to) || isAtOrBelow(to, path))
    ) {
      continue;
    }
    origins.take(from);
    takenTo.add(to);
    renames.push({ from, to });
  }
  return renames;
}

/** Where things may have come from. What was taken once, with all below it, is never free again. */
class Origins {
  readonly #gone: ReadonlyMap<SyncPath, Placed>;
  /** Candidates, the first one last. */
  readonly #byInode = new Map<number, SyncPath[]>();
  readonly #byContent = new Map<string, SyncPath[]>();
  readonly #taken = new Set<SyncPath>();

  constructor(gone: ReadonlyMap<SyncPath, Placed>) {
    this.#gone = gone;
    for (const [path, { entry, ino }] of [...gone].reverse()) {
      if (ino !== 0) add(this.#byInode, ino, path);
      if (entry.kind === "file" && entry.size > 0) add(this.#byContent, entry.content, path);
    }
  }

  take(path: SyncPath): void {
    this.#taken.add(path);
  }

  of({ entry, ino }: Placed): SyncPath | null {
    const sameInode = this.#free(this.#byInode.get(ino)).findLast((path) =>
      this.#isFree(path) && sameContent(this.#gone.get(path)!.entry, entry)
    );
    if (sameInode !== undefined) return sameInode;
    return entry.kind === "file" ? this.#free(this.#byContent.get(entry.content)).at(-1) ?? null : null;
  }

  #free(candidates: SyncPath[] = []): readonly SyncPath[] {
    while (candidates.length > 0 && !this.#isFree(candidates.at(-1)!)) candidates.pop();
    return candidates;
  }

  #isFree(path: SyncPath): boolean {
    if (this.#taken.has(path) || hasAncestorIn(path, this.#taken)) return false;
    return this.#gone.get(path)!.entry.kind !== "dir" || !hasDescendant(path, this.#taken);
  }
}

function add<K>(lists: Map<K, SyncPath[]>, key: K, path: SyncPath): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [path]);
  else list.push(path);
}

function hasDescendant(path: SyncPath, set: ReadonlySet<SyncPath>): boolean {
  for (const other of set) if (isAtOrBelow(other, path)) return true;
  return false;
}
