/** Who runs this program, by name. */
import { accountName } from "../server/accounts/names.ts";

/** As the login says, or the user database where cron or a container left the environment empty. */
export function userName(): string {
  return Deno.env.get("USER") || Deno.env.get("LOGNAME") || nameOf(Deno.uid() ?? 0);
}

/** The name of this user's account on a server of its own. */
export function ownerName(): string {
  return accountName(userName());
}

/**
 * Says who owns a file where several Unix users share one folder (set-gid bit and group-write on its root), so that the
 * log can name the one who saved it and not only the one whose watcher runs. `null` for one's own files, and in a
 * folder of one user.
 */
export function ownerNames(root: string): (path: string) => string | null {
  const self = Deno.uid();
  if (!isShared(root)) return () => null;
  const names = new Map<number, string>();
  return (path) => {
    const uid = uidOf(`${root}/${path}`);
    if (uid === null || uid === self) return null;
    const name = names.get(uid) ?? nameOf(uid);
    names.set(uid, name);
    return name;
  };
}

const SET_GID = 0o2000;
const GROUP_WRITE = 0o020;

function isShared(root: string): boolean {
  try {
    const mode = Deno.statSync(root).mode ?? 0;
    return (mode & SET_GID) !== 0 && (mode & GROUP_WRITE) !== 0;
  } catch {
    return false;
  }
}

function uidOf(path: string): number | null {
  try {
    return Deno.lstatSync(path).uid;
  } catch {
    // Gone again: then nobody can say.
    return null;
  }
}

/** A Unix user of this machine, by name or number; `null` if the user database has none. */
export function findUser(by: string | number): { readonly user: string; readonly home: string } | null {
  const field = typeof by === "number" ? 2 : 0;
  const found = readPasswd().find((fields) => fields[field] === String(by));
  return found?.[0] === undefined ? null : { user: found[0], home: found[5] || "/" };
}

function nameOf(uid: number): string {
  return readPasswd().find((fields) => fields[2] === String(uid))?.[0] || `uid${uid}`;
}

function readPasswd(): string[][] {
  try {
    return Deno.readTextFileSync("/etc/passwd").split("\n").map((line) => line.split(":"));
  } catch {
    return [];
  }
}
