/**
 * `--on-conflict copy`: the version that lost is also written beside the one that won, as a file like any other; once
 * for each conflict, and never for a conflict of such a copy. The choice is remembered with the folder.
 */
import { existsSync } from "@std/fs";
import { conflictPath } from "../core/conflict_name.ts";
import type { FileEntry } from "../core/entry.ts";
import { ancestorsOf, nameOf, type SyncPath } from "../core/path.ts";
import type { History, PastConflict, PastVersion } from "../protocol/history.ts";
import { shareNew } from "../system/group_area.ts";
import type { Context, Flag } from "./_command.ts";
import { UsageError } from "./_exit.ts";
import { contentOf, exportVersion } from "./_past_content.ts";

export const ON_CONFLICT_FLAG: Flag = {
  name: "on-conflict",
  value: "copy|keep",
  help: "copy: write the other version beside it; remembered",
};

/** Conflicts that are remembered as done; older ones are resolved or were seen long ago. */
const DONE_MAX = 10_000;
const COPY_NAME = / \(conflict .+ \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)/;

interface Memory {
  readonly mode: "copy" | "keep";
  /** Conflicts that were dealt with, by number. */
  readonly done: readonly number[];
}

export class ConflictCopies {
  readonly #root: string;
  readonly #file: string;
  readonly #done: Set<number>;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(root: string, memory: Memory) {
    this.#root = root;
    this.#file = memoryFile(root);
    this.#done = new Set(memory.done);
  }

  /** What the flag says, or else what it said last; `null` if nothing is to be copied. @throws {UsageError} */
  static open(context: Context, root: string): ConflictCopies | null {
    const given = context.value("on-conflict");
    if (given !== undefined && given !== "copy" && given !== "keep") {
      throw new UsageError(
        `Cannot run ${context.command.name}: --on-conflict takes copy or keep, not "${given}"`,
      );
    }
    const known = recall(root);
    const mode = given ?? known.mode;
    if (mode !== known.mode) remember(memoryFile(root), { mode, done: known.done });
    return mode === "copy" ? new ConflictCopies(root, { mode, done: known.done }) : null;
  }

  /** Writes what is missing of these conflicts; returns how many files that were. One call after the other. */
  take(history: History, open: readonly PastConflict[]): Promise<number> {
    const work = this.#last.then(() => this.#takeAll(history, open));
    this.#last = work.catch(() => {});
    return work;
  }

  async #takeAll(history: History, open: readonly PastConflict[]): Promise<number> {
    let written = 0;
    for (const conflict of open) {
      if (this.#done.has(conflict.id)) continue;
      if (isWanted(conflict)) {
        if (!this.#hasParent(conflict.path)) continue;
        if (await this.#write(history, conflict.path, conflict.loser!)) written++;
      }
      this.#done.add(conflict.id);
      remember(this.#file, { mode: "copy", done: [...this.#done].slice(-DONE_MAX) });
    }
    return written;
  }

  async #write(history: History, path: SyncPath, loser: PastVersion): Promise<boolean> {
    const entry = loser.entry as FileEntry;
    // The same name in every folder that copies; what stands there may be what another folder has copied already.
    const isOther = (taken: SyncPath) => {
      const full = `${this.#root}/${taken}`;
      return isThere(full) && !holds(full, entry);
    };
    const target = `${this.#root}/${conflictPath(path, loser.author.user, loser.time, isOther)}`;
    if (isThere(target)) return false;
    const part = `${this.#root}/.fsync/conflict.part`;
    // Left by a run that was killed.
    if (isThere(part)) Deno.removeSync(part);
    await exportVersion(history, loser, target, part);
    return true;
  }

  /** Whether the directory is here; a link is none, wherever it leads. */
  #hasParent(path: SyncPath): boolean {
    try {
      return [...ancestorsOf(path)].every((dir) => Deno.lstatSync(`${this.#root}/${dir}`).isDirectory);
    } catch {
      return false;
    }
  }
}

/** A file that lost its name and stands nowhere, and is no copy itself. */
function isWanted({ path, loser }: PastConflict): boolean {
  return loser?.entry?.kind === "file" && loser.path === path && !COPY_NAME.test(nameOf(path));
}

function isThere(full: string): boolean {
  try {
    Deno.lstatSync(full);
    return true;
  } catch {
    return false;
  }
}

function holds(full: string, entry: FileEntry): boolean {
  if (!Deno.lstatSync(full).isFile) return false;
  const file = Deno.openSync(full);
  try {
    const content = contentOf(entry, (into, offset) => {
      file.seekSync(offset, Deno.SeekMode.Start);
      return file.readSync(into) ?? 0;
    });
    return content === entry.content;
  } finally {
    file.close();
  }
}

function memoryFile(root: string): string {
  return `${root}/.fsync/on_conflict.json`;
}

function recall(root: string): Memory {
  const path = memoryFile(root);
  if (!existsSync(path)) return { mode: "keep", done: [] };
  try {
    const { mode, done } = JSON.parse(Deno.readTextFileSync(path)) as Partial<Memory>;
    const numbers = Array.isArray(done) ? done.filter((id) => Number.isInteger(id)) : [];
    return { mode: mode === "copy" ? "copy" : "keep", done: numbers };
  } catch {
    // Torn: what is copied already is found by its name and content.
    return { mode: "keep", done: [] };
  }
}

function remember(path: string, memory: Memory): void {
  // Left by a run that was killed, perhaps by another user's.
  if (isThere(`${path}.new`)) Deno.removeSync(`${path}.new`);
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(memory), { mode: 0o600 });
  shareNew(`${path}.new`);
  Deno.renameSync(`${path}.new`, path);
}
