/** Where file events come from, reduced to what the rest needs. */
import type { SyncPath } from "../core/path.ts";

export type SourceEvent =
  | {
    readonly type: "path";
    /** `null`: the root. */
    readonly path: SyncPath | null;
    /** Things may have come or gone below the path that no event will name. */
    readonly deep: boolean;
    /** Somebody may be in the middle of writing; more events are likely. */
    readonly busy: boolean;
  }
  /** Events were lost. */
  | { readonly type: "rescan" }
  | {
    /** Something happened to the root itself. */
    readonly type: "root";
    /** It was moved, removed or unmounted: what the source watches is not the folder any more. */
    readonly lost: boolean;
  };

/** Whether a directory, with all below, is nobody's business: it is neither watched nor counted. */
export type Skip = (dir: SyncPath) => boolean;

/** Why directories are not watched, and what a person can do about it. */
export interface Shortage {
  readonly reason: string;
  readonly advice: string | null;
}

/**
 * A source reports a new directory, and says that events were lost, only after everything below is watched: who looks
 * then sees all that no event told.
 */
export interface WatchSource extends AsyncIterable<SourceEvent> {
  /** Resolves when everything is watched that can be. Only proceeds while the events are iterated. */
  readonly ready: Promise<void>;
  /** Set if directories could not be watched for want of something. */
  readonly shortage: Shortage | null;
  /** Inode numbers of the directories that the kernel says it watches for this source. */
  watchedInodes(): ReadonlySet<number>;
  /** Ends the iteration and releases the watches. */
  close(): Promise<void>;
}

/** Thrown by the opening of a source that this machine has no room for. */
export class ShortageError extends Error {
  override name = "ShortageError";
  readonly shortage: Shortage;
  constructor(shortage: Shortage) {
    super(shortage.reason);
    this.shortage = shortage;
  }
}
