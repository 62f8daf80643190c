/**
 * When appended blocks are durable, and who must be told that they are not. One flush runs at a time; what is appended
 * meanwhile belongs to the next.
 */
import { ContentsError } from "./contents.ts";

export class GroupSync {
  readonly #flush: () => Promise<void>;
  #running: Promise<void> | null = null;
  #appended = 0;
  #failures = 0;
  /** Blocks were lost whose writer has not been told. */
  #lost = false;

  /** @param flush makes all that was appended before durable, or gives up all that is not */
  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  /** Something was appended. */
  note(): void {
    this.#appended++;
  }

  get running(): boolean {
    return this.#running !== null;
  }

  /** @throws {ContentsError} if something that was appended before this call is lost */
  async sync(): Promise<void> {
    const failures = this.#failures;
    while (this.#running !== null) await this.#running.catch(() => {});
    if (this.#lost || this.#failures !== failures) {
      this.#lost = false;
      throw new ContentsError(
        "io",
        "Cannot make contents durable: an earlier attempt failed, and they went with it",
      );
    }
    const appended = this.#appended;
    this.#running = this.#flush();
    try {
      await this.#running;
    } catch (error) {
      // What was appended meanwhile is given up too; its writer learns it at the next sync.
      this.#lost = this.#appended !== appended;
      this.#failures++;
      throw error;
    } finally {
      this.#running = null;
    }
  }
}
