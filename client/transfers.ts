/** Large contents on their way, beside the stream of small changes: a few at a time, each path at most once. */
import type { ContentId } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Replica } from "./replica.ts";

/** Two keep disk and link busy; more would only share them. */
const TRANSFERS_MAX = 2;

export class Transfers {
  readonly #replica: Replica;
  readonly #running = new Map<SyncPath, Promise<void>>();
  /** Contents under way: two paths with the same one must not share a staged file. */
  readonly #contents = new Set<ContentId>();
  #failure: unknown = null;
  /** Called when a transfer ended, so that the engine plans again. */
  onEnd: () => void = () => {};

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Begins `work` for `path` when there is room, and returns then. @throws what ended the conversation */
  async start(path: SyncPath, content: ContentId, work: () => Promise<void>): Promise<void> {
    while (this.#running.size >= TRANSFERS_MAX || this.#contents.has(content)) {
      await Promise.race(this.#running.values());
    }
    if (this.#failure !== null) throw this.#failure;
    if (this.#running.has(path)) return;
    this.#replica.busy.add(path);
    this.#contents.add(content);
    const running = work()
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#running.delete(path);
        this.#contents.delete(content);
        this.#replica.busy.delete(path);
        // Looks left it alone meanwhile.
        if (!this.#replica.lookAgain.has(path)) this.#replica.lookAgain.set(path, "deep");
        this.onEnd();
      });
    this.#running.set(path, running);
  }

  /** Resolves when nothing is under way. @throws what ended the conversation */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
    if (this.#failure !== null) throw this.#failure;
  }
}
