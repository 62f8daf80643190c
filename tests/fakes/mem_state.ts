/** The state of a replica in memory: the twin of `client/sqlite_state.ts`. */
import type { Binding, IgnoredHead, State, StateChange, Synced } from "../../client/state.ts";
import { newBinding, NOWHERE, StateError, type Where } from "../../client/state.ts";
import { invariant } from "../../core/invariant.ts";
import { isAtOrBelow, rebase, type SyncPath } from "../../core/path.ts";
import type { Random } from "../../system/random.ts";

interface Snapshot {
  readonly binding: Binding;
  readonly rows: ReadonlyMap<SyncPath, Synced>;
  readonly chunks: ReadonlyMap<SyncPath, Uint8Array>;
  readonly ignored: ReadonlyMap<SyncPath, IgnoredHead>;
  readonly begun: ReadonlyMap<number, string>;
}

/** Survives `close()`, like a file; use it again for the next run. */
export class MemState implements State {
  readonly #random: Random;
  #binding: Binding;
  #rows = new Map<SyncPath, Synced>();
  #chunks = new Map<SyncPath, Uint8Array>();
  #ignored = new Map<SyncPath, IgnoredHead>();
  #begun = new Map<number, string>();
  #lastNumber = 0;
  #durable: Snapshot;
  /** Writes that a power cut may undo, oldest first. */
  #recent: (() => void)[] = [];
  /** The next write fails with this, and changes nothing. */
  failNextWrite: StateError | null = null;
  /** While it says so, there is no room to write. */
  isFull: () => boolean = () => false;

  constructor(random: Random) {
    this.#random = random;
    this.#binding = this.#newBinding(NOWHERE);
    this.#durable = this.#snapshot();
  }

  binding(): Binding {
    return this.#binding;
  }

  load(): Map<SyncPath, Synced> {
    return new Map(this.#rows);
  }

  ignored(): Map<SyncPath, IgnoredHead> {
    return new Map(this.#ignored);
  }

  chunks(path: SyncPath): Uint8Array | null {
    return this.#chunks.get(path)?.slice() ?? null;
  }

  write(change: StateChange): void {
    const failure = this.failNextWrite;
    if (failure !== null) {
      this.failNextWrite = null;
      throw failure;
    }
    if (this.isFull()) throw new StateError("no_space", "Cannot write the state: the disk is full");
    this.#apply(change);
    this.#recent.push(() => this.#apply(change));
  }

  begin(text: string): number {
    const number = ++this.#lastNumber;
    this.#begun.set(number, text);
    this.#recent.push(() => this.#begun.set(number, text));
    return number;
  }

  begun(): [number, string][] {
    return [...this.#begun];
  }

  // deno-lint-ignore require-await -- the real one waits for the hardware
  async durable(): Promise<void> {
    this.checkpoint();
  }

  reset(): void {
    this.#binding = this.#newBinding(this.#binding);
    this.#rows.clear();
    this.#chunks.clear();
    this.#ignored.clear();
    this.#begun.clear();
    this.checkpoint();
  }

  close(): void {
    // Only memory.
  }

  /** Makes every write so far durable. */
  checkpoint(): void {
    this.#durable = this.#snapshot();
    this.#recent = [];
  }

  /** Writes that a power cut would undo if `kept` is 0. */
  get undurable(): number {
    return this.#recent.length;
  }

  /** Imitates a power cut: of the writes since the last checkpoint only the oldest `kept` are there afterwards. */
  powerCut(kept = 0): void {
    const survivors = this.#recent.slice(0, kept);
    this.#binding = this.#durable.binding;
    this.#rows = new Map(this.#durable.rows);
    this.#chunks = new Map(this.#durable.chunks);
    this.#ignored = new Map(this.#durable.ignored);
    this.#begun = new Map(this.#durable.begun);
    for (const apply of survivors) apply();
    this.checkpoint();
  }

  #apply(change: StateChange): void {
    for (const { from, to, revision } of change.moved ?? []) this.#move(from, to, revision);
    for (const [path, synced, chunks] of change.set ?? []) this.#set(path, synced, chunks);
    for (const path of change.gone ?? []) this.#forget(path);
    for (const [path, head] of change.ignored ?? []) {
      if (head === null) this.#ignored.delete(path);
      else this.#ignored.set(path, head);
    }
    for (const number of change.done ?? []) this.#begun.delete(number);
    this.#binding = { ...this.#binding, ...change.binding };
  }

  #set(path: SyncPath, synced: Synced, chunks: Uint8Array | null): void {
    const { entry, stat } = synced;
    invariant(stat === null || stat.kind === entry.kind, "a synced row's stat is of another kind");
    this.#rows.set(path, { entry, revision: synced.revision, stat });
    if (chunks === null) this.#chunks.delete(path);
    else this.#chunks.set(path, chunks.slice());
  }

  #forget(path: SyncPath): void {
    this.#rows.delete(path);
    this.#chunks.delete(path);
  }

  #move(from: SyncPath, to: SyncPath, revision: number): void {
    invariant(!isAtOrBelow(from, to) && !isAtOrBelow(to, from), "a path is moved into itself");
    for (const path of [...this.#rows.keys()]) if (isAtOrBelow(path, to)) this.#forget(path);
    for (const [path, synced] of [...this.#rows]) {
      if (!isAtOrBelow(path, from)) continue;
      const chunks = this.#chunks.get(path) ?? null;
      this.#forget(path);
      this.#set(rebase(path, from, to), { ...synced, revision }, chunks);
    }
  }

  #newBinding(where: Where): Binding {
    return newBinding(this.#random.bytes(16).toHex(), where);
  }

  #snapshot(): Snapshot {
    return {
      binding: this.#binding,
      rows: new Map(this.#rows),
      chunks: new Map(this.#chunks),
      ignored: new Map(this.#ignored),
      begun: new Map(this.#begun),
    };
  }
}
