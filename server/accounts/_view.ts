/** What stands for the part of a folder that a user sees. */
import { createHmac } from "node:crypto";
import type { Rule } from "../../core/access.ts";
import { ancestorsOf, type SyncPath } from "../../core/path.ts";
import type { Id } from "../../protocol/messages.ts";
import { EVERYTHING } from "./accounts.ts";

const VIEW_BYTES = 16;

/**
 * The view that `rules` give. It depends on what is seen alone: whoever may write now what it could read before need
 * not list the folder again. It is keyed, so that nobody can try whether a prefix that is hidden from them explains it.
 *
 * @param key kept secret by the server
 */
export function viewOf(key: Uint8Array, rules: readonly Rule[]): Id {
  const seen = visibility(rules);
  if (seen.length === 1 && seen[0] === "+") return EVERYTHING;
  // No path contains a NUL.
  return createHmac("sha256", key).update(seen.join("\0")).digest().subarray(0, VIEW_BYTES).toString("hex");
}

/** Each rule that makes a difference to what is seen, as `+prefix` or `-prefix`. */
function visibility(rules: readonly Rule[]): string[] {
  const seen = new Map(rules.map(({ prefix, access }) => [prefix, access !== "none"]));
  const inherited = (prefix: SyncPath | null): boolean => {
    if (prefix === null) return false;
    for (const dir of ancestorsOf(prefix)) {
      const above = seen.get(dir);
      if (above !== undefined) return above;
    }
    return seen.get(null) ?? false;
  };
  return [...seen].filter(([prefix, visible]) => visible !== inherited(prefix))
    .map(([prefix, visible]) => `${visible ? "+" : "-"}${prefix ?? ""}`);
}
