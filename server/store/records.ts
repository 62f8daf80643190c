/**
 * The server's memory of what happened: versions, heads, where contents lie. `sqlite_records.ts` is the
 * embedded one, `tests/fakes/mem_records.ts` its twin; both pass `tests/conformance/records_suite.ts`.
 */
import type { ContentId, Entry } from "../../core/entry.ts";
import type { SyncPath } from "../../core/path.ts";
import type { Id, Revision } from "../../protocol/messages.ts";
import type { Location, PackEnd } from "./contents.ts";

export type Operation = "created" | "modified" | "deleted" | "renamed" | "conflict";

/** One version of one path. Never changed after it was written, except `head`. */
export interface Version {
  readonly path: SyncPath;
  readonly revision: Revision;
  readonly operation: Operation;
  /** `null`: the path was deleted. */
  readonly entry: Entry | null;
  /** The version it was made on, 0 if none was known. */
  readonly base: Revision;
  /** For `renamed`: where it was. */
  readonly from: SyncPath | null;
  readonly user: string;
  readonly device: string;
  readonly replica: Id;
  /** When the server accepted it, ms. */
  readonly time: number;
  /** The author's clock minus the server's, ms, as measured when it connected. */
  readonly clockOffset: number;
  /** Whether this is what the path holds now. A conflict's loser never is. */
  readonly head: boolean;
}

/** Two versions that were made on the same base without knowing of each other. */
export interface Conflict {
  readonly id: number;
  readonly path: SyncPath;
  readonly winner: Revision;
  readonly loser: Revision;
  /** Common base, 0 if there was none. */
  readonly base: Revision;
  readonly winnerUser: string;
  readonly loserUser: string;
  readonly reason: string;
  readonly time: number;
  readonly resolved: boolean;
}

/** A conflict that somebody settled. */
export interface Settled {
  readonly id: number;
  readonly path: SyncPath;
  /** The version that was chosen for the name, or stayed there; `null` if the name was deleted meanwhile. */
  readonly kept: Revision | null;
  /** Where the other stands if both were kept. */
  readonly beside: SyncPath | null;
  readonly user: string;
  readonly device: string;
}

/** Everything that one durability point writes; all of it or nothing. */
export interface Commit {
  /**
   * In order; a version with `head` takes the place of the path's head before it. Revisions do not fall, and are
   * greater than every one before this commit; a path has one version of a revision.
   */
  readonly versions: readonly Version[];
  readonly conflicts: readonly Omit<Conflict, "id">[];
  /** Where new contents lie. A content that was recorded before lies there from now on. */
  readonly locations: readonly (readonly [ContentId, Location])[];
  /** Chunk lists of new large contents, as `ChunkList` bytes. */
  readonly chunkLists: readonly (readonly [ContentId, Uint8Array])[];
  readonly resolved?: readonly Settled[];
}

export interface Records {
  /** Identity of the folder and its epoch, made at creation. */
  identity(): { readonly folder: Id; readonly epoch: Id };
  /** Greatest revision. */
  headRevision(): Revision;
  /** All heads that are not deletions. One that changes meanwhile may come twice, the later version last. */
  liveHeads(): Iterable<Version>;
  /**
   * Up to `limit` heads (deletions too) with revision > `since`, ordered by revision, then path. With `after`, those
   * with revision === `since` and path > `after` come first, so that a page may end inside a revision. Paths are
   * ordered by their UTF-8 bytes.
   */
  headsSince(since: Revision, after: SyncPath | null, limit: number): Version[];
  version(path: SyncPath, revision: Revision): Version | null;
  /** All versions of a path, oldest first. */
  versions(path: SyncPath): Version[];
  /** Versions of other paths that came there from `path`: renamed, or stepped aside. Oldest first. */
  versionsFrom(path: SyncPath): Version[];
  /**
   * Up to `limit` versions of all paths at and below `dir` (`null`: everything), ordered by path (its UTF-8 bytes),
   * then revision; those behind `after` if it is given.
   */
  history(dir: SyncPath | null, after: Pick<Version, "path" | "revision"> | null, limit: number): Version[];
  location(content: ContentId): Location | null;
  chunkList(content: ContentId): Uint8Array | null;
  /** Where the last recorded block ends, `{ pack: 0, offset: 0 }` if there is none; what lies behind was never named. */
  packEnd(): PackEnd;
  /** @throws {RecordsError} — nothing of it was written */
  commit(commit: Commit): void;
  /** Where the open conflicts that concern `user` are, a path for each of them; `null`: all. */
  openConflicts(user: string | null): SyncPath[];
  conflicts(): Conflict[];
  /**
   * Bytes that the kept versions of each user brought into the folder. A file's version counts with its size, unless
   * the version that it was made on (under the name from which it came, if it came from one) is kept and has the same
   * content: a rename, another time or other bits bring nothing.
   */
  usage(): Map<string, number>;
  /** A free-form value kept with the folder. */
  setting(key: string): string | null;
  setSetting(key: string, value: string): void;
  close(): void;
}

/**
 * The records cannot be read or written. Nothing of the failed commit was kept; `damaged` and `newer` stay so until
 * somebody acts on the hint.
 */
export class RecordsError extends Error {
  override name = "RecordsError";
  readonly code: "damaged" | "newer" | "no_space" | "busy" | "io";
  readonly hint: string;
  constructor(code: "damaged" | "newer" | "no_space" | "busy" | "io", message: string, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
