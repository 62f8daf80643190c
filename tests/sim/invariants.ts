/** What must hold when everything was healed and has come to rest. Numbers as in the documents: I2, I3 … */
import { SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import { type ContentId, sameEntry } from "../../core/entry.ts";
import { displayPath, type SyncPath } from "../../core/path.ts";
import type { Version } from "../../server/store/records.ts";
import { contentIdOf } from "./contents.ts";
import { S } from "./places.ts";
import type { World } from "./world.ts";
import { FolderRules } from "./left_out.ts";
import { type Tree, treeDifferences } from "./tree.ts";

/** A promise was broken. */
export class Violation extends Error {
  override name = "Violation";
}

function demand(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Violation(message);
}

export function checkStable(w: World): void {
  const tree = w.tree(S);
  checkEqual(w, tree);
  checkNothingInvented(w, tree);
  checkHistory(w);
  checkNothingLost(w, tree);
  checkUncontested(w, tree);
  checkConflicts(w);
  checkNoLeftovers(w);
  checkUntouched(w, tree);
  checkIgnored(w);
}

/** The folders at a moment when all were equal. */
export interface StableTrees {
  readonly server: Tree;
  readonly clients: readonly { readonly tree: Tree; readonly rules: FolderRules }[];
}

export function stableTrees(w: World): StableTrees {
  const clients = w.clients.map((_, actor) => ({ tree: w.tree(actor), rules: rulesOf(w, actor) }));
  return { server: w.tree(S), clients };
}

function rulesOf(w: World, actor: number): FolderRules {
  const { disk, excludes } = w.client(actor);
  return new FolderRules(disk, w.tree(actor), excludes);
}

/** What nobody touched stays: above all, no rule deletes anything. */
function checkUntouched(w: World, tree: Tree): void {
  for (const [path, { text }] of w.before?.server ?? []) {
    if (tree.get(path)?.text === text || w.ledger.actorsAround(path).size > 0) continue;
    // Two sides that meet again, after a rule has gone, may be of two minds.
    if (tree.has(path) && w.ledger.mayBeIgnored(path)) continue;
    const found = tree.get(path)?.text ?? "absent";
    demand(false, `I8: nobody touched "${displayPath(path)}", which was ${text}, but it became ${found}`);
  }
}

/** What a client ignores stays as its user left it, whatever others do. */
function checkIgnored(w: World): void {
  if (w.ledger.rulesTouched) return;
  w.before?.clients.forEach(({ tree: before, rules }, actor) => {
    const now = w.tree(actor);
    const known = new Set([...before.values()].map(({ ino }) => ino));
    const standing = new Set([...now.values()].map(({ ino }) => ino));
    for (const path of new Set([...before.keys(), ...now.keys()])) {
      const [old, thing] = [before.get(path), now.get(path)];
      if (old?.text === thing?.text || w.ledger.touchedBy(w.client(actor).name, path)) continue;
      // A directory that others renamed takes along what it holds.
      const cameAlong = thing === undefined ? standing.has(old!.ino) : known.has(thing.ino);
      const ignored = rules.ignoresHere(path) || rulesOf(w, actor).ignoresHere(path);
      demand(
        !ignored || cameAlong,
        `I8: ${w.client(actor).name} ignores "${displayPath(path)}", but it became ${
          thing?.text ?? "absent"
        }`,
      );
    }
  });
}

/** Whether `path` may differ between a client and the server, because of what the client ignores. */
function isExcused(w: World, actor: number, rules: FolderRules, path: string, tree: Tree): boolean {
  if (rules.leavesOut(path, tree)) return true;
  const [here, there] = [w.tree(actor).get(path), tree.get(path)];
  if (here?.kind !== "dir" || there?.kind === "dir") return false;
  if (there === undefined) return rules.holdsOnlyLeftOut(path, tree);
  // I11: what ignored files keep from being replaced is named.
  const client = w.client(actor);
  const status = client.engine?.status() ?? client.lastEnd?.status;
  return rules.holdsLeftOut(path, tree) && status?.problems.some((problem) => problem.path === path) === true;
}

/** I2 */
function checkEqual(w: World, tree: Tree): void {
  w.clients.forEach(({ name }, actor) => {
    const rules = rulesOf(w, actor);
    const excused = (path: string) => isExcused(w, actor, rules, path, tree);
    const differences = treeDifferences(tree, w.tree(actor), excused);
    demand(differences.length === 0, `I2: ${name} differs from the server:\n  ${differences.join("\n  ")}`);
  });
  const heads = new Set<string>();
  for (const version of w.server.records.liveHeads()) heads.add(version.path);
  for (const path of heads) demand(tree.has(path), `I2: the head "${displayPath(path)}" is not in the tree`);
  for (const path of tree.keys()) demand(heads.has(path), `I2: "${displayPath(path)}" has no head`);
}

/** I5 */
function checkNothingInvented(w: World, tree: Tree): void {
  for (const [path, { content }] of tree) {
    if (content === null) continue;
    demand(w.ledger.written.has(content), `I5: nobody ever wrote the content of "${displayPath(path)}"`);
  }
}

/** I3: every recorded version can be read; I13: the versions of a path are one line. */
function checkHistory(w: World): void {
  const checked = new Set<string>();
  for (const path of w.ledger.paths) {
    const versions = w.server.records.versions(path as SyncPath);
    checkLine(path, versions);
    for (const { entry } of versions) {
      // No user gives a group this bit; only a folder that a group shares has it.
      const travelled = entry !== null && entry.kind !== "link" && (entry.mode & 0o020) !== 0;
      demand(!travelled, `I2: the group's bits of a shared folder came along with "${displayPath(path)}"`);
      if (entry?.kind !== "file" || checked.has(entry.content)) continue;
      checked.add(entry.content);
      demand(w.ledger.written.has(entry.content), `I5: nobody wrote a version of "${displayPath(path)}"`);
      const bytes = entry.size > SINGLE_CHUNK_MAX
        ? w.server.disk.privateRead(w.server.contents.largeName(entry.content))
        : readSmall(w, entry.content);
      const good = bytes !== null && contentIdOf(bytes) === entry.content;
      demand(good, `I3: ${w.ledger.describe(entry.content)} of "${displayPath(path)}" cannot be restored`);
    }
  }
}

function readSmall(
  w: World,
  content: Parameters<World["server"]["records"]["location"]>[0],
): Uint8Array | null {
  const location = w.server.records.location(content);
  return location === null ? null : w.server.contents.read(content, location);
}

function checkLine(path: string, versions: readonly Version[]): void {
  const heads = versions.filter(({ head }) => head);
  demand(heads.length <= 1, `I13: "${displayPath(path)}" has ${heads.length} heads`);
  versions.forEach((version, i) => {
    const before = versions[i - 1];
    const twice = before !== undefined && before.entry !== null && version.operation === "modified" &&
      before.operation !== "conflict" &&
      sameEntry(before.entry, version.entry);
    demand(!twice, `I6: a change of "${displayPath(path)}" was applied twice`);
    demand(
      before === undefined || before.revision < version.revision,
      `I13: "${displayPath(path)}" goes back`,
    );
    demand(version.base < version.revision, `I13: "${displayPath(path)}" is based on its future`);
  });
}

/** I7 and more: what a user wrote, and nobody who saw it destroyed, is in the tree or the loser of a conflict. */
function checkNothingLost(w: World, tree: Tree): void {
  const kept = new Set<string>();
  for (const { content } of tree.values()) if (content !== null) kept.add(content);
  w.clients.forEach((_, actor) => {
    const rules = rulesOf(w, actor);
    for (const [path, { content }] of w.tree(actor)) {
      if (content !== null && !kept.has(content) && rules.leavesOut(path, tree)) kept.add(content);
    }
  });
  for (const { path, loser } of w.conflicts()) {
    for (const { revision, entry } of w.server.records.versions(path)) {
      if (revision === loser && entry?.kind === "file") kept.add(entry.content);
    }
  }
  for (const [content, author] of w.ledger.written) {
    if (w.ledger.destroyed.has(content)) continue;
    demand(
      kept.has(content) || mayLookOutdated(w, content),
      `I7: ${author} (${content.slice(0, 8)}) is neither in the tree nor a conflict's loser`,
    );
  }
}

/**
 * Where a rule has gone, both sides meet as if for the first time; then what is here, and once was the head, is taken
 * for a copy that nobody touched since. It is in the history.
 */
function mayLookOutdated(w: World, content: ContentId): boolean {
  for (const path of w.ledger.paths) {
    const versions = w.server.records.versions(path as SyncPath);
    const wasHead = versions.some(({ operation, head, entry }) =>
      (head || operation !== "conflict") && entry?.kind === "file" && entry.content === content
    );
    if (wasHead && w.ledger.mayBeIgnored(path)) return true;
  }
  return false;
}

/** I8, I9: where one user alone acted, exactly what he did is the outcome. */
function checkUncontested(w: World, tree: Tree): void {
  if (w.ledger.uncertain) return;
  for (const { path, actor, thing } of w.ledger.uncontested()) {
    if (w.ledger.mayBeIgnored(path) || w.ledger.mayBeForgotten(path)) continue;
    const found = tree.get(path);
    const outcome = found?.text ?? "absent";
    const wanted = thing?.text ?? "absent";
    demand(
      outcome === wanted,
      `I8: ${actor} alone touched "${displayPath(path)}" and left ${wanted}, but it became ${outcome}`,
    );
  }
}

/** I6 */
function checkConflicts(w: World): void {
  const conflicts = w.conflicts();
  for (const conflict of conflicts.slice(w.ledger.conflictsBefore)) {
    const actors = w.ledger.actorsBehind(conflict.path);
    const real = w.ledger.uncertain || w.ledger.mayBeIgnored(conflict.path) ||
      w.ledger.mayBeForgotten(conflict.path) || actors.size > 1;
    demand(real, `I6: a conflict at "${displayPath(conflict.path)}", where only ${[...actors]} acted`);
  }
  w.ledger.conflictsBefore = conflicts.length;
}

/** I10 */
function checkNoLeftovers(w: World): void {
  for (const { name, disk, state } of [w.server, ...w.clients]) {
    const notes = state.begun();
    demand(notes.length === 0, `I10: ${name} left ${notes.length} notes of what was begun: ${notes[0]?.[1]}`);
    const left = disk.stageList().filter((file) => !file.endsWith(".part"));
    demand(left.length === 0, `I10: ${name} left ${left} in the staging area`);
  }
}
