import { joinPath, PathError, type SyncPath } from "../core/path.ts";

/** A directory that is, or should be, watched. */
export interface WatchedDir {
  /** -1: not watched. */
  wd: number;
  name: string;
  parent: WatchedDir | null;
  readonly children: Map<string, WatchedDir>;
}

/**
 * Which watch stands for which directory. Watches follow their directory when it is renamed, so directories hang
 * in a tree, and a path is only put together when an event asks for it.
 */
export class WatchedTree {
  readonly root: WatchedDir = { wd: -1, name: "", parent: null, children: new Map() };
  readonly #byWd = new Map<number, WatchedDir>();

  get size(): number {
    return this.#byWd.size;
  }

  find(wd: number): WatchedDir | undefined {
    return this.#byWd.get(wd);
  }

  /** The child of that name, made if need be. */
  child(parent: WatchedDir, name: string): WatchedDir {
    const known = parent.children.get(name);
    if (known !== undefined) return known;
    const made: WatchedDir = { wd: -1, name, parent, children: new Map() };
    parent.children.set(name, made);
    return made;
  }

  /** Notes what watch `dir` has. */
  bind(dir: WatchedDir, wd: number): void {
    this.unbind(dir);
    // The same directory under an older path, whose events have not been read yet.
    const before = this.#byWd.get(wd);
    if (before !== undefined) before.wd = -1;
    dir.wd = wd;
    this.#byWd.set(wd, dir);
  }

  unbind(dir: WatchedDir): void {
    if (dir.wd < 0) return;
    this.#byWd.delete(dir.wd);
    dir.wd = -1;
  }

  /** Takes `dir` with all below it out of the tree; the watches stay until {@link forget}. */
  detach(dir: WatchedDir): WatchedDir {
    if (dir.parent?.children.get(dir.name) === dir) dir.parent.children.delete(dir.name);
    dir.parent = null;
    return dir;
  }

  /** Hangs a detached directory under its new name. */
  attach(dir: WatchedDir, parent: WatchedDir, name: string): void {
    dir.parent = parent;
    dir.name = name;
    parent.children.set(name, dir);
  }

  /** Unbinds `dir` and all below. Returns the watches they had. */
  forget(dir: WatchedDir): number[] {
    this.detach(dir);
    const wds: number[] = [];
    const stack = [dir];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (at.wd >= 0) wds.push(at.wd);
      this.unbind(at);
      stack.push(...at.children.values());
    }
    return wds;
  }

  /** The path of `dir`: `null` for the root, `undefined` if it does not hang in the tree any more. */
  pathOf(dir: WatchedDir): SyncPath | null | undefined {
    const names: string[] = [];
    for (let at: WatchedDir | null = dir; at !== this.root; at = at.parent) {
      if (at === null) return undefined;
      names.push(at.name);
    }
    // A rename higher up can make a path too long to be synced; then it only names a place to look at.
    return names.length === 0 ? null : names.reverse().join("/") as SyncPath;
  }
}

/** The path of `name` in `dir`, or `undefined` if nothing there can be synced. */
export function placeIn(dir: SyncPath | null, name: string): SyncPath | undefined {
  try {
    return joinPath(dir, name);
  } catch (error) {
    if (error instanceof PathError) return undefined;
    throw error;
  }
}
