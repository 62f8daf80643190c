/**
 * Room on the disk of a replica. What does not fit is not asked for, the last room is left to the state, and what found
 * no room is tried again when there is more of it.
 */
import type { SyncPath } from "../core/path.ts";
import { type Disk, DiskError } from "../system/disk.ts";
import type { Trees } from "./trees.ts";

/** Left for the state, without which nothing can be agreed on, bytes. */
const KEPT_FREE_BYTES = 1024 * 1024;
/** How often it is looked whether there is more room, ms: one system call. */
export const ROOM_LOOK_MS = 5000;

export interface RoomParts {
  readonly disk: Pick<Disk, "freeBytes">;
  readonly trees: Pick<Trees, "problems">;
}

export class Room {
  readonly #parts: RoomParts;
  /** Free bytes when something found no room. */
  #freeThen = 0;

  constructor(parts: RoomParts) {
    this.#parts = parts;
  }

  /** Bytes that contents may take; more than there are where the disk cannot tell. */
  left(): number {
    try {
      return this.#parts.disk.freeBytes() - KEPT_FREE_BYTES;
    } catch (error) {
      // Whoever writes learns more of it.
      if (error instanceof DiskError) return Infinity;
      throw error;
    }
  }

  /** Something found no room. */
  note(): void {
    this.#freeThen = this.left();
  }

  /** Whether something waits for room. */
  get isAwaited(): boolean {
    return this.#parts.trees.problems.values().some(isForRoom);
  }

  /** Whether there is more room than what waits for it had found. */
  get hasGrown(): boolean {
    return this.left() > this.#freeThen;
  }

  /** What waits for room. */
  waiting(): SyncPath[] {
    return this.#parts.trees.problems.values().filter(isForRoom).map(({ path }) => path as SyncPath)
      .toArray();
  }
}

function isForRoom({ at, noSpace }: { readonly at: string; readonly noSpace?: boolean }): boolean {
  return at === "pull" && noSpace === true;
}
