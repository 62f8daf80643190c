/**
 * Which versions of a path may go. A version stays if any rule keeps it; without a rule all stay. What a path holds now,
 * and what an open conflict is about, stays whatever the rules say.
 */
import { invariant } from "./invariant.ts";

/** Each rule is off when it is 0. */
export interface RetentionRules {
  /** The newest N versions of each path. */
  readonly last: number;
  /** Everything that is younger than N days. */
  readonly allDays: number;
  /** The newest version of each of the latest N days (weeks, months) on which the path changed, in UTC. */
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
}

export const KEEP_EVERYTHING: RetentionRules = { last: 0, allDays: 0, daily: 0, weekly: 0, monthly: 0 };

/** What is known of one version of the path. */
export interface Candidate {
  /** When the server accepted it, ms. */
  readonly time: number;
  /** It is what the path holds now (also that it is deleted), or an open conflict needs it. */
  readonly needed: boolean;
}

const DAY_MS = 24 * 3_600_000;
/** 1970-01-01 was a Thursday; weeks begin on Monday. */
const MONDAY_DAYS = 3;

/** Whether `rules` let anything go. */
export function keepsEverything(rules: RetentionRules): boolean {
  return Object.values(rules).every((value) => value === 0);
}

/**
 * The versions of one path that go.
 *
 * @param versions oldest first
 * @param now ms
 */
export function versionsToPrune<T extends Candidate>(
  versions: readonly T[],
  rules: RetentionRules,
  now: number,
): T[] {
  if (keepsEverything(rules)) return [];
  const kept = new Set<T>(versions.filter(({ needed }) => needed));
  if (rules.last > 0) { for (const version of versions.slice(-rules.last)) kept.add(version); }
  if (rules.allDays > 0) {
    for (const version of versions) if (version.time >= now - rules.allDays * DAY_MS) kept.add(version);
  }
  keepNewestOfEach(versions, rules.daily, dayOf, kept);
  keepNewestOfEach(versions, rules.weekly, weekOf, kept);
  keepNewestOfEach(versions, rules.monthly, monthOf, kept);
  return versions.filter((version) => !kept.has(version));
}

function keepNewestOfEach<T extends Candidate>(
  versions: readonly T[],
  count: number,
  periodOf: (time: number) => number,
  kept: Set<T>,
): void {
  const periods = new Set<number>();
  for (let i = versions.length - 1; i >= 0 && count > 0; i--) {
    const version = versions[i]!;
    const period = periodOf(version.time);
    if (periods.has(period)) continue;
    if (periods.size === count) return;
    periods.add(period);
    kept.add(version);
  }
}

function dayOf(time: number): number {
  return Math.floor(time / DAY_MS);
}

function weekOf(time: number): number {
  return Math.floor((dayOf(time) + MONDAY_DAYS) / 7);
}

function monthOf(time: number): number {
  const date = new Date(time);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** A version with the content that it alone, or together with others, keeps in the store. */
export interface SizedCandidate extends Candidate {
  /** `null` for what has no content: directories, links, deletions. */
  readonly content: string | null;
  /** Bytes. */
  readonly size: number;
}

/**
 * The oldest versions that have to go so that all contents which only the history names come to at most `bytesMax`
 * (each content once, before compression). Versions without a content stay: they cost nothing.
 */
export function versionsBeyond<T extends SizedCandidate>(versions: readonly T[], bytesMax: number): T[] {
  const names = new Map<string, number>();
  const needed = new Set<string>();
  let bytes = 0;
  for (const { content, needed: isNeeded } of versions) {
    if (content === null) continue;
    names.set(content, (names.get(content) ?? 0) + 1);
    if (isNeeded) needed.add(content);
  }
  const counted = new Set<string>(needed);
  for (const { content, size } of versions) {
    if (content === null || counted.has(content)) continue;
    counted.add(content);
    bytes += size;
  }
  const gone: T[] = [];
  for (const version of [...versions].sort((a, b) => a.time - b.time)) {
    if (bytes <= bytesMax) break;
    const { content, size } = version;
    if (version.needed || content === null || needed.has(content)) continue;
    const left = names.get(content)! - 1;
    invariant(left >= 0, "a content is named by fewer versions than there are");
    names.set(content, left);
    gone.push(version);
    if (left === 0) bytes -= size;
  }
  return gone;
}
