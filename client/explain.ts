/** Why a path is synced or not: everything that is known of it, from what stands in its way to what both sides agreed on. */
import type { Access } from "../core/access.ts";
import { BUILTIN_IGNORES, BUILTIN_SOURCE } from "../core/builtin_ignores.ts";
import { type Entry, sameEntry } from "../core/entry.ts";
import { ancestorsOf, displayPath, isAtOrBelow, isBelow, type SyncPath } from "../core/path.ts";
import type { Revision } from "../protocol/messages.ts";
import { DiskError, type Stat } from "../system/disk.ts";
import type { HeldDeletes } from "./delete_gate.ts";
import type { Ignoring } from "./ignoring.ts";
import type { Replica } from "./replica.ts";
import { nameProblemKey } from "./trees.ts";

export type ExplainedState =
  /** Both sides hold the same. */
  | "in sync"
  /** Something waits to go to the server, or to come from it. */
  | "pending"
  /** A rule leaves it out. */
  | "ignored"
  /** It cannot be synced; `reasons` say why. */
  | "problem"
  /** The guard against mass deletion holds it. */
  | "held"
  /** Neither side has it. */
  | "unknown";

export interface Explanation {
  readonly path: SyncPath;
  readonly state: ExplainedState;
  /** In sentences, the strongest first. */
  readonly reasons: readonly string[];
  /** The rule that decided, as `file:line: pattern`. */
  readonly rule: string | null;
  readonly kind: Entry["kind"] | null;
  /** What this user may do, `null` while no server has said it. */
  readonly access: Access | null;
  /** What both sides agreed on. */
  readonly revision: Revision | null;
  /** The server's version that this side does not have yet. */
  readonly news: Revision | null;
  /** When the local change that waits was made, ms; `null` if none waits. */
  readonly pendingSince: number | null;
}

export interface Known {
  readonly replica: Replica;
  readonly ignoring: Ignoring | null;
  readonly held: HeldDeletes | null;
  /** Whether a server has told this user's rights. */
  readonly connected: boolean;
  /** Wall clock of the last look at everything, ms; 0: never. */
  readonly lookedAt: number;
}

export function explainPath(path: SyncPath, known: Known): Explanation {
  const { replica, ignoring } = known;
  const { trees } = replica;
  const found = trees.local.get(path);
  const agreed = trees.synced.get(path);
  const news = trees.remote.get(path);
  const stat = statOf(path, replica);
  const entry = found?.entry ?? agreed?.entry ?? news?.entry ?? trees.ignored.get(path)?.entry ?? null;
  const kind = entry?.kind ?? null;
  const base = {
    path,
    kind,
    access: known.connected ? accessOf(replica, path) : null,
    revision: agreed !== undefined && agreed.revision > 0 ? agreed.revision : null,
    news: news?.revision ?? trees.ignored.get(path)?.revision ?? null,
    pendingSince: found !== undefined && found !== null ? Math.floor(found.stat.ctimeUs / 1000) : null,
  };
  const isDir = stat === null ? kind === "dir" : stat.kind === "dir";
  const ruled = ruleOf(path, isDir, ignoring);
  if (ruled !== null) {
    const there = trees.ignored.get(path);
    const kept = there === undefined ? [] : [`The server keeps version ${there.revision} of it for others`];
    return { ...base, state: "ignored", reasons: [ruled.reason, ...kept], rule: ruled.rule };
  }
  const back = takenBackBy(path, isDir, ignoring);
  const problems = problemsOf(path, known);
  if (problems.length > 0) return { ...base, state: "problem", reasons: problems, rule: null };
  const isGone = found === null || (news !== undefined && news.entry === null);
  if (known.held !== null && isGone) {
    const reason = `A mass delete is held: ${known.held.deletes} of ${known.held.files} files`;
    return { ...base, state: "held", reasons: [reason], rule: null };
  }
  const waits = isDir ? [...waitsOf(path, known), ...waitsBelow(path, replica)] : waitsOf(path, known);
  if (waits.length > 0) return { ...base, state: "pending", reasons: [...waits, ...back], rule: null };
  if (agreed !== undefined) {
    const which = agreed.revision > 0
      ? `version ${agreed.revision}`
      : "a version that is no longer the newest";
    return {
      ...base,
      state: "in sync",
      reasons: [`Both sides hold the same, ${which}`, ...back],
      rule: null,
    };
  }
  if (stat !== null && isDir && holdsOnlyIgnored(path, trees)) {
    const reason = "It holds only what is ignored, so it is kept here and told to nobody";
    return { ...base, state: "ignored", reasons: [reason], rule: null };
  }
  const reason = stat === null ? "Neither this device nor the server has it" : "It was not looked at yet";
  return { ...base, state: stat === null ? "unknown" : "pending", reasons: [reason], rule: null };
}

/** `null` also where one may not look: then a problem says so. */
function statOf(path: SyncPath, { disk }: Replica): Stat | null {
  try {
    return disk.stat(path);
  } catch (error) {
    if (error instanceof DiskError) return null;
    throw error;
  }
}

/** Whether looks have met something ignored at or below `dir`; asked of a directory that is nobody's news. */
function holdsOnlyIgnored(dir: SyncPath, { holders }: Replica["trees"]): boolean {
  return holders.values().some((holder) => isAtOrBelow(holder, dir));
}

/** The rule without which `path` would perhaps be ignored. */
function takenBackBy(path: SyncPath, isDir: boolean, ignoring: Ignoring | null): string[] {
  if (ignoring === null) return [];
  const onServer = ignoring.isOnServer(path);
  const { rule } = ignoring.rules.explain(path, isDir, onServer);
  const passedOver = onServer ? ignoring.rules.explain(path, isDir) : null;
  if (passedOver?.ignored && passedOver.rule !== null) {
    const { source, line, text } = passedOver.rule;
    return [
      `${source}:${line}: ${text} does not count for it: the server has it, and rules for all stay synced`,
    ];
  }
  return rule === null || !rule.negated
    ? []
    : [`No rule ignores it: ${rule.source}:${rule.line}: ${rule.text}`];
}

/** How much below a directory waits, either way. */
function waitsBelow(dir: SyncPath, { trees }: Replica): string[] {
  const count = (paths: Iterable<SyncPath>) => [...paths].filter((path) => isBelow(path, dir)).length;
  const [up, down] = [count(trees.local.keys()), count(trees.remote.keys())];
  const said: string[] = [];
  if (up > 0) said.push(`${up} ${up === 1 ? "change" : "changes"} below it waiting to go to the server`);
  if (down > 0) said.push(`${down} ${down === 1 ? "change" : "changes"} below it waiting to come here`);
  return said;
}

function accessOf({ writes, trees }: Replica, path: SyncPath): Access {
  if (writes.mayWrite(path)) return "write";
  return trees.synced.has(path) || trees.remote.has(path) ? "read" : "none";
}

function ruleOf(
  path: SyncPath,
  isDir: boolean,
  ignoring: Ignoring | null,
): { reason: string; rule: string } | null {
  if (ignoring === null || !ignoring.isIgnored(path, isDir)) return null;
  const { rule, at } = ignoring.rules.explain(path, isDir, ignoring.isOnServer(path));
  if (rule === null) {
    return {
      reason: "What stands there, here or on the server, is ignored as another kind of thing",
      rule: "",
    };
  }
  const place = `${rule.source}:${rule.line}: ${rule.text}`;
  const what = at === path ? "It is ignored" : `"${displayPath(at)}" above it is ignored`;
  const builtin = rule.source === BUILTIN_SOURCE ? BUILTIN_IGNORES[rule.line - 1] : undefined;
  const good = builtin === undefined ? "" : ` (${builtin.reason})`;
  return { reason: `${what} by ${place}${good}`, rule: place };
}

/** What keeps `path`, or a directory above it, from being synced. */
function problemsOf(path: SyncPath, { replica, ignoring }: Known): string[] {
  const trouble = ignoring?.troubleOf(path) ?? null;
  const reasons = trouble === null
    ? []
    : [`The rules of "${displayPath(trouble.path)}" are not known: ${trouble.reason}`];
  for (const one of [path, ...ancestorsOf(path)]) {
    const { problems } = replica.trees;
    const problem = problems.get(one) ?? problems.get(nameProblemKey(one));
    // Of a directory only that matters here which keeps it from being looked into.
    if (problem !== undefined && (one === path || problem.at === "look")) reasons.push(problem.reason);
  }
  return reasons;
}

function waitsOf(path: SyncPath, { replica }: Known): string[] {
  const { trees, busy } = replica;
  const reasons: string[] = [];
  if (busy.has(path)) reasons.push("Its content is being transferred");
  const found = trees.local.get(path);
  const agreed = trees.synced.get(path)?.entry ?? null;
  if (found !== undefined) {
    if (found === null) reasons.push("It was deleted here; that waits to go to the server");
    else if (!sameEntry(found.entry, agreed)) {
      reasons.push(`It was ${agreed === null ? "made" : "changed"} here; that waits to go to the server`);
    }
  }
  const news = trees.remote.get(path);
  if (news !== undefined) {
    const { user } = news.author;
    const who = user === "" ? "" : ` by ${displayPath(user)}`;
    const what = news.entry === null ? "deleted" : agreed === null ? "made" : "changed";
    reasons.push(`It was ${what} on the server${who} (version ${news.revision}); that waits to come here`);
  }
  if (trees.undecided.has(path)) {
    reasons.push("The server has it, but its directory is gone here; if it was not renamed, it comes back");
  }
  if (replica.unsteady.has(path)) reasons.push("It changes while it is read; it is looked at again");
  return reasons;
}
