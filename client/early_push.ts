/**
 * Sends new files while the look that finds them still goes on, so that reading, hashing, sending and the server's
 * writing overlap. Only what cannot be a rename or a conflict goes early: new here, unknown there, of an unknown inode.
 */
import type { DirEntry, Entry } from "../core/entry.ts";
import { parentOf, type SyncPath } from "../core/path.ts";
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
  /** New directories that go out with the first thing in them: one that holds only what is ignored does not. */
  readonly #dirs = new Map<SyncPath, DirEntry>();
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
      if (found.entry.kind === "dir") this.#dirs.set(path, found.entry);
      else if (await this.#sendParents(path)) await this.#sendOne(path, found.entry);
    }
    return true;
  }

  /** Whether the directories above `path` are on the server, or on their way. */
  async #sendParents(path: SyncPath): Promise<boolean> {
    const parent = parentOf(path);
    if (parent === null || this.#sent.has(parent)) return true;
    const { trees } = this.#replica;
    if (trees.remote.has(parent)) return false;
    if (trees.synced.has(parent)) return true;
    const entry = this.#dirs.get(parent);
    if (entry === undefined || !await this.#sendParents(parent)) return false;
    this.#sent.add(parent);
    await this.#sendOne(parent, entry);
    return true;
  }

  async #sendOne(path: SyncPath, entry: Entry): Promise<void> {
    await this.#push.add({ do: "upload", path, entry, base: 0, conflict: false });
  }
}
