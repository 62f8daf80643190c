/**
 * Brings back contents that a check found lost: from the packs where only the index lost them, from the plain tree where
 * a file still has the bytes, from another content that shares the chunk. Nothing is believed that has not the digest.
 */
import { ChunkList, digestHex, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import type { SyncPath } from "../../core/path.ts";
import { packBlock } from "../../protocol/block.ts";
import type { ReadDisk } from "../../system/disk.ts";
import { chunkId } from "../store/_archived_contents.ts";
import type { Location } from "../store/contents.ts";
import type { StoreCheck } from "./check.ts";
import { storeBatch, type UpkeepParts } from "./parts.ts";

/** @returns what could be brought back */
export async function repairStore(
  parts: UpkeepParts,
  check: StoreCheck,
  tree: ReadDisk,
): Promise<Set<ContentId>> {
  const repair = new Repair(parts, check, tree);
  await repair.run();
  return repair.done;
}

class Repair {
  readonly #parts: UpkeepParts;
  readonly #check: StoreCheck;
  readonly #tree: ReadDisk;
  readonly done = new Set<ContentId>();

  constructor(parts: UpkeepParts, check: StoreCheck, tree: ReadDisk) {
    this.#parts = parts;
    this.#check = check;
    this.#tree = tree;
  }

  async run(): Promise<void> {
    await this.#findUnrecorded();
    for (const id of this.#check.lost.keys()) {
      if (this.done.has(id)) continue;
      const { size, heads } = this.#check.uses.get(id)!;
      const repaired = size > SINGLE_CHUNK_MAX
        ? await this.#repairLarge(id, size, heads)
        : await this.#repairSmall(id, size, heads);
      if (repaired) this.done.add(id);
    }
  }

  /** Contents that lie whole in a pack, though the index does not say so: in the gaps between those that it knows. */
  async #findUnrecorded(): Promise<void> {
    const { own, contents, clock } = this.#parts;
    const wanted = new Map<ContentId, number>();
    for (const id of this.#check.lost.keys()) {
      const { size } = this.#check.uses.get(id)!;
      if (size <= SINGLE_CHUNK_MAX && own.location(id) === null) wanted.set(id, size);
    }
    if (wanted.size === 0) return;
    for (const { number } of contents.packs()) {
      const known = Map.groupBy(own.located(number), ({ location }) => location.offset);
      for (const { offset, length, raw } of contents.blocks(number)) {
        await clock.yield();
        if (raw === null) continue;
        const ends = (known.get(offset) ?? []).map(({ location }) => location.innerOffset + location.size);
        const place = { pack: number, offset, length };
        await this.#record(matchesIn(raw, [0, ...ends], wanted, place));
      }
    }
  }

  async #record(found: readonly (readonly [ContentId, Location])[]): Promise<void> {
    if (found.length === 0) return;
    await this.#parts.between(() => this.#name(found));
    for (const [id] of found) this.done.add(id);
  }

  #name(locations: readonly (readonly [ContentId, Location])[]): void {
    this.#parts.records.commit({ versions: [], conflicts: [], locations, chunkLists: [] });
  }

  async #repairSmall(id: ContentId, size: number, heads: readonly SyncPath[]): Promise<boolean> {
    for (const path of heads) {
      const bytes = this.#read(path, size);
      if (bytes === null || digestHex(bytes) !== id) continue;
      await this.#store(id, bytes);
      return true;
    }
    return false;
  }

  async #repairLarge(id: ContentId, size: number, heads: readonly SyncPath[]): Promise<boolean> {
    const { contents, own } = this.#parts;
    const chunks = own.chunkList(id);
    if (chunks === null || chunks.contentId() !== id) return false;
    for (const path of heads) if (await this.#takeFile(id, chunks, path, size)) return true;
    for (let i = 0; i < chunks.length; i++) {
      const chunk = chunkId(chunks, i);
      if (!this.#check.isGood(chunk) && !this.done.has(chunk) && !(await this.#repairChunk(chunk))) {
        return false;
      }
    }
    // All chunks are in the packs, so a damaged file only stands in their way.
    contents.dropLarge(id);
    return true;
  }

  /** The plain file, if it is not the damaged one by another name. */
  async #takeFile(id: ContentId, chunks: ChunkList, path: SyncPath, size: number): Promise<boolean> {
    const offsets = chunks.offsets();
    if (this.#tree.stat(path)?.size !== size) return false;
    const handle = this.#open(path);
    if (handle === null) return false;
    try {
      const read = (i: number) => {
        const bytes = new Uint8Array(chunks.sizeAt(i));
        return handle.read(bytes, offsets[i]!) === bytes.length && chunks.matches(i, bytes) ? bytes : null;
      };
      for (let i = 0; i < chunks.length; i++) {
        if (read(i) === null) return false;
        await this.#parts.clock.yield();
      }
      const incoming = await this.#parts.contents.receive(id, size, null);
      for (let i = incoming.chunks; i < chunks.length; i++) {
        const bytes = read(i);
        if (bytes === null) {
          incoming.pause();
          return false;
        }
        await incoming.accept([{ op: "new", id: chunks.idAt(i).slice(), size: bytes.length }], bytes);
      }
      await incoming.finish();
      return true;
    } finally {
      handle.close();
    }
  }

  /** From a large content whose file is good and that shares the chunk. */
  async #repairChunk(wanted: ContentId): Promise<boolean> {
    const { own, contents } = this.#parts;
    for (const id of this.#check.goodFiles) {
      const chunks = own.chunkList(id);
      for (let i = 0; i < (chunks?.length ?? 0); i++) {
        if (chunkId(chunks!, i) !== wanted) continue;
        const bytes = new Uint8Array(chunks!.sizeAt(i));
        contents.readLarge(id, bytes, chunks!.offsets()[i]!);
        if (digestHex(bytes) !== wanted) continue;
        await this.#store(wanted, bytes);
        return true;
      }
    }
    return false;
  }

  async #store(id: ContentId, bytes: Uint8Array): Promise<void> {
    const items = [{ id, size: bytes.length }];
    await storeBatch(
      this.#parts,
      { block: packBlock([bytes]), parts: items },
      (places) => this.#name(places),
    );
    this.done.add(id);
  }

  #read(path: SyncPath, size: number): Uint8Array | null {
    const handle = this.#open(path);
    if (handle === null) return null;
    try {
      const bytes = new Uint8Array(size + 1);
      let filled = 0;
      while (filled < bytes.length) {
        const count = handle.read(bytes.subarray(filled), filled);
        if (count === 0) break;
        filled += count;
      }
      return bytes.subarray(0, filled);
    } finally {
      handle.close();
    }
  }

  #open(path: SyncPath) {
    try {
      return this.#tree.open(path);
    } catch {
      // Not there, or not to be read: then it cannot help.
      return null;
    }
  }
}

/** Wanted contents that begin at one of `starts` or right behind one that was found. */
function matchesIn(
  raw: Uint8Array,
  starts: readonly number[],
  wanted: Map<ContentId, number>,
  place: { readonly pack: number; readonly offset: number; readonly length: number },
): [ContentId, Location][] {
  const found: [ContentId, Location][] = [];
  const open = [...starts];
  for (let start = open.pop(); start !== undefined; start = open.pop()) {
    for (const size of new Set(wanted.values())) {
      if (start + size > raw.length) continue;
      const id = digestHex(raw.subarray(start, start + size)) as ContentId;
      if (!wanted.delete(id)) continue;
      found.push([id, { ...place, innerOffset: start, size }]);
      open.push(start + size);
    }
  }
  return found;
}
