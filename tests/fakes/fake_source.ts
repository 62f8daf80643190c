import type { SyncPath } from "../../core/path.ts";
import type { Shortage, SourceEvent, WatchSource } from "../../watcher/source.ts";

/** A source whose events the test makes up. */
export class FakeSource implements WatchSource {
  shortage: Shortage | null = null;
  inodes = new Set<number>();
  closed = false;
  readonly #ready = Promise.withResolvers<void>();
  readonly #waiting: SourceEvent[] = [];
  #wake = Promise.withResolvers<void>();
  #failure: Error | null = null;

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  makeReady(): void {
    this.#ready.resolve();
  }

  push(...events: SourceEvent[]): void {
    this.#waiting.push(...events);
    this.#wake.resolve();
  }

  touch(path: string, how: { deep?: boolean; busy?: boolean } = {}): void {
    this.push({ type: "path", path: path as SyncPath, deep: how.deep ?? false, busy: how.busy ?? false });
  }

  /** Ends the iteration with an error. */
  fail(error: Error): void {
    this.#failure = error;
    this.#wake.resolve();
  }

  watchedInodes(): ReadonlySet<number> {
    return this.inodes;
  }

  close(): Promise<void> {
    this.closed = true;
    this.#wake.resolve();
    return Promise.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SourceEvent> {
    while (!this.closed) {
      if (this.#failure !== null) throw this.#failure;
      yield* this.#waiting.splice(0);
      if (this.#waiting.length > 0) continue;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}
