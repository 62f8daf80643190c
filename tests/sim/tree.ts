/** Trees as the simulator compares them. */
import type { ContentId } from "../../core/entry.ts";
import { displayPath } from "../../core/path.ts";
import type { MemDisk } from "../fakes/mem_disk.ts";
import type { Inode } from "../fakes/mem_inodes.ts";
import type { Dumped } from "../fakes/user_side.ts";
import { contentIdOf } from "./contents.ts";

/** One thing in a folder. Equal texts mean that it is the same in everything that is synced. */
export interface Thing {
  readonly kind: Dumped["kind"];
  readonly content: ContentId | null;
  readonly text: string;
  readonly ino: number;
}

export type Tree = ReadonlyMap<string, Thing>;

/** @param modeMask the permission bits that count */
export function treeOf(disk: MemDisk, modeMask = 0o777): Tree {
  const tree = new Map<string, Thing>();
  const inos = new Map<string, number>();
  number(disk.inodes.root, "", inos);
  for (const [path, dumped] of disk.user.tree()) tree.set(path, thingOf(dumped, inos.get(path)!, modeMask));
  return tree;
}

function number(dir: Inode, prefix: string, inos: Map<string, number>): void {
  for (const [name, inode] of dir.entries) {
    inos.set(prefix + name, inode.ino);
    if (inode.kind === "dir") number(inode, `${prefix}${name}/`, inos);
  }
}

function thingOf(dumped: Dumped, ino: number, modeMask: number): Thing {
  const { kind, bytes, target, mtime } = dumped;
  const mode = (dumped.mode & modeMask).toString(8);
  if (kind !== "file") return { kind, content: null, text: `${kind} ${target ?? mode}`, ino };
  const content = contentIdOf(bytes!);
  return {
    kind,
    content,
    text: `file ${content} ${bytes!.length} B ${mode} ${mtime}`,
    ino,
  };
}

/** What differs, one line each, but for paths that are `excused`. */
export function treeDifferences(
  expected: Tree,
  actual: Tree,
  excused: (path: string) => boolean = () => false,
): string[] {
  const lines: string[] = [];
  for (const path of [...new Set([...expected.keys(), ...actual.keys()])].sort()) {
    const [want, have] = [expected.get(path), actual.get(path)];
    if (want?.text === have?.text || excused(path)) continue;
    lines.push(`${displayPath(path)}: ${have?.text ?? "absent"} instead of ${want?.text ?? "absent"}`);
  }
  return lines;
}
