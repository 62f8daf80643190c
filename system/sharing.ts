/** What becomes of group and bits in a folder that Unix users share (`chmod 2770`, one group). */
import { modeInShared } from "../core/shared_mode.ts";
import type { FileKind } from "./disk.ts";
import type { Owner } from "./sys.ts";

export const S_ISGID = 0o2000;
const S_IWGRP = 0o020;

/** What a directory does to what is written in it. */
export interface Sharing {
  /** The group that it gets, or `null` for the process's own. */
  readonly gid: number | null;
  /** Whether the members of the group may change it. */
  readonly shared: boolean;
}

/** Whether a directory with these bits is shared by its group: new things in it get the group, members may write. */
export function isGroupShared(mode: number): boolean {
  return (mode & S_ISGID) !== 0 && (mode & S_IWGRP) !== 0;
}

/** What the directory `dir` in a folder whose root is `root` does: the folder decides where the directory does not. */
export function sharingOf(dir: Owner, root: Owner | null): Sharing {
  const inherits = (dir.mode & S_ISGID) !== 0;
  const whole = root !== null && isGroupShared(root.mode);
  const gid = inherits ? dir.gid : whole ? root.gid : null;
  return { gid, shared: whole || isGroupShared(dir.mode) };
}

/** The bits that something with the permission bits `mode` gets in `parent`. */
export function modeIn(parent: Sharing, kind: FileKind, mode: number): number {
  if (kind === "link") return mode;
  const isDir = kind === "dir";
  const bits = parent.shared ? modeInShared(isDir ? "dir" : "file", mode) : mode;
  return isDir && parent.gid !== null ? bits | S_ISGID : bits;
}
