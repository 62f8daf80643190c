/** How heads stand in the columns `path, revision, kind, size, mtime, mode, text` of a state. */
import type { ContentId, Entry } from "../core/entry.ts";
import { DatabaseError, type SqlRow, type SqlValue } from "../system/sqlite.ts";

const KINDS = ["file", "dir", "link"] as const;

/** kind, size, mtime, mode, text */
export function entryValues(entry: Entry): SqlValue[] {
  const kind = KINDS.indexOf(entry.kind);
  if (entry.kind === "file") return [kind, entry.size, entry.mtime, entry.mode, entry.content];
  if (entry.kind === "dir") return [kind, null, null, entry.mode, null];
  return [kind, null, null, null, entry.target];
}

/** @throws {DatabaseError} damaged, if no entry was ever written so */
export function entryOf(row: SqlRow): Entry {
  const kind = KINDS[row[2] as number];
  if (kind === undefined) throw new DatabaseError("damaged", "a row is of no known kind");
  const mode = row[5] as number;
  if (kind === "dir") return { kind, mode };
  const text = row[6];
  if (typeof text !== "string") throw new DatabaseError("damaged", "a row lacks its text");
  if (kind === "link") return { kind, target: text };
  if (text.length !== 64) throw new DatabaseError("damaged", "a row's content is not an identity");
  return { kind, size: row[3] as number, mtime: row[4] as number, mode, content: text as ContentId };
}
