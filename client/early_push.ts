/**
 * Sends new files while the look that finds them still goes on, so that reading, hashing, sending and the server's
 * writing overlap. Only what cannot be a rename or a conflict goes early: new here, unknown there, of an unknown inode.
 */
import type { SyncPath } from "../core/path.ts";
import { parentOf } from "../core/path.ts";
import type { LookRequest } from "./look.ts";
import type { Push } from "./push.ts";
import type { Replica } from "./replica.ts";

/** Fewer than this wait for the end of the look. */
const EARLY_MIN = 200;

export class EarlyPush {
  readonly #replica: Replica;
  readonly #push: Push;
  readonly #enabled: boolean;
  readonly #inodes: Set<number>;
  #fresh: SyncPath[] = [];
  readonly #sent = new Set<SyncPath>();

  constructor(replica: Replica, push: Push, request: LookRequest) {
    this.#replica = replica;
    this.#push = push;
    this.#enabled = request.all;
    this.#inodes = new Set();
    if (!this.#enabled) return;
    for (const node of replica.trees.synced.values()) if (node.stat !== null) this.#inodes.add(node.stat.ino);
  }

  found(path: SyncPath): void {
    if (this.#enabled) this.#fresh.push(path);
  }

  /** Returns whether anything went out, and with it the bytes that were kept. */
  async send(): Promise<boolean> {
    if (this.#fresh.length < EARLY_MIN) return false;
    const { trees, busy, writes } = this.#replica;
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const path of fresh) {
      const found = trees.local.get(path);
      if (
        !found || found.chunks !== null || busy.has(path) || trees.synced.has(path) || trees.remote.has(path)
      ) continue;
      if (this.#inodes.has(found.stat.ino) || !writes.mayWrite(path)) continue;
      const parent = parentOf(path);
      if (parent !== null && !trees.synced.has(parent) && !this.#sent.has(parent)) continue;
      if (parent !== null && trees.remote.has(parent)) continue;
      if (found.entry.kind === "dir") this.#sent.add(path);
      await this.#push.add({ do: "upload", path, entry: found.entry, base: 0, conflict: false });
    }
    return true;
  }
}
