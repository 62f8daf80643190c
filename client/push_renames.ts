/** Tells the server of renames: no content, and a whole directory in one item. */
import { ancestorsOf, isAtOrBelow, type SyncPath } from "../core/path.ts";
import type { Rename } from "../core/renames.ts";
import { ITEMS_MAX } from "../protocol/limits.ts";
import type { Remote, UploadRequest } from "../protocol/remote.ts";
import type { Replica } from "./replica.ts";

/** @returns how many were accepted; the others will be planned as ordinary changes */
export async function pushRenames(
  replica: Replica,
  remote: Remote,
  renames: readonly Rename[],
): Promise<number> {
  let accepted = 0;
  for (let at = 0; at < renames.length; at += ITEMS_MAX / 2) {
    accepted += await pushBatch(replica, remote, renames.slice(at, at + ITEMS_MAX / 2));
  }
  return accepted;
}

async function pushBatch(replica: Replica, remote: Remote, renames: readonly Rename[]): Promise<number> {
  const { trees } = replica;
  const requests: UploadRequest[] = [];
  const made: { index: number; path: SyncPath }[] = [];
  const sent: { index: number; rename: Rename }[] = [];
  const destinations = new Set<SyncPath>();
  const parents = new Set<SyncPath>();
  for (const rename of renames) {
    for (const dir of missingParents(replica, rename.to)) {
      if (parents.has(dir) || destinations.has(dir)) continue;
      const found = trees.local.get(dir);
      if (found?.entry.kind !== "dir") continue;
      parents.add(dir);
      made.push({ index: requests.length, path: dir });
      requests.push({
        item: { op: "put", path: dir, base: 0, entry: found.entry, source: null },
        bytes: null,
      });
    }
    const subtree = subtreeOf(replica, rename.from);
    destinations.add(rename.to);
    sent.push({ index: requests.length, rename });
    requests.push({ item: { op: "rename", ...rename, ...subtree }, bytes: null });
  }
  if (requests.length > ITEMS_MAX) return 0;
  let accepted = 0;
  await replica.unanswered.upload(remote, requests, async (results) => {
    for (const { index, path } of made) {
      const result = results[index]!;
      const found = trees.local.get(path);
      if (result.status !== "ok" || !found) continue;
      trees.agree(path, found.entry, result.revision, found.stat, null);
      trees.local.delete(path);
    }
    for (const { index, rename } of sent) {
      const result = results[index]!;
      if (result.status !== "ok") continue;
      accepted++;
      replica.noteOwn(result.revision);
      if (trees.synced.get(rename.from)?.entry.kind === "dir") {
        await moveRows(replica, rename, result.revision);
      } else moveRow(replica, rename, result.revision);
      replica.emit({ type: "renamed", from: rename.from, path: rename.to });
    }
  });
  await replica.flush();
  return accepted;
}

async function moveRows(replica: Replica, { from, to }: Rename, revision: number): Promise<void> {
  // The database moves what it has, so it must have everything.
  await replica.flush();
  replica.trees.agreeMoved(from, to, revision, true);
  await replica.flush();
}

function moveRow(replica: Replica, { from, to }: Rename, revision: number): void {
  const { trees } = replica;
  const { entry } = trees.synced.get(from)!;
  const chunks = replica.chunks(from);
  const found = trees.local.get(to);
  trees.agreeGone(from, revision);
  if (trees.local.get(from) === null) trees.local.delete(from);
  trees.agree(to, entry, revision, null, chunks);
  if (found) trees.noteFound(to, found);
  else trees.local.set(to, null);
}

/** Directories above `path` that the server does not know, outermost first. */
function missingParents(replica: Replica, path: SyncPath): SyncPath[] {
  return [...ancestorsOf(path)].filter((dir) => !replica.trees.synced.has(dir)).reverse();
}

/** What the server has to have at and below `from` for the rename to mean the same there. */
function subtreeOf(replica: Replica, from: SyncPath): { base: number; count: number } {
  let base = 0;
  let count = 0;
  const top = replica.trees.synced.get(from)!;
  if (top.entry.kind !== "dir") return { base: top.revision, count: 1 };
  for (const [path, node] of replica.trees.synced) {
    if (!isAtOrBelow(path, from)) continue;
    base = Math.max(base, node.revision);
    count++;
  }
  // What is ignored here goes along: it is in the directory, wherever that is.
  for (const [path, head] of replica.trees.ignored) {
    if (!isAtOrBelow(path, from)) continue;
    base = Math.max(base, head.revision);
    count++;
  }
  return { base, count };
}
