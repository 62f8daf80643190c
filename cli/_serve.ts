/**
 * Puts a server together: accounts, keys, listener, the main folder, which lies where the server does, and others, which
 * come and go while it runs.
 */
import { type Accounts, MAIN_FOLDER, ownerOf } from "../server/accounts/accounts.ts";
import { openServerAccounts } from "../server/accounts/former.ts";
import { doorLimits, foldersMax } from "../server/door.ts";
import { Greeter, type GreetEvents } from "../server/greet.ts";
import { Refused } from "../server/refuse.ts";
import { formatAddress } from "../system/address.ts";
import { systemClock } from "../system/clock.ts";
import { loadOrCreateIdentity } from "../system/identity.ts";
import type { Listener } from "../system/link.ts";
import { openFilesMax } from "../system/open_files.ts";
import { systemRandom } from "../system/random.ts";
import { listen } from "../system/tcp_link.ts";
import type { LineLimits } from "../system/throttle.ts";
import type { UnixGroup } from "../system/unix_group.ts";
import { auditStart, type Started } from "./_audit.ts";
import type { Unserved } from "./_control.ts";
import { checkOwn } from "./_folder_home.ts";
import { FolderKeeper } from "./_folder_keeper.ts";
import type { Journal } from "./_journal.ts";
import { leaveCredential, leaveForGroup } from "./_local_credential.ts";
import type { Output } from "./_output.ts";
import { type ServedBy, ServedFolder } from "./_served_folder.ts";
import { sessionLog } from "./_session_log.ts";
import { SOFTWARE } from "./_software.ts";
import { ownerName } from "./_user.ts";

export interface ServeOptions {
  readonly root: string;
  readonly hostname: string;
  readonly port: number;
  readonly tls: boolean;
  /** Bounds of the rate of all connections together. */
  readonly limits?: LineLimits;
  /** Its members come in without an invitation. */
  readonly credentialGroup?: UnixGroup | undefined;
  readonly output: Output;
  /** Opens the log of a folder. @param dir its `.fsync` directory */
  readonly journal: (dir: string, output: Output) => Journal;
}

interface Parts {
  readonly main: ServedFolder;
  readonly listener: Listener;
  readonly accounts: Accounts;
  /** `null` without TLS. */
  readonly caPem: string | null;
  readonly started: Started;
}

export class Server {
  readonly accounts: Accounts;
  readonly main: ServedFolder;
  readonly port: number;
  /** Where it listens, for people. */
  readonly address: string;
  readonly greeter: Greeter;
  readonly #listener: Listener;
  readonly #keeper: FolderKeeper;
  readonly #tls: boolean;
  readonly #started: Started;

  private constructor(options: ServeOptions, { main, listener, accounts, caPem, started }: Parts) {
    this.#started = started;
    this.accounts = accounts;
    this.main = main;
    this.port = listener.port;
    this.address = formatAddress(options.hostname, listener.port);
    this.#listener = listener;
    this.#tls = caPem !== null;
    const files = openFilesMax();
    const gone = "Cannot go on: this folder is not served at the moment";
    this.#keeper = new FolderKeeper({
      server: options.root,
      output: options.output,
      general: main.journal,
      accounts,
      journal: options.journal,
      control: () => this.#control(),
      // The main one is served too.
      foldersMax: foldersMax(files) - 1,
      endSessions: (name) => this.greeter.endFolder(name, new Refused("closing", gone)),
    });
    this.greeter = new Greeter({
      accounts,
      folder: (name) => name === MAIN_FOLDER ? main.folder : this.#keeper.folder(name),
      clock: systemClock,
      software: SOFTWARE,
      caPem: caPem ?? "",
      limits: doorLimits(files, () => this.folders.length),
      events: this.#events(options.output),
    });
  }

  /** @throws {SetupError | FolderBusy | RecordsError | ContentsError | StateError | IdentityError | ListenError | DiskError} */
  static async open(options: ServeOptions): Promise<Server> {
    const { root, hostname, port, limits, output } = options;
    const dir = `${root}/.fsync`;
    checkOwn(root);
    const journal = options.journal(dir, output);
    const main = ServedFolder.open({
      name: MAIN_FOLDER,
      root,
      output,
      journal,
      opens: (from, to) => accounts.opens(MAIN_FOLDER, from, to),
    });
    let accounts: Accounts;
    const opened: { close(): void }[] = [main];
    try {
      const identity = options.tls ? await loadOrCreateIdentity(`${dir}/tls`) : null;
      const listener = listen({ hostname, port, tls: identity, limits });
      opened.push(listener);
      const owner = ownerName();
      accounts = openServerAccounts({ dir, owner, random: systemRandom, clock: systemClock });
      opened.push(accounts);
      const formerOwner = ownerOf(accounts)?.name ?? null;
      accounts.setOwner(owner);
      const caPem = identity?.caPem ?? null;
      const { folder } = main.folder.records.identity();
      const local = { accounts, port: listener.port, caPem, folder };
      const device = leaveCredential(local);
      if (options.credentialGroup !== undefined) leaveForGroup(local, options.credentialGroup);
      return new Server(options, { main, listener, accounts, caPem, started: { formerOwner, device } });
    } catch (error) {
      for (const one of opened.reverse()) one.close();
      throw error;
    }
  }

  /** Folders that are served now. */
  get folders(): readonly ServedFolder[] {
    return [this.main, ...this.#keeper.served];
  }

  get unserved(): readonly Unserved[] {
    return this.#keeper.unserved;
  }

  /** Serves until `signal` aborts, and then closes everything in order. @throws whatever ends the main folder before */
  async run(signal: AbortSignal): Promise<void> {
    // Not before: the first line that a server prints says that it listens.
    auditStart(this.main.journal, this.#started);
    for (const { name, path } of this.accounts.folders()) if (path !== null) this.#keeper.keep(name, path);
    const accepting = this.#accept();
    try {
      await this.main.run(signal, {
        control: this.#control(),
        endSessions: async () => {
          this.#listener.close();
          await this.greeter.close();
        },
      });
    } finally {
      await this.#keeper.close();
      await accepting;
      this.accounts.close();
    }
  }

  async #accept(): Promise<void> {
    for (;;) {
      const link = await this.#listener.accept();
      if (link === null) return;
      void this.greeter.serve(link);
    }
  }

  #control(): ServedBy["control"] {
    return {
      accounts: this.accounts,
      audit: this.main.journal,
      folders: this.#keeper,
      tls: this.#tls,
      server: this.address,
      unserved: () => this.unserved,
      usage: (user) => this.folders.reduce((sum, { folder }) => sum + folder.usage(user), 0),
    };
  }

  /** What happens in a folder stands in its own log, and in the main one who is known and who is refused. */
  #events(output: Output): GreetEvents {
    const general = sessionLog(this.main.journal, output);
    const of = (folder: string): GreetEvents => {
      const journal = this.#keeper.journal(folder);
      return journal === null ? general : sessionLog(journal, output);
    };
    return {
      ...general,
      onOpen: (guest) => of(guest.folder).onOpen(guest),
      onClose: (guest, reason) => of(guest.folder).onClose(guest, reason),
    };
  }
}
