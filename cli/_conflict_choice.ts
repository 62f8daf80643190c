/** Which conflicts are meant, and what is to be kept of one: the words of a person made exact. */
import { displayPath, isAtOrBelow, type SyncPath } from "../core/path.ts";
import type { Keep, PastConflict, PastVersion } from "../protocol/history.ts";
import { SetupError, UsageError } from "./_exit.ts";

export interface Me {
  readonly user: string;
  readonly device: string;
}

const KEEP_HINT = "--keep takes mine, theirs, both, or the number of a version";

/**
 * What `word` means for this conflict. `mine` is the version by this user; if both are, the one by this device. The
 * version that has the name already keeps it as it is now, with what was made on it since.
 *
 * @throws {UsageError | SetupError}
 */
export function chooseKeep(conflict: PastConflict, me: Me, word: string): Keep {
  if (word === "both") return { kind: "both" };
  if (/^[1-9]\d{0,14}$/.test(word)) return { kind: "version", revision: Number(word) };
  if (word !== "mine" && word !== "theirs") throw new UsageError(`Cannot keep "${word}"`, KEEP_HINT);
  const { winner, loser } = conflict;
  const wonByMe = mineOf(conflict, me) === "winner";
  if (wonByMe === (word === "mine")) return { kind: "head" };
  if (loser !== null) return { kind: "version", revision: loser.revision };
  throw new SetupError(
    "failed",
    `Cannot resolve the conflict of "${conflict.path}": the other version is not there any more`,
    `keep what is there: --keep ${winner?.revision ?? "N"}`,
  );
}

function mineOf(conflict: PastConflict, me: Me): "winner" | "loser" {
  const { winner, loser, path } = conflict;
  const byUser = (side: PastVersion | null) => side?.author.user === me.user;
  if (byUser(winner) !== byUser(loser)) return byUser(winner) ? "winner" : "loser";
  const byDevice = (side: PastVersion | null) => side?.author.device === me.device;
  if (byUser(winner) && byDevice(winner) !== byDevice(loser)) return byDevice(winner) ? "winner" : "loser";
  const whose = byUser(winner) ? "both versions are yours" : "neither version is yours";
  const numbers = [winner, loser].flatMap((side) => side === null ? [] : [`--keep ${side.revision}`]);
  throw new UsageError(
    `Cannot tell whose to keep of "${path}": ${whose}`,
    `say which: ${numbers.join(" or ")}`,
  );
}

/** Conflicts that `word` names: a number, a path (with all below it), or a pattern with `*`, `**` and `?`. */
export function matching(
  conflicts: readonly PastConflict[],
  word: string,
  path: SyncPath | null,
): PastConflict[] {
  if (path === null && isNumber(word)) return conflicts.filter(({ id }) => id === Number(word));
  if (path === null) return [...conflicts];
  const pattern = globPattern(path);
  return conflicts.filter((conflict) => isAtOrBelow(conflict.path, path) || pattern.test(conflict.path));
}

export function isNumber(word: string): boolean {
  return /^\d+$/.test(word);
}

function globPattern(glob: string): RegExp {
  const source = glob.replace(/\*\*\/?|[*?]|[^*?]+/g, (part) => {
    if (part.startsWith("**")) return ".*";
    if (part === "*") return "[^/]*";
    return part === "?" ? "[^/]" : RegExp.escape(part);
  });
  return new RegExp(`^${source}$`, "su");
}

/** @throws {SetupError} if nothing is named by `word` */
export function someMatching(
  conflicts: readonly PastConflict[],
  word: string,
  path: SyncPath | null,
): PastConflict[] {
  const found = matching(conflicts, word, path);
  if (found.length > 0) return found;
  throw new SetupError("failed", `Cannot find a conflict of "${displayPath(word)}"`, "see fsync conflicts");
}
