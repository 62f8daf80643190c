/**
 * Large contents that clients have sent and no version names yet. They count for their users' quotas, and when the
 * conversation that sent them ends, nobody can name them any more.
 */
import type { ChunkList } from "../core/chunk.ts";
import type { ContentId } from "../core/entry.ts";
import type { UploadItem, UploadResult } from "../protocol/messages.ts";

/** What one conversation has staged. */
export class Staging {
  readonly user: string;
  /** Complete, verified and durable. */
  readonly complete = new Map<ContentId, ChunkList>();
  /** Being sent. */
  readonly arriving = new Set<ContentId>();

  constructor(user: string) {
    this.user = user;
  }

  /** An upload was answered: what versions name now is not staged any more. */
  settle(items: readonly UploadItem[], results: readonly UploadResult[]): void {
    for (const [i, item] of items.entries()) {
      if (item.op !== "put" || item.entry.kind !== "file" || item.source?.from !== "staged") continue;
      const { status } = results[i]!;
      if (status === "ok" || status === "conflict" || status === "skip") {
        this.complete.delete(item.entry.content);
      }
    }
  }

  /** Bytes that are complete. */
  get bytes(): number {
    let bytes = 0;
    for (const chunks of this.complete.values()) bytes += chunks.totalSize();
    return bytes;
  }
}

/** All that is staged in a folder. */
export class Stagings {
  readonly #open = new Set<Staging>();

  begin(user: string): Staging {
    const staging = new Staging(user);
    this.#open.add(staging);
    return staging;
  }

  /** Ends one. @returns complete contents of it that no other one has */
  end(staging: Staging): ContentId[] {
    this.#open.delete(staging);
    return [...staging.complete.keys()].filter((id) => !this.holds(id));
  }

  holds(id: ContentId): boolean {
    for (const { complete, arriving } of this.#open) if (complete.has(id) || arriving.has(id)) return true;
    return false;
  }

  /** Bytes that `user` has completely staged. */
  bytesOf(user: string): number {
    let bytes = 0;
    for (const staging of this.#open) if (staging.user === user) bytes += staging.bytes;
    return bytes;
  }
}
