/** The bound on what a user's versions may weigh. `docs/users.md` says what counts. */
import { type Entry, sameContent } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Revision } from "../protocol/messages.ts";
import type { Caller, Quota } from "./caller.ts";
import type { Folder } from "./folder.ts";
import type { Version } from "./store/records.ts";

/**
 * The quota of `user` over the folders of a server.
 *
 * @param bound asked for anew each time
 * @param folders those that are open at that time
 */
export function quotaOf(
  user: string,
  bound: () => number | null,
  folders: () => Iterable<Pick<Folder, "usage">>,
): Quota {
  const used = () => {
    let bytes = 0;
    for (const folder of folders()) bytes += folder.usage(user);
    return bytes;
  };
  return { bound, used };
}

/** Bytes that `caller` may still bring in; `Infinity` without a bound. */
export function roomOf({ quota }: Caller): number {
  const bound = quota?.bound() ?? null;
  return bound === null ? Infinity : bound - quota!.used();
}

/** What somebody is told whose quota does not allow it. */
export function overQuota({ quota }: Caller): string {
  return `Cannot upload: the quota of ${bytesText(quota?.bound() ?? 0)} is used up`;
}

type Past = (path: SyncPath, revision: Revision) => { readonly entry: Entry | null } | null;

/**
 * Bytes that a version brings into the folder: none if the version that it was made on, under the name from which it
 * came, has the same content. Whether somebody else has the content does not matter, or the quota would tell of it.
 *
 * @param past looks up a version that is kept
 */
export function bytesBrought(version: Pick<Version, "path" | "from" | "base" | "entry">, past: Past): number {
  const { path, from, base, entry } = version;
  if (entry?.kind !== "file") return 0;
  const before = base === 0 ? null : past(from ?? path, base)?.entry ?? null;
  return before !== null && sameContent(before, entry) ? 0 : entry.size;
}

/** `10 GiB`, `1.5 MiB`, `700 B`: in the units in which quotas are set. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(2))} ${units[unit]}`;
}
