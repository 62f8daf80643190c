/**
 * Renames directories here that were renamed on the server: one rename(2), whatever they hold. Only where nothing else
 * changed on this side; everything else is left to the plan, path by path.
 */
import { ancestorsOf, isAtOrBelow, parentOf, rebase, type SyncPath } from "../core/path.ts";
import { DiskError } from "../system/disk.ts";
import type { DownloadStep, Pull } from "./pull.ts";
import type { Replica } from "./replica.ts";
import type { RemoteMove, Trees } from "./trees.ts";

/** @returns the new places of those that were renamed here */
export async function pullMoves(replica: Replica, pull: Pull): Promise<SyncPath[]> {
  const done: SyncPath[] = [];
  for (const move of replica.trees.moves.splice(0)) {
    if (!isPlain(replica, move)) continue;
    await pull.makeDirs(newParents(replica.trees, move.to));
    if (hasParent(replica.trees, move.to) && await carryOut(replica, move)) done.push(move.to);
  }
  return done;
}

/** Directories above `to` that are new on the server too, outermost first. */
function newParents(trees: Trees, to: SyncPath): DownloadStep[] {
  const steps: DownloadStep[] = [];
  for (const path of [...ancestorsOf(to)].reverse()) {
    const head = trees.remote.get(path);
    if (head?.entry?.kind !== "dir" || trees.localEntry(path) !== null) continue;
    steps.push({ do: "download", path, entry: head.entry, revision: head.revision, replaces: null });
  }
  return steps;
}

/** Whether the subtree here is the one that the server had, and all of it went to the new place. */
function isPlain({ trees, busy, blocked }: Replica, { from, to }: RemoteMove): boolean {
  if (isAtOrBelow(from, to) || isAtOrBelow(to, from)) return false;
  if (trees.synced.get(from)?.stat?.kind !== "dir" || trees.synced.has(to) || trees.local.has(to)) {
    return false;
  }
  for (const set of [trees.local.keys(), busy, blocked]) {
    for (const path of set) if (isAtOrBelow(path, from) || isAtOrBelow(path, to)) return false;
  }
  for (const [path, node] of trees.synced) {
    if (!isAtOrBelow(path, from)) continue;
    if (trees.remote.get(path)?.entry !== null) return false;
    // What was changed or deleted there after the move is planned afterwards.
    const head = trees.remote.get(rebase(path, from, to));
    if (head === undefined || (head.entry !== null && head.entry.kind !== node.entry.kind)) return false;
  }
  return true;
}

/** The directory that will hold `to` is here. */
function hasParent(trees: Trees, to: SyncPath): boolean {
  const parent = parentOf(to);
  return parent === null || trees.localEntry(parent)?.kind === "dir";
}

async function carryOut(replica: Replica, { from, to, revision, author }: RemoteMove): Promise<boolean> {
  const { trees, disk } = replica;
  const before = trees.synced.get(from)!;
  // The database moves what it has, so it must have everything.
  await replica.flush();
  const number = replica.begun.begin({ moved: [[from, to, before.entry]] });
  try {
    await replica.begun.durable();
    const moved = disk.move(from, to, before.stat!);
    if (!moved.done) {
      replica.lookAgain.set(from, "deep");
      return false;
    }
    trees.agreeMoved(from, to, revision, false);
    before.stat = moved.value;
    replica.emit({ type: "moved", from, path: to, author });
  } catch (error) {
    // The plan does the same path by path, and says what is in the way.
    if (!(error instanceof DiskError)) throw error;
    return false;
  } finally {
    replica.begun.finish(number);
  }
  await replica.flush();
  return true;
}
