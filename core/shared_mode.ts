/**
 * Permission bits in a folder that Unix users of one group share. There the group's bits belong to the folder, not to
 * the file: whoever of the group runs sync must be able to go on with what another one wrote. So they are added when
 * something is written, and left out when it is compared or sent.
 */

const GROUP = 0o070;
const GROUP_READ_WRITE = 0o060;
const OWNER_EXEC = 0o100;

/** The bits that something which is to have the bits `mode` gets in a shared folder. */
export function modeInShared(kind: "file" | "dir", mode: number): number {
  return kind === "dir" ? mode | GROUP : mode | (mode & 0o700) >> 3;
}

/**
 * The bits that travel of something which has the bits `mode` in a shared folder.
 *
 * @param agreed the bits that both sides agreed on, or that the server has; `null` for something new, of which the
 * group may do elsewhere what everybody may
 */
export function modeFromShared(mode: number, agreed: number | null): number {
  if (agreed === null) return (mode & ~GROUP) | (mode & 0o007) << 3;
  const changed = (mode ^ agreed) & ~GROUP;
  if (changed === 0) return agreed;
  return (mode & ~GROUP) | ((changed & OWNER_EXEC) === 0 ? agreed & GROUP : withExecOf(mode, agreed));
}

/** The group's bits of `agreed`; it may execute what the owner may, if it may read it. */
function withExecOf(mode: number, agreed: number): number {
  const exec = (mode & OWNER_EXEC) !== 0 && (agreed & 0o040) !== 0 ? 0o010 : 0;
  return agreed & GROUP_READ_WRITE | exec;
}
