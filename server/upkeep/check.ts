/**
 * Walks the store and says what is wrong with it: every block and every content in the packs, every large content, every
 * version's content, the versions of open conflicts, and the database itself. It only reads; `repair.ts` writes.
 */
import { ChunkList, digestHex, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import type { SyncPath } from "../../core/path.ts";
import { chunkId } from "../store/_archived_contents.ts";
import { ContentsError } from "../store/contents.ts";
import type { Located } from "../store/upkeep_records.ts";
import type { UpkeepParts } from "./parts.ts";

export interface Finding {
  readonly kind: "records" | "content" | "reference";
  /** What is wrong, in words. */
  readonly text: string;
  /** What is damaged or missing, if it is a content that versions name. */
  readonly content: ContentId | null;
  /** The versions that are lost with it, each as `path (revision)`, up to {@link VERSIONS_MAX}. */
  readonly versions: readonly string[];
  readonly repaired: boolean;
}

export interface StoreReport {
  readonly versions: number;
  readonly contents: number;
  /** Bytes that were read and verified, before compression. */
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

/** What versions make of a content. */
export interface Use {
  readonly size: number;
  readonly versions: string[];
  /** Paths that hold it now. */
  readonly heads: SyncPath[];
}

const VERSIONS_MAX = 20;

/** A check with what a repair needs to know of it. */
export class StoreCheck {
  readonly #parts: UpkeepParts;
  readonly uses = new Map<ContentId, Use>();
  /** Small contents and chunks that lie somewhere and are not what they should be, with the reason. */
  readonly damaged = new Map<ContentId, string>();
  /** Contents that versions name and that cannot be read, with the reason. */
  readonly lost = new Map<ContentId, string>();
  /** Large contents whose file is good. */
  readonly goodFiles = new Set<ContentId>();
  #versions = 0;
  #bytes = 0;
  #other: Finding[] = [];

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  /** @throws {RecordsError} if the database cannot be walked at all */
  async run(): Promise<void> {
    for (const text of this.#parts.own.integrity()) this.#note("records", `The records are damaged: ${text}`);
    await this.#readVersions();
    await this.#checkPacks();
    for (const [id, use] of this.uses) {
      const reason = use.size > SINGLE_CHUNK_MAX ? await this.#checkLarge(id, use) : this.#checkSmall(id);
      if (reason !== null) this.lost.set(id, reason);
    }
    this.#checkConflicts();
  }

  report(repaired: ReadonlySet<ContentId> = new Set()): StoreReport {
    const lost = [...this.lost].map(([content, text]): Finding => {
      const { versions } = this.uses.get(content)!;
      return { kind: "content", text, content, versions, repaired: repaired.has(content) };
    });
    const findings = [...this.#other, ...lost];
    return { versions: this.#versions, contents: this.uses.size, bytes: this.#bytes, findings };
  }

  /** Whether a small content, or a chunk, is there and good. */
  isGood(id: ContentId): boolean {
    return !this.damaged.has(id) && this.#parts.own.location(id) !== null;
  }

  #note(kind: "records" | "reference", text: string): void {
    this.#other.push({ kind, text, content: null, versions: [], repaired: false });
  }

  async #readVersions(): Promise<void> {
    for (const { path, revision, entry, head } of this.#parts.own.versions()) {
      if (++this.#versions % 1000 === 0) await this.#parts.clock.yield();
      if (entry?.kind !== "file") continue;
      const use = this.uses.get(entry.content) ?? { size: entry.size, versions: [], heads: [] };
      if (use.versions.length < VERSIONS_MAX) use.versions.push(`${path} (${revision})`);
      if (head) use.heads.push(path);
      this.uses.set(entry.content, use);
    }
  }

  async #checkPacks(): Promise<void> {
    const { contents, own } = this.#parts;
    const packs = new Set(contents.packs().map(({ number }) => number));
    for (const pack of own.bytesByPack().keys()) {
      if (packs.has(pack)) continue;
      for (const { content } of own.located(pack)) this.damaged.set(content, `pack ${pack} is missing`);
    }
    for (const pack of packs) await this.#checkPack(pack);
  }

  async #checkPack(pack: number): Promise<void> {
    const { contents, own, clock } = this.#parts;
    const byOffset = Map.groupBy(own.located(pack), ({ location }) => location.offset);
    for (const { offset, raw } of contents.blocks(pack)) {
      const located = byOffset.get(offset) ?? [];
      byOffset.delete(offset);
      for (const one of located) this.#checkIn(raw, one);
      await clock.yield();
    }
    // The walk ends where a header is damaged; what lies behind may still be good.
    for (const { content, location } of [...byOffset.values()].flat()) {
      if (!isReadable(this.#parts, { content, location })) this.#damagedAt({ content, location });
      await clock.yield();
    }
  }

  #checkIn(raw: Uint8Array | null, { content, location }: Located): void {
    const bytes = raw?.subarray(location.innerOffset, location.innerOffset + location.size);
    if (bytes === undefined || bytes.length !== location.size || digestHex(bytes) !== content) {
      return this.#damagedAt({ content, location });
    }
    this.#bytes += bytes.length;
  }

  #damagedAt({ content, location }: Located): void {
    this.damaged.set(content, `the block at ${location.offset} of pack ${location.pack} is damaged`);
  }

  #checkSmall(id: ContentId): string | null {
    if (this.isGood(id)) return null;
    return this.damaged.get(id) ?? "it is recorded nowhere";
  }

  async #checkLarge(id: ContentId, { size }: Use): Promise<string | null> {
    const { contents, own } = this.#parts;
    const chunks = own.chunkList(id);
    if (chunks === null) return "its list of chunks is missing";
    if (chunks.contentId() !== id || chunks.totalSize() !== size) {
      return "its list of chunks is another content's";
    }
    if (contents.hasLargeFile(id)) {
      if (await this.#isFileGood(id, chunks)) {
        this.goodFiles.add(id);
        return null;
      }
      return `the file large/${id} is damaged`;
    }
    for (let i = 0; i < chunks.length; i++) {
      const chunk = chunkId(chunks, i);
      if (this.isGood(chunk)) continue;
      return this.damaged.get(chunk) ?? (i === 0 ? "its file is missing" : `chunk ${i} is recorded nowhere`);
    }
    return null;
  }

  async #isFileGood(id: ContentId, chunks: ChunkList): Promise<boolean> {
    const { contents, clock } = this.#parts;
    const offsets = chunks.offsets();
    const beyond = contents.readLarge(id, new Uint8Array(1), offsets[chunks.length]!);
    if (beyond > 0) return false;
    for (let i = 0; i < chunks.length; i++) {
      const bytes = new Uint8Array(chunks.sizeAt(i));
      if (contents.readLarge(id, bytes, offsets[i]!) !== bytes.length || !chunks.matches(i, bytes)) {
        return false;
      }
      this.#bytes += bytes.length;
      if (i % 16 === 15) await clock.yield();
    }
    return true;
  }

  #checkConflicts(): void {
    const { records } = this.#parts;
    for (const { path, winner, loser, resolved } of records.conflicts()) {
      if (resolved) continue;
      for (const revision of [winner, loser]) {
        if (records.version(path, revision) !== null) continue;
        this.#note("reference", `The open conflict on "${path}" names version ${revision}, which is missing`);
      }
    }
  }
}

export function isReadable({ contents }: UpkeepParts, { content, location }: Located): boolean {
  try {
    contents.read(content, location);
    return true;
  } catch (error) {
    if (error instanceof ContentsError) return false;
    throw error;
  }
}
