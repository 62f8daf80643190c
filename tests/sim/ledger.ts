/**
 * What the users of a world did, as far as it decides what sync may and must do: every content they wrote, every content
 * they destroyed knowing it, and which paths they touched since all machines were last equal.
 */
import type { ContentId } from "../../core/entry.ts";
import { RULES_NAME } from "../../core/ignore.ts";
import { nameOf, type SyncPath } from "../../core/path.ts";
import type { MemDisk } from "../fakes/mem_disk.ts";
import { RulesEver } from "./left_out.ts";
import type { Thing, Tree } from "./tree.ts";

interface Touch {
  /** What each actor left there, by its last action on the path. */
  readonly last: Map<string, Thing | null>;
  /** Where what stands there was moved from. */
  readonly origins: Set<string>;
}

const CONFLICT_MARK = / \(conflict [^()]*\)(?: \d+)?/g;

export class Ledger {
  /** Contents that ever stood in a folder by a user's hand, with who wrote them. */
  readonly written = new Map<ContentId, string>();
  /** Contents that a user overwrote or deleted where he saw them. */
  readonly destroyed = new Set<ContentId>();
  /** Contents that the server has recorded. */
  readonly recorded = new Set<ContentId>();
  /** Every path that ever stood in a folder. */
  readonly paths = new Set<string>();
  /** Conflicts that were recorded before this phase. */
  conflictsBefore = 0;
  #touched = new Map<string, Touch>();
  /** A state was lost, so that old and new cannot always be told apart in this phase. */
  uncertain = false;
  /** What machines had sent without an answer when their power was cut. */
  readonly unanswered = new Set<string>();
  /** Every ignore rule of this world. */
  readonly rulesEver = new RulesEver();
  /** Ignore rules were changed in this phase. */
  rulesTouched = false;
  #sequence = 0;

  next(): number {
    return this.#sequence++;
  }

  /** All machines are equal from here on. */
  beginPhase(): void {
    this.#touched = new Map();
    this.uncertain = false;
    this.unanswered.clear();
    this.rulesTouched = false;
  }

  /** Whether a power cut made a machine forget that it had sent `path`, or something above or below it. */
  mayBeForgotten(path: string): boolean {
    for (const sent of this.unanswered) {
      if (sent === path || sent.startsWith(`${path}/`) || path.startsWith(`${sent}/`)) return true;
    }
    return false;
  }

  /** A user changed his folder, and the ignore files in it perhaps. */
  noteRules(disk: MemDisk, before: Tree, after: Tree): void {
    const isRules = (path: string) => nameOf(path as SyncPath) === RULES_NAME;
    const changed = [...before.keys(), ...after.keys()].some((path) =>
      isRules(path) && before.get(path)?.text !== after.get(path)?.text
    );
    this.rulesTouched ||= changed;
    this.rulesEver.note(disk, after);
  }

  /** Whether an ignore rule may ever have concerned `path`, or something in it that was ever there. */
  mayBeIgnored(path: string): boolean {
    if (this.rulesEver.isEmpty) return false;
    if (this.rulesEver.mayConcern(path)) return true;
    for (const other of this.paths) {
      if (other.startsWith(`${path}/`) && this.rulesEver.mayConcern(other)) return true;
    }
    return false;
  }

  /** Whether this actor touched `path`, or anything above it, in this phase. */
  touchedBy(actor: string, path: string): boolean {
    for (const [touched, { last }] of this.#touched) {
      if (last.has(actor) && (touched === path || path.startsWith(`${touched}/`))) return true;
    }
    return false;
  }

  /** A user changed his folder. */
  record(actor: string, before: Tree, after: Tree): void {
    const copiesAfter = countContents(after);
    for (const [content, copies] of countContents(before)) {
      if ((copiesAfter.get(content) ?? 0) < copies) this.destroyed.add(content);
    }
    for (const [path, { content }] of after) {
      this.paths.add(path);
      if (content === null || before.get(path)?.content === content) continue;
      if (!this.written.has(content)) this.written.set(content, `${actor}#${this.#sequence}`);
    }
    for (const path of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(path)?.text !== after.get(path)?.text) this.#touch(actor, path, after.get(path) ?? null);
    }
    const places = new Map([...before].map(([path, { ino }]) => [ino, path]));
    for (const [path, { ino }] of after) {
      const origin = places.get(ino);
      if (origin !== undefined && origin !== path) {
        this.#touch(actor, path, after.get(path)!).origins.add(origin);
      }
    }
  }

  #touch(actor: string, path: string, thing: Thing | null): Touch {
    let touch = this.#touched.get(path);
    if (touch === undefined) this.#touched.set(path, touch = { last: new Map(), origins: new Set() });
    touch.last.set(actor, thing);
    return touch;
  }

  /** Who touched `path`, or anything above or below it, in this phase. */
  actorsAround(path: string): Set<string> {
    const actors = new Set<string>();
    for (const [touched, { last }] of this.#touched) {
      if (touched !== path && !touched.startsWith(`${path}/`) && !path.startsWith(`${touched}/`)) continue;
      for (const actor of last.keys()) actors.add(actor);
    }
    return actors;
  }

  /** The same, with those around the places that what stands there came from, or may have stepped aside from. */
  actorsBehind(path: string, seen = new Set<string>()): Set<string> {
    const actors = this.actorsAround(path);
    seen.add(path);
    const aside = path.replaceAll(CONFLICT_MARK, "");
    const origins = [...this.#touched.get(path)?.origins ?? [], ...aside === path ? [] : [aside]];
    for (const origin of origins) {
      if (!seen.has(origin)) { for (const actor of this.actorsBehind(origin, seen)) actors.add(actor); }
    }
    return actors;
  }

  /** Paths that one actor alone touched, around which nobody else did anything, and what must stand there. */
  *uncontested(): Generator<{ path: string; actor: string; thing: Thing | null }> {
    for (const [path, { last }] of this.#touched) {
      const actors = this.actorsBehind(path);
      if (actors.size !== 1) continue;
      const [actor] = actors;
      yield { path, actor: actor!, thing: last.get(actor!) ?? null };
    }
  }

  describe(content: ContentId): string {
    return `${this.written.get(content) ?? "unknown content"} (${content.slice(0, 8)})`;
  }
}

function countContents(tree: Tree): Map<ContentId, number> {
  const copies = new Map<ContentId, number>();
  for (const { content } of tree.values()) {
    if (content !== null) copies.set(content, (copies.get(content) ?? 0) + 1);
  }
  return copies;
}
