/** UPLOAD, and what comes before it for large contents: `stage` and `data`. */
import { type ChunkList, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import { unpackBlock } from "../../protocol/block.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Data, Stage, Upload } from "../../protocol/messages.ts";
import { overQuota, roomOf } from "../quota.ts";
import { Refused } from "../refuse.ts";
import type { Staging } from "../staging.ts";
import type { Incoming } from "../store/contents.ts";
import type { RequestContext } from "./context.ts";

/** A large content on its way in. */
interface Arriving {
  readonly incoming: Incoming;
  readonly content: ContentId;
}

export class Uploads {
  readonly #context: RequestContext;
  #staging: Staging | null = null;
  /** By the id of their requests. */
  readonly #arriving = new Map<number, Arriving>();

  constructor(context: RequestContext) {
    this.#context = context;
  }

  async upload(id: number, { items, block }: Upload): Promise<void> {
    const { folder, caller, send } = this.#context;
    const raw = unpackBlock(block);
    const staged = this.#staging?.complete ?? NOTHING;
    const results = await folder.upload({ caller, items, block, raw, staged });
    this.#staging?.settle(items, results);
    try {
      await send(id, { type: "results", results });
    } finally {
      folder.answered(caller.actor.replica);
    }
  }

  async stage(id: number, message: Stage): Promise<void> {
    const { folder, caller, send, signal } = this.#context;
    if (message.size <= SINGLE_CHUNK_MAX) throw new ProtocolError("a small content is not staged");
    if (this.#arriving.has(id)) throw new ProtocolError("a request id is used twice");
    this.#checkRights(message);
    const staging = this.#staging ??= folder.beginStaging(caller.actor.user);
    const known = staging.complete.get(message.content);
    if (known !== undefined && folder.contents.hasLarge(message.content)) {
      return await this.#sendComplete(id, known);
    }
    const base = message.base === null
      ? null
      : folder.baseContent(caller, message.base.path, message.base.revision);
    if (message.base !== null && base === null) {
      throw new Refused("notFound", "Cannot use the base: its content is not in the store");
    }
    const { content, size } = message;
    const incoming = await folder.contents.receive(content, size, base, caller.actor.user);
    if (signal.aborted) return incoming.pause();
    this.#arriving.set(id, { incoming, content });
    staging.arriving.add(content);
    const { chunks } = incoming;
    await send(id, { type: "staged", chunks, prefix: incoming.prefix(), complete: false });
  }

  async #sendComplete(id: number, list: ChunkList): Promise<void> {
    const { length } = list;
    const prefix = list.prefixDigest(length);
    await this.#context.send(id, { type: "staged", chunks: length, prefix, complete: true });
  }

  /** @throws {Refused} if this user may write nowhere, or has no room for the content */
  #checkRights({ content, size }: Stage): void {
    const { folder, caller } = this.#context;
    if (!caller.rights().rules.some(({ access }) => access === "write")) {
      throw new Refused("forbidden", "Cannot upload: you may not write here");
    }
    if (caller.quota === undefined) return;
    // What is there of it, from an attempt that was broken off, is part of it.
    const { contents } = folder;
    const { user } = caller.actor;
    const held = contents.stagedBytes(user, null) - contents.stagedBytes(user, content);
    if (size > roomOf(caller) + held) throw new Refused("noSpace", overQuota(caller));
  }

  async data(id: number, message: Data): Promise<void> {
    const arriving = this.#arriving.get(id);
    // After a failure was answered, what was already on its way is ignored.
    if (arriving === undefined) return;
    const { incoming, content } = arriving;
    try {
      // Calls that come before it has ended wait for their turn.
      await incoming.accept(message.ops, unpackBlock(message.block));
      if (!message.last) return;
      this.#arriving.delete(id);
      const list = await incoming.finish();
      this.#staging?.complete.set(content, list);
      await this.#sendComplete(id, list);
    } catch (error) {
      if (this.#arriving.delete(id)) incoming.pause();
      throw error;
    } finally {
      if (!this.#isArriving(content)) this.#staging?.arriving.delete(content);
    }
  }

  #isArriving(content: ContentId): boolean {
    for (const arriving of this.#arriving.values()) if (arriving.content === content) return true;
    return false;
  }

  /** Keeps what has arrived so far for a later conversation of the same user. */
  pause(): void {
    for (const { incoming } of this.#arriving.values()) incoming.pause();
    this.#arriving.clear();
  }

  /** To be called when no request runs any more. */
  async end(): Promise<void> {
    if (this.#staging !== null) await this.#context.folder.endStaging(this.#staging);
  }
}

const NOTHING: ReadonlyMap<ContentId, ChunkList> = new Map();
