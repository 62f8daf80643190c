/** What an engine tells about itself: one event for one change. The commands turn them into log lines. */
import type { SyncPath } from "../core/path.ts";
import type { Author } from "../protocol/messages.ts";

export type EngineEvent =
  | { readonly type: "detected"; readonly change: "new" | "modified" | "deleted"; readonly path: SyncPath }
  | { readonly type: "renamed"; readonly from: SyncPath; readonly path: SyncPath }
  | { readonly type: "uploaded"; readonly path: SyncPath; readonly bytes: number }
  | { readonly type: "downloaded"; readonly path: SyncPath; readonly bytes: number; readonly author: Author }
  | { readonly type: "removed"; readonly path: SyncPath; readonly author: Author }
  | { readonly type: "moved"; readonly from: SyncPath; readonly path: SyncPath; readonly author: Author }
  | {
    readonly type: "conflict";
    readonly path: SyncPath;
    readonly won: boolean;
    readonly reason: string;
    readonly storedAs: SyncPath | null;
  }
  | { readonly type: "problem"; readonly path: string; readonly reason: string }
  /** Deleted here by somebody who may not; it is fetched again. */
  | { readonly type: "undone"; readonly path: SyncPath }
  /** Ignore rules changed. `sources` is empty if nobody knows what they were before. */
  | {
    readonly type: "rules";
    readonly sources: readonly string[];
    readonly stopped: number;
    readonly started: number;
  }
  /** Removed on the server, but here it still holds something that is ignored. */
  | { readonly type: "kept"; readonly path: SyncPath }
  | {
    readonly type: "held";
    readonly side: "here" | "server";
    readonly deletes: number;
    readonly files: number;
  }
  | { readonly type: "connected"; readonly user: string }
  | { readonly type: "disconnected"; readonly reason: string }
  /** Our own disk or state lets nothing go on. Told once; a new `connected` follows when that has passed. */
  | { readonly type: "stuck"; readonly reason: string; readonly hint: string }
  | { readonly type: "state"; readonly state: SyncState };

/** `in sync` is only said when it was proved; `unknown` before the first complete look. */
export type SyncState =
  | "unknown"
  | "in sync"
  | "syncing"
  | "unreachable"
  | "held"
  | "problems"
  | "stuck"
  | "stopped";
