/**
 * What a replica remembers between runs: the synced tree, with the stat that each path had when both sides agreed, and
 * which server it belongs to. `sqlite_state.ts` is the real one, `tests/fakes/mem_state.ts` its twin; both pass
 * `tests/conformance/state_suite.ts`.
 *
 * The order of writes: a row is written only after the disk holds what it says. A lost row costs a comparison, a row
 * that is ahead of the disk would look like a user's delete.
 */
import type { Entry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { Id, Revision } from "../protocol/messages.ts";
import type { Stat } from "../system/disk.ts";

/** What both sides agreed on for one path. */
export interface Synced {
  readonly entry: Entry;
  readonly revision: Revision;
  /** What lstat said then, or `null` if it must be looked at again (it changed within the racy window). */
  readonly stat: Stat | null;
}

/** What the server holds at a path that the rules leave out of sync here. */
export interface IgnoredHead {
  readonly entry: Entry;
  readonly revision: Revision;
}

export interface Binding {
  /** Identity of this state. */
  readonly replica: Id;
  /** The server's folder and epoch, once known. */
  readonly folder: Id | null;
  readonly epoch: Id | null;
  /** Every head up to here is in the synced tree, or ignored. 0 also means that only a listing from the beginning can tell. */
  readonly cursor: Revision;
  /** Greatest revision that the server ever told of: a server whose head is less has lost its memory. */
  readonly seen: Revision;
  /** What this user could see when the folder was last listed completely; `null`: it never was. */
  readonly view: Id | null;
  /** Address given by the user, e.g. `nas:65432`; empty for the local server. */
  readonly server: string;
  /** Name of the folder on the server; empty: the one that it was started with. */
  readonly folderName: string;
  /** Key of the stored credential that opens the server; empty: the one for its address. */
  readonly credential: string;
  /** Wall clock of the last pass that ended in sync, ms; 0 if there was none. */
  readonly lastSync: number;
}

/** Where the folder of a server is to be had. */
export type Where = Pick<Binding, "server" | "folderName" | "credential">;

export const NOWHERE: Where = { server: "", folderName: "", credential: "" };

/** The binding of a replica that was never synced. */
export function newBinding(replica: Id, { server, folderName, credential }: Where): Binding {
  return {
    replica,
    folder: null,
    epoch: null,
    cursor: 0,
    seen: 0,
    view: null,
    server,
    folderName,
    credential,
    lastSync: 0,
  };
}

/** Applied in the order: `moved`, `set`, `gone`. */
export interface StateChange {
  readonly set?: readonly (readonly [SyncPath, Synced, Uint8Array | null])[];
  readonly gone?: readonly SyncPath[];
  /** Moves all rows at and below `from` to `to`, in place of what rows stand there. */
  readonly moved?: readonly { readonly from: SyncPath; readonly to: SyncPath; readonly revision: Revision }[];
  /** Heads of ignored paths; `null`: none is kept any more. */
  readonly ignored?: readonly (readonly [SyncPath, IgnoredHead | null])[];
  readonly binding?: Partial<Binding>;
  /** What was begun under these numbers has its rows now, or never comes to any. */
  readonly done?: readonly number[];
}

export interface State {
  binding(): Binding;
  /** All rows. */
  load(): Map<SyncPath, Synced>;
  /** Heads of all ignored paths. */
  ignored(): Map<SyncPath, IgnoredHead>;
  /** The chunk list stored with `path`, as `ChunkList` bytes, or `null`. */
  chunks(path: SyncPath): Uint8Array | null;
  /** Applies all of `change` or nothing. @throws {StateError} */
  write(change: StateChange): void;
  /**
   * Notes what is about to be done, so that it is recognised if its end is never written. @returns its number, for
   * {@link StateChange.done}
   */
  begin(text: string): number;
  /** What was begun and is not done, oldest first. */
  begun(): (readonly [number: number, text: string])[];
  /** Makes everything that was written so far survive a power cut. @throws {StateError} */
  durable(): Promise<void>;
  /**
   * Forgets every row and which folder it belongs to, keeps where that folder is to be had (address, name, credential),
   * and makes a new replica identity (a first sync follows).
   */
  reset(): void;
  close(): void;
}

/**
 * The state cannot be read or written. Nothing of the failed write was kept; `damaged` and `newer` stay so until
 * somebody acts on the hint.
 */
export class StateError extends Error {
  override name = "StateError";
  readonly code: "damaged" | "newer" | "no_space" | "busy" | "io";
  readonly hint: string;
  constructor(code: "damaged" | "newer" | "no_space" | "busy" | "io", message: string, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
