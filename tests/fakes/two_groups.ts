/** Two groups that share a folder and may not see each other's part of it, and all that the one may try at the other's. */
import { type Access, Rights } from "../../core/access.ts";
import { parsePath, type SyncPath } from "../../core/path.ts";
import type { Message } from "../../protocol/messages.ts";
import { large } from "../conformance/contents_suite.ts";
import { copyOf, dirOf, gone, renamed, type Sent } from "./free_client.ts";

const p = parsePath;

/** Where a group works: two places of its own, one that both share, one of those below a directory of the owner's. */
export const PLACES = {
  red: ["red", "mixed/red", "both"],
  blue: ["blue", "mixed/blue", "both"],
} as const;
export type Group = keyof typeof PLACES;

export function groupRights(group: Group, also: Readonly<Record<string, Access>> = {}): Rights {
  const rules = PLACES[group].map((prefix) => ({
    prefix: p(prefix),
    access: "write" as const,
    history: true,
  }));
  const more = Object.entries(also).map(([prefix, access]) => ({
    prefix: p(prefix),
    access,
    history: false,
  }));
  return new Rights([...rules, ...more]);
}

/** What the test knows of one file, so that clients can ask for it whether they may or not. */
export interface Known {
  readonly path: SyncPath;
  readonly revision: number;
  readonly bytes: Uint8Array;
}

/** Everything that somebody may try on a file that is none of its business. */
export function attacks(
  { path, revision, bytes }: Known,
  { place, mine, head, conflict }: {
    /** Where the attacker may write, and a file of it there. */
    readonly place: string;
    readonly mine: string;
    readonly head: number;
    readonly conflict: number;
  },
): Message[] {
  const item = (sent: Sent): Message => ({
    type: "upload",
    items: [sent.item],
    block: { encoding: "raw", rawSize: 0, bytes: new Uint8Array(0) },
  });
  const ref = { path, revision };
  const nothing = new Uint8Array(0);
  const other = large(new Uint8Array(200_000).fill(7));
  return [
    { type: "download", items: [ref, { path: p(`${path}/x`), revision }, { path: p(mine), revision: head }] },
    { type: "fetch", ...ref, base: null, chunks: 0, prefix: nothing },
    { type: "fetch", path: p(mine), revision: head, base: ref, chunks: 0, prefix: nothing },
    { type: "versions", path },
    { type: "read", ...ref },
    { type: "restore", path, goal: { kind: "version", revision }, dryRun: true },
    { type: "restore", path, goal: { kind: "undelete" }, dryRun: false },
    { type: "restore", path, goal: { kind: "time", time: 2 ** 42 }, dryRun: true },
    { type: "restore", path: null, goal: { kind: "time", time: 2 ** 42 }, dryRun: true },
    { type: "conflicts", open: false },
    { type: "resolve", conflict, keep: { kind: "version", revision } },
    { type: "stage", content: other.id, size: 200_000, chunks: other.chunks.length, base: ref },
    item(copyOf(`${place}/x-copy ${revision}`, bytes, { from: "version", ...ref })),
    item(
      copyOf(`${place}/x-staged ${revision}`, bytes.length > 131_072 ? bytes : other.bytes, {
        from: "staged",
      }),
    ),
    item(copyOf(path, bytes, { from: "version", ...ref }, revision)),
    item(dirOf(path)),
    item(gone(path, revision)),
    item(renamed(path, `${place}/x-moved ${revision}`, 2 ** 40, 1)),
    item(renamed(mine, path, 2 ** 40, 1)),
  ];
}

export function isLast(answer: Message): boolean {
  if (answer.type === "changes" || answer.type === "versionList" || answer.type === "restored") {
    return !answer.more;
  }
  if (answer.type === "conflictList") return !answer.more;
  if (answer.type === "contents" || answer.type === "bytes" || answer.type === "data") return answer.last;
  return answer.type !== "fetching";
}
