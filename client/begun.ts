/**
 * What was begun and whose end is not in the state yet. It is noted before it is done, so that after a crash, or when
 * an answer got lost, it is told from what the user did. `docs/store.md` says what is recognised by what.
 */
import type { Entry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Revision } from "../protocol/messages.ts";
import type { State } from "./state.ts";

/** Every part may be left out. */
export interface Note {
  /** Uploads: what a path becomes by it, `null`: nothing. See `unanswered.ts`. */
  readonly sent?: readonly (readonly [SyncPath, Entry | null])[];
  /** With what is sent: the {@link Disk.boot} in which it stood here. */
  readonly boot?: string;
  /** Renames sent to the server: from, to. */
  readonly renames?: readonly (readonly [SyncPath, SyncPath])[];
  /** What takes its place here, as which revision, and its name in the staging area. See `recovery.ts`. */
  readonly placed?: readonly (readonly [SyncPath, Entry, Revision, string])[];
  /** What is removed here. */
  readonly removed?: readonly SyncPath[];
  /** What is moved here: from, to, and what it then is. */
  readonly moved?: readonly (readonly [SyncPath, SyncPath, Entry])[];
}

export class Begun {
  readonly #state: State;
  readonly #open = new Set<number>();
  #finished: number[] = [];
  #ready: Promise<void> = Promise.resolve();

  constructor(state: State) {
    this.#state = state;
  }

  /** Takes note, before anything of it is done. @throws {StateError} */
  begin(note: Note): number {
    const number = this.#state.begin(JSON.stringify(note));
    this.#open.add(number);
    return number;
  }

  /** Makes every note so far survive a power cut. Those who wait go on in the order in which they asked. */
  async durable(): Promise<void> {
    const ready = this.#ready.then(() => this.#state.durable());
    this.#ready = ready.catch(() => {});
    await ready;
  }

  /** It has ended: what came of it is in the trees. */
  finish(number: number): void {
    if (this.#open.delete(number)) this.#finished.push(number);
  }

  /** Whether the state still has what is finished. */
  get hasFinished(): boolean {
    return this.#finished.length > 0;
  }

  /** What the state may forget together with what is agreed on by now. */
  takeFinished(): number[] {
    return this.#finished.splice(0);
  }

  /** What the state has, oldest first; what nobody in this process is about any more counts as finished. */
  recall(): (readonly [number: number, note: Note])[] {
    const all = this.#state.begun().map(([number, text]) => [number, JSON.parse(text) as Note] as const);
    this.#finished = all.map(([number]) => number).filter((number) => !this.#open.has(number));
    return all;
  }

  /** Names in the staging area of what is noted to get its place. */
  placedNames(): Set<string> {
    const names = new Set<string>();
    for (const [, text] of this.#state.begun()) {
      for (const [, , , name] of (JSON.parse(text) as Note).placed ?? []) names.add(name);
    }
    return names;
  }

  /** Keeps a note that {@link recall} told of. */
  keep(number: number): void {
    this.#finished = this.#finished.filter((one) => one !== number);
    this.#open.add(number);
  }
}
