/** What each user has in one folder, in bytes: read once, when somebody first asks, and kept up with every commit. */
import { bytesBrought } from "./quota.ts";
import type { Records, Version } from "./store/records.ts";

export class Usage {
  readonly #records: Pick<Records, "usage" | "version">;
  #bytes: Map<string, number> | null = null;
  /** Sent and appended, but refused in the end. It goes when packs are rewritten. */
  readonly #wasted = new Map<string, number>();

  constructor(records: Pick<Records, "usage" | "version">) {
    this.#records = records;
  }

  of(user: string): number {
    this.#bytes ??= this.#records.usage();
    return (this.#bytes.get(user) ?? 0) + (this.#wasted.get(user) ?? 0);
  }

  /** Versions that were just committed. */
  note(versions: readonly Version[]): void {
    if (this.#bytes === null) return;
    for (const version of versions) {
      const bytes = bytesBrought(version, (path, revision) => this.#records.version(path, revision));
      if (bytes > 0) this.#bytes.set(version.user, (this.#bytes.get(version.user) ?? 0) + bytes);
    }
  }

  waste(user: string, bytes: number): void {
    this.#wasted.set(user, (this.#wasted.get(user) ?? 0) + bytes);
  }

  forget(): void {
    this.#bytes = null;
    this.#wasted.clear();
  }
}
