/**
 * A server and its clients in one process, over memory and a clock of their own: production code decides everything,
 * a seed decides the rest. Read a scenario in `scenarios_test.ts` first.
 */
import { assertEquals } from "@std/assert";
import type { Engine } from "../../client/engine.ts";
import type { EngineStatus } from "../../client/engine_status.ts";
import type { EngineEvent } from "../../client/events.ts";
import { displayPath, type SyncPath } from "../../core/path.ts";
import type { Conflict } from "../../server/store/records.ts";
import { ManualClock } from "../fakes/manual_clock.ts";
import type { Side } from "../fakes/mem_link.ts";
import { MemNetwork } from "../fakes/mem_network.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import type { UserSide } from "../fakes/user_side.ts";
import { ClientMachine, type PassEnd } from "./client_machine.ts";
import { guardedDisk } from "./guarded_disk.ts";
import { checkStable, type StableTrees, stableTrees, Violation } from "./invariants.ts";
import { Ledger } from "./ledger.ts";
import { ProcessKilled } from "./life.ts";
import { MassDeletes } from "./mass_deletes.ts";
import { PLAIN_PORTS, type Ports } from "./ports.ts";
import { SERVER, ServerMachine } from "./server_machine.ts";
import { S } from "./places.ts";
import { type Tree, treeOf } from "./tree.ts";

export { S };
/** Clients by number; the server's plain tree is {@link S}. */
export const A = 0;
export const B = 1;
export const C = 2;

export interface WorldOptions {
  readonly clients: number;
  readonly seed: bigint;
  /** `pass`: every sync is a process of its own, as under cron. `watch`: engines run all the time. */
  readonly mode?: "pass" | "watch";
  readonly delayMs?: readonly [min: number, max: number];
  /** How coarse the disks' times are, µs. */
  readonly granularityUs?: number;
  /** How many of a watcher's hints get lost, 0 to 1. */
  readonly lostHints?: number;
  /** Clients whose folder a Unix group shares. Then the group's bits count nowhere. */
  readonly groupShared?: readonly number[];
  readonly ports?: Partial<Ports>;
  readonly log?: ((line: string) => void) | undefined;
}

/** Simulated time in which any one thing must have come to its end, ms. */
const PATIENCE_MS = 10 * 60_000;
/** Rounds in which machines that nobody disturbs must have become equal. */
const ROUNDS_MAX = 24;
/** Time in which nothing may happen before watching machines count as at rest, ms. */
const REST_MS = 1500;

export async function world(options: WorldOptions): Promise<World> {
  const w = new World(options);
  w.server.start();
  await w.pause(50);
  return w;
}

export class World {
  readonly clock = new ManualClock();
  readonly random: SeededRandom;
  readonly ledger = new Ledger();
  readonly massDeletes = new MassDeletes();
  /** The folders as they were when all machines were last equal. */
  before: StableTrees | null = null;
  readonly network: MemNetwork;
  readonly server: ServerMachine;
  readonly clients: ClientMachine[] = [];
  /** Events of each machine, oldest first. */
  readonly events: { readonly machine: string; readonly event: EngineEvent }[] = [];
  readonly #options: WorldOptions;
  readonly #ports: Ports;
  #violation: Error | null = null;
  /** Frames from the server that may still arrive before the connection is cut there, by client. */
  readonly #framesLeft = new Map<string, { side: Side; left: number }>();
  readonly #onUnhandled: (event: PromiseRejectionEvent) => void;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#ports = { ...PLAIN_PORTS, ...options.ports };
    this.random = new SeededRandom(options.seed);
    this.network = new MemNetwork({
      clock: this.clock,
      random: this.random.fork(),
      ...options.delayMs && { delayMs: options.delayMs },
      onFrame: (_frame, from) => this.#onFrame(from),
    });
    this.server = this.#makeServer();
    for (let i = 0; i < options.clients; i++) this.#makeClient();
    this.#onUnhandled = (event) => {
      event.preventDefault();
      if (!(event.reason instanceof ProcessKilled)) this.#fail(event.reason);
    };
    globalThis.addEventListener("unhandledrejection", this.#onUnhandled);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) client.kill();
    this.server.kill();
    await this.clock.settle();
    globalThis.removeEventListener("unhandledrejection", this.#onUnhandled);
    this.check_();
  }

  #makeServer(): ServerMachine {
    const server = new ServerMachine({
      clock: this.clock.skewed(0),
      random: this.random.fork(),
      network: this.network,
      granularityUs: this.#options.granularityUs ?? 1,
      ports: {
        ...this.#ports,
        serverDisk: (disk) =>
          this.#ports.serverDisk(guardedDisk(disk, this.server.disk, this.ledger, (m) => this.#violate(m))),
      },
      onCommit: ({ versions }) => {
        const message = this.massDeletes.note(versions);
        if (message !== null) this.#violate(message);
        for (const { entry } of versions) {
          if (entry?.kind === "file") this.ledger.recorded.add(entry.content);
        }
      },
      onEvent: (event) => this.#note(SERVER, event),
      onFailure: (error) => this.#fail(error),
    });
    server.watch.lost = this.#options.lostHints ?? 0;
    return server;
  }

  #makeClient(): ClientMachine {
    const name = String.fromCharCode("A".charCodeAt(0) + this.clients.length);
    const client: ClientMachine = new ClientMachine({
      name,
      clock: this.clock.skewed(0),
      random: this.random.fork(),
      network: this.network,
      granularityUs: this.#options.granularityUs ?? 1,
      groupShared: this.#options.groupShared?.includes(this.clients.length) ?? false,
      ports: {
        ...this.#ports,
        disk: (disk) =>
          this.#ports.disk(guardedDisk(disk, client.disk, this.ledger, (m) => this.#violate(m))),
      },
      onEvent: (event) => this.#note(name, event),
      onFailure: (error) => this.#fail(error),
    });
    client.watch.lost = this.#options.lostHints ?? 0;
    this.server.addDevice(client.deviceId, name, `user${name}`, client.deviceToken);
    this.clients.push(client);
    if (this.#options.mode === "watch") client.startWatch();
    return client;
  }

  #note(machine: string, event: EngineEvent): void {
    this.events.push({ machine, event });
    if (this.#options.log === undefined || event.type === "state" || event.type === "connected") return;
    this.#options.log(`    ${machine}: ${displayPath(JSON.stringify(event))}`);
  }

  #violate(message: string): void {
    this.#violation ??= new Violation(message);
  }

  #fail(error: unknown): void {
    this.#violation ??= error instanceof Error ? error : new Error(String(error));
  }

  /** @throws {Violation} if anything went wrong that must not */
  check_(): void {
    const violation = this.#violation;
    this.#violation = null;
    if (violation !== null) throw violation;
  }

  machine(actor: number): ClientMachine | ServerMachine {
    return actor === S ? this.server : this.client(actor);
  }

  client(actor: number): ClientMachine {
    const client = this.clients[actor];
    if (client === undefined) throw new Error(`There is no client ${actor}`);
    return client;
  }

  tree(actor: number): Tree {
    return treeOf(this.machine(actor).disk, (this.#options.groupShared ?? []).length > 0 ? 0o707 : 0o777);
  }

  /** Lets a user act in his folder. What he does survives a power cut. */
  act(actor: number, action: (user: UserSide) => void): void {
    const machine = this.machine(actor);
    const { user } = machine.disk;
    const before = this.tree(actor);
    this.ledger.next();
    try {
      action(user);
    } finally {
      this.ledger.record(machine.name, before, this.tree(actor));
      this.ledger.noteRules(machine.disk, before, this.tree(actor));
      user.sync();
    }
  }

  /** Writes files (text or bytes), with the directories above them. */
  put(actor: number, files: Readonly<Record<string, string | Uint8Array>>): void {
    this.act(actor, (user) => {
      for (const [path, content] of Object.entries(files)) {
        const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
        if (parent !== "") user.mkdir(parent);
        user.write(path, content);
      }
    });
  }

  rename(actor: number, from: string, to: string): void {
    this.act(actor, (user) => user.rename(from, to));
  }

  remove(actor: number, ...paths: string[]): void {
    this.act(actor, (user) => {
      for (const path of paths) user.removeTree(path);
    });
  }

  /** Lets simulated time pass. */
  async pause(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.#reap();
    this.check_();
  }

  /** Machines whose power fails when their process is killed. */
  readonly #powerCuts = new Set<ClientMachine | ServerMachine>();

  #reap(): void {
    for (const machine of [this.server, ...this.clients]) {
      if (machine.reap() && this.#powerCuts.delete(machine)) this.#cutPower(machine);
    }
  }

  /** Begins a pass and does not wait for it. */
  beginPass(actor: number): void {
    void this.client(actor).pass();
  }

  /** One pass to its end. */
  async pass(actor: number, prepare: (engine: Engine) => void = () => {}): Promise<PassEnd> {
    const end = await this.clock.runUntil(this.client(actor).pass(prepare), PATIENCE_MS);
    this.#reap();
    this.check_();
    return end;
  }

  /** One pass that must not fail. */
  async sync(actor: number, prepare: (engine: Engine) => void = () => {}): Promise<EngineStatus> {
    const end = await this.pass(actor, prepare);
    if (end.error !== null) throw end.error;
    return end.status;
  }

  /** Takes a machine off the network. */
  cut(actor: number): void {
    this.network.partition(this.machine(actor).name);
  }

  heal(actor?: number): void {
    this.network.heal(actor === undefined ? undefined : this.machine(actor).name);
    if (actor === undefined) this.#framesLeft.clear();
  }

  /** Cuts the next connections after so many frames that go to (`b`: come from the server) or from a client. */
  cutAfterFrames(side: Side, frames: number): void {
    this.#framesLeft.set("", { side, left: frames });
  }

  #onFrame(from: Side): "deliver" | "cut" {
    const limit = this.#framesLeft.get("");
    if (limit === undefined || limit.side !== from) return "deliver";
    if (limit.left-- > 0) return "deliver";
    this.#framesLeft.clear();
    return "cut";
  }

  /** Breaks the connections of a machine that there are now. */
  hangUp(actor: number): void {
    this.network.cutAll(this.machine(actor).name);
  }

  /** Nothing from or to a machine arrives, and nobody is told. */
  blackHole(actor: number): void {
    this.network.blackHole(this.machine(actor).name);
  }

  /** Kills a machine's process in the middle of what it does, after so many calls of disk, state or records. */
  killAfter(actor: number, calls: number): void {
    this.machine(actor).killAfter(calls);
  }

  /** Cuts a machine's power in the middle of what its process does, after so many calls. */
  powerCutAfter(actor: number, calls: number): void {
    this.killAfter(actor, calls);
    this.#powerCuts.add(this.machine(actor));
  }

  kill(actor: number): void {
    this.machine(actor).kill();
  }

  powerCut(actor: number): void {
    this.#cutPower(this.machine(actor));
  }

  #cutPower(machine: ClientMachine | ServerMachine): void {
    for (const path of machine.powerCut(this.random)) this.ledger.unanswered.add(path);
  }

  restart(actor: number): void {
    const machine = this.machine(actor);
    if (machine === this.server) {
      if (!this.server.alive) this.server.start();
    } else if (this.#options.mode === "watch") this.client(actor).startWatch();
  }

  loseState(actor: number): void {
    this.ledger.uncertain = true;
    this.client(actor).loseState();
  }

  /** Sets what a device leaves out of sync for itself. A running engine looks at once, as the command asks it to. */
  exclude(actor: number, text: string): void {
    const client = this.client(actor);
    client.excludes = text;
    this.ledger.rulesEver.add(text);
    this.ledger.rulesTouched = true;
    client.watch.lookAtAll();
  }

  /** Sets a machine's wall clock wrong. */
  skew(actor: number, offsetMs: number): void {
    this.machine(actor).clock.offsetMs = offsetMs;
  }

  /** A new client with an empty folder. */
  join(): number {
    this.#makeClient();
    return this.clients.length - 1;
  }

  /** Texts of all versions of `path`, oldest first; `null` for a deletion. */
  history(path: string): (string | null)[] {
    return this.server.records.versions(path as SyncPath).map(({ entry }) => {
      if (entry === null) return null;
      if (entry.kind !== "file") return entry.kind;
      const location = this.server.records.location(entry.content);
      if (location === null) return `large ${entry.size}`;
      return new TextDecoder().decode(this.server.contents.read(entry.content, location));
    });
  }

  conflicts(): Conflict[] {
    return this.server.records.conflicts();
  }

  eventsOf<T extends EngineEvent["type"]>(type: T, machine?: string): Extract<EngineEvent, { type: T }>[] {
    return this.events
      .filter((noted) => noted.event.type === type && (machine === undefined || noted.machine === machine))
      .map(({ event }) => event as Extract<EngineEvent, { type: T }>);
  }

  /**
   * Heals and starts everything and syncs in random order until two rounds change nothing. Then all machines must be
   * equal and every invariant must hold.
   */
  async settle(): Promise<void> {
    this.heal();
    this.#reap();
    this.#powerCuts.clear();
    this.server.killAfter(Infinity);
    if (!this.server.alive) this.server.start();
    for (const client of this.clients) {
      client.killAfter(Infinity);
      client.disk.capacity = Infinity;
    }
    this.server.disk.capacity = Infinity;
    for (const [actor, client] of this.clients.entries()) {
      if (client.passing) await this.pass(actor);
      if (this.#options.mode === "watch") client.startWatch();
    }
    await this.pause(20);
    if (this.#options.mode === "watch") await this.#restOfWatchers();
    else await this.#rounds();
    checkStable(this);
    this.ledger.beginPhase();
    this.before = stableTrees(this);
    this.massDeletes.beginPhase();
  }

  async #rounds(): Promise<void> {
    let quiet = 0;
    for (let round = 0; quiet < 2; round++) {
      const conflicts = this.conflicts().length;
      if (round > ROUNDS_MAX + conflicts) throw new Violation("I1: the machines do not come to rest");
      const before = this.#signature();
      for (const actor of this.random.shuffle(this.clients.map((_, i) => i))) await this.#settlePass(actor);
      await this.#serverAtRest();
      quiet = this.#signature() === before ? quiet + 1 : 0;
    }
  }

  async #settlePass(actor: number): Promise<void> {
    if (this.client(actor).passing) await this.pass(actor);
    const status = await this.sync(actor);
    if (status.held !== null) await this.sync(actor, (engine) => this.approve(this.client(actor), engine));
  }

  /** Everything that must stand still when all is at rest. */
  #signature(): string {
    const machines = [this.server, ...this.clients];
    return [this.server.records.headRevision(), ...machines.map(({ watch }) => watch.changes)].join(" ");
  }

  async #serverAtRest(): Promise<void> {
    const engine = this.server.engine!;
    this.server.watch.lookAtAll();
    await this.#until("the server's tree is at rest", () => {
      if (engine.status().held !== null) this.approve(this.server, engine);
      return atRest(engine);
    });
  }

  async #restOfWatchers(): Promise<void> {
    for (let round = 0, quiet = 0; quiet < 2; round++) {
      if (round > ROUNDS_MAX + this.conflicts().length) {
        throw new Violation("I1: the machines do not come to rest");
      }
      const before = this.#signature();
      const machines = [this.server, ...this.clients].map((machine) => ({
        machine,
        engine: this.#engineOf(machine),
      }));
      for (const { machine } of machines) machine.watch.lookAtAll();
      await this.#until("all machines are at rest", () => {
        for (const { machine, engine } of machines) {
          if (engine.status().held !== null) this.approve(machine, engine);
        }
        return machines.every(({ engine }) => atRest(engine));
      });
      await this.pause(REST_MS);
      quiet = this.#signature() === before ? quiet + 1 : 0;
    }
  }

  #engineOf(machine: ClientMachine | ServerMachine): Engine {
    if (machine.engine !== null) return machine.engine;
    const reason = machine instanceof ClientMachine ? machine.watchEnd : null;
    throw reason ?? new Violation(`${machine.name} has ended`);
  }

  /** A person says that the deletes are meant. */
  approve(machine: ClientMachine | ServerMachine, engine: Engine): void {
    this.massDeletes.approved.add(machine.state.binding().replica);
    engine.approveDeletes();
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const until = this.clock.monotonic() + PATIENCE_MS;
    while (!holds()) {
      if (this.clock.monotonic() > until) throw new Violation(`I1: it does not happen that ${what}`);
      await this.clock.runNext();
      this.#reap();
      this.check_();
    }
  }

  /** The folder holds exactly these files (directories above them are implied, others end in "/"; links: `-> x`). */
  check(actor: number, expected: Readonly<Record<string, string | Uint8Array>>): void {
    const wanted = new Map<string, string>();
    for (const [path, content] of Object.entries(expected)) {
      const parts = path.split("/");
      for (let depth = 1; depth < parts.length; depth++) wanted.set(parts.slice(0, depth).join("/"), "dir");
      if (!path.endsWith("/")) wanted.set(path, describe(content));
    }
    const found = new Map<string, string>();
    for (const [path, { kind, bytes, target }] of this.machine(actor).disk.user.tree()) {
      found.set(path, kind === "file" ? describe(bytes!) : kind === "link" ? `-> ${target}` : kind);
    }
    assertEquals(sorted(found), sorted(wanted), `the folder of ${this.machine(actor).name}`);
  }

  /** {@link check} on every machine, the server's tree included. */
  checkAll(expected: Readonly<Record<string, string | Uint8Array>>): void {
    for (let actor = S; actor < this.clients.length; actor++) this.check(actor, expected);
  }
}

function atRest(engine: Engine): boolean {
  const { state, transfers } = engine.status();
  return !engine.isCycling && transfers === 0 && (state === "in sync" || state === "problems");
}

function describe(content: string | Uint8Array): string {
  const text = typeof content === "string" ? content : new TextDecoder().decode(content);
  return text.length < 200 ? text : `${text.slice(0, 60)}… ${text.length}`;
}

function sorted(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
