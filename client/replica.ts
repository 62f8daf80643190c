/**
 * What the parts of a replica share: its trees, its disk, its state, and how they report. One replica is one folder on
 * disk that is kept in step with one folder of a server.
 */
import { ChunkList } from "../core/chunk.ts";
import type { SyncPath } from "../core/path.ts";
import type { Clock } from "../system/clock.ts";
import type { Disk, Staged } from "../system/disk.ts";
import type { Random } from "../system/random.ts";
import { Begun } from "./begun.ts";
import type { EngineEvent } from "./events.ts";
import { Room } from "./room.ts";
import { recover } from "./recovery.ts";
import type { Binding, State } from "./state.ts";
import { type Found, type Problem, Trees } from "./trees.ts";
import { Unanswered } from "./unanswered.ts";
import { WriteGate } from "./write_gate.ts";

export interface ReplicaParts {
  readonly disk: Disk;
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: EngineEvent) => void;
  /** For tests. */
  readonly headsBytesMax?: number;
}

export class Replica {
  readonly disk: Disk;
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly trees: Trees;
  /** Paths whose large content is being transferred; looks and plans leave them alone. */
  readonly busy = new Set<SyncPath>();
  /** Paths to look at again, because they were not what the plan had seen. */
  readonly lookAgain = new Map<SyncPath, "shallow" | "deep">();
  /** Paths that just changed and have to be looked at again a little later. */
  readonly unsteady = new Map<SyncPath, "shallow" | "deep">();
  /** Paths that changed so lately that another change could look the same; looked at again when that has passed. */
  readonly unsure = new Set<SyncPath>();
  /** Greatest revision that the server gave to a change of ours. */
  ownRevision = 0;
  /** Paths whose step failed; not tried again before something changes or a full look. */
  readonly blocked = new Set<SyncPath>();
  readonly emit: (event: EngineEvent) => void;
  readonly writes: WriteGate;
  readonly room: Room;
  /** Paths whose bytes have to be sent: the server does not take them from a version that it has. */
  readonly unshared = new Set<SyncPath>();
  readonly begun: Begun;
  readonly unanswered: Unanswered;
  /** Changes that were told of, so that a second try is not told as a second change. */
  readonly announced = new Map<SyncPath, Found | null>();
  /** Called when something was written to the state. */
  onWritten: () => void = () => {};
  #lastWrite: Promise<void> = Promise.resolve();
  /** Whether what the state says survives a power cut. */
  #isDurable = true;
  #isRecovered = false;
  readonly #unwanted: Staged[] = [];

  constructor(parts: ReplicaParts) {
    this.disk = parts.disk;
    this.state = parts.state;
    this.clock = parts.clock;
    this.random = parts.random;
    this.trees = new Trees({ headsBytesMax: parts.headsBytesMax });
    this.emit = parts.onEvent;
    this.room = new Room(this);
    this.writes = new WriteGate({ trees: this.trees, clock: parts.clock, emit: parts.onEvent });
    this.begun = new Begun(parts.state);
    this.unanswered = new Unanswered(this.trees, this.begun, parts.disk, (path) => {
      if (!this.lookAgain.has(path)) this.lookAgain.set(path, "shallow");
    });
    this.#load();
  }

  #load(): void {
    this.trees.load(this.state.load(), this.state.binding(), this.state.ignored());
    const notes = this.begun.recall();
    recover(this, notes.map(([, note]) => note));
    this.unanswered.load(notes);
  }

  /**
   * To be called before anything is staged: what an earlier process has left in the staging area tells of what it did
   * until that is written down.
   *
   * @throws {DiskError | StateError}
   */
  async begin(): Promise<void> {
    if (this.#isRecovered) return;
    await this.settle();
    this.clearStage(() => true);
    this.#isRecovered = true;
  }

  /**
   * Empties the staging area, but for what is noted: gone from there, it would look as if it had got its place.
   * @throws {DiskError | StateError}
   */
  clearStage(keep: (key: string) => boolean): void {
    this.disk.clearStage(keep, this.begun.placedNames());
  }

  /** The chunk list of the synced content at `path`, `null` if it is small or unknown. */
  chunks(path: SyncPath): ChunkList | null {
    const bytes = this.trees.waitingChunks.get(path) ?? this.state.chunks(path);
    return bytes === null ? null : new ChunkList(bytes);
  }

  /**
   * Makes everything on disk durable, and then writes what was agreed on before: the state is never ahead of the disk,
   * or a file that a power cut took would look like a user's delete.
   *
   * @throws {DiskError | StateError} then the trees in memory are ahead, and {@link reload} is needed
   */
  makeDurable(): Promise<void> {
    const known = this.#known();
    const change = {
      ...this.trees.takePending((path) => this.state.chunks(path)),
      done: this.begun.takeFinished(),
    };
    const write = this.#lastWrite.then(async () => {
      await this.disk.sync();
      const moved = this.#isNews(known);
      const { set, gone, ignored, done } = change;
      const size = set.length + gone.length + change.moved.length + ignored.length + done.length;
      if (size === 0 && !moved) return;
      this.#isDurable = false;
      this.state.write(moved ? { ...change, binding: known } : change);
      this.trees.written(change);
      this.onWritten();
    });
    // One failure must not make every later write fail: the caller of this one decides.
    this.#lastWrite = write.catch(() => {});
    return write;
  }

  /** The same, if there is anything to write. */
  async flush(): Promise<void> {
    if (this.trees.hasPending || this.begun.hasFinished || this.#isNews(this.#known())) {
      await this.makeDurable();
    } else await this.#lastWrite;
  }

  /** The same, and so that it survives a power cut. @throws {DiskError | StateError} */
  async settle(): Promise<void> {
    const unwanted = this.#unwanted.length;
    await this.flush();
    if (!this.#isDurable) {
      // What is written meanwhile is not covered.
      this.#isDurable = true;
      await this.state.durable().catch((error) => {
        this.#isDurable = false;
        throw error;
      });
    }
    for (const staged of this.#unwanted.splice(0, unwanted)) this.disk.discard(staged);
  }

  /**
   * Throws a staged thing away that was noted as begun: only when the note is gone for good, or after a crash it would
   * look as if it had got its place.
   */
  discard(staged: Staged): void {
    this.#unwanted.push(staged);
  }

  /** How far the server is known. A new view is remembered only with what its listing left to do. */
  #known(): Pick<Binding, "cursor" | "seen" | "view"> {
    return { cursor: this.trees.cursor(), seen: this.trees.seen, view: this.trees.view };
  }

  #isNews({ cursor, seen, view }: Pick<Binding, "cursor" | "seen" | "view">): boolean {
    const stored = this.state.binding();
    return cursor !== stored.cursor || seen !== stored.seen || view !== stored.view;
  }

  /** Goes back to what the state says. */
  reload(): void {
    this.trees.clear();
    this.blocked.clear();
    this.lookAgain.clear();
    this.unsteady.clear();
    this.unsure.clear();
    this.#load();
  }

  /** Notes that a step failed, and says so once. `noSpace`: for want of room, on the side that it would have changed. */
  problem(path: SyncPath, reason: string, at: Problem["at"], noSpace = false): void {
    this.blocked.add(path);
    const known = this.trees.problems.get(path);
    this.trees.problems.set(path, { path, reason, at, ...noSpace && { noSpace } });
    if (noSpace && at === "pull") this.room.note();
    if (known?.reason !== reason) this.emit({ type: "problem", path, reason });
  }

  /** The server accepted a change of ours as `revision`. */
  noteOwn(revision: number): void {
    this.ownRevision = Math.max(this.ownRevision, revision);
  }

  /** Tells of a local change, once. */
  announce(path: SyncPath, found: Found): void {
    if (found.entry.kind === "dir" || this.announced.get(path) === found) return;
    this.announced.set(path, found);
    this.emit({ type: "detected", change: this.trees.synced.has(path) ? "modified" : "new", path });
  }

  /** Tells of a local delete, once. */
  announceDelete(path: SyncPath): void {
    if (this.announced.get(path) === null || this.trees.synced.get(path)?.entry.kind === "dir") return;
    this.announced.set(path, null);
    this.emit({ type: "detected", change: "deleted", path });
  }

  clearProblem(path: SyncPath): void {
    this.blocked.delete(path);
    const { problems } = this.trees;
    if (problems.size > 0 && problems.get(path)?.at !== "look") problems.delete(path);
  }
}
