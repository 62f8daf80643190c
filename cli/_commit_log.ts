/** What a commit of the server means to those who read its log: one line and one record for one change. */
import { displayPath, type SyncPath } from "../core/path.ts";
import type { Commit, Settled, Version } from "../server/store/records.ts";

export interface LoggedChange {
  readonly record: { readonly type: string; readonly [key: string]: unknown };
  readonly text: string;
}

export function changesOf(commit: Commit): LoggedChange[] {
  // Both sides of a conflict stand in the conflict's own line.
  const inConflict = new Set(commit.conflicts.flatMap(({ winner, loser }) => [winner, loser]));
  const renamed = new Set<number>();
  const changes: LoggedChange[] = [];
  for (const version of commit.versions) {
    if (inConflict.has(version.revision)) continue;
    if (version.operation === "renamed") {
      // A renamed directory is one change, whatever it holds; its own row is the first that is not a farewell.
      if (version.from === null || renamed.has(version.revision)) continue;
      renamed.add(version.revision);
    }
    changes.push(describe(version));
  }
  return [
    ...changes,
    ...commit.conflicts.map((conflict) => conflictChange(conflict, commit.versions)),
    ...(commit.resolved ?? []).map(resolvedChange),
  ];
}

function describe(version: Version): LoggedChange {
  const { path, revision, operation, entry, user, device } = version;
  const by = { user, device };
  const shown = displayPath(path);
  const who = `(by ${displayPath(user)}@${displayPath(device)})`;
  if (operation === "renamed" && version.from !== null) {
    return {
      record: { type: "renamed", from: version.from, path, revision, by },
      text: `File renamed: ${displayPath(version.from)} to ${shown} ${who}`,
    };
  }
  if (entry === null) {
    return { record: { type: "deleted", path, revision, by }, text: `File deleted: ${shown} ${who}` };
  }
  const bytes = entry.kind === "file" ? entry.size : 0;
  return { record: { type: "uploaded", path, revision, bytes, by }, text: `File uploaded: ${shown} ${who}` };
}

function resolvedChange({ id, path, kept, beside, user, device }: Settled): LoggedChange {
  const what = kept === null ? "left deleted" : `kept version ${kept}`;
  const other = beside === null ? "" : ` and the other as ${displayPath(beside)}`;
  const who = `(by ${displayPath(user)}@${displayPath(device)})`;
  return {
    record: { type: "resolved", conflict: id, path, kept, beside, by: { user, device } },
    text: `Conflict resolved: ${displayPath(path)}, ${what}${other} ${who}`,
  };
}

function conflictChange(conflict: Commit["conflicts"][number], versions: readonly Version[]): LoggedChange {
  const { path, winner, loser, base, reason, loserUser } = conflict;
  const storedAs = asideOf(versions, winner, loser, path);
  const kept = storedAs === null ? `saved as version ${loser}` : `saved as ${displayPath(storedAs)}`;
  return {
    record: { type: "conflict", path, winner, loser, base, reason, storedAs },
    text: `Conflict detected: ${displayPath(path)}: ${displayPath(reason)}; ${
      displayPath(loserUser)
    }'s ${kept}`,
  };
}

/** The other name under which one side of the conflict stands, if it does. */
function asideOf(
  versions: readonly Version[],
  winner: number,
  loser: number,
  path: SyncPath,
): SyncPath | null {
  const aside = versions.find((version) =>
    version.head && version.operation === "conflict" && version.path !== path &&
    (version.revision === loser || version.revision === winner)
  );
  return aside?.path ?? null;
}
