/** DOWNLOAD: the contents of heads, small ones in blocks, large ones chunk by chunk. */
import { type ChunkList, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import { invariant } from "../../core/invariant.ts";
import { packBlock } from "../../protocol/block.ts";
import { dataMessages } from "../../protocol/data_stream.ts";
import { BLOCK_BYTES_MAX } from "../../protocol/limits.ts";
import type { Download, Fetch } from "../../protocol/messages.ts";
import { noteUsedUp } from "../../system/memory.ts";
import { Refused } from "../refuse.ts";
import type { RequestContext } from "./context.ts";

export async function download(context: RequestContext, id: number, { items }: Download): Promise<void> {
  const { folder, caller, send } = context;
  let sizes: number[] = [];
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for (const [i, item] of items.entries()) {
    const entry = folder.file(caller, item.path, item.revision);
    const content = entry === null || entry.size > SINGLE_CHUNK_MAX ? null : folder.smallContent(entry);
    sizes.push(content === null ? -1 : content.length);
    if (content !== null) parts.push(content);
    bytes += content?.length ?? 0;
    const last = i === items.length - 1;
    if (bytes < BLOCK_BYTES_MAX && !last) continue;
    noteUsedUp(bytes);
    const answer = { type: "contents", sizes, block: packBlock(parts), last } as const;
    [sizes, parts, bytes] = [[], [], 0];
    await send(id, answer);
  }
}

export async function fetch(context: RequestContext, id: number, message: Fetch): Promise<void> {
  const { folder, caller, clock, send, signal } = context;
  const { contents } = folder;
  const entry = folder.file(caller, message.path, message.revision);
  const chunks = entry === null ? null : folder.chunkList(entry.content);
  if (entry === null || chunks === null || !contents.hasLarge(entry.content)) {
    throw new Refused("notFound", "Cannot send the content: it is not there any more");
  }
  const base = message.base === null
    ? null
    : folder.baseContent(caller, message.base.path, message.base.revision);
  const first = resumePoint(chunks, message);
  await send(id, { type: "fetching", first, chunks: chunks.length });
  const messages = dataMessages({
    chunks,
    base: base?.chunks ?? null,
    first,
    read: (into, offset) => contents.readLarge(entry.content, into, offset),
  });
  for (const data of messages) {
    if (signal.aborted) return;
    await send(id, data);
    await clock.yield();
  }
}

/** How many chunks the client really holds of this content. */
function resumePoint(chunks: ChunkList, message: Fetch): number {
  if (message.chunks === 0 || message.chunks > chunks.length) return 0;
  const held = chunks.prefixDigest(message.chunks);
  invariant(held.length === 32, "a digest has 32 bytes");
  return held.every((byte, i) => byte === message.prefix[i]) ? message.chunks : 0;
}
