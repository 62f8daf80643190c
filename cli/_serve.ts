/**
 * Puts the server together: the folder with its stores, the listener, and a replica that keeps the plain tree.
 */
import { readCredential, writeCredential } from "../client/credentials.ts";
import { Engine } from "../client/engine.ts";
import type { EngineEvent } from "../client/events.ts";
import { openState } from "../client/sqlite_state.ts";
import type { State } from "../client/state.ts";
import { authenticate, TOKEN_BYTES, tokenHash } from "../server/auth.ts";
import { Folder } from "../server/folder.ts";
import { type Accounts, MAIN_FOLDER } from "../server/accounts/accounts.ts";
import { openServerAccounts } from "../server/accounts/former.ts";
import { OWNER_SETTING } from "../server/history/folder_history.ts";
import { ownerConnector } from "../server/owner_remote.ts";
import { doorLimits } from "../server/door.ts";
import { Greeter, type GreetEvents } from "../server/greet.ts";
import type { Contents } from "../server/store/contents.ts";
import { openContents } from "../server/store/pack_contents.ts";
import type { Commit, Records } from "../server/store/records.ts";
import { openRecords } from "../server/store/sqlite_records.ts";
import { UpkeepRecords } from "../server/store/upkeep_records.ts";
import { formatAddress } from "../system/address.ts";
import { systemClock } from "../system/clock.ts";
import type { Disk } from "../system/disk.ts";
import { type Identity, loadOrCreateIdentity } from "../system/identity.ts";
import type { Listener } from "../system/link.ts";
import { openFilesMax } from "../system/open_files.ts";
import { systemRandom } from "../system/random.ts";
import { openDisk } from "../system/real_disk.ts";
import { listen } from "../system/tcp_link.ts";
import type { LineLimits } from "../system/throttle.ts";
import { rootWatch, takeLock } from "./_replica.ts";
import { SOFTWARE } from "./_software.ts";
import { Upkeep } from "./_upkeep.ts";
import { ownerName } from "./_user.ts";

export interface ServeOptions {
  readonly root: string;
  readonly hostname: string;
  readonly port: number;
  readonly tls: boolean;
  /** Bounds of the rate of all connections together. */
  readonly limits?: LineLimits;
  readonly onEvent: (event: EngineEvent) => void;
  readonly onLooked: (durationMs: number, directories: number) => void;
  readonly onCommit: (commit: Commit) => void;
  /** The store is not what its records say; it serves what it has. */
  readonly onStoreProblem: (problem: string) => void;
  readonly onDamaged: (path: string) => void;
  readonly sessions: GreetEvents;
}

export class Server {
  readonly engine: Engine;
  readonly accounts: Accounts;
  readonly folder: Folder;
  readonly upkeep: Upkeep;
  readonly address: string;
  readonly #disk: Disk;
  readonly #state: State;
  readonly #records: Records;
  readonly #contents: Contents;
  readonly #listener: Listener;
  readonly #options: ServeOptions;
  readonly #release: () => void;
  readonly #greeter: Greeter;

  private constructor(
    parts: {
      engine: Engine;
      accounts: Accounts;
      folder: Folder;
      upkeep: Upkeep;
      disk: Disk;
      state: State;
      records: Records;
      contents: Contents;
      listener: Listener;
      caPem: string;
      release: () => void;
    },
    options: ServeOptions,
  ) {
    this.engine = parts.engine;
    this.accounts = parts.accounts;
    this.folder = parts.folder;
    this.upkeep = parts.upkeep;
    this.#disk = parts.disk;
    this.#state = parts.state;
    this.#records = parts.records;
    this.#contents = parts.contents;
    this.#listener = parts.listener;
    this.#release = parts.release;
    this.#options = options;
    this.#greeter = new Greeter({
      accounts: parts.accounts,
      folder: (name) => name === MAIN_FOLDER ? parts.folder : null,
      clock: systemClock,
      software: SOFTWARE,
      caPem: parts.caPem,
      limits: doorLimits(openFilesMax()),
      events: options.sessions,
    });
    this.address = formatAddress(options.hostname, parts.listener.port);
  }

  /** @throws {FolderBusy | RecordsError | ContentsError | StateError | IdentityError | ListenError | DiskError} */
  static async open(options: ServeOptions): Promise<Server> {
    const { root } = options;
    const lock = takeLock(root, "server");
    const opened: (() => void)[] = [() => lock.release()];
    try {
      const dir = `${root}/.fsync`;
      const identity = options.tls ? await loadOrCreateIdentity(`${dir}/tls`) : null;
      const listener = listen({
        hostname: options.hostname,
        port: options.port,
        tls: identity,
        limits: options.limits,
      });
      opened.push(() => listener.close());
      const records = openRecords(`${dir}/server.db`, systemRandom, systemClock);
      opened.push(() => records.close());
      const accounts = openServerAccounts({
        dir,
        owner: ownerName(),
        random: systemRandom,
        clock: systemClock,
      });
      opened.push(() => accounts.close());
      accounts.setOwner(ownerName());
      const own = new UpkeepRecords(`${dir}/server.db`);
      opened.push(() => own.close());
      const contents = openContents(dir, { end: records.packEnd(), index: records });
      opened.push(() => contents.close());
      if (contents.problem !== null) options.onStoreProblem(contents.problem);
      const disk = openDisk(root);
      disk.clearStage(() => true);
      opened.push(() => disk.close());
      const state = openState(`${dir}/plain.db`, systemRandom);
      opened.push(() => state.close());
      const folder = new Folder({ records, contents, clock: systemClock, onCommit: options.onCommit });
      const engine = ownEngine(options, folder, disk, state);
      records.setSetting(OWNER_SETTING, ownerName());
      leaveCredential(accounts, records, listener.port, identity);
      const release = () => {
        for (const close of opened.reverse()) close();
      };
      const between = <T>(work: () => T | Promise<T>) => folder.between(work);
      const upkeep = new Upkeep({ records, own, contents, clock: systemClock, between }, disk, dir);
      return new Server(
        {
          engine,
          accounts,
          folder,
          upkeep,
          disk,
          state,
          records,
          contents,
          listener,
          caPem: identity?.caPem ?? "",
          release,
        },
        options,
      );
    } catch (error) {
      for (const close of opened.reverse()) close();
      throw error;
    }
  }

  /** Serves until `signal` aborts, and then closes everything in order. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    signal.addEventListener("abort", () => {
      stop.abort();
      this.#listener.close();
    }, { once: true });
    const serving = this.#accept();
    const tidying = this.upkeep.whenIdle(this.folder, stop.signal, this.#options.onStoreProblem);
    try {
      await this.engine.run(stop.signal);
    } finally {
      stop.abort();
      this.#listener.close();
      await serving;
      await tidying;
      await this.#greeter.close();
      await this.folder.idle();
      this.#release();
    }
  }

  async #accept(): Promise<void> {
    for (;;) {
      const link = await this.#listener.accept();
      if (link === null) return;
      void this.#greeter.serve(link);
    }
  }
}

/** The replica that keeps the plain tree of a folder. */
export function ownEngine(
  options: Pick<ServeOptions, "root" | "onEvent" | "onLooked" | "onDamaged">,
  folder: Folder,
  disk: Disk,
  state: State,
): Engine {
  return new Engine({
    disk,
    state,
    clock: systemClock,
    random: systemRandom,
    onEvent: options.onEvent,
    onLooked: options.onLooked,
    connector: ownerConnector({
      folder,
      disk,
      clock: systemClock,
      user: ownerName(),
      device: Deno.hostname(),
      software: SOFTWARE,
      onDamaged: options.onDamaged,
    }),
    folder: "",
    rootProblem: rootWatch(options.root),
    guard: "local-only",
  });
}

/** Lets the server's own Unix user in without any set-up: the credential lies in the user's state directory. */
function leaveCredential(
  accounts: Accounts,
  records: Records,
  port: number,
  identity: Identity | null,
): void {
  const server = formatAddress("localhost", port);
  const tls = identity === null ? null : { caPem: identity.caPem };
  const folder = records.identity().folder;
  const known = usableCredential(server);
  const claim = known === null
    ? null
    : { device: known.device, token: decodeToken(known.token), folder: MAIN_FOLDER };
  if (known !== null && claim !== null && known.folder === folder && authenticate(accounts, claim) !== null) {
    if ((known.tls?.caPem ?? null) === (tls?.caPem ?? null)) return;
    writeCredential({ ...known, tls }, { at: server });
    return;
  }
  const token = systemRandom.bytes(TOKEN_BYTES);
  const device = [...systemRandom.bytes(16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const user = ownerName();
  accounts.addDevice({ id: device, name: Deno.hostname(), user, tokenHash: tokenHash(token) });
  writeCredential({ server, tls, device, token: encodeToken(token), user, folder }, { at: server });
}

function usableCredential(server: string): ReturnType<typeof readCredential> {
  try {
    return readCredential(server);
  } catch {
    // Damaged or readable by others: a new one takes its place.
    return null;
  }
}

function encodeToken(token: Uint8Array): string {
  return btoa(String.fromCharCode(...token)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function decodeToken(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}
