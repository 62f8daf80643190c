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
}

export const GUARD_AT_REST: GuardState = { filesBefore: 0, deleted: 0, last: -Infinity };

/**
 * Asks whether `deletes` files may go.
 *
 * @param files files in the synced tree now
 * @param now milliseconds, any steady clock
 * @returns whether they are held, and the state to keep (unchanged if held)
 */
export function guardDeletes(
  state: GuardState,
  files: number,
  deletes: number,
  now: number,
): { readonly held: boolean; readonly state: GuardState } {
  if (deletes === 0) return { held: false, state };
  const goesOn = now - state.last <= GUARD_WINDOW_MS;
  const filesBefore = goesOn ? Math.max(state.filesBefore, files) : files;
  const deleted = (goesOn ? state.deleted : 0) + deletes;
  const held = filesBefore >= GUARDED_FILES_MIN && deleted * 2 > filesBefore;
  return held ? { held, state } : { held, state: { filesBefore, deleted, last: now } };
}
