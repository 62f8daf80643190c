/** Lets versions go by the owner's rules, and then what only they named. */
import {
  KEEP_EVERYTHING,
  keepsEverything,
  type RetentionRules,
  type SizedCandidate,
  versionsBeyond,
  versionsToPrune,
} from "../../core/retention.ts";
import type { ContentId } from "../../core/entry.ts";
import type { SyncPath } from "../../core/path.ts";
import type { Records, Version } from "../store/records.ts";
import { versionKey } from "../store/upkeep_records.ts";
import { archiveLarge } from "./archive.ts";
import { noteStep, type UpkeepParts } from "./parts.ts";
import { repack } from "./repack.ts";

/** What the owner wants kept. */
export interface Retention {
  readonly rules: RetentionRules;
  /** Bytes that the history may have, before compression; 0 for no limit. */
  readonly sizeMax: number;
}

export interface PrunedVersion {
  readonly path: SyncPath;
  readonly revision: number;
  readonly time: number;
  /** Bytes, 0 for what has no content. */
  readonly size: number;
}

export interface PruneReport {
  readonly versions: readonly PrunedVersion[];
  /** Contents (and chunks) that nothing names any more, and their bytes before compression. */
  readonly contents: number;
  readonly bytes: number;
  /** Bytes that the store weighs less than before. */
  readonly freed: number;
  /** Contents that are damaged and were left where they are. */
  readonly damaged: readonly ContentId[];
}

const SETTING = "retention";
/** A large file that no version names may belong to an upload that is under way. */
const UPLOAD_MS_MAX = 24 * 3_600_000;

export const NO_RETENTION: Retention = { rules: KEEP_EVERYTHING, sizeMax: 0 };

/** The owner's rules; everything is kept where none were set. */
export function readRetention(records: Records): Retention {
  const text = records.setting(SETTING);
  if (text === null) return NO_RETENTION;
  return JSON.parse(text) as Retention;
}

export function writeRetention(records: Records, retention: Retention): void {
  records.setSetting(SETTING, JSON.stringify(retention));
}

interface Known extends SizedCandidate, PrunedVersion {
  readonly content: ContentId | null;
}

/** The versions that `retention` lets go. */
export async function choosePruned(parts: UpkeepParts, retention: Retention): Promise<PrunedVersion[]> {
  const { rules, sizeMax } = retention;
  if (keepsEverything(rules) && sizeMax === 0) return [];
  const now = parts.clock.now();
  const disputed = parts.own.inOpenConflicts();
  const gone: Known[] = [];
  const left: Known[] = [];
  let path: Known[] = [];
  const take = () => {
    const pruned = new Set(versionsToPrune(path, rules, now));
    for (const version of path) (pruned.has(version) ? gone : left).push(version);
    path = [];
  };
  let seen = 0;
  for (const version of parts.own.versions()) {
    if (++seen % 1000 === 0) await parts.clock.yield();
    if (path.length > 0 && path[0]!.path !== version.path) take();
    path.push(known(version, disputed));
  }
  take();
  if (sizeMax > 0) gone.push(...versionsBeyond(left, sizeMax));
  return gone;
}

/**
 * Forgets `versions` and all that nothing names then, archives what is history, and rewrites packs.
 *
 * @throws {ContentsError | RecordsError} what was done by then stays, and the next run goes on
 */
export async function prune(parts: UpkeepParts, versions: readonly PrunedVersion[]): Promise<PruneReport> {
  const before = weight(parts);
  const named = parts.own.namedLarge();
  const collected = await parts.between(() => {
    // What became disputed, or a head again, since the choice.
    const disputed = parts.own.inOpenConflicts();
    parts.own.forget(versions.filter(({ path, revision }) => !disputed.has(versionKey(path, revision))));
    parts.onForgotten?.();
    noteStep(parts, "forgotten");
    const collected = parts.own.collect();
    noteStep(parts, "collected");
    removeUnnamed(parts, named);
    return collected;
  });
  const archived = await archiveLarge(parts);
  const repacked = await repack(parts, { looseBytesMin: 0 });
  await parts.between(() => parts.own.shorten());
  const damaged = [...archived.damaged, ...repacked.damaged];
  return { versions, ...collected, freed: Math.max(0, before - weight(parts)), damaged };
}

function known(version: Version, disputed: ReadonlySet<string>): Known {
  const { path, revision, time, entry, head } = version;
  const file = entry?.kind === "file" ? entry : null;
  return {
    path,
    revision,
    time,
    needed: head || disputed.has(versionKey(path, revision)),
    content: file?.content ?? null,
    size: file?.size ?? 0,
  };
}

/** @param before large contents that were named before this run */
function removeUnnamed(parts: UpkeepParts, before: ReadonlySet<ContentId>): void {
  const named = parts.own.namedLarge();
  const now = parts.clock.now();
  for (const { id, changed } of parts.contents.largeFiles()) {
    if (named.has(id)) continue;
    if (!before.has(id) && now - changed < UPLOAD_MS_MAX) continue;
    parts.contents.dropLarge(id);
    noteStep(parts, "file removed");
  }
}

/** Bytes of the packs and of the large files that the plain tree does not hold. */
function weight({ contents }: UpkeepParts): number {
  let bytes = contents.packs().reduce((sum, { size }) => sum + size, 0);
  for (const { names, size } of contents.largeFiles()) if (names === 1) bytes += size;
  return bytes;
}
