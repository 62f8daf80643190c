/**
 * What a user is told of the changes in a folder: of what it may read, everything; of a directory that leads to something
 * readable, that it is there; of the rest, nothing.
 *
 * A path alone decides, never what stands there: whatever is hidden leaves the same trace as nothing at all. What
 * remains are the revisions. They are one sequence for the whole folder, so gaps between those that a user sees say how
 * much was written elsewhere, and nothing more.
 */
import type { Rights } from "../core/access.ts";
import type { Author, Notice } from "../protocol/messages.ts";
import type { PathNotice, Published } from "./draft.ts";

const NOBODY: Author = { user: "", device: "" };

/** Whether nothing is hidden. */
export function seesAll(rights: Rights): boolean {
  return rights.allowsTree(null, "read");
}

/** What is told of a change of one path; `null`: nothing. */
export function told(rights: Rights, notice: PathNotice): PathNotice | null {
  const { path, revision } = notice;
  if (rights.at(path) !== "none") {
    const hidesOrigin = notice.kind === "set" && notice.from !== null && rights.at(notice.from) === "none";
    return hidesOrigin ? { ...notice, from: null } : notice;
  }
  if (!rights.sees(path, true)) return null;
  if (notice.kind === "set" && notice.entry.kind === "dir") return { ...notice, from: null, author: NOBODY };
  // For this user it is not there, and if it was a directory before, that is news.
  return { kind: "gone", path, revision, author: NOBODY };
}

/** What is told of changes that were just made. */
export function toldOf(rights: Rights, changes: Iterable<Published>): Notice[] {
  const notices: Notice[] = [];
  const tell = (notice: PathNotice) => {
    const seen = told(rights, notice);
    if (seen !== null) notices.push(seen);
  };
  for (const { notice, paths } of changes) {
    if (notice.kind !== "moved") tell(notice);
    else if (rights.allowsTree(notice.from, "read") && rights.allowsTree(notice.to, "read")) {
      notices.push(notice);
    } else for (const one of paths?.() ?? []) tell(one);
  }
  return notices;
}
