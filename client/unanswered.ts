/**
 * Uploads that may have arrived although no answer came: the connection broke meanwhile, or this process was killed.
 * When the server then tells of a head that is what was sent, both sides have agreed on it, and whatever is different
 * here was done after it: without that, a file that was deleted meanwhile would come back, and a file that was deleted
 * and made again would be removed.
 *
 * Not after a power cut: what was sent may have been in memory only, and what the cut took is no user's doing. It comes
 * back from the server instead.
 */
import { type Entry, sameEntry } from "../core/entry.ts";
import { isAtOrBelow, rebase, type SyncPath } from "../core/path.ts";
import type { Revision, UploadItem, UploadResult } from "../protocol/messages.ts";
import type { Remote, UploadRequest } from "../protocol/remote.ts";
import type { Disk } from "../system/disk.ts";
import type { Begun, Note } from "./begun.ts";
import type { Trees } from "./trees.ts";

export class Unanswered {
  readonly #trees: Trees;
  readonly #begun: Begun;
  readonly #boot: string;
  readonly #lookAgain: (path: SyncPath) => void;
  /** Under way, by number. */
  readonly #flying = new Map<number, Note>();
  /** What may have arrived. */
  readonly #lost = new Map<SyncPath, Entry | null>();
  readonly #lostNumbers: number[] = [];

  /** @param lookAgain asks for a look at a path before the next plan */
  constructor(trees: Trees, begun: Begun, { boot }: Disk, lookAgain: (path: SyncPath) => void) {
    this.#trees = trees;
    this.#begun = begun;
    this.#boot = boot;
    this.#lookAgain = lookAgain;
    trees.recognise = (path, entry, revision) => this.#recognise(path, entry, revision);
  }

  /** Begins anew from what the state says, once the trees are loaded. */
  load(notes: readonly (readonly [number, Note])[]): void {
    this.#flying.clear();
    this.#lost.clear();
    this.#lostNumbers.length = 0;
    for (const [number, note] of notes) {
      if (note.sent === undefined || note.boot !== this.#boot) continue;
      this.#begun.keep(number);
      this.#lose(number, note);
    }
  }

  /**
   * Uploads, and hands the answer to `settle`. Uploads are sent in the order of the calls.
   * @throws what ended the conversation
   */
  async upload(
    remote: Remote,
    requests: readonly UploadRequest[],
    settle: (results: readonly UploadResult[]) => void | Promise<void>,
  ): Promise<void> {
    const note = noteOf(requests.map(({ item }) => item), this.#boot);
    const number = this.#begun.begin(note);
    this.#flying.set(number, note);
    // Not made durable: a kill leaves what is written, and after a power cut it counts no more.
    const results = await remote.upload(requests);
    await settle(results);
    requests.forEach(({ item }, i) => {
      // With it is settled what the same path was to become before.
      if (item.op !== "rename" && isAgreed(results[i])) this.#lost.delete(item.path);
    });
    this.#flying.delete(number);
    this.#begun.finish(number);
  }

  /**
   * The conversation is over.
   * @param heard whether the server had told everything in it: what was unanswered before is settled then
   */
  conversationEnded(heard: boolean): void {
    if (heard) this.inSync();
    for (const [number, note] of this.#flying) this.#lose(number, note);
    this.#flying.clear();
  }

  /** Both sides agree on everything, so nothing is unanswered. */
  inSync(): void {
    this.#lost.clear();
    for (const number of this.#lostNumbers.splice(0)) this.#begun.finish(number);
  }

  #lose(number: number, { sent = [], renames = [] }: Note): void {
    this.#lostNumbers.push(number);
    for (const [path, entry] of sent) this.#lost.set(path, entry);
    for (const [from, to] of renames) {
      for (const [path, node] of this.#trees.synced) {
        if (!isAtOrBelow(path, from)) continue;
        this.#lost.set(path, null);
        this.#lost.set(rebase(path, from, to), node.entry);
      }
    }
  }

  #recognise(path: SyncPath, entry: Entry | null, revision: Revision): void {
    const sent = this.#lost.get(path);
    if (sent === undefined || !sameEntry(sent, entry)) return;
    const trees = this.#trees;
    if ((trees.synced.get(path)?.revision ?? 0) >= revision) return;
    this.#lost.delete(path);
    const here = trees.local.get(path);
    // As far as is known, what stood there before it was sent stands there again.
    if (here === undefined) this.#lookAgain(path);
    if (entry === null) {
      trees.agreeGone(path, revision);
      if (here === null) trees.local.delete(path);
      return;
    }
    const standing = here !== undefined && here !== null && sameEntry(here.entry, entry) ? here : null;
    const stat = standing === null || standing.racy ? null : standing.stat;
    trees.agree(path, entry, revision, stat, standing?.chunks ?? null);
    if (standing !== null) trees.local.delete(path);
  }
}

function isAgreed(result: UploadResult | undefined): boolean {
  return result?.status === "ok" || result?.status === "skip";
}

function noteOf(items: readonly UploadItem[], boot: string): Note {
  const sent: [SyncPath, Entry | null][] = [];
  const renames: [SyncPath, SyncPath][] = [];
  for (const item of items) {
    if (item.op === "rename") renames.push([item.from, item.to]);
    else sent.push([item.path, item.op === "put" ? item.entry : null]);
  }
  return { sent, renames, boot };
}
