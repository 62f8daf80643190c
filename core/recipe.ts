/**
 * A recipe says how to build one content from another that the receiver already has: ranges of the base's chunks,
 * repetitions of the content's own earlier chunks, and new bytes. Sender and receiver know the base's chunk list, so a
 * delta needs no exchange of checksums.
 */
import { ChunkList } from "./chunk.ts";

export type RecipeOp =
  /** `count` chunks of the base, from chunk `index` on. */
  | { readonly op: "base"; readonly index: number; readonly count: number }
  /** Chunk `index` of this same content once more. */
  | { readonly op: "self"; readonly index: number }
  /** New bytes: chunk `index` of this content; they follow on the wire. */
  | { readonly op: "new"; readonly index: number };

/**
 * The ops that build `target`, in order, from chunk `first` on.
 *
 * @param first chunks of the target that the receiver already holds (a resumed transfer)
 */
export function* recipe(target: ChunkList, base: ChunkList | null, first = 0): Generator<RecipeOp> {
  const inBase = new Map<string, number>();
  if (base !== null) { for (let i = base.length - 1; i >= 0; i--) inBase.set(base.keyAt(i), i); }
  const seen = new Map<string, number>();
  for (let i = 0; i < first; i++) seen.set(target.keyAt(i), i);

  let run: { index: number; count: number } | null = null;
  for (let i = first; i < target.length; i++) {
    const key = target.keyAt(i);
    // Going on with the run first keeps repeated chunks (zeros) in one range.
    if (run !== null && base !== null) {
      const next: number = run.index + run.count;
      if (next < base.length && base.keyAt(next) === key) {
        run.count++;
        seen.set(key, i);
        continue;
      }
    }
    if (run !== null) yield { op: "base", ...run };
    run = null;
    const baseIndex = inBase.get(key);
    const selfIndex = seen.get(key);
    if (baseIndex !== undefined) run = { index: baseIndex, count: 1 };
    else if (selfIndex !== undefined) yield { op: "self", index: selfIndex };
    else yield { op: "new", index: i };
    if (selfIndex === undefined) seen.set(key, i);
  }
  if (run !== null) yield { op: "base", ...run };
}
