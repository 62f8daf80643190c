/** What kind of file system a folder lies on. */
import type { FileSystemInfo } from "./sys.ts";
import { O_DIRECTORY, O_RDONLY } from "./sys.ts";
import { systemCalls } from "./system_calls.ts";

/** Whose changes may come from another machine: no events for them, times by another clock, names cached. */
const NETWORK = new Map<number, string>([
  [0x6969, "nfs"],
  [0x517b, "smb"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x65735546, "fuse"],
  [0x01021997, "9p"],
  [0x00c36400, "ceph"],
  [0x5346414f, "afs"],
  [0x6b414653, "kafs"],
  [0x73757245, "coda"],
  [0x564c, "ncp"],
  [0x786f4256, "vboxsf"],
  [0x0bd00bd0, "lustre"],
  [0x01161970, "gfs2"],
  [0x7461636f, "ocfs2"],
]);

/** Local ones whose times are finer than a kernel tick. */
const FINE_TIMES = new Set<number>([
  0xef53, // ext
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x01021994, // tmpfs
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
  0xca451a4e, // bcachefs
  0x794c7630, // overlayfs
]);

export function hasFineTimes(info: FileSystemInfo): boolean {
  return FINE_TIMES.has(info.type);
}

/**
 * The name of the network file system (or one that may be: FUSE) that `root` lies on, or `null` for a local one or if
 * it cannot be told.
 */
export function networkFileSystem(root: string): string | null {
  const sys = systemCalls();
  const fd = sys.open(null, root, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return null;
  const info = sys.statfs(fd);
  sys.close(fd);
  return typeof info === "number" ? null : NETWORK.get(info.type) ?? null;
}

/** Whether changes under `root` may be made by other machines, so that file events cannot be relied on. */
export function isNetworkFileSystem(root: string): boolean {
  return networkFileSystem(root) !== null;
}
