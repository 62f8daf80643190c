/** What an engine tells of itself. */
import type { Rule } from "../core/access.ts";
import type { SyncPath } from "../core/path.ts";
import type { Plan } from "../core/plan.ts";
import type { Rename } from "../core/renames.ts";
import type { HeldDeletes } from "./delete_gate.ts";
import type { SyncState } from "./events.ts";
import type { Stuck } from "./standstill.ts";
import type { Problem, Trees } from "./trees.ts";

export interface EngineStatus {
  readonly state: SyncState;
  readonly connected: boolean;
  readonly user: string;
  /** Its name on the server. */
  readonly folder: string;
  /** What this user may do in it, as far as the server tells. */
  readonly rules: readonly Rule[];
  readonly files: number;
  /** Paths that the server has and that are ignored here. */
  readonly ignored: number;
  readonly pendingUp: number;
  readonly pendingDown: number;
  readonly transfers: number;
  readonly conflicts: number;
  readonly held: HeldDeletes | null;
  /** Why nothing can be synced, if this side is to blame: its disk or its state. */
  readonly stuck: Stuck | null;
  readonly problems: readonly Problem[];
  /** Wall clock, ms; 0: never. */
  readonly lastFullLook: number;
  readonly lastSync: number;
  readonly reason: string;
}

/** What a pass would do. */
export interface Preview {
  readonly renames: readonly Rename[];
  readonly plan: Plan;
  /** Ignore files that have news on the server and may be others after the pass than here: so may the plan. */
  readonly unforeseen: readonly SyncPath[];
}

/** Paths and bytes that wait. */
export interface Work {
  readonly up: number;
  readonly upBytes: number;
  readonly down: number;
  readonly downBytes: number;
}

/** What still has to go up and come down, as far as it is known. Walks the trees. */
export function workOf({ local, remote }: Pick<Trees, "local" | "remote">): Work {
  let [upBytes, downBytes] = [0, 0];
  for (const found of local.values()) if (found?.entry.kind === "file") upBytes += found.entry.size;
  for (const { entry } of remote.values()) if (entry?.kind === "file") downBytes += entry.size;
  return { up: local.size, upBytes, down: remote.size, downBytes };
}
