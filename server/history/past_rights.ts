/** What one user may see and bring back of a folder's past. Only rules decide, never what there is. */
import { isBelow, type SyncPath } from "../../core/path.ts";
import type { Caller } from "../caller.ts";
import type { Conflict, Records, Version } from "../store/records.ts";

export class PastRights {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Whether past versions of `path` may be seen. */
  shows(path: SyncPath): boolean {
    return this.#caller.rights().showsPast(path);
  }

  /** Whether the whole past may be seen. */
  get showsAll(): boolean {
    const { rules } = this.#caller.rights();
    return rules.some(({ prefix }) => prefix === null) && rules.every(({ history }) => history);
  }

  /** Whether anything at or below `path` (`null`: anywhere) has a past that may be seen. */
  showsBelow(path: SyncPath | null): boolean {
    return this.#some(path, ({ history }) => history, (at) => this.shows(at));
  }

  /** Whether anything at or below `path` may be written. */
  writesBelow(path: SyncPath | null): boolean {
    return this.#some(path, ({ access }) => access === "write", (at) => this.writes(at));
  }

  reads(path: SyncPath): boolean {
    return this.#caller.rights().at(path) !== "none";
  }

  writes(path: SyncPath): boolean {
    return this.#caller.rights().at(path) === "write";
  }

  /** Whether a conflict may be seen: by those whom it concerns, and by whoever sees the past there. */
  concerns({ path, winnerUser, loserUser }: Conflict): boolean {
    const { user } = this.#caller.actor;
    return this.reads(path) && (winnerUser === user || loserUser === user || this.shows(path));
  }

  /**
   * Whether the common base of a conflict may be seen by those whom it concerns. It is what an uploader said that its
   * change was made on, so it must be one that this user has had anyway: any old version could be named.
   */
  showsBase({ path, user }: Version): boolean {
    return this.shows(path) || (this.reads(path) && user === this.#caller.actor.user);
  }

  /** The records as this user sees them: without the past of what is hidden. */
  rows(records: Pick<Records, "versions" | "versionsFrom">): Pick<Records, "versions" | "versionsFrom"> {
    return {
      versions: (path) => this.shows(path) ? records.versions(path) : [],
      versionsFrom: (path) =>
        this.shows(path) ? records.versionsFrom(path).filter((version) => this.shows(version.path)) : [],
    };
  }

  #some(
    path: SyncPath | null,
    has: (rule: ReturnType<Caller["rights"]>["rules"][number]) => boolean,
    at: (path: SyncPath) => boolean,
  ): boolean {
    if (path !== null && at(path)) return true;
    return this.#caller.rights().rules.some((rule) =>
      has(rule) && (path === null || (rule.prefix !== null && isBelow(rule.prefix, path)))
    );
  }
}
