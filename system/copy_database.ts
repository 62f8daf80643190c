import { DatabaseSync } from "node:sqlite";

/**
 * Writes the SQLite database `from`, as it is at this moment, to the file `to`, which is replaced. Others may go on
 * writing to `from`. Nothing else runs meanwhile: about 3 ms a megabyte.
 *
 * @throws {Error} what SQLite says
 */
export function copyDatabase(from: string, to: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) removeIfThere(to + suffix);
  const db = new DatabaseSync(from, { readOnly: true });
  try {
    db.prepare("VACUUM INTO ?").run(to);
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
