/**
 * The conversation with a server as an interface: what a replica may ask. `client/wire_remote.ts` asks over a link;
 * `server/owner_remote.ts` answers in the same process, for the plain tree of the server itself.
 */
import type { ChunkList } from "../core/chunk.ts";
import type { SyncPath } from "../core/path.ts";
import type { Changes, DataOp, Id, Revision, UploadItem, UploadResult, Welcome } from "./messages.ts";

/** One item of an upload with the bytes that an inline source names. */
export interface UploadRequest {
  readonly item: UploadItem;
  /** For `source.from === "inline"`, else `null`. */
  readonly bytes: Uint8Array | null;
}

export interface VersionRef {
  readonly path: SyncPath;
  readonly revision: Revision;
}

/** Reads a large local content chunk by chunk for an upload. */
export interface LargeSource {
  readonly chunks: ChunkList;
  /** Version (and its chunks) that the server and this side both have. */
  readonly base: { readonly ref: VersionRef; readonly chunks: ChunkList } | null;
  /** Fills `into` from `offset`; returns the bytes read. */
  read(into: Uint8Array, offset: number): number;
}

/** Builds a large content on this side; the ops arrive in order. Rejects what does not fit. */
export interface LargeSink {
  /** Chunks that are there already and the digest of their list. What it throws ends the fetch before it began. */
  readonly have: { readonly chunks: number; readonly prefix: Uint8Array };
  /** The data goes on at chunk `first` (0, or what `have` said): cut to that. */
  start(first: number, chunks: number): void;
  /** Applies the next ops; `bytes` are those of the new chunks among them. */
  accept(ops: readonly DataOp[], bytes: Uint8Array): void | Promise<void>;
}

export interface Remote {
  readonly welcome: Welcome;
  /** Asks for all heads after `since`; each page goes to `onChanges`. With `live`, later changes go there too. */
  subscribe(
    since: Revision,
    live: boolean,
    onChanges: (changes: Changes) => void | Promise<void>,
  ): Promise<void>;
  /** Sends one batch; the answers stand in the order of the items. */
  upload(batch: readonly UploadRequest[]): Promise<readonly UploadResult[]>;
  /**
   * Makes the content of a large file available to a following `upload` with a staged source.
   * @param where the path that holds it on this side
   */
  stage(source: LargeSource, where: SyncPath): Promise<void>;
  /** The contents of small files; each goes to `onContent` (`null`: not to be had). */
  download(
    items: readonly VersionRef[],
    onContent: (index: number, bytes: Uint8Array | null) => void,
  ): Promise<void>;
  /**
   * Fetches a large content into `sink`, or answers the name of a file in the private area of this side's disk that
   * already holds it.
   */
  fetch(
    item: VersionRef,
    base: VersionRef | null,
    sink: LargeSink,
  ): Promise<{ readonly privateName: string } | null>;
  /** Resolves when the conversation has ended, with the reason. */
  readonly closed: Promise<Error>;
  close(): void;
}

/** Makes conversations; throws what `client/errors.ts` and `protocol/errors.ts` name. */
export interface Connector {
  connect(hello: { readonly replica: Id; readonly folder: string }, signal?: AbortSignal): Promise<Remote>;
}
