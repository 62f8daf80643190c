/**
 * Takes in the contents of one group of uploads before the group is judged: verifies inline ones and appends those that
 * are new. Whoever may not write here, or has used up its quota, must not fill the disk: then nothing is appended. What
 * is refused only when it is judged lies there unnamed, and counts for whoever sent it.
 */
import { type ChunkList, digestHex } from "../core/chunk.ts";
import type { ContentId, FileEntry } from "../core/entry.ts";
import { packBlock } from "../protocol/block.ts";
import type { Block, UploadItem, UploadResult } from "../protocol/messages.ts";
import { type Acceptance, type ContentCheck, FORBIDDEN } from "./accept.ts";
import type { Caller } from "./caller.ts";
import type { Draft } from "./draft.ts";
import type { Heads } from "./heads.ts";
import { bytesBrought, overQuota, roomOf } from "./quota.ts";
import type { RecentContents } from "./recent_contents.ts";
import type { Contents, Location } from "./store/contents.ts";
import type { Records } from "./store/records.ts";

/** An upload with its decompressed bytes, and the large contents that its conversation has staged. */
export interface UploadJob {
  readonly caller: Caller;
  readonly items: readonly UploadItem[];
  readonly block: Block;
  readonly raw: Uint8Array;
  readonly staged: ReadonlyMap<ContentId, ChunkList>;
}

/** Says, when an item is judged, whether its bytes are there. */
export type Check = (acceptance: Acceptance) => ContentCheck;

type PutItem = Extract<UploadItem, { op: "put" }>;
type FileItem = PutItem & { readonly entry: FileEntry };

interface Fresh {
  readonly id: ContentId;
  readonly offset: number;
  readonly size: number;
}

export interface IntakeParts {
  readonly records: Records;
  readonly contents: Contents;
  readonly heads: Heads;
  readonly recent: RecentContents;
}

export class Intake {
  /** Where what was appended lies. */
  readonly locations = new Map<ContentId, Location>();
  readonly #parts: IntakeParts;
  /** Who brought it. */
  readonly #bringers = new Map<ContentId, string>();
  /** Bytes that each user may still bring in with this group. */
  readonly #room = new Map<string, number>();

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** One upload of the group; the checks of its items. @throws {ContentsError} */
  take(job: UploadJob): Check[] {
    const checks: Check[] = [];
    const fresh: Fresh[] = [];
    let offset = 0;
    for (const item of job.items) {
      const refused = isFile(item) ? this.#refused(job.caller, item) : null;
      if (refused !== null) checks.push(() => ({ ready: false, result: refused }));
      else if (isInline(item)) checks.push(this.#verify(job, item, offset, fresh));
      else checks.push((acceptance) => this.#contentOf(acceptance, job, item));
      if (isInline(item)) offset += item.entry.size;
    }
    if (fresh.length > 0) this.#append(job, fresh);
    return checks;
  }

  /** Leaves out what no version of the group names. @returns bytes of it, by who sent them */
  dropUnnamed(draft: Draft): Map<string, number> {
    const named = draft.contents();
    const wasted = new Map<string, number>();
    for (const [id, user] of this.#bringers) {
      if (named.has(id)) continue;
      wasted.set(user, (wasted.get(user) ?? 0) + this.locations.get(id)!.size);
      this.locations.delete(id);
    }
    return wasted;
  }

  #verify(job: UploadJob, { entry }: FileItem, offset: number, fresh: Fresh[]): Check {
    const { size, content } = entry;
    const { records, recent } = this.#parts;
    const bytes = job.raw.subarray(offset, offset + size);
    if (bytes.length !== size || digestHex(bytes) !== content) return corrupt;
    recent.add(content, bytes);
    if (!this.locations.has(content) && records.location(content) === null) {
      fresh.push({ id: content, offset, size });
    }
    return () => ({ ready: true, chunks: null });
  }

  /** The answer to an item whose bytes are not even to be looked at. */
  #refused(caller: Caller, item: FileItem): UploadResult | null {
    if (caller.rights().at(item.path) !== "write") return FORBIDDEN;
    if (this.#takeRoom(caller, item)) return null;
    return { status: "error", code: "noSpace", message: overQuota(caller) };
  }

  /** Sets room aside for what `item` brings in, if there is enough. */
  #takeRoom(caller: Caller, { path, base, entry, source }: FileItem): boolean {
    const { quota, actor } = caller;
    // What was staged counts since then.
    if (quota === undefined || source?.from === "staged") return true;
    const left = this.#room.get(actor.user) ?? roomOf(caller);
    this.#room.set(actor.user, left);
    if (left === Infinity) return true;
    const { heads, records } = this.#parts;
    const standing = heads.get(path)?.entry;
    if (standing?.kind === "file" && standing.content === entry.content) return true;
    const bytes = bytesBrought(
      { path, from: null, base, entry },
      (at, revision) => records.version(at, revision),
    );
    if (bytes > 0 && bytes > left) return false;
    this.#room.set(actor.user, left - bytes);
    return true;
  }

  #append(job: UploadJob, fresh: readonly Fresh[]): void {
    const freshBytes = fresh.reduce((sum, { size }) => sum + size, 0);
    // A block that is mostly known already is packed anew, with only what is not.
    const whole = freshBytes * 2 >= job.raw.length;
    const block = whole
      ? job.block
      : packBlock(fresh.map(({ offset, size }) => job.raw.subarray(offset, offset + size)));
    const place = this.#parts.contents.append(block);
    let packed = 0;
    for (const { id, offset, size } of fresh) {
      this.#bringers.set(id, job.caller.actor.user);
      this.locations.set(id, { ...place, innerOffset: whole ? offset : packed, size });
      packed += size;
    }
  }

  #contentOf(acceptance: Acceptance, job: UploadJob, item: UploadItem): ContentCheck {
    if (item.op !== "put" || item.entry.kind !== "file" || item.source === null) {
      return { ready: true, chunks: null };
    }
    const { entry, source } = item;
    if (source.from === "staged") {
      const chunks = job.staged.get(entry.content);
      // It may be long since it was staged; what no version names is collected.
      if (chunks?.totalSize() !== entry.size || !this.#parts.contents.hasLarge(entry.content)) {
        return corrupt();
      }
      return { ready: true, chunks };
    }
    if (source.from !== "version") return corrupt();
    const named = acceptance.versionContent(job.caller, source.path, source.revision);
    if (named?.content !== entry.content || named.size !== entry.size) return noVersion();
    return { ready: true, chunks: null };
  }
}

function isFile(item: UploadItem): item is FileItem {
  return item.op === "put" && item.entry.kind === "file";
}

function isInline(item: UploadItem): item is FileItem {
  return isFile(item) && item.source?.from === "inline";
}

function corrupt(): ContentCheck {
  const message = "Cannot accept the content: it is not what was announced";
  return { ready: false, result: { status: "error", code: "corrupt", message } };
}

/** Whether it is not there, is another content or may not be read: always the same. */
function noVersion(): ContentCheck {
  const message = "Cannot copy the content: there is no such version";
  return { ready: false, result: { status: "error", code: "notFound", message } };
}
