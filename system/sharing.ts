/** What becomes of group and bits in a folder that Unix users share (`chmod 2770`, one group). */
import type { FileKind } from "./disk.ts";
import type { Parent } from "./dir_cache.ts";

const S_ISGID = 0o2000;

/** The bits that something with the permission bits `mode` gets in `parent`. */
export function modeIn(parent: Parent, kind: FileKind, mode: number): number {
  if (kind === "link") return mode;
  let result = mode;
  if (parent.shared) result |= (kind === "dir" || (mode & 0o100) !== 0) ? 0o070 : 0o060;
  if (kind === "dir" && parent.gid !== null) result |= S_ISGID;
  return result;
}
