/**
 * The default access list of a directory: with one, the kernel gives what is created there these bits, as far as its
 * creator asked for them, and no umask takes them away.
 */
import { loadLibc } from "./libc.ts";

const XATTR_CREATE = 1;
/** POSIX access lists as extended attributes: a version, then entries of tag, permissions and id. */
const VERSION = 2;
const USER_OBJ = 0x01;
const GROUP_OBJ = 0x04;
const OTHER = 0x20;
const NO_ID = 0xffff_ffff;
const ENTRY_BYTES = 8;
/** Far more entries than anybody sets. */
const LIST_BYTES_MAX = 4096;

const NAME = new TextEncoder().encode("system.posix_acl_default\0");

const libc = loadLibc({
  fsetxattr: { parameters: ["i32", "buffer", "buffer", "usize", "i32"], result: "i32" },
  fgetxattr: { parameters: ["i32", "buffer", "buffer", "usize"], result: "isize" },
});

/** What the default access list of the directory open as `fd` lets others do; `null` if it has none. */
export function defaultForOthers(fd: number): number | null {
  const list = new Uint8Array(LIST_BYTES_MAX);
  const size = libc === null ? -1 : Number(libc.fgetxattr(fd, NAME, list, BigInt(list.length)));
  const view = new DataView(list.buffer);
  for (let at = 4; at + ENTRY_BYTES <= size; at += ENTRY_BYTES) {
    if (view.getUint16(at, true) === OTHER) return view.getUint16(at + 2, true);
  }
  return null;
}

/**
 * Gives the directory open as `fd` a default access list of the permission bits `mode`, unless it has one.
 * @returns whether it has one now
 */
export function setDefaultAcl(fd: number, mode: number): boolean {
  if (libc === null) return false;
  const list = encode(mode);
  if (libc.fsetxattr(fd, NAME, list, BigInt(list.length), XATTR_CREATE) === 0) return true;
  return defaultForOthers(fd) !== null;
}

function encode(mode: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 3 * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  [[USER_OBJ, mode >> 6], [GROUP_OBJ, mode >> 3], [OTHER, mode]].forEach(([tag, bits], n) => {
    view.setUint16(4 + n * ENTRY_BYTES, tag!, true);
    view.setUint16(6 + n * ENTRY_BYTES, bits! & 7, true);
    view.setUint32(8 + n * ENTRY_BYTES, NO_ID, true);
  });
  return bytes;
}
