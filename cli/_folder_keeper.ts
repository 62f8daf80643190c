/**
 * The folders of a running server beside its main one: they come and go while it runs. One that fails takes nothing with
 * it, and is tried again.
 */
import type { Accounts } from "../server/accounts/accounts.ts";
import type { Folder } from "../server/folder.ts";
import { systemClock } from "../system/clock.ts";
import type { Unserved } from "./_control.ts";
import { explain, SetupError } from "./_exit.ts";
import { checkAdded } from "./_folder_home.ts";
import type { FolderControl } from "./_folders.ts";
import type { Journal } from "./_journal.ts";
import type { Output } from "./_output.ts";
import { type ServedBy, ServedFolder } from "./_served_folder.ts";

export interface KeeperOptions {
  /** The server's directory. */
  readonly server: string;
  readonly accounts: Pick<Accounts, "opens">;
  readonly output: Output;
  /** The server's own log. */
  readonly general: Journal;
  /** Opens the log of a folder. @param dir its `.fsync` directory */
  readonly journal: (dir: string, output: Output) => Journal;
  /** What the control sockets answer. */
  readonly control: () => ServedBy["control"];
  readonly endSessions: (folder: string) => Promise<void>;
  /** More of them cannot be served: this process may not open enough files. */
  readonly foldersMax?: number;
  /** How often a folder that cannot be served is tried again, ms. */
  readonly retryMs?: number;
}

/** A folder that is served, or is to be: what ends it, and when it has ended. */
interface Kept {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Soon enough for a disk that was mounted, ms. */
const RETRY_MS = 30_000;

/** How the owner's commands change what is served. The accounts know of the folder already, or do not any more. */
export class FolderKeeper implements FolderControl {
  readonly #options: KeeperOptions;
  readonly #served = new Map<string, ServedFolder>();
  /** Those of them that take no new sessions. */
  readonly #ending = new Set<string>();
  readonly #unserved = new Map<string, Unserved>();
  readonly #kept = new Map<string, Kept>();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  get served(): readonly ServedFolder[] {
    return [...this.#served.values()];
  }

  get unserved(): readonly Unserved[] {
    return [...this.#unserved.values()];
  }

  /** The folder of that name, `null` while it is not served. */
  folder(name: string): Folder | null {
    return this.#ending.has(name) ? null : this.#served.get(name)?.folder ?? null;
  }

  journal(name: string): Journal | null {
    return this.#served.get(name)?.journal ?? null;
  }

  /** Serves a folder that the server has. Does not throw: one that cannot be served is tried again. */
  keep(name: string, path: string): void {
    this.#keep(name, path, null);
  }

  /** The same for a new one. @throws {SetupError | FolderBusy | …} what makes it impossible */
  add(name: string, path: string): Promise<void> {
    return new Promise((resolve) => {
      this.#keep(name, path, this.#open(name, path));
      resolve();
    });
  }

  async remove(name: string): Promise<void> {
    await this.#end(name);
    this.#unserved.delete(name);
  }

  /** Ends all of them; which of them were not served can still be asked for. */
  async close(): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((name) => this.#end(name)));
  }

  async #end(name: string): Promise<void> {
    const kept = this.#kept.get(name);
    kept?.stop.abort();
    await kept?.ended;
  }

  #open(name: string, root: string): ServedFolder {
    const { server, accounts, journal, foldersMax = Infinity } = this.#options;
    if (this.#served.size >= foldersMax) {
      const hint = "let it open more: ulimit -Hn, or LimitNOFILE= of its service";
      throw new SetupError(
        "failed",
        `Cannot serve folder "${name}": the server may open too few files`,
        hint,
      );
    }
    checkAdded(root, { server, name });
    const output = outputOf(this.#options.output, name);
    return ServedFolder.open({
      name,
      root,
      output,
      journal: journal(`${root}/.fsync`, output),
      opens: (from, to) => accounts.opens(name, from, to),
    });
  }

  #keep(name: string, path: string, first: ServedFolder | null): void {
    const stop = new AbortController();
    const ended = this.#serve(name, path, first, stop.signal).finally(() => this.#kept.delete(name));
    this.#kept.set(name, { stop, ended });
  }

  async #serve(name: string, path: string, first: ServedFolder | null, signal: AbortSignal): Promise<void> {
    const { control, endSessions, retryMs = RETRY_MS } = this.#options;
    let next = first;
    while (!signal.aborted) {
      try {
        const served = next ?? this.#open(name, path);
        next = null;
        this.#noteServed(name, served);
        await served.run(signal, {
          control: control(),
          endSessions: () => {
            this.#ending.add(name);
            return endSessions(name);
          },
        });
      } catch (error) {
        this.#noteUnserved({ name, path, reason: reasonOf(error) });
      }
      this.#served.delete(name);
      this.#ending.delete(name);
      await systemClock.sleep(retryMs, signal);
    }
  }

  #noteServed(name: string, served: ServedFolder): void {
    this.#served.set(name, served);
    if (!this.#unserved.delete(name)) return;
    this.#options.general.write({ type: "folder-served", folder: name }, `Folder ${name} is served again`);
  }

  #noteUnserved(unserved: Unserved): void {
    const before = this.#unserved.get(unserved.name);
    this.#unserved.set(unserved.name, unserved);
    if (before?.reason === unserved.reason) return;
    this.#options.general.write({ type: "folder-unserved", ...unserved }, null);
    this.#options.output.error(unserved.reason, "the other folders are served; this one is tried again");
  }
}

function reasonOf(error: unknown): string {
  const explained = explain(error);
  if (explained !== null) return explained.message;
  return `bug: ${error instanceof Error ? error.stack ?? error.message : String(error)}`;
}

/** The same terminal, each line with the folder's name. */
function outputOf(output: Output, name: string): Output {
  const named = (text: string) => text.split("\n").map((line) => `[${name}] ${line}`).join("\n");
  return Object.assign(Object.create(output) as Output, {
    line: (text: string) => output.line(named(text)),
    info: (text: string) => output.info(named(text)),
    detail: (text: string) => output.detail(named(text)),
    warn: (text: string) => output.warn(named(text)),
    document: (value: unknown) => output.document({ folder: name, ...value as Record<string, unknown> }),
  });
}
