/** The sessions of a server that are open, and what ends them from outside. */
import type { Id } from "../protocol/messages.ts";
import type { Clock } from "../system/clock.ts";
import type { Accounts, Membership } from "./accounts/accounts.ts";
import { denied, Refused } from "./refuse.ts";

export interface LiveSession {
  readonly user: string;
  readonly device: Id;
  readonly folder: string;
  readonly replica: Id;
  /** As the client was told it. */
  readonly membership: Membership;
  /** Ends it, with a reason for the other side. */
  readonly end: (reason: Refused) => void;
}

/** Sessions of one user at one time: all its devices and folders, but not all that a server can hold. */
export const USER_SESSIONS_MAX = 128;
/**
 * How often in a minute a session may take the place of another one of its replica. A client that lost its connection
 * does so now and then; two copies of one directory would do it for ever.
 */
export const TAKEOVERS_MAX = 10;
const MINUTE_MS = 60_000;

export class LiveSessions {
  readonly #accounts: Pick<Accounts, "device" | "membership" | "onChange">;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #byReplica = new Map<string, LiveSession>();
  readonly #perUser = new Map<string, number>();
  /** When the sessions of a replica took each other's place, in the last minute. */
  readonly #takeovers = new Map<string, number[]>();
  readonly #stopListening: () => void;
  #reviewing = false;

  constructor(
    accounts: Pick<Accounts, "device" | "membership" | "onChange">,
    clock: Pick<Clock, "monotonic">,
  ) {
    this.#accounts = accounts;
    this.#clock = clock;
    this.#stopListening = accounts.onChange(() => this.#reviewSoon());
  }

  get size(): number {
    return this.#byReplica.size;
  }

  /** @throws {Refused} if there are too many of its user, or of its replica */
  add(session: LiveSession): void {
    const key = keyOf(session);
    const other = this.#byReplica.get(key);
    if (other !== undefined) this.#takeOver(key, other);
    const count = this.#perUser.get(session.user) ?? 0;
    if (count >= USER_SESSIONS_MAX) {
      throw new Refused(
        "limit",
        `Cannot connect: ${USER_SESSIONS_MAX} connections of this user are open already`,
        "end some of them",
      );
    }
    this.#byReplica.set(key, session);
    this.#perUser.set(session.user, count + 1);
  }

  /** Forgets a session that has ended; safe to call twice. */
  delete(session: LiveSession): void {
    const key = keyOf(session);
    if (this.#byReplica.get(key) !== session) return;
    this.#byReplica.delete(key);
    const count = this.#perUser.get(session.user)! - 1;
    if (count === 0) this.#perUser.delete(session.user);
    else this.#perUser.set(session.user, count);
  }

  /** Ends all sessions, or those of one folder. */
  endAll(reason: Refused, folder?: string): void {
    for (const session of [...this.#byReplica.values()]) {
      if (folder === undefined || session.folder === folder) this.#end(session, reason);
    }
  }

  close(): void {
    this.#stopListening();
  }

  /** The one before has lost its line without noticing, as a rule. */
  #takeOver(key: string, other: LiveSession): void {
    const now = this.#clock.monotonic();
    for (const [replica, times] of this.#takeovers) {
      if (times.at(-1)! <= now - MINUTE_MS) this.#takeovers.delete(replica);
    }
    const times = (this.#takeovers.get(key) ?? []).filter((time) => time > now - MINUTE_MS);
    if (times.length >= TAKEOVERS_MAX) {
      throw new Refused(
        "limit",
        "Cannot connect: another client with the same state is connected",
        "was the directory copied together with its .fsync? remove that from the copy",
      );
    }
    this.#takeovers.set(key, [...times, now]);
    this.#end(other, new Refused("closing", "Cannot go on: a new session has taken the place of this one"));
  }

  #end(session: LiveSession, reason: Refused): void {
    this.delete(session);
    session.end(reason);
  }

  /** What comes in one go, e.g. by one command, is looked at once. */
  #reviewSoon(): void {
    if (this.#reviewing) return;
    this.#reviewing = true;
    queueMicrotask(() => {
      this.#reviewing = false;
      for (const session of [...this.#byReplica.values()]) this.#review(session);
    });
  }

  #review(session: LiveSession): void {
    const device = this.#accounts.device(session.device);
    const membership = this.#accounts.membership(session.user, session.folder);
    const gone = device === null || device.revoked || device.user !== session.user || membership === null ||
      membership.rules.length === 0;
    if (gone) return this.#end(session, denied());
    // The rights themselves hold already, in every session; but the client goes by what it was told.
    if (membership !== session.membership) {
      this.#end(session, new Refused("closing", "Cannot go on: what this user may do has changed"));
    }
  }
}

function keyOf({ folder, replica }: LiveSession): string {
  return `${folder}\0${replica}`;
}
