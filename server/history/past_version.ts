import type { SyncPath } from "../../core/path.ts";
import type { PastVersion } from "../../protocol/history.ts";
import type { Records, Version } from "../store/records.ts";

/**
 * A version as a user is told of it. Where its content came from, or went, is left out if that is hidden: it was made,
 * or deleted, then.
 *
 * @param reads whether the user may know of another path
 * @param rows the records as this user sees them; `null` where it does not matter where a content went
 */
export function pastVersion(
  version: Version,
  reads: (path: SyncPath) => boolean,
  rows: Pick<Records, "versionsFrom"> | null,
): PastVersion {
  const { path, revision, operation, entry, base, user, device, time, clockOffset, head } = version;
  const from = version.from !== null && reads(version.from) ? version.from : null;
  return {
    path,
    revision,
    operation: operation === "renamed" ? renaming(version, from, rows) : operation,
    entry,
    base,
    from,
    author: { user, device },
    time: Math.round(time),
    clockOffset: Math.round(clockOffset),
    head,
  };
}

function renaming(
  { path, revision, entry }: Version,
  from: SyncPath | null,
  rows: Pick<Records, "versionsFrom"> | null,
): "renamed" | "created" | "deleted" {
  if (entry !== null) return from === null ? "created" : "renamed";
  if (rows === null || rows.versionsFrom(path).some((other) => other.revision === revision)) return "renamed";
  return "deleted";
}
