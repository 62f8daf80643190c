import { backup, DatabaseSync } from "node:sqlite";

/** Pages that are copied in one step: all of a usual database, so that nobody can write between two steps. */
const STEP_PAGES = 1_000_000_000;

/**
 * Writes the SQLite database `from`, as it is at this moment, to the file `to`, which is replaced. Others may go on
 * writing to `from`. Nothing else runs meanwhile: about 3 ms a megabyte. (`VACUUM INTO` would do the same, but attaches a
 * database, which a process without all permissions may not.)
 *
 * @throws {Error} what SQLite says
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) removeIfThere(to + suffix);
  const db = new DatabaseSync(from, { readOnly: true });
  try {
    await backup(db, to, { rate: STEP_PAGES });
  } finally {
    db.close();
  }
  Deno.chmodSync(to, 0o600);
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
