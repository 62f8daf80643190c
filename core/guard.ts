/**
 * The guard against mass loss: deleting more than half of a folder of at least {@link GUARDED_FILES_MIN} files is held
 * until somebody approves it, whether the deletes come at once or little by little within a while.
 */

/** A smaller folder may be emptied without a question. */
export const GUARDED_FILES_MIN = 20;
/** Deletes that lie further apart than this are not one event, milliseconds. */
export const GUARD_WINDOW_MS = 60_000;

export interface GuardState {
  /** Files in the folder when the current run of deletes began. */
  readonly filesBefore: number;
  /** Files deleted in the current run. */
  readonly deleted: number;
  /** Time of the last delete of the run, ms. */
  readonly last: number;
  /** More than may go is waiting: the run goes on until that is approved or taken back, however long it takes. */
  readonly held: boolean;
}

export const GUARD_AT_REST: GuardState = { filesBefore: 0, deleted: 0, last: -Infinity, held: false };

export interface GuardVerdict {
  readonly held: boolean;
  /** What the whole run would delete, of how many files. */
  readonly deletes: number;
  readonly files: number;
  /** To be kept for the next question. */
  readonly state: GuardState;
}

/**
 * Asks whether `deletes` files may go.
 *
 * @param files files in the synced tree now
 * @param now milliseconds, any steady clock
 */
export function guardDeletes(state: GuardState, files: number, deletes: number, now: number): GuardVerdict {
  const goesOn = state.held || now - state.last <= GUARD_WINDOW_MS;
  const filesBefore = goesOn ? Math.max(state.filesBefore, files) : files;
  const before = goesOn ? state.deleted : 0;
  const deleted = before + deletes;
  const held = deletes > 0 && filesBefore >= GUARDED_FILES_MIN && deleted * 2 > filesBefore;
  const next = deletes === 0
    ? { ...state, held }
    : { filesBefore, deleted: held ? before : deleted, last: now, held };
  return { held, deletes: deleted, files: filesBefore, state: next };
}
