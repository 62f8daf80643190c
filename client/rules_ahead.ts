/**
 * For a preview: finds what ignore files will say when their newer versions on the server are here, and goes by that.
 * It does what `rules_first.ts` does, and leaves the disk alone.
 */
import { digestHex } from "../core/chunk.ts";
import { isBelow, nameOf, parentOf, type SyncPath } from "../core/path.ts";
import type { Remote } from "../protocol/remote.ts";
import { batches, type DownloadStep } from "./pull.ts";
import { nextRules, onlyAt, ROUNDS_MAX, type RulesFirstParts } from "./rules_first.ts";

export type RulesAheadParts = Omit<RulesFirstParts, "carryOut">;

/** @returns ignore files of which nobody can say what they will be: they were changed on both sides, or are not to be had */
export async function foreseeRules(parts: RulesAheadParts, remote: Remote): Promise<readonly SyncPath[]> {
  const ahead = new RulesAhead(parts, remote);
  await ahead.run();
  return ahead.unforeseen;
}

class RulesAhead {
  readonly #parts: RulesAheadParts;
  readonly #remote: Remote;
  readonly #done = new Set<SyncPath>();
  readonly unforeseen: SyncPath[] = [];

  constructor(parts: RulesAheadParts, remote: Remote) {
    this.#parts = parts;
    this.#remote = remote;
  }

  /** Rules that go may let others be met, and rules that come may leave out others. */
  async run(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const wanted = nextRules(this.#parts, this.#done, true);
      if (wanted.size > 0) await this.#comeTrue(wanted);
      else if (!await this.#vanish()) return;
    }
  }

  async #comeTrue(wanted: ReadonlySet<SyncPath>): Promise<void> {
    await this.#parts.look(onlyAt(wanted));
    const { download, push } = this.#parts.plan();
    const coming = download.filter(({ path }) => wanted.has(path));
    const texts = await fetchTexts(this.#remote, coming);
    for (const [path, text] of texts) this.#parts.ignoring.files.foresee(path, text);
    const contested = push.filter(({ path }) => wanted.has(path)).map(({ path }) => path);
    const missing = coming.map(({ path }) => path).filter((path) => !texts.has(path));
    this.unforeseen.push(...contested, ...missing);
    this.#goBy(wanted);
  }

  /** Rule files that are to be removed here. Returns whether there are any. */
  async #vanish(): Promise<boolean> {
    const { replica, ignoring } = this.#parts;
    const { remote, moves } = replica.trees;
    const going = new Set<SyncPath>();
    for (const [path, { entry }] of remote) {
      if (entry !== null || !ignoring.files.isRuleFile(nameOf(path)) || this.#done.has(path)) continue;
      // In a directory that was renamed it goes with all else.
      if (!moves.some(({ from }) => isBelow(path, from))) going.add(path);
    }
    if (going.size === 0) return false;
    await this.#parts.look(onlyAt(going));
    const gone = new Set(this.#parts.plan().remove.map(({ path }) => path).filter((path) => going.has(path)));
    for (const path of gone) ignoring.files.foresee(path, null);
    this.#goBy(going);
    return true;
  }

  #goBy(paths: ReadonlySet<SyncPath>): void {
    const { ignoring } = this.#parts;
    for (const path of paths) {
      // What the look found to be ignored has its turn when other rules let it.
      if (!ignoring.isIgnored(path, false)) this.#done.add(path);
      ignoring.files.refresh(parentOf(path), true);
    }
    ignoring.review(false, () => true);
  }
}

/** What rule files say on the server, as far as it tells. */
async function fetchTexts(remote: Remote, steps: readonly DownloadStep[]): Promise<Map<SyncPath, string>> {
  const texts = new Map<SyncPath, string>();
  for (const batch of batches(steps)) {
    await remote.download(batch, (i, bytes) => {
      const { path, entry } = batch[i]!;
      const isIt = bytes !== null && entry.kind === "file" && digestHex(bytes) === entry.content;
      if (isIt) texts.set(path, new TextDecoder().decode(bytes));
    });
  }
  return texts;
}
