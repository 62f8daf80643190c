/** The past of a folder, asked for over a connection. */
import type { SyncPath } from "../core/path.ts";
import { unpackBlock } from "../protocol/block.ts";
import { ProtocolError } from "../protocol/errors.ts";
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

/** Items of one answer: beyond any history that a person would read, and far below what memory holds. */
const ANSWER_ITEMS_MAX = 2_000_000;

/** Adds a page to what came before it; returns whether another must follow. @throws {ProtocolError} if it never ends */
function takePage<T>(all: T[], page: readonly T[], more: boolean): boolean {
  if (more && page.length === 0) throw new ProtocolError("the server sent an empty page of an answer");
  for (const item of page) all.push(item);
  if (all.length > ANSWER_ITEMS_MAX) throw new ProtocolError("the server's answer has no end");
  return more;
}

export class WireHistory implements History {
  readonly #remote: Pick<WireRemote, "ask">;

  constructor(remote: Pick<WireRemote, "ask">) {
    this.#remote = remote;
  }

  async versions(path: SyncPath): Promise<readonly PastVersion[]> {
    const all: PastVersion[] = [];
    await this.#remote.ask({ type: "versions", path }, (message) => {
      const { versions, more } = expect(message, "versionList");
      return !takePage(all, versions, more);
    });
    return all;
  }

  async read(path: SyncPath, revision: Revision, take: (bytes: Uint8Array) => void): Promise<void> {
    await this.#remote.ask({ type: "read", path, revision }, (message) => {
      const { block, last } = expect(message, "bytes");
      const bytes = unpackBlock(block);
      if (bytes.length > 0) take(bytes);
      else if (!last) throw new ProtocolError("the server sent bytes without any");
      return last;
    });
  }

  async restore(path: SyncPath | null, goal: RestoreGoal, dryRun: boolean): Promise<readonly RestoreStep[]> {
    const all: RestoreStep[] = [];
    await this.#remote.ask({ type: "restore", path, goal, dryRun }, (message) => {
      const { steps, more } = expect(message, "restored");
      return !takePage(all, steps, more);
    });
    return all;
  }

  async conflicts({ open }: { readonly open: boolean }): Promise<readonly PastConflict[]> {
    const all: PastConflict[] = [];
    await this.#remote.ask({ type: "conflicts", open }, (message) => {
      const { conflicts, more } = expect(message, "conflictList");
      return !takePage(all, conflicts, more);
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
