/** Logs the conflicts that others' uploads bring to this user; whoever uploads learns it with the answer. */
import { UnreachableError } from "../client/errors.ts";
import { WireHistory } from "../client/wire_history.ts";
import type { WireRemote } from "../client/wire_remote.ts";
import { displayPath } from "../core/path.ts";
import type { PastConflict } from "../protocol/history.ts";
import type { ConflictCopies } from "./_conflict_copies.ts";
import type { Journal } from "./_journal.ts";

export class ConflictNews {
  readonly #journal: Journal;
  /** Ids that were logged, or were open before we came. */
  #known: Set<number> | null = null;
  /** Conflicts that our own uploads met. */
  readonly #own = new Set<string>();

  readonly #copies: ConflictCopies | null;

  constructor(journal: Journal, copies: ConflictCopies | null) {
    this.#journal = journal;
    this.#copies = copies;
  }

  /** An upload of this folder met another edit: that is logged already. */
  noteOwn(event: { readonly path: string; readonly reason: string }): void {
    this.#own.add(`${event.path}\n${event.reason}`);
  }

  /** Follows a new conversation with the server. */
  listen(remote: WireRemote): void {
    remote.onConflicts = () => void this.#look(remote);
    void this.#look(remote);
  }

  async #look(remote: WireRemote): Promise<void> {
    try {
      const history = new WireHistory(remote);
      const open = await history.conflicts({ open: true });
      this.#take(open);
      await this.#copies?.take(history, open);
    } catch (error) {
      // If the connection has ended, the next conversation asks again.
      if (error instanceof UnreachableError) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#journal.write({ type: "problem", reason }, `Problem: ${displayPath(reason)}`);
    }
  }

  #take(open: readonly PastConflict[]): void {
    const known = this.#known;
    this.#known = new Set(open.map(({ id }) => id));
    if (known === null) return;
    for (const conflict of open) {
      if (known.has(conflict.id) || this.#own.delete(`${conflict.path}\n${conflict.reason}`)) continue;
      this.#journal.write(record(conflict), sentence(conflict));
    }
  }
}

function record({ id, path, reason, winner, loser, base }: PastConflict) {
  const revision = (side: PastConflict["winner"]) => side?.revision ?? null;
  const sides = { winner: revision(winner), loser: revision(loser), base: revision(base) };
  return { type: "conflict", conflict: id, path, reason, ...sides };
}

function sentence({ path, reason, loser }: PastConflict): string {
  const saved = loser === null ? "" : `; ${displayPath(loser.author.user)}'s saved as ` +
    (loser.path === path ? `version ${loser.revision}` : displayPath(loser.path));
  return `Conflict detected: ${displayPath(path)}: ${displayPath(reason)}${saved}`;
}
