/**
 * Which versions a client may name in place of bytes: to copy a content, or to build a new one on it. Only those whose
 * bytes it could have read, since whoever names a version gets it: it may read what it has written itself.
 *
 * That is the head of a path that it may read; what its own user uploaded there; what was the head at any time since its
 * conversation began, if its rights are the same still; and what its user is shown of the past. A client that was away
 * may name an older one in good faith, and sends the bytes after all.
 */
import type { Entry, FileEntry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Revision } from "../protocol/messages.ts";
import type { Caller } from "./caller.ts";
import type { Draft } from "./draft.ts";
import type { Heads } from "./heads.ts";
import type { Records, Version } from "./store/records.ts";

export interface KnownIn {
  readonly heads: Pick<Heads, "get">;
  readonly records: Pick<Records, "version" | "versions">;
  /** The group that is being judged, if one is. */
  readonly draft?: Pick<Draft, "version">;
}

/** The file that a version is, if `caller` may name it; `null` also if there is none: nobody can tell the difference. */
export function knownFile(
  { heads, records, draft }: KnownIn,
  caller: Caller,
  path: SyncPath,
  revision: Revision,
): FileEntry | null {
  const rights = caller.rights();
  if (rights.at(path) === "none") return null;
  const head = heads.get(path);
  if (head?.revision === revision) return fileOf(head.entry);
  const version = draft?.version(path, revision) ?? records.version(path, revision);
  if (version === null) return null;
  const { since } = caller;
  const known = rights.showsPast(path) || version.user === caller.actor.user ||
    (since?.rights === rights && stoodAfter(since.revision, version, records.versions(path)));
  return known ? fileOf(version.entry) : null;
}

/** Whether `version` was the head of its path after `since`. */
function stoodAfter(since: Revision, version: Version, all: readonly Version[]): boolean {
  if (!wasHead(version)) return false;
  const next = all.find((other) => other.revision > version.revision && wasHead(other));
  // If none is recorded, it is replaced in this very moment.
  return next === undefined || next.revision > since;
}

/** Whether a version stood at its path for a while; the loser of a conflict is history from the start. */
export function wasHead(version: Version): boolean {
  return version.head || version.operation !== "conflict" || version.from !== null;
}

function fileOf(entry: Entry | null): FileEntry | null {
  return entry?.kind === "file" ? entry : null;
}
