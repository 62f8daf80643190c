/** Which directory stands at a path: after a rename or an unmount another one may, or none. */
export interface RootIdentity {
  readonly dev: number;
  readonly ino: number | null;
}

/** The directory at `root`, or `null` if there is none, or none that may be seen. */
export function rootIdentity(root: string): RootIdentity | null {
  try {
    const stat = Deno.statSync(root);
    return stat.isDirectory ? { dev: stat.dev, ino: stat.ino } : null;
  } catch {
    return null;
  }
}

export function sameRoot(a: RootIdentity | null, b: RootIdentity | null): boolean {
  return a?.dev === b?.dev && a?.ino === b?.ino;
}
