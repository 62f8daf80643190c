/** A client of a simulated world: the production engine over a memory disk, state and network. */
import { Engine } from "../../client/engine.ts";
import type { EngineStatus } from "../../client/engine_status.ts";
import { UnreachableError } from "../../client/errors.ts";
import type { EngineEvent } from "../../client/events.ts";
import { talk } from "../../client/wire_remote.ts";
import type { Connector } from "../../protocol/remote.ts";
import { ConnectError } from "../../system/link_errors.ts";
import type { SkewedClock } from "../fakes/manual_clock.ts";
import { MemDisk } from "../fakes/mem_disk.ts";
import type { MemNetwork } from "../fakes/mem_network.ts";
import { MemState } from "../fakes/mem_state.ts";
import type { SeededRandom } from "../fakes/seeded_random.ts";
import { Life, mortalDisk, mortalState, ProcessKilled } from "./life.ts";
import type { Ports } from "./ports.ts";
import { SERVER } from "./server_machine.ts";
import { unansweredIn } from "./unanswered.ts";
import { WatchEvents } from "./watch_events.ts";

/** How long the hardware takes, ms. */
const SYNC_MS_MAX = 24;

export interface ClientParts {
  readonly name: string;
  readonly clock: SkewedClock;
  readonly random: SeededRandom;
  readonly network: MemNetwork;
  readonly granularityUs: number;
  readonly groupShared: boolean;
  readonly ports: Ports;
  readonly onEvent: (event: EngineEvent) => void;
  readonly onFailure: (error: unknown) => void;
}

export type PassEnd =
  | { readonly status: EngineStatus; readonly error: null }
  | { readonly status: null; readonly error: Error };

export class ClientMachine {
  readonly name: string;
  readonly disk: MemDisk;
  readonly clock: SkewedClock;
  readonly watch: WatchEvents;
  readonly deviceId: string;
  readonly deviceToken: Uint8Array;
  state: MemState;
  /** Ignore rules of this device alone. */
  excludes = "";
  /** Why the root cannot be trusted, as the command would find. */
  rootProblem: string | null = null;
  engine: Engine | null = null;
  /** The last pass that ended. */
  lastEnd: PassEnd | null = null;
  /** Fatal ends of `run` that a person has to act on. */
  watchEnd: Error | null = null;
  readonly #parts: ClientParts;
  #life: Life | null = null;
  #callsOfNext = Infinity;
  #passing: Promise<PassEnd> | null = null;
  #stop: AbortController | null = null;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.clock = parts.clock;
    this.disk = new MemDisk({
      clock: () => parts.clock.now(),
      granularityUs: parts.granularityUs,
      groupShared: parts.groupShared,
    });
    this.state = new MemState(parts.random.fork());
    this.deviceId = parts.random.bytes(16).toHex();
    this.deviceToken = parts.random.bytes(32);
    this.watch = new WatchEvents(parts.clock, parts.random.fork(), parts.ports.hint);
    this.disk.onEvent = (path) => this.watch.note(path);
  }

  /** Whether a process runs. */
  get running(): boolean {
    return this.#life?.alive === true && this.engine !== null;
  }

  get watching(): boolean {
    return this.running && this.#stop !== null;
  }

  get passing(): boolean {
    return this.#passing !== null;
  }

  #boot(): { engine: Engine; life: Life } {
    const { network, clock, random, ports, onEvent } = this.#parts;
    const life = new Life(() => network.cutAll(this.name));
    const disk = ports.disk(mortalDisk(this.disk, life, () => this.#aWhile(), () => this.state.checkpoint()));
    const engine = new Engine({
      disk,
      state: ports.state(mortalState(this.state, life, () => this.#aWhile())),
      clock,
      random: random.fork(),
      onEvent,
      connector: this.#connector(life),
      folder: "",
      rootProblem: () => this.rootProblem,
      guard: "on",
      ignore: () => ({
        excludes: this.excludes,
        excludesSource: ".fsync/exclude",
        builtin: true,
        git: false,
      }),
    });
    life.killAfter(this.#callsOfNext);
    this.#callsOfNext = Infinity;
    this.#life = life;
    this.engine = engine;
    return { engine, life };
  }

  #connector(life: Life): Connector {
    const { network, clock } = this.#parts;
    return {
      connect: async (hello, signal) => {
        try {
          const link = await network.connect(SERVER, this.name, signal);
          if (!life.alive) {
            link.close();
            throw new ProcessKilled();
          }
          const fields = { ...hello, software: "sim", device: this.deviceId, token: this.deviceToken };
          return await talk(link, fields, clock);
        } catch (error) {
          if (error instanceof ConnectError) throw new UnreachableError(error.message, error.hint);
          throw error;
        }
      },
    };
  }

  /** One pass in a process of its own; if one runs already, that one. Never rejects. */
  pass(prepare: (engine: Engine) => void = () => {}): Promise<PassEnd> {
    if (this.#passing !== null) return this.#passing;
    const { engine, life } = this.#boot();
    prepare(engine);
    const passing = engine.pass(new AbortController().signal).then(
      (status): PassEnd => ({ status, error: null }),
      (error): PassEnd => {
        const expected = error instanceof Error && EXPECTED.has(error.name);
        if (!expected && life.alive) this.#parts.onFailure(error);
        return { status: null, error };
      },
    ).then((end) => {
      if (this.#passing === passing) {
        this.#passing = null;
        this.engine = null;
      }
      this.lastEnd = end;
      return end;
    });
    this.#passing = passing;
    return passing;
  }

  /** Starts `watch`. */
  startWatch(): void {
    if (this.running) return;
    const { engine, life } = this.#boot();
    const stop = new AbortController();
    this.#stop = stop;
    this.watchEnd = null;
    this.watch.follow(life, engine);
    engine.run(stop.signal).then(() => {}, (error) => {
      if (!life.alive) return;
      if (error instanceof Error && EXPECTED.has(error.name)) this.watchEnd = error;
      else this.#parts.onFailure(error);
      this.engine = null;
      this.#stop = null;
    });
  }

  kill(): void {
    this.#life?.kill();
    this.engine = null;
    this.#passing = null;
    this.#stop = null;
    this.watch.unfollow();
  }

  async #aWhile(): Promise<void> {
    await this.clock.sleep(this.#parts.random.int(SYNC_MS_MAX / 2));
  }

  /** Kills the process that runs, or the next one, after so many calls. */
  killAfter(calls: number): void {
    if (this.running) this.#life!.killAfter(calls);
    else this.#callsOfNext = calls;
  }

  /** Takes note that the process killed itself in the middle of a call. Whether it did. */
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
    return [...sent, ...unansweredIn(this.state)];
  }

  /** The state database is lost. */
  loseState(): void {
    this.kill();
    this.state = new MemState(this.#parts.random.fork());
  }
}

/** Errors that tell of the world, not of a bug. */
const EXPECTED = new Set([
  "UnreachableError",
  "RemoteError",
  "HeldError",
  "DiskError",
  "StateError",
  "ProcessKilled",
]);
