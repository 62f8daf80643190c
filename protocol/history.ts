/**
 * What one may ask a folder about its past, and change of it. `client/wire_history.ts` asks over a link,
 * `server/history/folder_history.ts` answers beside the folder. Past versions may be seen by the owner, and by others where
 * a grant says so; a conflict may also be seen, and settled, by those whom it concerns.
 */
import type { Entry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Author, Revision } from "./messages.ts";

export const PAST_OPERATIONS = ["created", "modified", "deleted", "renamed", "conflict"] as const;
export type PastOperation = typeof PAST_OPERATIONS[number];

/** One version of a path. */
export interface PastVersion {
  readonly path: SyncPath;
  readonly revision: Revision;
  readonly operation: PastOperation;
  /** `null`: the path was deleted. */
  readonly entry: Entry | null;
  /** The version that it was made on, 0 if there was none. */
  readonly base: Revision;
  /** Where it was before: renamed from there, or stepped aside. */
  readonly from: SyncPath | null;
  readonly author: Author;
  /** When the server accepted it, ms. */
  readonly time: number;
  /** The author's clock minus the server's, whole ms. */
  readonly clockOffset: number;
  /** Whether this is what the path holds now. */
  readonly head: boolean;
}

export interface PastConflict {
  readonly id: number;
  readonly path: SyncPath;
  /** Its versions; `null` if it is not there any more (or, for the base, never was). */
  readonly winner: PastVersion | null;
  readonly loser: PastVersion | null;
  readonly base: PastVersion | null;
  readonly reason: string;
  readonly time: number;
  readonly resolved: boolean;
}

export type RestoreGoal =
  /** The version of this revision; of a directory, everything below it as it was then. */
  | { readonly kind: "version"; readonly revision: Revision }
  /** Everything at and below the path as it was then, ms. */
  | { readonly kind: "time"; readonly time: number }
  /** What was deleted last. */
  | { readonly kind: "undelete" };

export const RESTORE_ACTIONS = ["create", "change", "delete", "blocked", "missing"] as const;

/** What restoring does to one path. */
export interface RestoreStep {
  /** `blocked`: something stands in its way, or it may not be written. `missing`: its content is not in the store. Neither changes anything. */
  readonly action: typeof RESTORE_ACTIONS[number];
  readonly path: SyncPath;
  /** The version that it came from, 0 for a path that was absent. */
  readonly version: Revision;
}

export type Keep =
  /** The path stays as it is. */
  | { readonly kind: "head" }
  | { readonly kind: "version"; readonly revision: Revision }
  /** The path stays, the loser comes back beside it. */
  | { readonly kind: "both" };

export interface Resolution {
  readonly path: SyncPath;
  /** Where the loser stands, if both were kept. */
  readonly beside: SyncPath | null;
}

/** All methods reject with {@link RemoteError}: `forbidden`, `notFound`, or what the store failed with. */
export interface History {
  /** All versions of what is or was at `path`, also under the names that it had before and after; oldest first. */
  versions(path: SyncPath): Promise<readonly PastVersion[]>;
  /** The bytes of a version of a file, verified, in order. */
  read(path: SyncPath, revision: Revision, take: (bytes: Uint8Array) => void): Promise<void>;
  /** Brings the past back as new versions (`null`: of everything). With `dryRun` it only says what it would do. */
  restore(path: SyncPath | null, goal: RestoreGoal, dryRun: boolean): Promise<readonly RestoreStep[]>;
  /** Conflicts that the asking user may know of; oldest first. */
  conflicts(options: { readonly open: boolean }): Promise<readonly PastConflict[]>;
  resolve(id: number, keep: Keep): Promise<Resolution>;
}
