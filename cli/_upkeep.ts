/** The upkeep of a server's store: inside the running server, or by a command where no server runs. */
import { existsSync } from "@std/fs";
import type { Folder } from "../server/folder.ts";
import { ContentsError } from "../server/store/contents.ts";
import { openContents } from "../server/store/pack_contents.ts";
import { RecordsError } from "../server/store/records.ts";
import { openRecords } from "../server/store/sqlite_records.ts";
import { UpkeepRecords } from "../server/store/upkeep_records.ts";
import { archiveLarge } from "../server/upkeep/archive.ts";
import { StoreCheck, type StoreReport } from "../server/upkeep/check.ts";
import { backUp, type BackupReport } from "../server/upkeep/backup.ts";
import type { UpkeepParts } from "../server/upkeep/parts.ts";
import {
  choosePruned,
  prune,
  type PrunedVersion,
  readRetention,
  type Retention,
  writeRetention,
} from "../server/upkeep/prune.ts";
import { repack } from "../server/upkeep/repack.ts";
import { repairStore } from "../server/upkeep/repair.ts";
import { systemClock } from "../system/clock.ts";
import { askFolder, ControlError } from "../system/control_socket.ts";
import type { ReadDisk } from "../system/disk.ts";
import { isLocked, lockFolder } from "../system/folder_lock.ts";
import { systemRandom } from "../system/random.ts";
import type { Context } from "./_command.ts";
import { SetupError } from "./_exit.ts";
import { FolderBusy } from "./_replica.ts";

/** What an owner's command asks of the store. */
export interface PruneRequest {
  readonly do: "prune";
  /** `null`: the rules that were set before. */
  readonly retention: Retention | null;
  readonly dryRun: boolean;
}

export interface CheckRequest {
  readonly do: "check";
  readonly repair: boolean;
}

export interface BackupRequest {
  readonly do: "backup";
  /** Where to, absolute. */
  readonly to: string;
}

export type UpkeepRequest = PruneRequest | CheckRequest | BackupRequest;
export type UpkeepAnswer = PruneAnswer | StoreReport | BackupReport;

export interface PruneAnswer {
  readonly retention: Retention;
  /** How many versions went, or would go. */
  readonly versions: number;
  /** The first of them. */
  readonly sample: readonly PrunedVersion[];
  readonly contents: number;
  readonly bytes: number;
  readonly freed: number;
  readonly damaged: number;
}

/** Versions that are named one by one in an answer. */
const SAMPLE_MAX = 1000;
/** A server without changes for this long is idle, ms. */
const QUIET_MS = 60_000;
/** Packs as uploads left them are rewritten at this size: often enough to save space, seldom enough to save the disk. */
const LOOSE_BYTES_MIN = 64 * 1024 * 1024;
/** Rewriting a large store takes minutes; the asker waits, ms. */
const ANSWER_MS_MAX = 24 * 3_600_000;

/** One piece of upkeep at a time. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #tree: ReadDisk;
  readonly #store: string;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param tree the plain files, which a repair may take contents from
   * @param store the directory of the store
   */
  constructor(parts: UpkeepParts, tree: ReadDisk, store: string) {
    this.#parts = parts;
    this.#tree = tree;
    this.#store = store;
  }

  answer(request: UpkeepRequest): Promise<UpkeepAnswer> {
    return this.#alone<UpkeepAnswer>(() => {
      if (request.do === "prune") return runPrune(this.#parts, request);
      if (request.do === "check") return runCheck(this.#parts, this.#tree, request);
      return runBackup(this.#parts, this.#store, request);
    });
  }

  /** Archives and rewrites whenever nothing changed for a while, until `signal` aborts. */
  async whenIdle(
    folder: Pick<Folder, "revision">,
    signal: AbortSignal,
    onProblem: (problem: string) => void,
  ): Promise<void> {
    let [seen, done] = [-1, -1];
    while (!signal.aborted) {
      await this.#parts.clock.sleep(QUIET_MS, signal);
      const { revision } = folder;
      const quiet = revision === seen && revision !== done;
      seen = revision;
      if (!quiet || signal.aborted) continue;
      await this.#alone(() => tidy(this.#parts, signal)).catch((error: unknown) => {
        if (!(error instanceof ContentsError) && !(error instanceof RecordsError)) throw error;
        onProblem(error.message);
      });
      done = revision;
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

async function tidy(parts: UpkeepParts, signal: AbortSignal): Promise<void> {
  await archiveLarge(parts, signal);
  if (!signal.aborted) await repack(parts, { looseBytesMin: LOOSE_BYTES_MIN, signal });
}

async function runPrune(parts: UpkeepParts, request: PruneRequest): Promise<PruneAnswer> {
  const retention = request.retention ?? readRetention(parts.records);
  const chosen = await choosePruned(parts, retention);
  const said = { retention, versions: chosen.length, sample: chosen.slice(0, SAMPLE_MAX).map(plain) };
  if (request.dryRun) return { ...said, contents: 0, bytes: 0, freed: 0, damaged: 0 };
  if (request.retention !== null) writeRetention(parts.records, retention);
  const { contents, bytes, freed, damaged } = await prune(parts, chosen);
  return { ...said, contents, bytes, freed, damaged: damaged.length };
}

/** @throws {ContentsError | RecordsError} */
export async function runCheck(
  parts: UpkeepParts,
  tree: ReadDisk,
  { repair }: CheckRequest,
): Promise<StoreReport> {
  const check = new StoreCheck(parts);
  await check.run();
  return check.report(repair ? await repairStore(parts, check, tree) : new Set());
}

function plain({ path, revision, time, size }: PrunedVersion): PrunedVersion {
  return { path, revision, time, size };
}

/** The server directory that `--data` names. @throws {SetupError} */
export function serverRoot(context: Context, fallback: string): string {
  const dir = context.value("data") ?? fallback;
  if (!existsSync(`${dir}/.fsync/server.db`)) {
    throw new SetupError(
      "failed",
      `Cannot use "${dir}": no server keeps its folder there`,
      "name the server's directory: --data DIR",
    );
  }
  return Deno.realPathSync(dir);
}

/** Asks the server that holds `root`; `null` if none runs. @throws {ControlError} */
export async function askUpkeep<T extends UpkeepAnswer>(
  root: string,
  request: UpkeepRequest,
): Promise<T | null> {
  try {
    return await askFolder(root, { ask: "upkeep", request }, ANSWER_MS_MAX) as T;
  } catch (error) {
    if (error instanceof ControlError && error.code === "not_running") return null;
    throw error;
  }
}

/** Opens the store of a server that does not run. @throws {FolderBusy | RecordsError | ContentsError} */
export async function withStore<T>(root: string, work: (parts: UpkeepParts) => Promise<T>): Promise<T> {
  const lock = lockFolder(root, "command");
  if (!isLocked(lock)) throw new FolderBusy(root, lock.heldBy);
  const opened: (() => void)[] = [() => lock.release()];
  try {
    const dir = `${root}/.fsync`;
    const records = openRecords(`${dir}/server.db`, systemRandom, systemClock);
    opened.push(() => records.close());
    const own = new UpkeepRecords(`${dir}/server.db`);
    opened.push(() => own.close());
    const contents = openContents(dir, { end: records.packEnd(), index: records });
    opened.push(() => contents.close());
    const between = <R>(work: () => R | Promise<R>) => Promise.resolve().then(work);
    return await work({ records, own, contents, clock: systemClock, between });
  } finally {
    for (const close of opened.reverse()) close();
  }
}

function runBackup(parts: UpkeepParts, store: string, { to }: BackupRequest): Promise<BackupReport> {
  return backUp(parts, store, to, parts.records.identity().folder);
}

/** Makes a backup of the server's folder at `root`: by the running server, or here. */
export async function backUpAt(root: string, to: string): Promise<BackupReport> {
  const request: BackupRequest = { do: "backup", to };
  return await askUpkeep<BackupReport>(root, request) ??
    await withStore(root, (parts) => runBackup(parts, `${root}/.fsync`, request));
}

/** By the running server, or here. */
export async function pruneAt(root: string, request: PruneRequest): Promise<PruneAnswer> {
  return await askUpkeep<PruneAnswer>(root, request) ??
    await withStore(root, (parts) => runPrune(parts, request));
}
