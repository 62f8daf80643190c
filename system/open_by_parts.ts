import { ELOOP, ENOTDIR } from "./errno.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, type Sys } from "./sys.ts";

/** Opens `path` below `dirFd` one part at a time, so that no link is followed: for kernels without openat2. */
export function openByParts(sys: Sys, dirFd: number, path: string, flags: number): number {
  const parts = path.split("/");
  let fd = dirFd;
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    let next = sys.open(fd, part, (last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW);
    // With O_DIRECTORY the kernel says ENOTDIR of a link.
    if (next === -ENOTDIR && isLink(sys, fd, part)) next = -ELOOP;
    if (fd !== dirFd) sys.close(fd);
    if (next < 0) return next;
    fd = next;
  }
  return fd;
}

function isLink(sys: Sys, dirFd: number, name: string): boolean {
  const stat = sys.stat(dirFd, name);
  return typeof stat !== "number" && stat.kind === "link";
}
