/** The records in memory: the twin of `server/store/sqlite_records.ts`. */
import type { ContentId } from "../../core/entry.ts";
import { invariant } from "../../core/invariant.ts";
import { isAtOrBelow, type SyncPath } from "../../core/path.ts";
import type { Id, Revision } from "../../protocol/messages.ts";
import type { Location, PackEnd } from "../../server/store/contents.ts";
import type { Commit, Conflict, Records, Version } from "../../server/store/records.ts";
import { RecordsError } from "../../server/store/records.ts";
import type { Clock } from "../../system/clock.ts";
import type { Random } from "../../system/random.ts";

/** Survives `close()`, like a file. A commit is durable when it returns, so a power cut takes nothing back. */
export class MemRecords implements Records {
  readonly #identity: { readonly folder: Id; readonly epoch: Id };
  readonly #versions = new Map<SyncPath, Version[]>();
  readonly #heads = new Map<SyncPath, Version>();
  readonly #locations = new Map<ContentId, Location>();
  readonly #chunkLists = new Map<ContentId, Uint8Array>();
  readonly #conflicts: Conflict[] = [];
  readonly #settings = new Map<string, string>();
  #revision: Revision = 0;
  #packEnd: PackEnd = { pack: 0, offset: 0 };
  /** The next commit fails with this, and changes nothing. */
  failNextCommit: RecordsError | null = null;

  constructor(random: Random, clock: Clock) {
    this.#identity = { folder: random.bytes(16).toHex(), epoch: random.bytes(16).toHex() };
    this.#settings.set("fsync.created", String(clock.now()));
  }

  identity(): { readonly folder: Id; readonly epoch: Id } {
    return this.#identity;
  }

  headRevision(): Revision {
    return this.#revision;
  }

  packEnd(): PackEnd {
    return this.#packEnd;
  }

  *liveHeads(): Generator<Version> {
    for (const version of [...this.#heads.values()].sort(inOrder)) if (version.entry !== null) yield version;
  }

  headsSince(since: Revision, after: SyncPath | null, limit: number): Version[] {
    const isLater = ({ revision, path }: Version) =>
      revision > since || (after !== null && revision === since && compareBytes(path, after) > 0);
    return [...this.#heads.values()].filter(isLater).sort(inOrder).slice(0, limit);
  }

  version(path: SyncPath, revision: Revision): Version | null {
    return this.#versions.get(path)?.find((version) => version.revision === revision) ?? null;
  }

  versions(path: SyncPath): Version[] {
    return [...this.#versions.get(path) ?? []];
  }

  versionsFrom(path: SyncPath): Version[] {
    return [...this.#versions.values()].flat().filter(({ from }) => from === path).sort(inOrder);
  }

  history(dir: SyncPath | null, after: Pick<Version, "path" | "revision"> | null, limit: number): Version[] {
    const byPath = (a: Pick<Version, "path" | "revision">, b: Pick<Version, "path" | "revision">) =>
      compareBytes(a.path, b.path) || a.revision - b.revision;
    return [...this.#versions.values()].flat()
      .filter((version) => dir === null || isAtOrBelow(version.path, dir))
      .filter((version) => after === null || byPath(version, after) > 0)
      .sort(byPath).slice(0, limit);
  }

  location(content: ContentId): Location | null {
    return this.#locations.get(content) ?? null;
  }

  chunkList(content: ContentId): Uint8Array | null {
    return this.#chunkLists.get(content)?.slice() ?? null;
  }

  commit(commit: Commit): void {
    const failure = this.failNextCommit;
    if (failure !== null) {
      this.failNextCommit = null;
      throw failure;
    }
    this.#check(commit);
    for (const version of commit.versions) this.#add(version);
    for (const conflict of commit.conflicts) {
      this.#conflicts.push({ ...conflict, id: this.#conflicts.length + 1 });
    }
    for (const { id } of commit.resolved ?? []) {
      const index = this.#conflicts.findIndex((conflict) => conflict.id === id);
      if (index >= 0) this.#conflicts[index] = { ...this.#conflicts[index]!, resolved: true };
    }
    for (const [content, location] of commit.locations) {
      this.#locations.set(content, { ...location });
      const end = { pack: location.pack, offset: location.offset + location.length };
      if (isLaterEnd(end, this.#packEnd)) this.#packEnd = end;
    }
    for (const [content, list] of commit.chunkLists) {
      if (!this.#chunkLists.has(content)) this.#chunkLists.set(content, list.slice());
    }
  }

  openConflicts(user: string | null): SyncPath[] {
    const concerns = (c: Conflict) => user === null || c.winnerUser === user || c.loserUser === user;
    return this.#conflicts.filter((conflict) => !conflict.resolved && concerns(conflict)).map(({ path }) =>
      path
    );
  }

  usage(): Map<string, number> {
    const usage = new Map<string, number>();
    for (const { path, from, base, entry, user } of [...this.#versions.values()].flat()) {
      if (entry?.kind !== "file" || entry.size === 0) continue;
      const before = this.version(from ?? path, base)?.entry;
      if (before?.kind === "file" && before.content === entry.content) continue;
      usage.set(user, (usage.get(user) ?? 0) + entry.size);
    }
    return usage;
  }

  conflicts(): Conflict[] {
    return [...this.#conflicts];
  }

  setting(key: string): string | null {
    return this.#settings.get(key) ?? null;
  }

  setSetting(key: string, value: string): void {
    invariant(!key.startsWith("fsync."), "a setting is named like one of the records' own");
    this.#settings.set(key, value);
  }

  powerCut(): void {
    // A commit is durable when it returns.
  }

  close(): void {
    // Only memory.
  }

  /** Before anything is changed, since a commit is all or nothing. */
  #check(commit: Commit): void {
    const before = this.#revision;
    const seen = new Set<string>();
    let revision = before;
    for (const version of commit.versions) {
      invariant(version.revision > before && version.revision >= revision, "a revision falls");
      revision = version.revision;
      const key = `${version.revision} ${version.path}`;
      if (seen.has(key)) throw new RecordsError("io", "Cannot write the records: a version is there twice");
      seen.add(key);
    }
  }

  #add(version: Version): void {
    const versions = this.#versions.get(version.path) ?? [];
    const stored = { ...version };
    if (version.head) {
      const index = versions.findIndex((earlier) => earlier.head);
      if (index >= 0) versions[index] = { ...versions[index]!, head: false };
      this.#heads.set(version.path, stored);
    }
    versions.push(stored);
    this.#versions.set(version.path, versions);
    this.#revision = version.revision;
  }
}

function inOrder(a: Version, b: Version): number {
  return a.revision - b.revision || compareBytes(a.path, b.path);
}

const encoder = new TextEncoder();

/** As SQLite compares texts: by their UTF-8 bytes, which is not JavaScript's order beyond U+FFFF. */
function compareBytes(a: string, b: string): number {
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  const shared = Math.min(x.length, y.length);
  for (let i = 0; i < shared; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return x.length - y.length;
}

function isLaterEnd(a: PackEnd, b: PackEnd): boolean {
  return a.pack > b.pack || (a.pack === b.pack && a.offset > b.offset);
}
