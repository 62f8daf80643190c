/**
 * The lock that keeps two runs from working on one folder. It is the kernel's, so it ends with its holder, however
 * that ends; the text in the file only says who holds it.
 */
import { ensureDirSync } from "./fs.ts";
import { openAreaFile } from "./group_area.ts";

/** What the holder of a folder does with it. */
export type LockRole = "watch" | "sync-all" | "server" | "command";

const ROLES: readonly LockRole[] = ["watch", "sync-all", "server", "command"];

export interface FolderLock {
  readonly role: LockRole;
  /** Lets go; safe to call twice. */
  release(): void;
}

/** Somebody else holds the folder. */
export interface FolderHeld {
  /** `null` if the holder has not said yet. */
  readonly heldBy: LockRole | null;
  /** Process number, for people. */
  readonly pid: number | null;
}

/**
 * Takes the lock of the folder `root`, without waiting.
 *
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied | AreaError} if the lock file cannot be made
 */
export function lockFolder(root: string, role: LockRole): FolderLock | FolderHeld {
  const dir = `${root}/.fsync`;
  if (!isDirectory(dir)) {
    // The root itself is not created: where it is missing, something is wrong.
    Deno.statSync(root);
    ensureDirSync(dir);
    Deno.chmodSync(dir, 0o700);
  }
  const path = `${dir}/lock`;
  const file = openAreaFile(path, { read: true, write: true, create: true });
  if (!file.tryLockSync(true)) {
    file.close();
    return whoHolds(path);
  }
  file.truncateSync(0);
  file.writeSync(new TextEncoder().encode(`${role} ${Deno.pid}\n`));
  return new HeldLock(file, role);
}

/** Whether {@link lockFolder} got the lock. */
export function isLocked(result: FolderLock | FolderHeld): result is FolderLock {
  return "release" in result;
}

class HeldLock implements FolderLock {
  readonly role: LockRole;
  #file: Deno.FsFile | null;

  constructor(file: Deno.FsFile, role: LockRole) {
    this.#file = file;
    this.role = role;
  }

  release(): void {
    if (this.#file === null) return;
    // The text goes first: the next holder's role must not be taken for ours.
    this.#file.truncateSync(0);
    this.#file.unlockSync();
    this.#file.close();
    this.#file = null;
  }
}

function whoHolds(path: string): FolderHeld {
  const [role, pid] = Deno.readTextFileSync(path).trim().split(" ");
  const heldBy = ROLES.find((known) => known === role) ?? null;
  return { heldBy, pid: heldBy !== null && pid !== undefined && /^\d+$/.test(pid) ? Number(pid) : null };
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
