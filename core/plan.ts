/**
 * The plan: what to do so that this side and the server agree. A pure function of three trees:
 * *synced* (what both sides agreed on), *local* (the last look) and *remote* (the server's heads).
 * The local and remote trees are given as differences from the synced tree.
 */
import { type DirEntry, type Entry, sameEntry } from "./entry.ts";
import { ancestorsOf, comparePaths, depthOf, type SyncPath } from "./path.ts";

export interface SyncedView {
  readonly entry: Entry;
  readonly revision: number;
}

export interface RemoteView {
  /** `null`: deleted. */
  readonly entry: Entry | null;
  readonly revision: number;
}

export interface PlanInput {
  readonly synced: { get(path: SyncPath): SyncedView | undefined };
  /** What was found to differ here from synced; `null`: gone. */
  readonly local: ReadonlyMap<SyncPath, Entry | null>;
  /** Heads that this side has not agreed to yet. */
  readonly remote: ReadonlyMap<SyncPath, RemoteView>;
  /** Whether the server holds something below a directory that is ignored here. */
  readonly holdsIgnored?: (dir: SyncPath) => boolean;
}

export type Step =
  /** Both sides are the same already; remember it. */
  | { readonly do: "adopt"; readonly path: SyncPath; readonly entry: Entry | null; readonly revision: number }
  | {
    readonly do: "upload";
    readonly path: SyncPath;
    readonly entry: Entry;
    readonly base: number;
    /** Both sides changed: the server chooses, and keeps both. */
    readonly conflict: boolean;
  }
  /** Delete on the server. */
  | { readonly do: "delete"; readonly path: SyncPath; readonly base: number }
  | {
    readonly do: "download";
    readonly path: SyncPath;
    readonly entry: Entry;
    readonly revision: number;
    /** What stands here now. */
    readonly replaces: Entry | null;
  }
  /** Remove here. */
  | { readonly do: "remove"; readonly path: SyncPath; readonly entry: Entry; readonly revision: number };

/** Steps in an order in which they can be carried out one after the other. */
export interface Plan {
  readonly adopt: readonly Extract<Step, { do: "adopt" }>[];
  /** Uploads (parents first) and deletes (children first). */
  readonly push: readonly Extract<Step, { do: "upload" | "delete" }>[];
  /** Downloads (parents first). */
  readonly download: readonly Extract<Step, { do: "download" }>[];
  /** Removals (children first). */
  readonly remove: readonly Extract<Step, { do: "remove" }>[];
}

/** Plans every path that differs on either side. */
export function plan(input: PlanInput): Plan {
  const steps = new Map<SyncPath, Step>();
  for (const path of input.local.keys()) decide(input, path, steps);
  for (const path of input.remote.keys()) if (!input.local.has(path)) decide(input, path, steps);
  keepParentsOfUploads(input, steps);
  keepParentsOfIgnored(input, steps);
  keepParentsOfDownloads(input, steps);
  return order(steps.values());
}

function decide(input: PlanInput, path: SyncPath, steps: Map<SyncPath, Step>): void {
  const step = planPath(
    path,
    input.synced.get(path) ?? null,
    input.local.has(path) ? { entry: input.local.get(path) ?? null } : null,
    input.remote.get(path) ?? null,
  );
  if (step !== null) steps.set(path, step);
}

/** The decision for one path by itself; `null` for a side means: as synced. */
export function planPath(
  path: SyncPath,
  synced: SyncedView | null,
  local: { readonly entry: Entry | null } | null,
  remote: RemoteView | null,
): Step | null {
  const base = synced?.revision ?? 0;
  const agreed = synced?.entry ?? null;
  const here = local === null ? agreed : local.entry;
  const changedHere = local !== null && !sameEntry(here, agreed);
  if (remote === null) {
    if (!changedHere) return null;
    if (here === null) return { do: "delete", path, base };
    return { do: "upload", path, entry: here, base, conflict: false };
  }
  const there = remote.entry;
  const revision = remote.revision;
  if (sameEntry(here, there)) return { do: "adopt", path, entry: there, revision };
  const changedThere = !sameEntry(there, agreed);
  if (!changedHere) {
    if (there !== null) return { do: "download", path, entry: there, revision, replaces: here };
    // `here` equals `agreed` and differs from `there`, so something stands here.
    return { do: "remove", path, entry: here!, revision };
  }
  if (!changedThere) {
    // The server's head is only a newer revision of what was agreed; the local change is made on it. But somebody has
    // made anew, or put back, what is deleted here: that counts as an edit.
    const remade = base > 0 && base < revision;
    if (here === null && remade) return { do: "download", path, entry: there!, revision, replaces: null };
    if (here === null) return { do: "delete", path, base: revision };
    return { do: "upload", path, entry: here, base: revision, conflict: false };
  }
  // Both changed. An edit beats a delete, whoever was first.
  if (here === null) return { do: "download", path, entry: there!, revision, replaces: null };
  return { do: "upload", path, entry: here, base, conflict: there !== null };
}

/** A directory that the server dropped, or turned into a file, stays if something below it is uploaded. */
function keepParentsOfUploads(input: PlanInput, steps: Map<SyncPath, Step>): void {
  const kept = new Set<SyncPath>();
  for (const step of [...steps.values()]) {
    if (step.do !== "upload") continue;
    for (const dir of ancestorsOf(step.path)) {
      if (kept.has(dir)) break;
      kept.add(dir);
      const above = steps.get(dir);
      if (above === undefined) continue;
      const dropped = above.do === "remove" || (above.do === "download" && above.entry.kind !== "dir");
      if (!dropped) continue;
      const standing = above.do === "remove" ? above.entry : above.replaces;
      if (standing?.kind !== "dir") continue;
      steps.set(dir, upload(input, dir, standing));
    }
  }
}

function upload(input: PlanInput, path: SyncPath, entry: DirEntry): Step {
  return { do: "upload", path, entry, base: input.synced.get(path)?.revision ?? 0, conflict: true };
}

/** A directory that was deleted here comes back if the server holds something in it that is none of our business. */
function keepParentsOfIgnored(input: PlanInput, steps: Map<SyncPath, Step>): void {
  if (input.holdsIgnored === undefined) return;
  for (const step of [...steps.values()]) {
    if (step.do === "delete" && input.holdsIgnored(step.path)) keepDirectory(input, step.path, steps);
  }
}

/**
 * A directory that was deleted here stays if something below it comes from the server. If a file took its place here,
 * what comes below has to wait until the server has given that file another name.
 */
function keepParentsOfDownloads(input: PlanInput, steps: Map<SyncPath, Step>): void {
  for (const step of [...steps.values()]) {
    if (step.do !== "download") continue;
    const deleted: SyncPath[] = [];
    let waits = false;
    for (const dir of ancestorsOf(step.path)) {
      const above = steps.get(dir);
      if (above?.do === "delete") deleted.push(dir);
      else if (above?.do === "upload" && above.entry.kind !== "dir") waits = true;
    }
    if (waits) {
      // The directories between are deleted no more than what waits in them.
      for (const path of [step.path, ...deleted]) steps.delete(path);
    } else for (const dir of deleted) keepDirectory(input, dir, steps);
  }
}

function keepDirectory(input: PlanInput, path: SyncPath, steps: Map<SyncPath, Step>): void {
  const head = input.remote.get(path) ?? input.synced.get(path);
  if (head?.entry?.kind !== "dir") return;
  steps.set(path, { do: "download", path, entry: head.entry, revision: head.revision, replaces: null });
}

function order(steps: Iterable<Step>): Plan {
  const adopt: Extract<Step, { do: "adopt" }>[] = [];
  const uploads: Extract<Step, { do: "upload" }>[] = [];
  const deletes: Extract<Step, { do: "delete" }>[] = [];
  const download: Extract<Step, { do: "download" }>[] = [];
  const remove: Extract<Step, { do: "remove" }>[] = [];
  for (const step of steps) {
    if (step.do === "adopt") adopt.push(step);
    else if (step.do === "upload") uploads.push(step);
    else if (step.do === "delete") deletes.push(step);
    else if (step.do === "download") download.push(step);
    else remove.push(step);
  }
  const parentsFirst = (a: Step, b: Step) => comparePaths(a.path, b.path);
  const childrenFirst = (a: Step, b: Step) =>
    depthOf(b.path) - depthOf(a.path) || comparePaths(a.path, b.path);
  uploads.sort(parentsFirst);
  deletes.sort(childrenFirst);
  download.sort(parentsFirst);
  remove.sort(childrenFirst);
  return { adopt, push: orderPush(uploads, deletes), download, remove };
}

/**
 * New content goes before deletes, so that a move that was not recognised never leaves the server without it for a
 * moment. Only deletes below a path that becomes a file must go first.
 */
function orderPush(
  uploads: Extract<Step, { do: "upload" }>[],
  deletes: Extract<Step, { do: "delete" }>[],
): (Extract<Step, { do: "upload" | "delete" }>)[] {
  if (deletes.length === 0) return uploads;
  const becomesFile = new Set<SyncPath>();
  for (const step of uploads) if (step.entry.kind !== "dir") becomesFile.add(step.path);
  const first: typeof deletes = [];
  const last: typeof deletes = [];
  for (const step of deletes) {
    let makesRoom = false;
    for (const dir of ancestorsOf(step.path)) if (becomesFile.has(dir)) makesRoom = true;
    (makesRoom ? first : last).push(step);
  }
  return [...first, ...uploads, ...last];
}
