/**
 * The staged files of large contents on their way in: which there are, whose they are, and which one the next gets.
 * Shared by the real store and its twin.
 *
 * A part belongs to who sends it. Two who send the same content have one each, also one after the other: the bytes of
 * the one must neither tell the other that they are there, nor complete what it sends.
 */
import { createHash } from "node:crypto";
import type { ContentId } from "../../core/entry.ts";
import { ContentsError } from "./contents.ts";

/** Parts of one content and one owner: each further device that sends the same at the same time costs its size again. */
const SAME_MAX = 4;
/** Parts of one owner: two for each of its devices that send now, and what was broken off lately. */
const OWNED_MAX = 32;

interface PartState {
  readonly id: ContentId;
  /** Digest of the owner's name; empty for the server itself. */
  readonly owner: string;
  /** Bytes that it has, or that were announced if somebody writes to it. */
  bytes: number;
  /** When it was last let go of, ms. */
  changed: number;
  inUse: boolean;
}

/** The part that an incoming content got. */
export interface TakenPart {
  /** File name, without its directory. */
  readonly name: string;
  /** Lets go of it; `bytes` that stay in it, `null` if it is gone. */
  release(bytes: number | null): void;
}

const NAME = /^([0-9a-f]{64})(?:\.u([0-9a-f]{32}))?(?:\.\d)?\.part$/;

export class Parts {
  readonly #parts = new Map<string, PartState>();
  readonly #now: () => number;
  readonly #remove: (name: string) => void;

  /** @param remove removes a part that nobody writes to */
  constructor(now: () => number, remove: (name: string) => void) {
    this.#now = now;
    this.#remove = remove;
  }

  /** Notes a part that an earlier run left. */
  found(name: string, bytes: number, changed: number): void {
    const match = NAME.exec(name);
    if (match === null) return;
    const [, id, owner = ""] = match;
    this.#parts.set(name, { id: id as ContentId, owner, bytes, changed, inUse: false });
  }

  /** @throws {ContentsError} if `owner` has too many under way */
  take(id: ContentId, size: number, owner: string): TakenPart {
    const key = keyOf(owner);
    const name = this.#freeName(id, key);
    if (name === null) {
      throw new ContentsError(
        "limit",
        `Cannot receive a content: it is being received ${SAME_MAX} times already`,
      );
    }
    if (key !== "" && !this.#parts.has(name)) this.#makeRoom(key);
    const state: PartState = { id, owner: key, bytes: size, changed: this.#now(), inUse: true };
    this.#parts.set(name, state);
    return {
      name,
      release: (bytes) => {
        if (this.#parts.get(name) !== state) return;
        if (bytes === null) this.#parts.delete(name);
        else Object.assign(state, { bytes, changed: this.#now(), inUse: false });
      },
    };
  }

  /** Bytes of the parts of `owner`, without the one that {@link take} of `next` would go on with. */
  bytesOf(owner: string, next: ContentId | null): number {
    const key = keyOf(owner);
    const left = next === null ? null : this.#freeName(next, key);
    let bytes = 0;
    for (const [name, part] of this.#parts) if (part.owner === key && name !== left) bytes += part.bytes;
    return bytes;
  }

  #freeName(id: ContentId, key: string): string | null {
    const stem = key === "" ? id : `${id}.u${key}`;
    for (let n = 0; n < SAME_MAX; n++) {
      const name = `${stem}${n === 0 ? "" : `.${n}`}.part`;
      if (this.#parts.get(name)?.inUse !== true) return name;
    }
    return null;
  }

  /** What was broken off longest ago makes room. */
  #makeRoom(key: string): void {
    const owned = [...this.#parts].filter(([, { owner }]) => owner === key);
    if (owned.length < OWNED_MAX) return;
    const paused = owned.filter(([, { inUse }]) => !inUse).sort(([, a], [, b]) => a.changed - b.changed);
    const oldest = paused[0]?.[0];
    if (oldest === undefined) {
      throw new ContentsError("limit", `Cannot receive a content: ${OWNED_MAX} are under way already`);
    }
    this.#remove(oldest);
    this.#parts.delete(oldest);
  }
}

/** A name that a file can have, whatever the user is called. */
function keyOf(owner: string): string {
  return owner === "" ? "" : createHash("sha256").update(owner).digest("hex").slice(0, 32);
}
