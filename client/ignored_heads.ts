/** What the server holds at paths that are ignored here, and what of that is not written to the state yet. */
import { ancestorsOf, type SyncPath } from "../core/path.ts";
import type { IgnoredHead } from "./state.ts";

export class IgnoredHeads {
  readonly #heads = new Map<SyncPath, IgnoredHead>();
  #pending = new Map<SyncPath, IgnoredHead | null>();
  /** Directories above the heads, made when somebody asks. */
  #above: ReadonlySet<SyncPath> | null = null;

  load(heads: ReadonlyMap<SyncPath, IgnoredHead>): void {
    for (const [path, head] of heads) this.#heads.set(path, head);
    this.#above = null;
  }

  get size(): number {
    return this.#heads.size;
  }

  get(path: SyncPath): IgnoredHead | undefined {
    return this.#heads.get(path);
  }

  has(path: SyncPath): boolean {
    return this.#heads.has(path);
  }

  keys(): MapIterator<SyncPath> {
    return this.#heads.keys();
  }

  [Symbol.iterator](): MapIterator<[SyncPath, IgnoredHead]> {
    return this.#heads[Symbol.iterator]();
  }

  set(path: SyncPath, head: IgnoredHead): void {
    if (!this.#heads.has(path)) this.#above = null;
    this.#heads.set(path, head);
    this.#pending.set(path, head);
  }

  delete(path: SyncPath): void {
    if (!this.#heads.delete(path)) return;
    this.#pending.set(path, null);
    this.#above = null;
  }

  clear(): void {
    this.#heads.clear();
    this.#pending.clear();
    this.#above = null;
  }

  /** Whether the server holds something below `dir` that is ignored here. */
  hasBelow(dir: SyncPath): boolean {
    if (this.#above === null) {
      const above = new Set<SyncPath>();
      for (const path of this.#heads.keys()) {
        for (const up of ancestorsOf(path)) {
          if (above.has(up)) break;
          above.add(up);
        }
      }
      this.#above = above;
    }
    return this.#above.has(dir);
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** What has to be written to the state. */
  takePending(): [SyncPath, IgnoredHead | null][] {
    const pending = [...this.#pending];
    this.#pending = new Map();
    return pending;
  }
}
