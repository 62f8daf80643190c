/** Makes what the folder held before its head again. It is made on the head as it is now, so it is nobody's conflict. */
import { conflictPath } from "../../core/conflict_name.ts";
import { type Entry, sameEntry } from "../../core/entry.ts";
import { ancestorsOf, type SyncPath } from "../../core/path.ts";
import type { Caller } from "../caller.ts";
import type { Draft } from "../draft.ts";
import type { Version } from "../store/records.ts";

/** Of a directory that was never seen. */
const NEW_DIR_MODE = 0o755;

export class Restoration {
  readonly #draft: Draft;
  readonly #caller: Caller;

  constructor(draft: Draft, caller: Caller) {
    this.#draft = draft;
    this.#caller = caller;
  }

  /**
   * Makes `entry` (`null`: absence) the head of `path`, with the directories above it.
   *
   * @returns false if something stands in its way, or may not be written: nothing that is there is destroyed for it
   */
  restore(path: SyncPath, entry: Entry | null): boolean {
    const { heads } = this.#draft;
    const { actor } = this.#caller;
    if (!this.#mayWrite(path)) return false;
    const head = heads.get(path);
    if (sameEntry(head?.entry ?? null, entry)) return true;
    if (entry?.kind !== "dir" && (heads.hasChildren(path) || this.#mayHide(path))) return false;
    if (entry === null) {
      this.#draft.delete(actor, path, head!.revision);
      return true;
    }
    if (!this.#restoreParents(path)) return false;
    const operation = head === null ? "created" : "modified";
    this.#draft.setHead(actor, path, entry, operation, head?.revision ?? 0, null);
    return true;
  }

  /** Puts a version that lost its name beside `path`. @returns where; `null` if something stands in its way */
  placeBeside(path: SyncPath, loser: Version): SyncPath | null {
    const { heads, records } = this.#draft;
    // What lost beside a file that had to step aside itself gets a name like that one's, not a longer one.
    const stepped = records.versions(path).findLast(({ operation, from }) =>
      operation === "conflict" && from !== null
    );
    const name = stepped?.from ?? path;
    const aside = conflictPath(name, loser.user, loser.time, (taken) => heads.get(taken) !== null);
    if (loser.entry === null || !this.#mayWrite(aside) || !this.#restoreParents(name)) return null;
    this.#draft.setHead(this.#caller.actor, aside, loser.entry, "conflict", loser.revision, path);
    return aside;
  }

  #restoreParents(path: SyncPath): boolean {
    const { heads, records } = this.#draft;
    const above = [...ancestorsOf(path)].reverse();
    if (above.some((dir) => (heads.get(dir)?.entry.kind ?? "dir") !== "dir")) return false;
    const missing = above.filter((dir) => heads.get(dir) === null);
    if (!missing.every((dir) => this.#mayWrite(dir))) return false;
    for (const dir of missing) {
      const before = records.versions(dir).findLast(({ entry }) => entry?.kind === "dir")?.entry;
      const entry = before ?? { kind: "dir", mode: NEW_DIR_MODE };
      this.#draft.setHead(this.#caller.actor, dir, entry, "created", 0, null);
    }
    return true;
  }

  #mayWrite(path: SyncPath): boolean {
    return this.#caller.rights().at(path) === "write";
  }

  /** Whether a directory stands there that may hold what this user does not see. */
  #mayHide(path: SyncPath): boolean {
    const { heads } = this.#draft;
    return heads.get(path)?.entry.kind === "dir" && !this.#caller.rights().allowsTree(path, "write");
  }
}
