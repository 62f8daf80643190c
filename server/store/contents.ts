/**
 * The bytes of every version. Small contents are appended to packs, many in one compressed block; a large content is a
 * file of its own in the private area (`.fsync/large/<id>`), to which the plain tree holds a second name.
 * `pack_contents.ts` is the embedded one, `tests/fakes/mem_contents.ts` its twin; both pass
 * `tests/conformance/contents_suite.ts`.
 *
 * The order of writes (`docs/store.md`): bytes are durable ({@link Contents.sync}) before a record names them.
 */
import type { ChunkList } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import type { Block, DataOp } from "../../protocol/messages.ts";

/** Where a small content lies. */
export interface Location {
  readonly pack: number;
  /** Offset of the block in the pack. */
  readonly offset: number;
  /** Bytes of the whole stored block, header included. */
  readonly length: number;
  /** Offset and size of the content in the block's decompressed bytes. */
  readonly innerOffset: number;
  readonly size: number;
}

/** A place behind a block: the bytes of `pack` before `offset` are recorded. */
export interface PackEnd {
  readonly pack: number;
  readonly offset: number;
}

/** A large content on its way in. Ops are verified as they come; nothing is trusted. */
export interface Incoming {
  /** Chunks that are there (resumed, or accepted so far) and the digest of their list (empty if none). */
  readonly chunks: number;
  prefix(): Uint8Array;
  /**
   * Takes the next ops, after those of earlier calls. It works in slices, since one op may copy gigabytes of the base.
   * @throws {ContentsError} if an id, an index or a size does not fit; what was accepted before stays
   */
  accept(ops: readonly DataOp[], bytes: Uint8Array): Promise<void>;
  /**
   * Verifies the identity, makes the file durable and gives it its place.
   * @throws {ContentsError} if it is not the announced content; the staged bytes are removed then
   */
  finish(): Promise<ChunkList>;
  /** Lets go of it, also of what is under way; the bytes stay for a later resume. Safe to call at any time. */
  pause(): void;
}

/** What is known of the chunks of large contents: the records are one. */
export interface ChunkIndex {
  chunkList(content: ContentId): Uint8Array | null;
  /** Where a small content, or a chunk of a large one, lies. */
  location(content: ContentId): Location | null;
}

export interface Contents {
  /** Appends a block as it came; the caller has verified it. Not durable before {@link sync}. Returns its place. */
  append(block: Block): { readonly pack: number; readonly offset: number; readonly length: number };
  /**
   * Makes all appended blocks durable. A failure concerns everything that was appended and is not durable yet, also
   * what was appended while the failing call ran: the next call fails too then. One owner appends and syncs in groups,
   * so that it knows whose blocks those are.
   * @throws {ContentsError} — then they must be appended again
   */
  sync(): Promise<void>;
  /** The bytes of a small content (a view; not to be written to). @throws {ContentsError} if damaged or missing */
  read(id: ContentId, location: Location): Uint8Array;

  /**
   * Starts or resumes receiving a large content. `base`: the large content (with its chunks) that ops refer to. A
   * resumed one is read again in slices, hence the promise. Several may be under way for the same id; each has its own
   * staged file.
   *
   * @param owner user who sends it: only what the same one sent before is resumed; empty for the server itself
   * @throws {ContentsError} `limit` if the owner has too many under way
   */
  receive(
    id: ContentId,
    size: number,
    base: { readonly id: ContentId; readonly chunks: ChunkList } | null,
    owner?: string,
  ): Promise<Incoming>;
  /**
   * Bytes of what `owner` has staged and not finished: announced ones while it is being sent, then those that are there.
   * @param next a content that is about to be received: what is there of it to go on with is left out
   */
  stagedBytes(owner: string, next: ContentId | null): number;
  /** Whether a large content is there: as a file, or archived as chunks in the packs. */
  hasLarge(id: ContentId): boolean;
  /** Whether it is there as a file. */
  hasLargeFile(id: ContentId): boolean;
  /** Name below `.fsync/` of the file of a large content. */
  largeName(id: ContentId): string;
  /**
   * Fills `into` from `offset` of a large content; returns the bytes read. A file is not verified, an archived content
   * is. @throws {ContentsError}
   */
  readLarge(id: ContentId, into: Uint8Array, offset: number): number;
  /** Removes the file of a large content: somebody else overwrote it in place, or it is archived. */
  dropLarge(id: ContentId): void;
  close(): void;
}

/** A content is damaged, missing, or not what it was announced as. */
export class ContentsError extends Error {
  override name = "ContentsError";
  readonly code: "corrupt" | "missing" | "no_space" | "limit" | "io";
  constructor(code: ContentsError["code"], message: string) {
    super(message);
    this.code = code;
  }
}
