import type { SyncPath } from "../core/path.ts";

/** `shallow`: the thing at this path itself; `deep`: with everything below. */
export type Depth = "shallow" | "deep";

/** Where to look. A hint, not a fact: something may have changed there, or not. */
export interface Dirty {
  readonly paths: ReadonlyMap<SyncPath, Depth>;
  /** Look at everything. */
  readonly all: boolean;
}

export const EVERYTHING: Dirty = { paths: new Map(), all: true };
