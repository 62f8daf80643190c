/** Gives an archived large content a file again, for a plain tree that wants a second name of it. */
import type { ChunkList } from "../core/chunk.ts";
import type { ContentId } from "../core/entry.ts";
import type { Contents } from "./store/contents.ts";

/**
 * Puts the chunks of `id` together to `large/<id>`. It goes the way of an upload, so it is verified, durable and can be
 * resumed.
 *
 * @throws {ContentsError}
 */
export async function restoreLarge(contents: Contents, id: ContentId, chunks: ChunkList): Promise<void> {
  const incoming = await contents.receive(id, chunks.totalSize(), null);
  try {
    const offsets = chunks.offsets();
    for (let i = incoming.chunks; i < chunks.length; i++) {
      const size = chunks.sizeAt(i);
      const bytes = new Uint8Array(size);
      contents.readLarge(id, bytes, offsets[i]!);
      await incoming.accept([{ op: "new", id: chunks.idAt(i).slice(), size }], bytes);
    }
  } catch (error) {
    incoming.pause();
    throw error;
  }
  await incoming.finish();
}
