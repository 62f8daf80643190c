/**
 * Brings ignore files that changed on the server before anything else, so that what they leave out is neither sent nor
 * fetched in the same breath.
 */
import { SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import { sameEntry } from "../core/entry.ts";
import { depthOf, isBelow, nameOf, parentOf, rebase, type SyncPath } from "../core/path.ts";
import type { Plan } from "../core/plan.ts";
import type { Ignoring } from "./ignoring.ts";
import type { LookRequest } from "./look.ts";
import type { Replica } from "./replica.ts";
import type { Trees } from "./trees.ts";

export interface RulesFirstParts {
  readonly replica: Replica;
  readonly ignoring: Ignoring;
  readonly look: (request: LookRequest) => Promise<void>;
  readonly plan: () => Plan;
  readonly carryOut: (plan: Plan) => Promise<void>;
}

/** Rules of a directory may leave out directories with rules below, so each depth has its own round. */
export const ROUNDS_MAX = 100;

/** @returns whether rules changed, so that everything has to be looked at */
export async function bringRules(parts: RulesFirstParts): Promise<boolean> {
  const { ignoring } = parts;
  let changed = false;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const wanted = nextRules(parts);
    if (wanted.size === 0) break;
    await parts.look(onlyAt(wanted));
    const todo = onlyFor(wanted, parts.plan());
    if (todo.adopt.length + todo.push.length + todo.download.length === 0) break;
    await parts.carryOut(todo);
    for (const path of wanted) ignoring.files.refresh(parentOf(path), true);
    changed ||= ignoring.files.hasChanged;
    ignoring.review(false, () => true);
  }
  return changed;
}

/**
 * Ignore files that are to come, those nearest to the root first, without those that are `done`.
 *
 * @param isAhead nothing is renamed, so what was changed in a renamed directory counts at once
 */
export function nextRules(
  { replica, ignoring }: Pick<RulesFirstParts, "replica" | "ignoring">,
  done: ReadonlySet<SyncPath> = new Set(),
  isAhead = false,
): ReadonlySet<SyncPath> {
  const { trees, busy, blocked } = replica;
  const wanted: SyncPath[] = [];
  for (const [path, { entry }] of trees.remote) {
    if (entry?.kind !== "file" || entry.size > SINGLE_CHUNK_MAX) continue;
    if (!ignoring.files.isRuleFile(nameOf(path)) || busy.has(path) || blocked.has(path)) continue;
    if (done.has(path) || comesByMove(path, trees, isAhead)) continue;
    if (!ignoring.isIgnored(path, false)) wanted.push(path);
  }
  const depth = Math.min(...wanted.map(depthOf));
  return new Set(wanted.filter((path) => depthOf(path) === depth));
}

/** A look at nothing but these. */
export function onlyAt(paths: ReadonlySet<SyncPath>): LookRequest {
  return { all: false, paths: new Map([...paths].map((path) => [path, "shallow"])) };
}

/** What the plan does to these files, and the directories above them that are to come. */
function onlyFor(wanted: ReadonlySet<SyncPath>, whole: Plan): Plan {
  const leads = (path: SyncPath) => wanted.has(path) || [...wanted].some((file) => isBelow(file, path));
  return {
    adopt: whole.adopt.filter(({ path }) => leads(path)),
    push: whole.push.filter((step) => step.do === "upload" && leads(step.path)),
    download: whole.download.filter(({ path }) => leads(path)),
    remove: [],
  };
}

/**
 * Whether a rule file comes here with its directory, which was renamed on the server: fetched by itself, it would make
 * the directory, and what is ignored in the old one would not come along.
 */
function comesByMove(path: SyncPath, { moves, synced, remote }: Trees, isAhead: boolean): boolean {
  const head = remote.get(path)?.entry ?? null;
  return head !== null && moves.some(({ from, to }) => {
    const before = isBelow(path, to) ? synced.get(rebase(path, to, from)) : undefined;
    return before !== undefined && (!isAhead || sameEntry(before.entry, head));
  });
}
