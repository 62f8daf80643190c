/** The versions of a path and of what they were before and after under other names. */
import type { SyncPath } from "../../core/path.ts";
import type { Revision } from "../../protocol/messages.ts";
import type { Records, Version } from "../store/records.ts";

type Rows = Pick<Records, "versions" | "versionsFrom">;

/**
 * All versions that `path` ever had, those that its content had elsewhere before it was renamed to here, and, if it
 * was renamed away, those after; oldest first. A rename is one version, at the new name.
 */
export function lineageOf(records: Rows, path: SyncPath): Version[] {
  const own = records.versions(path);
  const found = new Map(own.map((version) => [keyOf(version), version]));
  const add = (version: Version) => {
    const known = found.has(keyOf(version));
    found.set(keyOf(version), version);
    return !known;
  };
  for (const version of own) if (isArrival(version)) followBack(records, version, add);
  followForth(records, own.at(-1), add);
  const arrivals = new Set(
    [...found.values()].filter(isArrival).map(({ from, revision }) => `${revision} ${from}`),
  );
  return [...found.values()]
    .filter((version) => !isFarewell(version) || !arrivals.has(keyOf(version)))
    .sort((a, b) => a.revision - b.revision || (a.path < b.path ? -1 : 1));
}

function keyOf({ path, revision }: Version): string {
  return `${revision} ${path}`;
}

const isArrival = (version: Version): boolean => version.operation === "renamed" && version.from !== null;
const isFarewell = (version: Version): boolean => version.operation === "renamed" && version.entry === null;

/** What a version that was renamed had been before, back to where it began. */
function followBack(records: Rows, arrival: Version, add: (version: Version) => boolean): void {
  let next: Version | undefined = arrival;
  while (next !== undefined) {
    const { from, revision }: Version = next;
    next = undefined;
    for (const version of lifeBefore(records.versions(from!), revision)) {
      if (add(version) && isArrival(version)) next = version;
    }
  }
}

/** The last versions before `revision`, back to the one that began after the path was absent. */
function lifeBefore(versions: readonly Version[], revision: Revision): readonly Version[] {
  const before = versions.filter((version) => version.revision < revision);
  const absent = before.findLastIndex(({ entry }) => entry === null);
  const arrived = before.findLastIndex(isArrival);
  return before.slice(Math.max(absent + 1, arrived));
}

/** Where a path that ends with a rename went, and what became of it there. */
function followForth(records: Rows, end: Version | undefined, add: (version: Version) => boolean): void {
  let last = end;
  while (last !== undefined && isFarewell(last)) {
    const { path, revision } = last;
    const target = records.versionsFrom(path).find((version) =>
      version.revision === revision && version.operation === "renamed"
    );
    if (target === undefined) return;
    const later = records.versions(target.path).filter((version) => version.revision >= revision);
    const absent = later.findIndex(({ entry }) => entry === null);
    const life = absent < 0 ? later : later.slice(0, absent + 1);
    let fresh = false;
    for (const version of life) if (add(version)) fresh = true;
    last = fresh ? life.at(-1) : undefined;
  }
}
