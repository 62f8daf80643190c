/**
 * How many connections there may be. Strangers have a part of them, and among strangers, whoever has most makes room for
 * the others: a thousand silent connections keep nobody out.
 */
import type { Link } from "../system/link.ts";
import { networkOf } from "./network.ts";

export interface DoorLimits {
  /** All connections together. */
  readonly connections: number;
  /** Those of them that have not signed in yet. */
  readonly strangers: number;
}

/** Connections of a server that may open as many files as it likes; each costs some buffers. */
const CONNECTIONS_MAX = 4096;
/**
 * Enough for all clients of a large server that come back at once, and for one client to finish its handshake while
 * others come and are pushed out at a rate of thousands a second. A stranger with TLS costs about 40 KB.
 */
const STRANGERS_MAX = 1024;
/** Open files that are neither connections nor a folder's: accounts, control sockets, Deno's own. */
const FILES_OF_SERVER = 128;
/** Of one folder: 15 at rest; when it is busy packs, large contents and what is being received. */
const FILES_OF_FOLDER = 128;
const CONNECTIONS_MIN = 16;

/**
 * The limits of a process that may open `files` files and serves so many `folders` at the moment. Accepting all that could
 * be accepted would take descriptors from the stores.
 */
export function doorLimits(files: number, folders: () => number): DoorLimits {
  const connections = () => {
    const free = files - FILES_OF_SERVER - folders() * FILES_OF_FOLDER;
    return Math.max(CONNECTIONS_MIN, Math.min(CONNECTIONS_MAX, free));
  };
  return {
    get connections() {
      return connections();
    },
    get strangers() {
      return Math.min(STRANGERS_MAX, Math.floor(connections() / 3));
    },
  };
}

/** How many folders a process that may open `files` files can serve. */
export function foldersMax(files: number): number {
  return Math.max(1, Math.floor((files - FILES_OF_SERVER - CONNECTIONS_MIN) / FILES_OF_FOLDER));
}

/** A connection on this side of the door. */
export interface Visit {
  readonly network: string;
  /** It has signed in or was refused: it is no stranger any more whose place somebody else may take. */
  decided(): void;
  /** It has ended. */
  leave(): void;
}

export class Door {
  readonly #limits: DoorLimits;
  /** Of each network, those that have not signed in, oldest first. */
  readonly #strangers = new Map<string, Set<Link>>();
  #strangerCount = 0;
  /** Connections that hold a place: not those that were closed here and end in a moment. */
  readonly #inside = new Set<Link>();

  constructor(limits: DoorLimits) {
    this.#limits = limits;
  }

  get connections(): number {
    return this.#inside.size;
  }

  get strangers(): number {
    return this.#strangerCount;
  }

  /** Lets `link` in, perhaps in place of another stranger, which is closed. `null` if there is no room. */
  enter(link: Link): Visit | null {
    const { connections, strangers } = this.#limits;
    if (this.#strangerCount >= strangers || this.#inside.size >= connections) this.#makeRoom();
    if (this.#inside.size >= connections) return null;
    const network = networkOf(link.peer);
    const same = this.#strangers.get(network) ?? new Set();
    this.#strangers.set(network, same.add(link));
    this.#strangerCount++;
    this.#inside.add(link);
    return {
      network,
      decided: () => this.#forget(link, network),
      leave: () => {
        this.#forget(link, network);
        this.#inside.delete(link);
      },
    };
  }

  /** Closes the oldest connection of the network that has most strangers. */
  #makeRoom(): void {
    let most: { readonly network: string; readonly links: Set<Link> } | null = null;
    for (const [network, links] of this.#strangers) {
      if (most === null || links.size > most.links.size) most = { network, links };
    }
    if (most === null) return;
    const [oldest] = most.links;
    this.#forget(oldest!, most.network);
    // Nothing was said to it, so that its descriptor is free at once.
    this.#inside.delete(oldest!);
    oldest!.close();
  }

  #forget(link: Link, network: string): void {
    const same = this.#strangers.get(network);
    if (same === undefined || !same.delete(link)) return;
    this.#strangerCount--;
    if (same.size === 0) this.#strangers.delete(network);
  }
}
