/** The promise against mass loss: nobody deletes most of a folder before somebody approved it. */
import type { SyncPath } from "../../core/path.ts";
import type { Version } from "../../server/store/records.ts";

/** Well above the guard's own bounds, since a client may know fewer files than the server has. */
const FILES_MIN = 30;

export class MassDeletes {
  /** Replicas whose deletes a person approved. */
  readonly approved = new Set<string>();
  readonly #files = new Map<SyncPath, string>();
  /** Most files since all machines were last equal: a client judges by what it knew then. */
  #most = 0;

  /** All machines are equal from here on. */
  beginPhase(): void {
    this.#most = this.#files.size;
  }

  /** Takes in what one commit wrote; says what is wrong with it. */
  note(versions: readonly Version[]): string | null {
    const files = this.#most = Math.max(this.#most, this.#files.size);
    const lost = new Map<string, string[]>();
    for (const { path, operation, entry, head, replica } of versions) {
      if (!head) continue;
      const before = this.#files.get(path);
      if (entry?.kind === "file") this.#files.set(path, entry.content);
      else this.#files.delete(path);
      if (operation !== "deleted" || before === undefined) continue;
      const contents = lost.get(replica);
      if (contents === undefined) lost.set(replica, [before]);
      else contents.push(before);
    }
    const kept = new Set(this.#files.values());
    for (const [replica, contents] of lost) {
      const gone = contents.filter((content) => !kept.has(content)).length;
      if (this.approved.has(replica) || files < FILES_MIN || gone * 3 <= files * 2) continue;
      return `D09: ${gone} of ${files} files were deleted at once, and nobody was asked`;
    }
    return null;
  }
}
