/** The past of a folder, asked for over a connection. */
import type { SyncPath } from "../core/path.ts";
import { unpackBlock } from "../protocol/block.ts";
import type {
  History,
  Keep,
  PastConflict,
  PastVersion,
  Resolution,
  RestoreGoal,
  RestoreStep,
} from "../protocol/history.ts";
import type { Revision } from "../protocol/messages.ts";
import { expect, type WireRemote } from "./wire_remote.ts";

export class WireHistory implements History {
  readonly #remote: Pick<WireRemote, "ask">;

  constructor(remote: Pick<WireRemote, "ask">) {
    this.#remote = remote;
  }

  async versions(path: SyncPath): Promise<readonly PastVersion[]> {
    const all: PastVersion[] = [];
    await this.#remote.ask({ type: "versions", path }, (message) => {
      const { versions, more } = expect(message, "versionList");
      all.push(...versions);
      return !more;
    });
    return all;
  }

  async read(path: SyncPath, revision: Revision, take: (bytes: Uint8Array) => void): Promise<void> {
    await this.#remote.ask({ type: "read", path, revision }, (message) => {
      const { block, last } = expect(message, "bytes");
      const bytes = unpackBlock(block);
      if (bytes.length > 0) take(bytes);
      return last;
    });
  }

  async restore(path: SyncPath | null, goal: RestoreGoal, dryRun: boolean): Promise<readonly RestoreStep[]> {
    const all: RestoreStep[] = [];
    await this.#remote.ask({ type: "restore", path, goal, dryRun }, (message) => {
      const { steps, more } = expect(message, "restored");
      all.push(...steps);
      return !more;
    });
    return all;
  }

  async conflicts({ open }: { readonly open: boolean }): Promise<readonly PastConflict[]> {
    const all: PastConflict[] = [];
    await this.#remote.ask({ type: "conflicts", open }, (message) => {
      const { conflicts, more } = expect(message, "conflictList");
      all.push(...conflicts);
      return !more;
    });
    return all;
  }

  async resolve(id: number, keep: Keep): Promise<Resolution> {
    let resolution: Resolution | null = null;
    await this.#remote.ask({ type: "resolve", conflict: id, keep }, (message) => {
      const { path, beside } = expect(message, "resolved");
      resolution = { path, beside };
      return true;
    });
    return resolution!;
  }
}
