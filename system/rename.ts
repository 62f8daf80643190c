/** Renaming that refuses to replace, also where the file system does not know the flag. */
import { EEXIST, EINVAL, EMLINK, ENOENT, ENOSYS, ENOTDIR, EOPNOTSUPP, EPERM } from "./errno.ts";
import { RENAME_NOREPLACE, type Sys } from "./sys.ts";

/** A single name in an open directory. */
export interface Place {
  readonly fd: number;
  readonly name: string;
}

/** Renames, or returns `-EEXIST` if something stands at `to`. */
export function renameNew(sys: Sys, from: Place, to: Place): number {
  const result = sys.rename(from.fd, from.name, to.fd, to.name, RENAME_NOREPLACE);
  return isUnsupported(result) ? renameNewSlowly(sys, from, to) : result;
}

/** Whether the answer may mean that a rename flag cannot be had here. */
export function isUnsupported(result: number): boolean {
  return result === -EINVAL || result === -ENOSYS || result === -EOPNOTSUPP;
}

function renameNewSlowly(sys: Sys, from: Place, to: Place): number {
  const stat = sys.stat(from.fd, from.name);
  if (typeof stat === "number") return stat;
  if (stat.kind === "dir") return checkThenRename(sys, from, to);
  // A hard link never replaces, so this has no gap; a crash in between leaves both names.
  const linked = sys.link(from.fd, from.name, to.fd, to.name);
  if (linked === 0) return sys.unlink(from.fd, from.name);
  const noHardLinks = isUnsupported(linked) || linked === -EPERM || linked === -EMLINK;
  return noHardLinks ? checkThenRename(sys, from, to) : linked;
}

function checkThenRename(sys: Sys, from: Place, to: Place): number {
  const there = sys.stat(to.fd, to.name);
  if (typeof there !== "number") return -EEXIST;
  if (there !== -ENOENT) return there;
  const result = sys.rename(from.fd, from.name, to.fd, to.name, 0);
  return result === -ENOTDIR ? -EEXIST : result;
}
