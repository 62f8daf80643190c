/** The users and groups of this machine, as `/etc/passwd` and `/etc/group` tell. Others are known by number alone. */

export interface UnixGroup {
  readonly gid: number;
  /** Its number, if it has no name here. */
  readonly name: string;
}

const GID_MAX = 0xffff_fffe;

/** The group called `name`, which may be its number; `null` if there is none. */
export function findGroup(name: string): UnixGroup | null {
  const row = rows("/etc/group").find((fields) => fields[0] === name);
  if (row !== undefined) return { gid: Number(row[2]), name };
  return /^\d{1,10}$/.test(name) && Number(name) <= GID_MAX ? groupOf(Number(name)) : null;
}

/** The group with the number `gid`. */
export function groupOf(gid: number): UnixGroup {
  const name = rows("/etc/group").find((fields) => fields[2] === String(gid))?.[0];
  return { gid, name: name || String(gid) };
}

/** Whether the user `uid` can belong to the group `gid`: `false` only where these files know both and say no. */
export function mayBeMember(uid: number, gid: number): boolean {
  const user = rows("/etc/passwd").find((fields) => fields[2] === String(uid));
  const group = rows("/etc/group").find((fields) => fields[2] === String(gid));
  if (uid === 0 || user === undefined || group === undefined) return true;
  return user[3] === String(gid) || (group[3] ?? "").split(",").includes(user[0]!);
}

function rows(path: string): string[][] {
  try {
    return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "").map((line) =>
      line.split(":")
    );
  } catch {
    return [];
  }
}
