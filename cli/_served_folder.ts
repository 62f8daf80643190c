/** One folder of a running server: its stores, the hub, the replica that keeps its plain tree, its log and its socket. */
import { Engine } from "../client/engine.ts";
import type { EngineEvent } from "../client/events.ts";
import type { State } from "../client/state.ts";
import { displayPath } from "../core/path.ts";
import type { Opens } from "../server/accept.ts";
import { Folder } from "../server/folder.ts";
import { OWNER_SETTING } from "../server/history/folder_history.ts";
import { ownerConnector } from "../server/owner_remote.ts";
import { systemClock } from "../system/clock.ts";
import type { Disk } from "../system/disk.ts";
import { isNetworkFileSystem } from "../system/file_system.ts";
import { systemRandom } from "../system/random.ts";
import { startWatcher, type Watcher, type WatcherHealth } from "../watcher/watcher.ts";
import { changesOf } from "./_commit_log.ts";
import { answerControl, type Controlled } from "./_control.ts";
import type { Journal } from "./_journal.ts";
import type { Output } from "./_output.ts";
import { rootWatch, takeLock } from "./_replica.ts";
import { SOFTWARE } from "./_software.ts";
import { openStores, type Stores } from "./_stores.ts";
import { Upkeep } from "./_upkeep.ts";
import { ownerName } from "./_user.ts";
import { adviseOnWatcher } from "./_watching.ts";

export interface ServedFolderOptions {
  readonly name: string;
  /** Real path of its directory. */
  readonly root: string;
  /** For what concerns this folder. */
  readonly output: Output;
  /** Closed together with the folder. */
  readonly journal: Journal;
  /** By the server's accounts; not asked before the folder is run. */
  readonly opens: Opens;
}

/** What a running folder needs of its server. */
export interface ServedBy {
  /** What its control socket answers beyond the folder itself. */
  readonly control: Pick<
    Controlled,
    "accounts" | "audit" | "folders" | "tls" | "server" | "unserved" | "usage"
  >;
  /** Ends the sessions of the folder, before its stores are closed. */
  readonly endSessions: () => Promise<void>;
}

/** What the plain tree tells about itself. Its changes are commits like all others, or merely follow from them. */
const OWN_TREE_EVENTS: ReadonlySet<EngineEvent["type"]> = new Set([
  "problem",
  "held",
  "disconnected",
  "stuck",
  "state",
]);

export class ServedFolder {
  readonly name: string;
  readonly root: string;
  readonly journal: Journal;
  readonly folder: Folder;
  readonly engine: Engine;
  readonly upkeep: Upkeep;
  readonly #output: Output;
  readonly #release: () => void;
  #watcher: Watcher | null = null;

  private constructor(options: ServedFolderOptions, stores: Stores, unlock: () => void) {
    const { root, journal, output } = options;
    const { records, own, contents, disk, state } = stores;
    this.name = options.name;
    this.root = root;
    this.journal = journal;
    this.#output = output;
    this.#release = () => {
      stores.close();
      unlock();
      journal.close();
    };
    const onCommit = (commit: Parameters<typeof changesOf>[0]) => journal.writeAll(changesOf(commit));
    this.folder = new Folder({ records, contents, clock: systemClock, onCommit, opens: options.opens });
    this.engine = ownEngine(
      {
        root,
        onEvent: (event) => {
          if (OWN_TREE_EVENTS.has(event.type)) journal.note(event);
        },
        onLooked: (ms, directories) => this.#watcher?.scanned(ms, directories),
        onDamaged: (path) =>
          journal.write(
            { type: "damaged", path },
            `Version lost: ${displayPath(path)} was overwritten in place, directly in the server's folder`,
          ),
      },
      this.folder,
      disk,
      state,
    );
    const between = <T>(work: () => T | Promise<T>) => this.folder.between(work);
    const onForgotten = () => this.folder.forgetUsage();
    const parts = { records, own, contents, clock: systemClock, between, onForgotten };
    this.upkeep = new Upkeep(parts, disk, `${root}/.fsync`);
  }

  /** @throws {FolderBusy | RecordsError | ContentsError | StateError | DiskError} */
  static open(options: ServedFolderOptions): ServedFolder {
    const lock = takeLock(options.root, "server");
    let stores: Stores | null = null;
    try {
      stores = openStores(options.root);
      stores.records.setSetting(OWNER_SETTING, ownerName());
      const served = new ServedFolder(options, stores, () => lock.release());
      if (stores.contents.problem !== null) served.#storeProblem(stores.contents.problem);
      return served;
    } catch (error) {
      stores?.close();
      lock.release();
      throw error;
    }
  }

  /** Lets go of a folder that was not run. */
  close(): void {
    this.#release();
  }

  /** How the watcher of the plain tree does, while the folder is run. */
  async health(): Promise<WatcherHealth | null> {
    return await this.#watcher?.health() ?? null;
  }

  /** Serves until `signal` aborts, and then closes everything in order. @throws whatever ends the engine before */
  async run(signal: AbortSignal, { control, endSessions }: ServedBy): Promise<void> {
    const stop = new AbortController();
    const relay = () => stop.abort();
    signal.addEventListener("abort", relay, { once: true });
    if (signal.aborted) relay();
    const { engine, root, upkeep } = this;
    const watcher = this.#watcher = startWatcher(root, {
      clock: systemClock,
      network: isNetworkFileSystem(root),
      onDirty: (dirty) => engine.dirty(dirty),
      signal: stop.signal,
    });
    void adviseOnWatcher(watcher, this.#output);
    const socket = await answerControl(
      { ...control, root, folder: this.name, engine, upkeep, watcher },
      this.#output,
    );
    const tidying = upkeep.whenIdle(this.folder, stop.signal, (problem) => this.#storeProblem(problem));
    try {
      await engine.run(stop.signal);
    } finally {
      signal.removeEventListener("abort", relay);
      stop.abort();
      socket?.close();
      watcher.close();
      await tidying;
      await endSessions();
      await this.folder.idle();
      this.#release();
    }
  }

  #storeProblem(problem: string): void {
    this.#output.warn(`fsync: ${problem}`);
  }
}

export interface OwnTree {
  readonly root: string;
  readonly onEvent: (event: EngineEvent) => void;
  readonly onLooked: (durationMs: number, directories: number) => void;
  readonly onDamaged: (path: string) => void;
}

/** The replica that keeps the plain tree of a folder. */
export function ownEngine(tree: OwnTree, folder: Folder, disk: Disk, state: State): Engine {
  return new Engine({
    disk,
    state,
    clock: systemClock,
    random: systemRandom,
    onEvent: tree.onEvent,
    onLooked: tree.onLooked,
    connector: ownerConnector({
      folder,
      disk,
      clock: systemClock,
      user: ownerName(),
      device: Deno.hostname(),
      software: SOFTWARE,
      onDamaged: tree.onDamaged,
    }),
    folder: "",
    rootProblem: rootWatch(tree.root),
    guard: "local-only",
  });
}
