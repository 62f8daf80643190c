/** Who runs this program, by name. */

/** As the login says, or the user database where cron or a container left the environment empty. */
export function userName(): string {
  return Deno.env.get("USER") || Deno.env.get("LOGNAME") || nameOf(Deno.uid() ?? 0);
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
