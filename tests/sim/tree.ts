/** Trees as the simulator compares them. */
import type { ContentId } from "../../core/entry.ts";
import { displayPath } from "../../core/path.ts";
import type { Dumped, UserSide } from "../fakes/user_side.ts";
import { contentIdOf } from "./contents.ts";

/** One thing in a folder. Equal texts mean that it is the same in everything that is synced. */
export interface Thing {
  readonly kind: Dumped["kind"];
  readonly content: ContentId | null;
  readonly text: string;
}

export type Tree = ReadonlyMap<string, Thing>;

export function treeOf(user: UserSide): Tree {
  const tree = new Map<string, Thing>();
  for (const [path, dumped] of user.tree()) tree.set(path, thingOf(dumped));
  return tree;
}

function thingOf(dumped: Dumped): Thing {
  const { kind, bytes, target, mode, mtime } = dumped;
  if (kind !== "file") {
    return { kind, content: null, text: `${kind} ${target ?? (mode & 0o777).toString(8)}` };
  }
  const content = contentIdOf(bytes!);
  return { kind, content, text: `file ${content} ${bytes!.length} B ${(mode & 0o777).toString(8)} ${mtime}` };
}

/** What differs, one line each. */
export function treeDifferences(expected: Tree, actual: Tree): string[] {
  const lines: string[] = [];
  for (const path of [...new Set([...expected.keys(), ...actual.keys()])].sort()) {
    const [want, have] = [expected.get(path), actual.get(path)];
    if (want?.text === have?.text) continue;
    lines.push(`${displayPath(path)}: ${have?.text ?? "absent"} instead of ${want?.text ?? "absent"}`);
  }
  return lines;
}
