/** The tables of the records, and how their rows become values. `docs/store.md` describes them. */
import type { ContentId, Entry } from "../../core/entry.ts";
import type { SyncPath } from "../../core/path.ts";
import { DatabaseError, type SqlRow, type SqlValue } from "../../system/sqlite.ts";
import type { Conflict, Operation, Version } from "./records.ts";

/** "fsyR" */
export const APPLICATION_ID = 0x66737952;
export const VERSION = 1;

/*
 * A row of `version` is kept small, since it is kept for ever: user, device and replica are one number, a content is 32
 * bytes. The index holds the heads alone, in the order in which clients ask for them. The table of devices stays empty:
 * they are in the accounts (`server/accounts/former.ts` reads it in old files).
 */
export const SCHEMA = `
  CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE author (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, device TEXT NOT NULL, replica TEXT NOT NULL,
    UNIQUE (user, device, replica)
  );
  CREATE TABLE version (
    path TEXT NOT NULL, revision INTEGER NOT NULL, operation INTEGER NOT NULL, head INTEGER NOT NULL,
    kind INTEGER, size INTEGER, mtime INTEGER, mode INTEGER, content BLOB, target TEXT,
    base INTEGER NOT NULL, origin TEXT, author INTEGER NOT NULL, time REAL NOT NULL, clock_offset REAL NOT NULL,
    PRIMARY KEY (path, revision)
  ) WITHOUT ROWID;
  CREATE INDEX head ON version (revision) WHERE head = 1;
  CREATE TABLE location (
    content BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    inner_offset INTEGER NOT NULL, size INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE chunk_list (content BLOB PRIMARY KEY, list BLOB NOT NULL);
  CREATE TABLE conflict (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, winner INTEGER NOT NULL, loser INTEGER NOT NULL,
    base INTEGER NOT NULL, winner_user TEXT NOT NULL, loser_user TEXT NOT NULL, reason TEXT NOT NULL,
    time REAL NOT NULL, resolved INTEGER NOT NULL
  );
  CREATE INDEX open_conflict ON conflict (winner_user, loser_user) WHERE resolved = 0;
  CREATE TABLE device (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, user TEXT NOT NULL, token_hash BLOB NOT NULL,
    created REAL NOT NULL, revoked INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL, pack INTEGER NOT NULL, offset INTEGER NOT NULL
  );
  INSERT INTO progress VALUES (1, 0, 0, 0)`;

/** What {@link versionOf} reads, in its order. */
export const VERSION_SELECT =
  `SELECT v.path, v.revision, v.operation, v.head, v.kind, v.size, v.mtime, v.mode,
  v.content, v.target, v.base, v.origin, v.time, v.clock_offset, a.user, a.device, a.replica
  FROM version v JOIN author a ON a.id = v.author`;

export const VERSION_INSERT =
  `INSERT INTO version (path, revision, operation, head, kind, size, mtime, mode, content,
  target, base, origin, time, clock_offset, author) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`;

const OPERATIONS: readonly Operation[] = ["created", "modified", "deleted", "renamed", "conflict"];
const KINDS = ["file", "dir", "link"] as const;

export function versionValues(version: Version, author: number): SqlValue[] {
  const { path, revision, operation, head, entry, base, from, time, clockOffset } = version;
  return [
    path,
    revision,
    OPERATIONS.indexOf(operation),
    head ? 1 : 0,
    ...entryValues(entry),
    base,
    from,
    time,
    clockOffset,
    author,
  ];
}

/** kind, size, mtime, mode, content, target */
function entryValues(entry: Entry | null): SqlValue[] {
  if (entry === null) return [null, null, null, null, null, null];
  if (entry.kind === "dir") return [1, null, null, entry.mode, null, null];
  if (entry.kind === "link") return [2, null, null, null, null, entry.target];
  return [0, entry.size, entry.mtime, entry.mode, contentBytes(entry.content), null];
}

export function versionOf(row: SqlRow): Version {
  const operation = OPERATIONS[row[2] as number];
  if (operation === undefined) throw new DatabaseError("damaged", "a version is of no known operation");
  return {
    path: row[0] as SyncPath,
    revision: row[1] as number,
    operation,
    head: row[3] === 1,
    entry: entryOf(row),
    base: row[10] as number,
    from: row[11] as SyncPath | null,
    time: row[12] as number,
    clockOffset: row[13] as number,
    user: row[14] as string,
    device: row[15] as string,
    replica: row[16] as string,
  };
}

function entryOf(row: SqlRow): Entry | null {
  if (row[4] === null) return null;
  const kind = KINDS[row[4] as number];
  const mode = row[7] as number;
  if (kind === undefined) throw new DatabaseError("damaged", "a version is of no known kind");
  if (kind === "dir") return { kind, mode };
  if (kind === "link") return { kind, target: row[9] as string };
  return { kind, size: row[5] as number, mtime: row[6] as number, mode, content: contentOf(row[8]!) };
}

export function contentBytes(content: ContentId): Uint8Array {
  return Uint8Array.fromHex(content);
}

function contentOf(value: SqlValue): ContentId {
  if (!(value instanceof Uint8Array) || value.length !== 32) {
    throw new DatabaseError("damaged", "a version's content is not an identity");
  }
  return value.toHex() as ContentId;
}

export const CONFLICT_SELECT =
  "SELECT id, path, winner, loser, base, winner_user, loser_user, reason, time, resolved FROM conflict";

export const CONFLICT_INSERT =
  `INSERT INTO conflict (path, winner, loser, base, winner_user, loser_user, reason, time,
  resolved) VALUES (?,?,?,?,?,?,?,?,?)`;

export function conflictValues(conflict: Omit<Conflict, "id">): SqlValue[] {
  const { path, winner, loser, base, winnerUser, loserUser, reason, time, resolved } = conflict;
  return [path, winner, loser, base, winnerUser, loserUser, reason, time, resolved ? 1 : 0];
}

export function conflictOf(row: SqlRow): Conflict {
  const [id, path, winner, loser, base, winnerUser, loserUser, reason, time, resolved] = row;
  const rest = { winner, loser, base, winnerUser, loserUser, reason, time } as Omit<Conflict, "id" | "path">;
  return { ...rest, id: id as number, path: path as SyncPath, resolved: resolved === 1 };
}
