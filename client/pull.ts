/**
 * Carries out the downloads and removals of a plan. The order makes a crash harmless: new content is complete and
 * durable in the staging area, the target is checked to be what the plan saw, one rename puts it there, and only when
 * that is durable too does the synced tree say so.
 */
import { ChunkList, digestHex, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import { type Entry, type FileEntry, sameContent } from "../core/entry.ts";
import { trace } from "../system/trace.ts";
import { ancestorsOf, isBelow, parentOf, type SyncPath } from "../core/path.ts";
import type { Step } from "../core/plan.ts";
import { BLOCK_BYTES_MAX, ITEMS_MAX } from "../protocol/limits.ts";
import { type ErrorCode, RemoteError } from "../protocol/errors.ts";
import type { Author } from "../protocol/messages.ts";
import type { Remote, VersionRef } from "../protocol/remote.ts";
import { type Checked, DiskError, type Staged, type Stat } from "../system/disk.ts";
import { FetchSink } from "./fetch_sink.ts";
import type { Replica } from "./replica.ts";
import type { Transfers } from "./transfers.ts";

export type DownloadStep = Extract<Step, { do: "download" }>;
export type RemoveStep = Extract<Step, { do: "remove" }>;

/** Files that share one durability point: enough to make it cheap, few enough to bound the staging area. */
const GROUP_FILES_MAX = 2000;
const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** One content is not to be had, which is no reason to end the conversation. */
const NOT_TO_BE_HAD: ReadonlySet<ErrorCode> = new Set(["notFound", "corrupt", "forbidden"]);
const NO_CONTENT = "the server cannot read its content";
/** Download requests under way. */
const REQUESTS_IN_FLIGHT_MAX = 4;

interface Waiting {
  readonly step: DownloadStep;
  readonly staged: Staged;
}

interface Move {
  readonly source: RemoveStep;
  readonly step: DownloadStep & { readonly entry: FileEntry };
}

const NOBODY: Author = { user: "", device: "" };

export class Pull {
  readonly #replica: Replica;
  readonly #remote: Remote;
  readonly #transfers: Transfers;
  #group: Waiting[] = [];
  #groupBytes = 0;
  /** Bytes of small files that were asked for and are not here yet. */
  #underWay = 0;
  /** What could not be done now. What lies above or below such a path has to wait for it too. */
  readonly #postponed = new Set<SyncPath>();

  constructor(replica: Replica, remote: Remote, transfers: Transfers) {
    this.#replica = replica;
    this.#remote = remote;
    this.#transfers = transfers;
  }

  /** Carries out everything; large contents go on in the background. @throws what ended the conversation */
  async run(downloads: readonly DownloadStep[], removals: readonly RemoveStep[]): Promise<void> {
    await this.makeDirs(downloads.filter((step) => step.entry.kind === "dir"));
    const { moves, rest, files } = pairMoves(downloads.filter((step) => step.entry.kind !== "dir"), removals);
    const unmoved = await this.#moveAndRemove(moves, rest);
    const contents = [...unmoved, ...files].filter((step) =>
      !this.#setMetaOnly(step) && !this.#mustWait(step.path)
    );
    await this.#download(contents.filter((step) => isSmallFile(step.entry)));
    for (const step of contents) if (step.entry.kind === "link") this.#stageLink(step);
    await this.#placeGroup();
    for (const step of contents) {
      if (isLargeFile(step.entry) && !this.#mustWait(step.path)) await this.#fetch(step);
    }
  }

  /** Whether `path` is to take the place of, or to stand in, something that could not be changed yet. */
  #mustWait(path: SyncPath): boolean {
    if (this.#postponed.size === 0) return false;
    for (const dir of ancestorsOf(path)) if (this.#postponed.has(dir)) return true;
    for (const other of this.#postponed) if (isBelow(other, path)) return true;
    return false;
  }

  /** What stands at `path` as the plan saw it; `undefined` if it must be looked at first. */
  #expected(path: SyncPath): Stat | null | undefined {
    const { trees } = this.#replica;
    const found = trees.local.get(path);
    if (found === null) return null;
    if (found !== undefined) return found.racy ? this.#unsure(path) : found.stat;
    const node = trees.synced.get(path);
    if (node === undefined) return null;
    return node.stat ?? this.#unsure(path);
  }

  #unsure(path: SyncPath): undefined {
    this.#replica.unsure.add(path);
    this.#postponed.add(path);
    return undefined;
  }

  /** Makes directories, parents first. */
  async makeDirs(steps: readonly DownloadStep[]): Promise<void> {
    for (const group of groups(steps)) {
      const waiting: Waiting[] = [];
      for (const step of group) {
        const { entry, path } = step;
        if (entry.kind !== "dir" || this.#setMetaOnly(step) || this.#mustWait(path)) continue;
        this.#tryNow(path, () => waiting.push({ step, staged: this.#replica.disk.stageDir(entry.mode) }));
      }
      await this.#placeAll(waiting);
    }
  }

  #stageLink(step: DownloadStep): void {
    const { entry } = step;
    if (entry.kind !== "link") return;
    this.#tryNow(step.path, () => {
      this.#group.push({ step, staged: this.#replica.disk.stageLink(entry.target) });
    });
  }

  /** Same content, other bits or time: nothing is written but those. Returns whether that was all. */
  #setMetaOnly(step: DownloadStep): boolean {
    const { entry, replaces, path } = step;
    if (replaces === null || entry.kind === "link" || !sameContent(entry, replaces)) return false;
    this.#tryNow(path, () => {
      const expected = this.#expected(path);
      if (expected === undefined || expected === null) return;
      const meta = entry.kind === "file" ? { mode: entry.mode, mtime: entry.mtime } : { mode: entry.mode };
      const done = this.#replica.disk.setMeta(path, meta, expected);
      this.#finish(step, done, this.#chunksAt(path, entry));
    });
    return true;
  }

  #chunksAt(path: SyncPath, entry: Entry): ChunkList | null {
    if (!isLargeFile(entry)) return null;
    return this.#replica.chunks(path) ?? this.#replica.trees.local.get(path)?.chunks ?? null;
  }

  /** Returns what was to be moved and could not be. */
  async #moveAndRemove(moves: readonly Move[], rest: readonly RemoveStep[]): Promise<DownloadStep[]> {
    if (moves.length + rest.length === 0) return [];
    const { begun } = this.#replica;
    const numbers: number[] = [];
    const unmoved: DownloadStep[] = [];
    try {
      for (const group of groups(moves)) {
        const moved = group.map(({ source, step }) => [source.path, step.path, step.entry] as const);
        numbers.push(begun.begin({ moved }));
      }
      for (const group of groups(rest)) numbers.push(begun.begin({ removed: group.map(({ path }) => path) }));
      await begun.durable();
      for (const { source, step } of moves) {
        if (this.#move(source, step, step.entry)) continue;
        // It stays where it is: the guard let it pass because it is only moved.
        this.#changed(source.path);
        unmoved.push(step);
      }
      for (const step of rest) this.#remove(step);
    } finally {
      for (const number of numbers) begun.finish(number);
    }
    return unmoved;
  }

  #move(source: RemoveStep, step: DownloadStep, entry: FileEntry): boolean {
    const { disk, trees } = this.#replica;
    return this.#tryNow(step.path, () => {
      const expected = this.#expected(source.path);
      if (expected === undefined || expected === null) return false;
      const chunks = this.#chunksAt(source.path, entry);
      let moved = disk.move(source.path, step.path, expected);
      if (!moved.done) return this.#changed(source.path);
      const standing = source.entry;
      if (standing.kind === "file" && (standing.mode !== entry.mode || standing.mtime !== entry.mtime)) {
        moved = disk.setMeta(step.path, { mode: entry.mode, mtime: entry.mtime }, moved.value);
        if (!moved.done) this.#changed(step.path);
      }
      const stat = moved.done ? moved.value : null;
      const { author } = trees.remote.get(step.path) ?? { author: NOBODY };
      trees.local.delete(source.path);
      trees.agreeGone(source.path, source.revision);
      this.#agree(step, entry, stat, chunks);
      this.#replica.emit({ type: "moved", from: source.path, path: step.path, author });
      return true;
    }) === true;
  }

  #remove(step: RemoveStep): void {
    const { trees, disk } = this.#replica;
    this.#tryNow(step.path, () => {
      const expected = this.#expected(step.path);
      if (expected === undefined) return;
      const { author } = trees.remote.get(step.path) ?? { author: NOBODY };
      if (expected !== null) {
        let done: Checked<null>;
        try {
          done = disk.remove(step.path, expected);
        } catch (error) {
          if (!(error instanceof DiskError) || error.code !== "not_empty") throw error;
          // Something that is not synced lives in it, or came just now.
          this.#replica.lookAgain.set(step.path, "deep");
          if (trees.hasBelow(step.path)) return;
          if (trees.holders.has(step.path)) this.#replica.emit({ type: "kept", path: step.path });
          trees.agreeGone(step.path, step.revision);
          return;
        }
        if (!done.done) return void this.#changed(step.path);
      }
      trees.local.delete(step.path);
      trees.agreeGone(step.path, step.revision);
      this.#replica.clearProblem(step.path);
      this.#replica.emit({ type: "removed", path: step.path, author });
    });
  }

  async #download(steps: readonly DownloadStep[]): Promise<void> {
    if (steps.length > 0) trace("pull", "asks for small files", { files: steps.length });
    const running = new Set<Promise<void>>();
    let failure: unknown = null;
    for (const wanted of batches(steps)) {
      if (failure !== null) break;
      const batch = this.#fitting(wanted);
      if (batch.length === 0) continue;
      while (running.size >= REQUESTS_IN_FLIGHT_MAX) await Promise.race(running);
      if (this.#group.length >= GROUP_FILES_MAX || this.#groupBytes >= GROUP_BYTES_MAX) {
        await this.#placeGroup();
      }
      const refs: VersionRef[] = batch.map((step) => ({ path: step.path, revision: step.revision }));
      const request = this.#remote.download(refs, (i, bytes) => this.#stage(batch[i]!, bytes)).catch(
        (error) => {
          failure ??= error;
        },
      ).finally(() => {
        running.delete(request);
        this.#underWay -= bytesOf(batch);
      });
      running.add(request);
    }
    await Promise.all(running);
    if (failure !== null) throw failure;
  }

  /** What there is room for. What there is none for is not asked for: it would be sent in vain, again and again. */
  #fitting(batch: readonly DownloadStep[]): readonly DownloadStep[] {
    let left = this.#replica.room.left() - this.#underWay;
    const fitting = batch.filter((step) => {
      const bytes = bytesOf([step]);
      if (bytes > left) return void this.#failed(step.path, noRoomFor(step.path));
      left -= bytes;
      return true;
    });
    this.#underWay += bytesOf(fitting);
    return fitting;
  }

  /** Bytes arrived; they are staged only if they are what was asked for. */
  #stage(step: DownloadStep, bytes: Uint8Array | null): void {
    const { entry, path } = step;
    if (entry.kind !== "file") return;
    if (bytes === null) return this.#missing(step, NO_CONTENT);
    if (bytes.length !== entry.size || digestHex(bytes) !== entry.content) {
      return this.#missing(step, "the server sent other bytes than announced");
    }
    this.#tryNow(path, () => {
      this.#group.push({ step, staged: this.#replica.disk.stageBytes(bytes, entry) });
      this.#groupBytes += bytes.length;
    });
  }

  /** If it was replaced on the server meanwhile, a notice told so before this answer. */
  #missing({ path, revision }: DownloadStep, reason: string): void {
    const { trees } = this.#replica;
    // What was deleted here, and may not be, is fetched again although it is no news.
    const wanted = trees.remote.get(path)?.revision ?? trees.synced.get(path)?.revision;
    if (wanted === revision) this.#replica.problem(path, `Cannot download "${path}": ${reason}`, "pull");
  }

  async #placeGroup(): Promise<void> {
    const group = this.#group;
    this.#group = [];
    this.#groupBytes = 0;
    await this.#placeAll(group);
  }

  /** Puts staged things in place, behind one durability point (which also serves what was placed before). */
  async #placeAll(group: readonly Waiting[]): Promise<void> {
    if (group.length === 0) return;
    await this.#noted(group, () => {
      for (const waiting of group) {
        const { path } = waiting.step;
        if (this.#mustWait(path)) this.#replica.discard(waiting.staged);
        else this.#tryNow(path, () => this.#place(waiting));
      }
    });
  }

  /**
   * Makes what is about to be placed durable, and only then the note of it: what waits no more has got its place. Then
   * does it.
   */
  async #noted(group: readonly Waiting[], place: () => void): Promise<void> {
    const { begun, disk } = this.#replica;
    await this.#replica.makeDurable();
    const placed = group.map(({ step: { path, entry, revision }, staged }) =>
      [path, entry, revision, disk.stagedName(staged)] as const
    );
    const number = begun.begin({ placed });
    try {
      await begun.durable();
      place();
    } finally {
      begun.finish(number);
    }
  }

  #place({ step, staged }: Waiting, chunks: ChunkList | null = null): void {
    const { disk } = this.#replica;
    const expected = this.#expected(step.path);
    if (expected === undefined) return this.#replica.discard(staged);
    let done: Checked<Stat>;
    try {
      done = disk.place(staged, step.path, expected);
    } catch (error) {
      this.#replica.discard(staged);
      throw error;
    }
    if (!done.done) this.#replica.discard(staged);
    this.#finish(step, done, chunks);
  }

  #finish(step: DownloadStep, done: Checked<Stat>, chunks: ChunkList | null): void {
    if (!done.done) return void this.#changed(step.path);
    const { author } = this.#replica.trees.remote.get(step.path) ?? { author: NOBODY };
    const bytes = step.entry.kind === "file" ? step.entry.size : 0;
    this.#agree(step, step.entry, done.value, chunks);
    this.#replica.emit({ type: "downloaded", path: step.path, bytes, author });
  }

  #agree(step: DownloadStep, entry: Entry, stat: Stat | null, chunks: ChunkList | null): void {
    const { trees } = this.#replica;
    trees.local.delete(step.path);
    const sure = stat !== null && !this.#isRacy(stat);
    if (!sure) this.#replica.unsure.add(step.path);
    trees.agree(step.path, entry, step.revision, sure ? stat : null, chunks);
    this.#replica.clearProblem(step.path);
  }

  /** A time that we set ourselves lies in the past: a later write would show in it. */
  #isRacy(stat: Stat): boolean {
    if (stat.kind !== "file") return false;
    const { clock, disk } = this.#replica;
    return Math.abs(clock.now() * 1000 - stat.mtimeUs) < disk.racyWindowUs;
  }

  async #fetch(step: DownloadStep): Promise<void> {
    const { path, entry } = step;
    if (entry.kind !== "file") return;
    await this.#transfers.start(path, entry.content, async () => {
      const sink = this.#tryNow(path, () => new FetchSink(this.#replica, path, entry));
      if (!(sink instanceof FetchSink)) return;
      try {
        const near = await this.#remote.fetch({ path, revision: step.revision }, sink.base, sink);
        const { staged, chunks } = near === null
          ? sink.finish(entry)
          : { staged: this.#replica.disk.stagePrivate(near.privateName, entry), chunks: null };
        await this.#noted([{ step, staged }], () => {
          if (this.#stillWanted(step)) this.#place({ step, staged }, chunks);
          else this.#replica.discard(staged);
        });
        await this.#replica.makeDurable();
      } catch (error) {
        if (error instanceof RemoteError && NOT_TO_BE_HAD.has(error.code)) {
          return this.#missing(step, error.code === "corrupt" ? error.message : NO_CONTENT);
        }
        if (!(error instanceof DiskError)) throw error;
        if (error.code === "no_space") sink.drop();
        this.#replica.problem(path, explain(path, error), "pull", error.code === "no_space");
      } finally {
        sink.close();
      }
    });
  }

  #stillWanted(step: DownloadStep): boolean {
    const { trees } = this.#replica;
    const head = trees.remote.get(step.path);
    return head === undefined ? !trees.ignores(step.path, false) : head.revision === step.revision;
  }

  #changed(path: SyncPath): false {
    this.#replica.lookAgain.set(path, "deep");
    this.#postponed.add(path);
    return false;
  }

  /** One bad path never stops the others. */
  #tryNow<T>(path: SyncPath, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#failed(path, error);
      return undefined;
    }
  }

  #failed(path: SyncPath, error: DiskError): void {
    this.#replica.problem(path, explain(path, error), "pull", error.code === "no_space");
    this.#postponed.add(path);
    const parent = parentOf(path);
    if (parent !== null && error.code === "not_found") this.#replica.lookAgain.set(parent, "shallow");
  }
}

function noRoomFor(path: SyncPath): DiskError {
  return new DiskError("no_space", "download", path, "no space left on the device");
}

function bytesOf(steps: readonly DownloadStep[]): number {
  return steps.reduce((sum, { entry }) => sum + (entry.kind === "file" ? entry.size : 0), 0);
}

/** The failure as a person knows the file: not by its name in the staging area. */
function explain(path: SyncPath, { path: failed, message }: DiskError): string {
  const staged = `"${failed}": `;
  const at = failed === path ? -1 : message.indexOf(staged);
  return at < 0 ? message : `Cannot download "${path}": ${message.slice(at + staged.length)}`;
}

function isSmallFile(entry: Entry): boolean {
  return entry.kind === "file" && entry.size <= SINGLE_CHUNK_MAX;
}

function isLargeFile(entry: Entry): boolean {
  return entry.kind === "file" && entry.size > SINGLE_CHUNK_MAX;
}

/** Content that is removed at one path and wanted at another is moved instead. */
function pairMoves(
  downloads: readonly DownloadStep[],
  removals: readonly RemoveStep[],
): { moves: readonly Move[]; rest: readonly RemoveStep[]; files: readonly DownloadStep[] } {
  const byContent = new Map<string, RemoveStep[]>();
  for (const step of removals) {
    if (step.entry.kind !== "file" || step.entry.size === 0) continue;
    const same = byContent.get(step.entry.content);
    if (same === undefined) byContent.set(step.entry.content, [step]);
    else same.push(step);
  }
  if (byContent.size === 0) return { moves: [], rest: removals, files: downloads };
  const moves: Move[] = [];
  const files = downloads.filter((step) => {
    const { entry } = step;
    if (entry.kind !== "file" || step.replaces !== null) return true;
    const source = byContent.get(entry.content)?.shift();
    if (source !== undefined) moves.push({ source, step: { ...step, entry } });
    return source === undefined;
  });
  const used = new Set(moves.map(({ source }) => source));
  return { moves, rest: removals.filter((step) => !used.has(step)), files };
}

/** As many as one note tells of. */
function* groups<T>(steps: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < steps.length; at += GROUP_FILES_MAX) yield steps.slice(at, at + GROUP_FILES_MAX);
}

/** Steps that may be asked for at once. */
export function* batches(steps: readonly DownloadStep[]): Generator<DownloadStep[]> {
  let batch: DownloadStep[] = [];
  let bytes = 0;
  for (const step of steps) {
    const size = step.entry.kind === "file" ? step.entry.size : 0;
    if (batch.length > 0 && (batch.length >= ITEMS_MAX || bytes + size > BLOCK_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(step);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
