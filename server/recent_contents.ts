/**
 * Small contents that just came in. Everybody who follows the folder, its own plain tree first of all, wants them at
 * once, so they need not be read back from a pack.
 */
import type { ContentId } from "../core/entry.ts";

/** A batch or two of every uploader. */
const BYTES_MAX = 8 * 1024 * 1024;

export class RecentContents {
  readonly #contents = new Map<ContentId, Uint8Array>();
  #bytes = 0;

  get(id: ContentId): Uint8Array | null {
    return this.#contents.get(id) ?? null;
  }

  /** @param bytes verified; a view is kept */
  add(id: ContentId, bytes: Uint8Array): void {
    if (this.#contents.has(id)) return;
    this.#contents.set(id, bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > BYTES_MAX) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const [oldest, bytes] of this.#contents) {
      if (this.#bytes <= BYTES_MAX) break;
      this.#contents.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }
}
