/**
 * One client that wants to hear of changes. Notices wait here while the link is busy, up to a bound: whoever is slower
 * is told to look again instead of being queued for without end.
 */
import { ITEMS_MAX, NOTICES_QUEUED_MAX } from "../protocol/limits.ts";
import type { Changes, Id, LookAgain, Notice, Revision } from "../protocol/messages.ts";
import type { Caller } from "./caller.ts";

export type Tell = (message: Changes | LookAgain) => Promise<void>;

export class Subscriber {
  readonly caller: Caller;
  /** Uploads of this replica that are accepted, but whose answer it may not have yet. */
  unanswered = 0;
  /** The last revision that an upload of this replica got. */
  ownRevision: Revision = 0;
  readonly #tell: Tell;
  #queue: Notice[] = [];
  #upTo: Revision;
  #told: Revision;
  #conflicts: number;
  #toldConflicts: number;
  #busy = false;
  #closed = false;

  /** The receiver knows, or is being told, of everything up to `upTo`, and of so many open conflicts. */
  constructor(options: { caller: Caller; upTo: Revision; conflicts: number; tell: Tell }) {
    this.caller = options.caller;
    this.#upTo = options.upTo;
    this.#told = options.upTo;
    this.#conflicts = this.#toldConflicts = options.conflicts;
    this.#tell = options.tell;
  }

  get replica(): Id {
    return this.caller.actor.replica;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Tells of notices; with `upTo`, that everything up to there is known then. */
  push(notices: readonly Notice[], upTo: Revision | null, conflicts: number): void {
    if (this.#closed) return;
    if (this.#queue.length + notices.length > NOTICES_QUEUED_MAX) return this.#giveUp();
    for (const notice of notices) this.#queue.push(notice);
    if (upTo !== null) this.#upTo = Math.max(this.#upTo, upTo);
    this.#conflicts = conflicts;
    if (!this.#busy) void this.#pump();
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  #giveUp(): void {
    this.close();
    this.#tell({ type: "lookAgain" }).catch(() => {});
  }

  #hasNews(): boolean {
    return this.#queue.length > 0 || this.#upTo > this.#told || this.#conflicts !== this.#toldConflicts;
  }

  async #pump(): Promise<void> {
    this.#busy = true;
    try {
      while (!this.#closed && this.#hasNews()) {
        const notices = this.#queue.splice(0, ITEMS_MAX);
        const more = this.#queue.length > 0;
        // What is still queued lies at or below `upTo`: it is said only with the last of it.
        const upTo = more ? this.#told : this.#upTo;
        this.#told = upTo;
        this.#toldConflicts = this.#conflicts;
        await this.#tell({ type: "changes", notices, upTo, more: false, conflicts: this.#conflicts });
      }
    } catch {
      // The link is gone; its session ends by itself.
      this.close();
    } finally {
      this.#busy = false;
    }
  }
}
