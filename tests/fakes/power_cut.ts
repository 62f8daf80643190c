/**
 * What a power cut leaves of a folder in memory. Names and contents that were not synced survive or not, each for
 * itself and in any order; a content may also be cut short or end in zeros. Two things are never done, because no
 * journalling file system does them: to lose a durable file that was merely renamed, and to give a directory two places.
 */
import type { Inode, MemInodes, NameOp } from "./mem_inodes.ts";

type Entries = Map<Inode, Map<string, Inode>>;

/** Tries before the cut falls back to what a strictly ordered journal would leave. */
const TRIES = 8;

/** @param random a number in [0, 1) */
export function powerCut(inodes: MemInodes, random: () => number): void {
  const bases = [inodes.root, inodes.stage, inodes.privateArea];
  const { ops, dirty } = inodes.takeUnsynced();
  const kept = chooseNames(bases, ops, random);
  for (const [dir, names] of kept) dir.entries = names;
  const reachable = reach(bases, (dir) => dir.entries)!;
  for (const inode of dirty) if (reachable.has(inode)) chooseContent(inode, random);
  for (const inode of reachable) inode.makeDurable();
  inodes.recount();
}

function chooseNames(bases: Inode[], ops: readonly NameOp[], random: () => number): Entries {
  const before = reach(bases, (dir) => dir.durableEntries ?? new Map())!;
  const after = reach(bases, (dir) => dir.entries)!;
  const mustStay = [...before].filter((inode) => after.has(inode));
  for (let tries = 0; tries < TRIES; tries++) {
    const chance = random();
    const names = durableNames(ops);
    for (const op of ops) applySome(names, op, before, () => random() < chance);
    const reached = reach(bases, (dir) => namesOf(names, dir));
    if (reached !== null && mustStay.every((inode) => reached.has(inode))) return names;
  }
  const names = durableNames(ops);
  for (const op of ops.slice(0, Math.floor(random() * (ops.length + 1)))) {
    applySome(names, op, before, () => true);
  }
  return names;
}

function durableNames(ops: readonly NameOp[]): Entries {
  const names: Entries = new Map();
  for (const op of ops) for (const { dir } of op) names.set(dir, new Map(dir.durableEntries ?? []));
  return names;
}

function namesOf(names: Entries, dir: Inode): Map<string, Inode> {
  return names.get(dir) ?? dir.durableEntries ?? new Map();
}

/** A rename of something durable is done or not; anything else may be done in part. */
function applySome(names: Entries, op: NameOp, durable: ReadonlySet<Inode>, chance: () => boolean): void {
  const whole = op.length > 1 && op.some(({ to }) => to !== null && durable.has(to));
  if (whole && !chance()) return;
  for (const { dir, name, to } of op) {
    if (!whole && !chance()) continue;
    if (to === null) namesOf(names, dir).delete(name);
    else namesOf(names, dir).set(name, to);
  }
}

/** Everything below `bases`, or `null` if a directory has two places. */
function reach(bases: Inode[], entries: (dir: Inode) => Map<string, Inode>): Set<Inode> | null {
  const seen = new Set(bases);
  const open = [...bases];
  for (let dir = open.pop(); dir !== undefined; dir = open.pop()) {
    for (const inode of entries(dir).values()) {
      if (inode.kind === "dir") {
        if (seen.has(inode)) return null;
        open.push(inode);
      }
      seen.add(inode);
    }
  }
  return seen;
}

function chooseContent(inode: Inode, random: () => number): void {
  if (inode.kind !== "file" || inode.size === 0 || !inode.contentChanged) {
    // Bits and times alone.
    if (inode.durable !== null && random() < 0.5) inode.revert();
    return;
  }
  const outcome = random();
  if (outcome < 0.25) return;
  if (outcome < 0.5) return inode.revert();
  const whole = inode.content();
  const length = Math.floor(random() * whole.length);
  if (outcome < 0.75) inode.bytes = whole.slice(0, length);
  else inode.bytes = whole.fill(0, length);
  inode.size = inode.bytes.length;
}
