/** Why a path is synced or not: everything that is known of it, from what stands in its way to what both sides agreed on. */
import type { Access } from "../core/access.ts";
import { type Entry, sameEntry } from "../core/entry.ts";
import { ancestorsOf, displayPath, type SyncPath } from "../core/path.ts";
import type { Revision } from "../protocol/messages.ts";
import type { HeldDeletes } from "./delete_gate.ts";
import type { Ignoring } from "./ignoring.ts";
import type { Replica } from "./replica.ts";

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
  const stat = replica.disk.stat(path);
  const entry = found?.entry ?? agreed?.entry ?? news?.entry ?? null;
  const kind = entry?.kind ?? null;
  const base = {
    path,
    kind,
    access: known.connected ? accessOf(replica, path) : null,
    revision: agreed !== undefined && agreed.revision > 0 ? agreed.revision : null,
    pendingSince: found !== undefined && found !== null ? Math.floor(found.stat.ctimeUs / 1000) : null,
  };
  const isDir = stat === null ? kind === "dir" : stat.kind === "dir";
  const ruled = ruleOf(path, isDir, ignoring);
  if (ruled !== null) return { ...base, state: "ignored", reasons: [ruled.reason], rule: ruled.rule };
  const problems = problemsOf(path, known);
  if (problems.length > 0) return { ...base, state: "problem", reasons: problems, rule: null };
  const isGone = found === null || (news !== undefined && news.entry === null);
  if (known.held !== null && isGone) {
    const reason = `A mass delete is held: ${known.held.deletes} of ${known.held.files} files`;
    return { ...base, state: "held", reasons: [reason], rule: null };
  }
  const waits = waitsOf(path, known);
  if (waits.length > 0) return { ...base, state: "pending", reasons: waits, rule: null };
  if (agreed !== undefined) {
    const which = agreed.revision > 0
      ? `version ${agreed.revision}`
      : "a version that is no longer the newest";
    return { ...base, state: "in sync", reasons: [`Both sides hold the same, ${which}`], rule: null };
  }
  const reason = stat === null ? "Neither this device nor the server has it" : "It was not looked at yet";
  return { ...base, state: stat === null ? "unknown" : "pending", reasons: [reason], rule: null };
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
  const { rule, at } = ignoring.rules.explain(path, isDir);
  if (rule === null) {
    return {
      reason: "What stands there, here or on the server, is ignored as another kind of thing",
      rule: "",
    };
  }
  const place = `${rule.source}:${rule.line}: ${rule.text}`;
  const what = at === path ? "It is ignored" : `"${displayPath(at)}" above it is ignored`;
  return { reason: `${what} by ${place}`, rule: place };
}

/** What keeps `path`, or a directory above it, from being synced. */
function problemsOf(path: SyncPath, { replica, ignoring }: Known): string[] {
  const trouble = ignoring?.troubleOf(path) ?? null;
  const reasons = trouble === null
    ? []
    : [`The rules of "${displayPath(trouble.path)}" are not known: ${trouble.reason}`];
  for (const one of [path, ...ancestorsOf(path)]) {
    const problem = replica.trees.problems.get(one);
    if (problem !== undefined) reasons.push(problem.reason);
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
  if (replica.unsteady.has(path)) reasons.push("It changes while it is read; it is looked at again");
  return reasons;
}
