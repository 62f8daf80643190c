/** What the server has recorded, read behind its back. */
import { DatabaseSync } from "node:sqlite";
import { openContents } from "../../server/store/pack_contents.ts";
import { openRecords } from "../../server/store/sqlite_records.ts";
import type { Version } from "../../server/store/records.ts";
import { systemClock } from "../../system/clock.ts";
import { systemRandom } from "../../system/random.ts";

export interface VersionRow {
  readonly path: string;
  readonly revision: number;
  readonly operation: "created" | "modified" | "deleted" | "renamed" | "conflict";
  readonly kind: "file" | "dir" | "link" | null;
  readonly size: number | null;
  readonly head: boolean;
  readonly user: string;
}

export type Conflicts = readonly { readonly path: string; readonly winner: number; readonly loser: number }[];

const OPERATIONS = ["created", "modified", "deleted", "renamed", "conflict"] as const;
const KINDS = ["file", "dir", "link"] as const;

/** All versions, oldest first, also while the server runs. */
export function readVersions(serverDir: string): VersionRow[] {
  return read(serverDir, (database) =>
    database.prepare(
      "SELECT path, revision, operation, kind, size, head, user FROM version JOIN author ON id = author ORDER BY revision, path",
    ).all().map((row) => ({
      path: row.path as string,
      revision: row.revision as number,
      operation: OPERATIONS[row.operation as number]!,
      kind: row.kind === null ? null : KINDS[row.kind as number]!,
      size: row.size as number | null,
      head: row.head === 1,
      user: row.user as string,
    })));
}

export function readConflicts(serverDir: string): Conflicts {
  return read(
    serverDir,
    (database) => database.prepare("SELECT path, winner, loser FROM conflict").all() as unknown as Conflicts,
  );
}

function read<T>(serverDir: string, query: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(`${serverDir}/.fsync/server.db`, { readOnly: true });
  try {
    return query(database);
  } finally {
    database.close();
  }
}

/** The text of every version of a small file, oldest first. The server must have ended. */
export function readContents(serverDir: string, path: string): { version: Version; text: string | null }[] {
  const records = openRecords(`${serverDir}/.fsync/server.db`, systemRandom, systemClock);
  const contents = openContents(`${serverDir}/.fsync`, { end: records.packEnd(), index: records });
  try {
    return records.versions(path as Version["path"]).map((version) => {
      if (version.entry?.kind !== "file") return { version, text: null };
      const location = records.location(version.entry.content);
      if (location === null) throw new Error(`Version ${version.revision} of ${path} has no content`);
      return { version, text: new TextDecoder().decode(contents.read(version.entry.content, location)) };
    });
  } finally {
    contents.close();
    records.close();
  }
}
