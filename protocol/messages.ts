/**
 * Every message of the wire, one type each. `docs/protocol.md` is the specification; `codec.ts` turns these into bytes
 * and back. A frame is: type (u8), request id (u32; 0 for what nobody asked for), then the message's fields.
 */
import type { Rule } from "../core/access.ts";
import type { ContentId, Entry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { ErrorCode } from "./errors.ts";
import type { Keep, PastConflict, PastVersion, RestoreGoal, RestoreStep } from "./history.ts";

/** Versions of the protocol that this program speaks, best first. */
export const PROTOCOL_VERSIONS: readonly number[] = [2];
/** First bytes of a Hello and a Join, so that a stranger is recognised at once. */
export const MAGIC = "fsync\n";

/** 16 random bytes as 32 hex digits: identity of a folder, of an epoch, of a replica, of a device. */
export type Id = string;
/** Growing number of an accepted change in a folder. 0 means: before everything. */
export type Revision = number;

/** First message of a client that is known to the server, and the only one before its {@link Welcome}. */
export interface Hello {
  readonly type: "hello";
  readonly versions: readonly number[];
  /** Program and version, for the server's log. */
  readonly software: string;
  /** Name of the folder; empty for the server's only one. */
  readonly folder: string;
  /** Identity of this client's state database: what it uploaded, it has seen. */
  readonly replica: Id;
  readonly device: Id;
  readonly token: Uint8Array;
  /** The client's clock, milliseconds since 1970. */
  readonly clock: number;
}

export interface Welcome {
  readonly type: "welcome";
  readonly version: number;
  readonly software: string;
  /** Name of the folder on this server. */
  readonly folderName: string;
  /** Identity of the folder; made once. */
  readonly folder: Id;
  /** Changes when the folder's history was replaced (restored from a backup, re-created). */
  readonly epoch: Id;
  readonly head: Revision;
  readonly clock: number;
  readonly user: string;
  readonly deviceName: string;
  /**
   * Stands for what this user may see of the folder. Whoever has listed the folder with another view lists it again from
   * the beginning: what is not told of then, is not there for this user.
   */
  readonly view: Id;
  /** What this user may do, without the rules that forbid: they would name what is not to be seen. */
  readonly rules: readonly Rule[];
  /** Open conflicts that concern this user. */
  readonly conflicts: number;
  /** Longest time, in milliseconds, that either side stays silent. */
  readonly heartbeatMs: number;
}

/**
 * First message of a device that is to become known: it shows a one-time secret, and the credential that it made for
 * itself. The same Join may be sent again if its answer was lost. Answered by {@link Joined}; then the link is closed.
 */
export interface Join {
  readonly type: "join";
  readonly versions: readonly number[];
  readonly software: string;
  readonly secret: Uint8Array;
  readonly device: Id;
  readonly deviceName: string;
  readonly token: Uint8Array;
}

export interface Joined {
  readonly type: "joined";
  readonly version: number;
  readonly software: string;
  readonly user: string;
  readonly folderName: string;
  readonly folder: Id;
  /** The server's CA, to be pinned from now on; empty if there is no TLS. */
  readonly caPem: string;
}

/** Asks for all heads after `since`, then (if `live`) for every later change as it happens. */
export interface Subscribe {
  readonly type: "subscribe";
  readonly since: Revision;
  readonly live: boolean;
}

/** Who made a change, as others see it. */
export interface Author {
  readonly user: string;
  readonly device: string;
}

export type Notice =
  /** `entry` is the head of `path`. `from`: the path this content was renamed from in the same revision. */
  | {
    readonly kind: "set";
    readonly path: SyncPath;
    readonly revision: Revision;
    readonly entry: Entry;
    readonly from: SyncPath | null;
    readonly author: Author;
  }
  | { readonly kind: "gone"; readonly path: SyncPath; readonly revision: Revision; readonly author: Author }
  /**
   * Everything that the receiver knows at and below `from` is now at `to`, with this revision, and gone at `from`.
   * Only sent to a receiver whose knowledge of `from` is complete.
   */
  | {
    readonly kind: "moved";
    readonly from: SyncPath;
    readonly to: SyncPath;
    readonly revision: Revision;
    readonly author: Author;
  };

/** Heads, as asked for (request id) or as they change (0). */
export interface Changes {
  readonly type: "changes";
  readonly notices: readonly Notice[];
  /** With this message the receiver knows every head up to here; less than a revision that the page ends inside of. */
  readonly upTo: Revision;
  /** Further pages of this answer follow. */
  readonly more: boolean;
  readonly conflicts: number;
}

/** "You were too slow; subscribe again from your cursor." */
export interface LookAgain {
  readonly type: "lookAgain";
}

/** Where the bytes of an uploaded file come from. */
export type ContentSource =
  /** The next `entry.size` bytes of the frame's block. */
  | { readonly from: "inline" }
  /** The content of a version that this client has seen. */
  | { readonly from: "version"; readonly path: SyncPath; readonly revision: Revision }
  /** A large content that was staged on this server with `stage` and `data` before. */
  | { readonly from: "staged" };

export type UploadItem =
  | {
    readonly op: "put";
    readonly path: SyncPath;
    /** Revision of the head that this change was made on; 0 if the client knew none. */
    readonly base: Revision;
    readonly entry: Entry;
    /** Only for a file. `null` for directories and links. */
    readonly source: ContentSource | null;
  }
  | { readonly op: "delete"; readonly path: SyncPath; readonly base: Revision }
  /**
   * Renames a file, link or whole directory. Accepted only if the server's subtree at `from` is the client's: `count`
   * entries, `from` included, none newer than `base`.
   */
  | {
    readonly op: "rename";
    readonly from: SyncPath;
    readonly to: SyncPath;
    readonly base: Revision;
    readonly count: number;
  };

/** UPLOAD: a batch of changes, in an order in which they can be applied one after the other. */
export interface Upload {
  readonly type: "upload";
  readonly items: readonly UploadItem[];
  readonly block: Block;
}

/** Bytes, possibly compressed. */
export interface Block {
  readonly encoding: "raw" | "zstd";
  /** Bytes after decompression. */
  readonly rawSize: number;
  readonly bytes: Uint8Array;
}

export type UploadResult =
  /** The change is durable and is the head, as `revision`. */
  | { readonly status: "ok"; readonly revision: Revision }
  /** Nothing to do: the head already has this content; it is `revision`, as `entry` (`null`: absent). */
  | { readonly status: "skip"; readonly revision: Revision; readonly entry: Entry | null }
  /** Both versions are kept. If `won`, the upload is the head, else it is history and `winner` is the head. */
  | {
    readonly status: "conflict";
    readonly won: boolean;
    /** Revision of what was uploaded. */
    readonly revision: Revision;
    /** Where the uploaded file stands now, if it had to step aside for a directory. */
    readonly storedAs: SyncPath | null;
    readonly reason: string;
  }
  /** The change was made on something that is no longer so; look at the changes and plan again. */
  | { readonly status: "stale" }
  | { readonly status: "error"; readonly code: ErrorCode; readonly message: string };

/** The answers to an upload, one for each item. */
export interface Results {
  readonly type: "results";
  readonly results: readonly UploadResult[];
}

/** Announces a large content; `data` with the same request id follows, then `staged` is answered again. */
export interface Stage {
  readonly type: "stage";
  readonly content: ContentId;
  readonly size: number;
  readonly chunks: number;
  /** The version whose chunks the ops refer to. */
  readonly base: { readonly path: SyncPath; readonly revision: Revision } | null;
}

/** How much of a staged content is there: chunks from the start, and the digest of their list. */
export interface Staged {
  readonly type: "staged";
  readonly chunks: number;
  /** SHA-256 over the first `chunks` records of the chunk list; empty if there are none. */
  readonly prefix: Uint8Array;
  /** All chunks are there, the identity was verified, and it is durable. */
  readonly complete: boolean;
}

export type DataOp =
  | { readonly op: "base"; readonly index: number; readonly count: number }
  | { readonly op: "self"; readonly index: number }
  | { readonly op: "new"; readonly id: Uint8Array; readonly size: number };

/** The next ops of a large content, in order, and the bytes of the new chunks among them. */
export interface Data {
  readonly type: "data";
  readonly ops: readonly DataOp[];
  readonly block: Block;
  /** No more ops follow. */
  readonly last: boolean;
}

/** DOWNLOAD: asks for the contents of small files. Answered by `contents`, possibly several. */
export interface Download {
  readonly type: "download";
  readonly items: readonly { readonly path: SyncPath; readonly revision: Revision }[];
}

/** Contents of the asked-for files, in order, `sizes[i]` bytes each; -1 where it is gone or not readable. */
export interface Contents {
  readonly type: "contents";
  readonly sizes: readonly number[];
  readonly block: Block;
  readonly last: boolean;
}

/** Asks for a large content. Answered by `data` messages, relative to `base`. */
export interface Fetch {
  readonly type: "fetch";
  readonly path: SyncPath;
  readonly revision: Revision;
  /** A version of any path that this client has completely on disk. */
  readonly base: { readonly path: SyncPath; readonly revision: Revision } | null;
  /** Chunks that the client holds already, and the digest of their list; ignored if they do not fit. */
  readonly chunks: number;
  readonly prefix: Uint8Array;
}

/** First answer to a fetch: from which chunk on the data goes. */
export interface Fetching {
  readonly type: "fetching";
  readonly first: number;
  readonly chunks: number;
}

/** Asks for all versions of what is or was at a path. Answered by `versionList`, possibly several. */
export interface Versions {
  readonly type: "versions";
  readonly path: SyncPath;
}

export interface VersionList {
  readonly type: "versionList";
  readonly versions: readonly PastVersion[];
  readonly more: boolean;
}

/** Asks for the bytes of any version of a file. Answered by `bytes`, possibly several. */
export interface Read {
  readonly type: "read";
  readonly path: SyncPath;
  readonly revision: Revision;
}

export interface Bytes {
  readonly type: "bytes";
  readonly block: Block;
  readonly last: boolean;
}

/** Brings the past back as new versions; `path` is `null` for everything. Answered by `restored`, possibly several. */
export interface Restore {
  readonly type: "restore";
  readonly path: SyncPath | null;
  readonly goal: RestoreGoal;
  /** Only say what would be done. */
  readonly dryRun: boolean;
}

export interface Restored {
  readonly type: "restored";
  readonly steps: readonly RestoreStep[];
  readonly more: boolean;
}

/** Asks for the conflicts that concern this user. Answered by `conflictList`, possibly several. */
export interface Conflicts {
  readonly type: "conflicts";
  /** Only those that nobody has resolved. */
  readonly open: boolean;
}

export interface ConflictList {
  readonly type: "conflictList";
  readonly conflicts: readonly PastConflict[];
  readonly more: boolean;
}

/** Settles a conflict. Answered by `resolved`. */
export interface Resolve {
  readonly type: "resolve";
  readonly conflict: number;
  readonly keep: Keep;
}

export interface Resolved {
  readonly type: "resolved";
  readonly path: SyncPath;
  /** Where the loser stands, if both were kept. */
  readonly beside: SyncPath | null;
}

export interface Ping {
  readonly type: "ping";
}
export interface Pong {
  readonly type: "pong";
}

/** A request failed, or (id 0) the session ends. */
export interface ErrorMessage {
  readonly type: "error";
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

export type Message =
  | Hello
  | Welcome
  | Join
  | Joined
  | Subscribe
  | Changes
  | LookAgain
  | Upload
  | Results
  | Stage
  | Staged
  | Data
  | Download
  | Contents
  | Fetch
  | Fetching
  | Versions
  | VersionList
  | Read
  | Bytes
  | Restore
  | Restored
  | Conflicts
  | ConflictList
  | Resolve
  | Resolved
  | Ping
  | Pong
  | ErrorMessage;

export type MessageType = Message["type"];

export interface Envelope {
  readonly id: number;
  readonly message: Message;
}
