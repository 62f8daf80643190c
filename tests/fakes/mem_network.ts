/** Machines by name, and the connections between them, under one clock and one seed. */
import { invariant } from "../../core/invariant.ts";
import type { Link, Listener } from "../../system/link.ts";
import { ConnectError } from "../../system/link_errors.ts";
import type { ManualClock } from "./manual_clock.ts";
import { type MemLinkOptions, memLinkPair, type MemWire } from "./mem_link.ts";
import type { SeededRandom } from "./seeded_random.ts";

export interface MemNetworkOptions extends Omit<MemLinkOptions, "names"> {
  readonly clock: ManualClock;
  readonly random: SeededRandom;
  /** How long a connection into a black hole is tried, ms. */
  readonly connectTimeoutMs?: number;
}

const CONNECT_MS_MAX = 10_000;
const DELAY_MS = [1, 20] as const;

/** A connection: who made it, to whom. */
interface Connection {
  readonly client: string;
  readonly server: string;
  readonly wire: MemWire;
}

export class MemNetwork {
  readonly #options: MemNetworkOptions;
  readonly #listeners = new Map<string, MemListener>();
  readonly #partitioned = new Set<string>();
  readonly #silent = new Set<string>();
  #connections: Connection[] = [];
  #carried = 0;

  constructor(options: MemNetworkOptions) {
    this.#options = options;
  }

  /** Accepts connections to `name`. */
  listen(name: string): Listener {
    invariant(!this.#listeners.has(name), `"${name}" listens already`);
    const listener = new MemListener(() => this.#listeners.delete(name));
    this.#listeners.set(name, listener);
    return listener;
  }

  /**
   * Connects the machine `from` to the listener of `name`.
   * @throws {ConnectError} refused, unreachable, timeout
   * @throws the signal's reason if it aborts
   */
  async connect(name: string, from: string, signal?: AbortSignal): Promise<Link> {
    const { clock, random, connectTimeoutMs = CONNECT_MS_MAX } = this.#options;
    const [min, max] = this.#options.delayMs ?? DELAY_MS;
    await clock.sleep(min + random.fraction() * (max - min), signal);
    if (this.#isSilent(name, from)) await clock.sleep(connectTimeoutMs, signal);
    signal?.throwIfAborted();
    if (this.#isSilent(name, from)) throw new ConnectError("timeout", name, "no answer", "");
    if (this.#partitioned.has(name) || this.#partitioned.has(from)) {
      throw new ConnectError("unreachable", name, "the network is unreachable", "");
    }
    const listener = this.#listeners.get(name);
    if (listener === undefined) throw new ConnectError("refused", name, "connection refused", "");
    const wire = memLinkPair({ ...this.#options, names: [from, name] });
    this.#forgetEnded();
    this.#connections.push({ client: from, server: name, wire });
    listener.arrive(wire.b);
    return wire.a;
  }

  /** Cuts every connection of `machine` and lets no new one through, until {@link heal}. */
  partition(machine: string): void {
    this.#partitioned.add(machine);
    this.cutAll(machine);
  }

  /** Swallows everything from and to `machine` without a sign, until {@link heal}. */
  blackHole(machine: string): void {
    this.#silent.add(machine);
    for (const wire of this.wires(machine)) wire.blackHole(true);
  }

  /** Ends partition and black hole of `machine`, or of all. */
  heal(machine?: string): void {
    for (const name of machine === undefined ? [...this.#silent, ...this.#partitioned] : [machine]) {
      this.#partitioned.delete(name);
      this.#silent.delete(name);
    }
    for (const { client, server, wire } of this.#connections) {
      if (!this.#isSilent(client, server)) wire.blackHole(false);
    }
  }

  /** Cuts every connection of `machine`, or of all. */
  cutAll(machine?: string): void {
    for (const wire of this.wires(machine)) wire.cut();
    this.#forgetEnded();
  }

  /** Connections of `machine`, or all, that have not ended; oldest first. */
  wires(machine?: string): MemWire[] {
    this.#forgetEnded();
    return this.#connections
      .filter(({ client, server }) => machine === undefined || client === machine || server === machine)
      .map(({ wire }) => wire);
  }

  /** Bytes that were sent over all connections so far. */
  get bytesCarried(): number {
    return this.#connections.reduce((sum, { wire }) => sum + carriedBy(wire), this.#carried);
  }

  #isSilent(one: string, other: string): boolean {
    return this.#silent.has(one) || this.#silent.has(other);
  }

  #forgetEnded(): void {
    const ended = this.#connections.filter(({ wire }) => wire.ended);
    if (ended.length === 0) return;
    for (const { wire } of ended) this.#carried += carriedBy(wire);
    this.#connections = this.#connections.filter(({ wire }) => !wire.ended);
  }
}

function carriedBy(wire: MemWire): number {
  return wire.a.bytesSent + wire.b.bytesSent;
}

class MemListener implements Listener {
  readonly port = 65432;
  readonly #onClose: () => void;
  #arrived: Link[] = [];
  #accepting: ((link: Link | null) => void)[] = [];
  #closed = false;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  arrive(link: Link): void {
    const accept = this.#accepting.shift();
    if (accept === undefined) this.#arrived.push(link);
    else accept(link);
  }

  accept(): Promise<Link | null> {
    if (this.#closed) return Promise.resolve(null);
    const link = this.#arrived.shift();
    if (link !== undefined) return Promise.resolve(link);
    return new Promise((resolve) => this.#accepting.push(resolve));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose();
    for (const link of this.#arrived) link.close();
    this.#arrived = [];
    for (const accept of this.#accepting) accept(null);
    this.#accepting = [];
  }
}
