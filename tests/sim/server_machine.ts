/** The server of a simulated world: production folder, sessions and owner's engine over memory. */
import { Engine } from "../../client/engine.ts";
import type { EngineEvent } from "../../client/events.ts";
import type { Access, Rights } from "../../core/access.ts";
import type { SyncPath } from "../../core/path.ts";
import { MAIN_FOLDER } from "../../server/accounts/accounts.ts";
import { tokenHash } from "../../server/auth.ts";
import { Folder } from "../../server/folder.ts";
import { ownerConnector } from "../../server/owner_remote.ts";
import { Greeter } from "../../server/greet.ts";
import { ContentsError } from "../../server/store/contents.ts";
import type { Commit } from "../../server/store/records.ts";
import type { Listener } from "../../system/link.ts";
import type { SkewedClock } from "../fakes/manual_clock.ts";
import { MemAccounts } from "../fakes/mem_accounts.ts";
import { MemContents, type PrivateFiles } from "../fakes/mem_contents.ts";
import { MemDisk } from "../fakes/mem_disk.ts";
import type { MemNetwork } from "../fakes/mem_network.ts";
import { MemRecords } from "../fakes/mem_records.ts";
import { MemState } from "../fakes/mem_state.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { Life, mortal, mortalDisk, mortalState, ProcessKilled } from "./life.ts";
import type { Ports } from "./ports.ts";
import { unansweredIn } from "./unanswered.ts";
import { WatchEvents } from "./watch_events.ts";

export const SERVER = "server";

/** How long the hardware takes, ms. */
const SYNC_MS_MAX = 24;

export interface ServerParts {
  readonly clock: SkewedClock;
  readonly random: SeededRandom;
  readonly network: MemNetwork;
  readonly granularityUs: number;
  readonly ports: Ports;
  /** A commit is durable. */
  readonly onCommit: (commit: Commit) => void;
  readonly onEvent: (event: EngineEvent) => void;
  /** Something failed that must not. */
  readonly onFailure: (error: unknown) => void;
}

export class ServerMachine {
  readonly name = SERVER;
  readonly disk: MemDisk;
  readonly clock: SkewedClock;
  readonly watch: WatchEvents;
  state: MemState;
  records: MemRecords;
  contents: MemContents;
  engine: Engine | null = null;
  readonly #parts: ServerParts;
  readonly accounts: MemAccounts;
  #identity: bigint;
  #life: Life | null = null;
  #listener: Listener | null = null;
  #greeter: Greeter | null = null;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.disk = new MemDisk({ clock: () => parts.clock.now(), granularityUs: parts.granularityUs });
    this.state = new MemState(parts.random.fork());
    this.#identity = parts.random.fork().seed;
    this.records = new MemRecords(new SeededRandom(this.#identity), parts.clock);
    // A seed of its own: worlds that were found by their seed stay what they are.
    this.accounts = new MemAccounts(new SeededRandom(1n), parts.clock);
    this.accounts.setOwner("owner");
    this.contents = this.#makeContents();
    this.watch = new WatchEvents(parts.clock, parts.random.fork(), parts.ports.hint);
    this.disk.onEvent = (path) => this.watch.note(path);
  }

  #makeContents(): MemContents {
    const { clock, random } = this.#parts;
    return new MemContents(privateFiles(this.disk), { syncData: () => clock.sleep(random.int(SYNC_MS_MAX)) });
  }

  get alive(): boolean {
    return this.#life?.alive ?? false;
  }

  addDevice(id: string, name: string, user: string, token: Uint8Array): void {
    this.accounts.addUser({ name: user });
    const right = { access: "write", history: true } as const;
    this.accounts.grant(MAIN_FOLDER, null, { kind: "user", name: user }, right);
    this.accounts.addDevice({ id, name, user, tokenHash: tokenHash(token) });
  }

  /** Changes what a user may do, in the place of all that it might. What is left out, is forbidden. */
  regrant(user: string, rights: ReadonlyMap<SyncPath | null, Access>): void {
    const subject = { kind: "user", name: user } as const;
    for (const grant of [...this.accounts.grants(MAIN_FOLDER)]) {
      if (grant.subject.name !== user || rights.has(grant.prefix)) continue;
      this.accounts.grant(MAIN_FOLDER, grant.prefix, subject, null);
    }
    for (const [prefix, access] of rights) {
      this.accounts.grant(MAIN_FOLDER, prefix, subject, { access, history: false });
    }
  }

  /** What a user may do. */
  rightsOf(user: string): Rights {
    return this.accounts.membership(user, MAIN_FOLDER)!.rights;
  }

  start(): void {
    const { clock, random, network, ports, onCommit, onEvent, onFailure } = this.#parts;
    const life = new Life(() => {
      this.#listener?.close();
      network.cutAll(SERVER);
      void this.#greeter?.close();
    });
    this.#life = life;
    const disk = ports.serverDisk(
      mortalDisk(this.disk, life, () => this.#aWhile(), () => this.state.checkpoint()),
    );
    const records = mortal(this.records, life);
    const contents = mortal(this.contents, life);
    const folder = ports.folder(
      new Folder({
        records,
        contents,
        clock,
        onCommit,
        opens: (from, to) => this.accounts.opens(MAIN_FOLDER, from, to),
      }),
    );
    const engine = new Engine({
      disk,
      state: ports.state(mortalState(this.state, life, () => this.#aWhile())),
      clock,
      random: random.fork(),
      onEvent,
      connector: ownerConnector({
        folder,
        disk,
        clock,
        user: "owner",
        device: SERVER,
        software: "sim",
        onDamaged: () => {},
      }),
      folder: "",
      rootProblem: () => null,
      guard: "local-only",
    });
    this.engine = engine;
    const watched = (error: unknown) => {
      if (life.alive && !(error instanceof ProcessKilled)) onFailure(error);
    };
    this.watch.follow(life, engine);
    engine.run(new AbortController().signal).catch(watched);
    this.#greeter = new Greeter({
      accounts: this.accounts,
      folder: () => folder,
      clock,
      software: "sim",
      caPem: "",
      limits: { connections: 1000, strangers: 100 },
      events: {
        onOpen: () => {},
        onClose: () => {},
        onJoined: () => {},
        onFailed: () => {},
        onBug: watched,
      },
    });
    this.#listener = network.listen(SERVER);
    this.#accept(this.#listener, this.#greeter).catch(watched);
  }

  async #accept(listener: Listener, greeter: Greeter): Promise<void> {
    for (;;) {
      const link = await listener.accept();
      if (link === null) return;
      void greeter.serve(link);
    }
  }

  kill(): void {
    this.#life?.kill();
    this.engine = null;
    this.contents.close();
  }

  async #aWhile(): Promise<void> {
    await this.clock.sleep(this.#parts.random.int(SYNC_MS_MAX / 2));
  }

  /** The server's directory is lost. It comes back empty: as it was at its first start, or as another folder. */
  loseEverything(sameIdentity: boolean): void {
    this.kill();
    for (const path of this.disk.user.tree().keys()) if (!path.includes("/")) this.disk.user.removeTree(path);
    for (const name of this.disk.privateList()) this.disk.privateRemove(name);
    this.disk.user.sync();
    if (!sameIdentity) this.#identity++;
    this.state = new MemState(this.#parts.random.fork());
    this.records = new MemRecords(new SeededRandom(this.#identity), this.clock);
    this.contents = this.#makeContents();
  }

  killAfter(calls: number): void {
    this.#life?.killAfter(calls);
  }

  /** What a killed process leaves, when it killed itself in the middle of a call. Whether it did. */
  reap(): boolean {
    if (this.#life === null || this.#life.alive || this.engine === null) return false;
    this.kill();
    return true;
  }

  /** @returns paths of what had been sent, of which nobody knows any more whether it arrived */
  powerCut(random: SeededRandom): string[] {
    this.kill();
    this.disk.powerCut(() => random.fraction());
    const sent = unansweredIn(this.state);
    this.state.powerCut(random.int(this.state.undurable + 1));
    this.contents.powerCut();
    this.records.powerCut();
    return [...sent, ...unansweredIn(this.state)];
  }
}

/** The part of the server's disk where large contents lie. The store makes durable what it writes. */
function privateFiles(disk: MemDisk): PrivateFiles {
  return {
    read: (name) => disk.privateRead(name),
    write(name, bytes) {
      // A new file under the name, as after a rename: the plain tree keeps the one it has.
      disk.privateRemove(name);
      try {
        disk.privateWrite(name, bytes);
      } catch (error) {
        disk.privateRemove(name);
        // What was only to be resumed is sent again.
        if (name.startsWith("incoming/")) return;
        throw new ContentsError("no_space", `Cannot keep a content: ${(error as Error).message}`);
      }
      disk.inodes.makeDurable();
    },
    remove: (name) => disk.privateRemove(name),
    list: (prefix) => disk.privateList(prefix),
  };
}
