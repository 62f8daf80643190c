/** Requests about the past, answered page by page. */
import { packBlock } from "../../protocol/block.ts";
import { CONFLICTS_MAX, ITEMS_MAX, PAST_VERSIONS_MAX } from "../../protocol/limits.ts";
import type { Message, Read } from "../../protocol/messages.ts";
import { FolderHistory } from "../history/folder_history.ts";
import type { RequestContext } from "./context.ts";

export type PastRequest = Extract<
  Message,
  { type: "versions" | "read" | "restore" | "conflicts" | "resolve" }
>;

export class PastRequests {
  readonly #context: RequestContext;
  readonly #history: FolderHistory;

  constructor(context: RequestContext) {
    this.#context = context;
    this.#history = new FolderHistory(context);
  }

  async answer(id: number, message: PastRequest): Promise<void> {
    const { send } = this.#context;
    switch (message.type) {
      case "versions": {
        const all = await this.#history.versions(message.path);
        return await pages(
          all,
          PAST_VERSIONS_MAX,
          (versions, more) => send(id, { type: "versionList", versions, more }),
        );
      }
      case "read":
        return await this.#read(id, message);
      case "restore": {
        const all = await this.#history.restore(message.path, message.goal, message.dryRun);
        return await pages(all, ITEMS_MAX, (steps, more) => send(id, { type: "restored", steps, more }));
      }
      case "conflicts": {
        const all = await this.#history.conflicts(message);
        return await pages(
          all,
          CONFLICTS_MAX,
          (conflicts, more) => send(id, { type: "conflictList", conflicts, more }),
        );
      }
      case "resolve": {
        const resolution = await this.#history.resolve(message.conflict, message.keep);
        return await send(id, { type: "resolved", ...resolution });
      }
    }
  }

  async #read(id: number, { path, revision }: Read): Promise<void> {
    const { send, signal } = this.#context;
    for await (const bytes of this.#history.content(path, revision)) {
      if (signal.aborted) return;
      await send(id, { type: "bytes", block: packBlock([bytes]), last: false });
    }
    await send(id, { type: "bytes", block: packBlock([]), last: true });
  }
}

/** Sends a list page by page, an empty one as one page. */
async function pages<T>(
  all: readonly T[],
  size: number,
  send: (page: readonly T[], more: boolean) => Promise<void>,
): Promise<void> {
  for (let at = 0; at === 0 || at < all.length; at += size) {
    await send(all.slice(at, at + size), at + size < all.length);
  }
}
