/**
 * The conflict rule: what a server makes of one uploaded change, given the head it meets.
 *
 * A change is concurrent with the head only if it was *not* made on it. A replica that uploaded the head itself has
 * seen it, whatever base it names (its answer may have been lost), so nobody conflicts with himself. Times only choose
 * between two versions that are already known to be concurrent.
 */
import { type Entry, sameContent, sameEntry } from "./entry.ts";

/** What a path holds on the server. */
export interface HeadView {
  readonly entry: Entry;
  readonly revision: number;
  /** Identity of the replica that uploaded it. */
  readonly replica: string;
  /** When the server accepted it, ms. */
  readonly time: number;
  /** The author's clock minus the server's, ms. */
  readonly clockOffset: number;
}

export interface Incoming {
  readonly base: number;
  readonly replica: string;
  /** When it arrived, ms. */
  readonly time: number;
  readonly clockOffset: number;
}

export type PutVerdict =
  | { readonly verdict: "accept" }
  /** The head stays as it is; it already holds this. */
  | { readonly verdict: "skip" }
  /** Two contents for one name: the winner gets it, the other becomes history. */
  | {
    readonly verdict: "conflict";
    readonly winner: "incoming" | "head";
    readonly incomingTime: number;
    readonly headTime: number;
  }
  /** A file meets a directory: the directory keeps the name, the file takes a conflict name. */
  | { readonly verdict: "clash"; readonly aside: "incoming" | "head" };

/**
 * Judges a put.
 *
 * @param head what the path holds, `null` if nothing
 * @param headHasChildren whether the head is a directory that holds something
 */
export function judgePut(
  head: HeadView | null,
  headHasChildren: boolean,
  entry: Entry,
  incoming: Incoming,
): PutVerdict {
  if (head === null) return { verdict: "accept" };
  if (sameEntry(head.entry, entry)) return { verdict: "skip" };
  const madeOnHead = head.revision === incoming.base || head.replica === incoming.replica;

  if (head.entry.kind === "dir" && entry.kind !== "dir") {
    // Nothing is lost with an empty directory; one that holds something is never destroyed by a file.
    return headHasChildren ? { verdict: "clash", aside: "incoming" } : { verdict: "accept" };
  }
  if (madeOnHead) return { verdict: "accept" };
  if (entry.kind === "dir") {
    if (head.entry.kind !== "dir") return { verdict: "clash", aside: "head" };
    // Only the mode differs. A first meeting changes nothing that is already shared.
    return incoming.base === 0 ? { verdict: "skip" } : { verdict: "accept" };
  }
  const incomingTime = timeOf(entry, incoming.time, incoming.clockOffset);
  const headTime = timeOf(head.entry, head.time, head.clockOffset);
  if (sameContent(head.entry, entry)) return { verdict: incomingTime > headTime ? "accept" : "skip" };
  return {
    verdict: "conflict",
    winner: incomingTime >= headTime ? "incoming" : "head",
    incomingTime,
    headTime,
  };
}

export type DeleteVerdict = "accept" | "skip" | "stale";

/** Judges a delete: an edit that it was not made on beats it. */
export function judgeDelete(
  head: HeadView | null,
  headHasChildren: boolean,
  incoming: Incoming,
): DeleteVerdict {
  if (head === null) return "skip";
  if (headHasChildren) return "stale";
  if (head.entry.kind === "dir") return "accept";
  return head.revision === incoming.base || head.replica === incoming.replica ? "accept" : "stale";
}

/** Modification time in the server's clock. A link has none of its own: its arrival counts. */
function timeOf(entry: Entry, arrival: number, clockOffset: number): number {
  return entry.kind === "file" ? entry.mtime - clockOffset : arrival;
}
