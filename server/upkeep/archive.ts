/**
 * Moves large contents that are history into the packs: cut into chunks, each chunk stored once, whatever versions share
 * it. The order: chunks durable, chunks recorded, all of them found, file removed (`docs/store.md`, section 7).
 */
import { ChunkList } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import { packBlock } from "../../protocol/block.ts";
import { BLOCK_BYTES_MAX } from "../../protocol/limits.ts";
import { chunkId } from "../store/_archived_contents.ts";
import { ContentsError } from "../store/contents.ts";
import { noteStep, storeBatch, type UpkeepParts } from "./parts.ts";

export interface Archived {
  /** Large contents whose file was removed, and the bytes of those files. */
  readonly contents: number;
  readonly bytes: number;
  /** Contents whose file is damaged; they stay as they are. */
  readonly damaged: readonly ContentId[];
}

/** @throws {ContentsError | RecordsError} what was recorded by then stays, and the next run goes on */
export async function archiveLarge(parts: UpkeepParts, signal?: AbortSignal): Promise<Archived> {
  const named = parts.own.namedLarge();
  for (const { entry } of parts.records.liveHeads()) if (entry?.kind === "file") named.delete(entry.content);
  let [contents, bytes] = [0, 0];
  const damaged: ContentId[] = [];
  for (const { id, names, size } of parts.contents.largeFiles()) {
    if (signal?.aborted) break;
    // A second name is one in the plain tree: the file would stay, and cost no less.
    const list = names > 1 || !named.has(id) ? null : parts.records.chunkList(id);
    if (list === null) continue;
    const outcome = await archive(parts, id, new ChunkList(list), signal);
    if (outcome === "damaged") damaged.push(id);
    if (outcome !== "archived") continue;
    contents++;
    bytes += size;
  }
  return { contents, bytes, damaged };
}

async function archive(
  parts: UpkeepParts,
  id: ContentId,
  chunks: ChunkList,
  signal: AbortSignal | undefined,
): Promise<"archived" | "damaged" | "stopped"> {
  const { contents, records } = parts;
  const offsets = chunks.offsets();
  let waiting = new Map<ContentId, Uint8Array>();
  let bytes = 0;
  const store = async () => {
    if (waiting.size === 0) return;
    const items = [...waiting].map(([id, { length: size }]) => ({ id, size }));
    await storeBatch(parts, { block: packBlock([...waiting.values()]), parts: items }, (locations) => {
      records.commit({ versions: [], conflicts: [], locations, chunkLists: [] });
    });
    waiting = new Map();
    bytes = 0;
  };
  for (let i = 0; i < chunks.length; i++) {
    if (signal?.aborted) return "stopped";
    const chunk = chunkId(chunks, i);
    if (waiting.has(chunk) || isStored(parts, chunk)) continue;
    const read = new Uint8Array(chunks.sizeAt(i));
    if (contents.readLarge(id, read, offsets[i]!) !== read.length || !chunks.matches(i, read)) {
      return "damaged";
    }
    if (bytes + read.length > BLOCK_BYTES_MAX) await store();
    waiting.set(chunk, read);
    bytes += read.length;
  }
  await store();
  await parts.between(() => {
    if (!contents.isArchived(id)) return;
    contents.dropLarge(id);
    noteStep(parts, "removed");
  });
  return "archived";
}

/** Whether a chunk is in the packs and undamaged: the file that goes may be the only good copy. */
function isStored({ contents, records }: UpkeepParts, chunk: ContentId): boolean {
  const location = records.location(chunk);
  if (location === null) return false;
  try {
    contents.read(chunk, location);
    return true;
  } catch (error) {
    if (error instanceof ContentsError) return false;
    throw error;
  }
}
