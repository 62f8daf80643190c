import { S_ISGID } from "../../system/sharing.ts";
import type { Inode, MemInodes, NameChange } from "./mem_inodes.ts";
import { asBytes, type Dumped, type UserSide } from "./user_side.ts";

interface Hooks {
  changed(path: string): void;
  /** Throws if there is no room for `bytes` more. */
  reserve(bytes: number, path: string): void;
}

interface Slot {
  readonly dir: Inode;
  readonly name: string;
}

/** What a user's programs do in a folder in memory. Links are not followed, except that nothing goes through them. */
export class MemUser implements UserSide {
  readonly #inodes: MemInodes;
  readonly #hooks: Hooks;

  constructor(inodes: MemInodes, hooks: Hooks) {
    this.#inodes = inodes;
    this.#hooks = hooks;
  }

  #dir(path: string): Inode {
    let dir = this.#inodes.root;
    for (const part of path === "" ? [] : path.split("/")) {
      const next = dir.entries.get(part);
      if (next?.kind !== "dir") throw new Error(`No directory at ${JSON.stringify(path)}`);
      dir = next;
    }
    return dir;
  }

  #slot(path: string): Slot {
    const slash = path.lastIndexOf("/");
    return { dir: this.#dir(path.slice(0, Math.max(0, slash))), name: path.slice(slash + 1) };
  }

  #need(path: string): Inode {
    if (path === "") return this.#inodes.root;
    const { dir, name } = this.#slot(path);
    const inode = dir.entries.get(name);
    if (inode === undefined) throw new Error(`Nothing at ${JSON.stringify(path)}`);
    return inode;
  }

  #needFile(path: string): Inode {
    const inode = this.#need(path);
    if (inode.kind !== "file") throw new Error(`No file at ${JSON.stringify(path)}`);
    return inode;
  }

  #put(path: string, inode: Inode): void {
    const { dir, name } = this.#slot(path);
    if (dir.entries.has(name)) throw new Error(`Something is at ${JSON.stringify(path)}`);
    this.#inodes.rename([{ dir, name, to: inode }]);
    this.#hooks.changed(path);
  }

  write(path: string, content: string | Uint8Array): void {
    const bytes = asBytes(content);
    const { dir, name } = this.#slot(path);
    const size = dir.entries.get(name)?.size ?? 0;
    this.#hooks.reserve(bytes.length - size, path);
    if (!dir.entries.has(name)) this.#put(path, this.#inodes.create("file", 0o644));
    const inode = this.#needFile(path);
    this.#inodes.truncate(inode, 0);
    this.#inodes.writeAt(inode, 0, bytes);
    this.#hooks.changed(path);
  }

  append(path: string, content: string | Uint8Array): void {
    this.patch(path, this.#needFile(path).size, content);
  }

  patch(path: string, offset: number, content: string | Uint8Array): void {
    const inode = this.#needFile(path);
    const bytes = asBytes(content);
    this.#hooks.reserve(offset + bytes.length - inode.size, path);
    this.#inodes.writeAt(inode, offset, bytes);
    this.#hooks.changed(path);
  }

  truncate(path: string, size: number): void {
    this.#inodes.truncate(this.#needFile(path), size);
    this.#hooks.changed(path);
  }

  rename(from: string, to: string): void {
    const source = this.#slot(from);
    const target = this.#slot(to);
    const inode = this.#need(from);
    const there = target.dir.entries.get(target.name);
    if (there === inode) return;
    if (there !== undefined) checkReplace(inode, there, to);
    if (inode.kind === "dir" && `${to}/`.startsWith(`${from}/`)) {
      throw new Error(`Cannot move ${JSON.stringify(from)} into itself`);
    }
    const changes: NameChange[] = [
      { dir: target.dir, name: target.name, to: inode },
      { dir: source.dir, name: source.name, to: null },
    ];
    this.#inodes.rename(changes);
    this.#hooks.changed(from);
    this.#hooks.changed(to);
  }

  mkdir(path: string): void {
    const parts = path.split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const at = parts.slice(0, depth).join("/");
      const { dir, name } = this.#slot(at);
      const there = dir.entries.get(name);
      if (there === undefined) this.#put(at, this.#inodes.create("dir", 0o755 | (dir.mode & S_ISGID)));
      else if (there.kind !== "dir") throw new Error(`Something is at ${JSON.stringify(at)}`);
    }
  }

  remove(path: string): void {
    const { dir, name } = this.#slot(path);
    const inode = this.#need(path);
    if (inode.kind === "dir" && inode.entries.size + inode.badNames.size > 0) {
      throw new Error(`Not empty: ${JSON.stringify(path)}`);
    }
    this.#inodes.rename([{ dir, name, to: null }]);
    this.#hooks.changed(path);
  }

  removeTree(path: string): void {
    const inode = this.#need(path);
    for (const name of [...inode.entries.keys()]) this.removeTree(`${path}/${name}`);
    inode.badNames.clear();
    this.remove(path);
  }

  symlink(target: string, path: string): void {
    this.#put(path, this.#inodes.create("link", 0o777, target));
  }

  hardLink(from: string, to: string): void {
    this.#put(to, this.#needFile(from));
  }

  chmod(path: string, mode: number): void {
    this.#inodes.setMeta(this.#need(path), { mode });
    this.#hooks.changed(path);
  }

  touch(path: string, mtime: number): void {
    this.#inodes.setMeta(this.#need(path), { mtime });
    this.#hooks.changed(path);
  }

  fifo(path: string): void {
    this.#put(path, this.#inodes.create("other", 0o644));
  }

  badName(dir: string, start: string): void {
    this.#dir(dir).badNames.add(`${start}\ufffd`);
    this.#hooks.changed(dir);
  }

  read(path: string): Uint8Array {
    return this.#needFile(path).content();
  }

  exists(path: string): boolean {
    try {
      this.#need(path);
      return true;
    } catch {
      return false;
    }
  }

  tree(): Map<string, Dumped> {
    const found = new Map<string, Dumped>();
    dump(this.#inodes.root, "", found);
    return found;
  }

  /** What `sync(1)` does: all of it survives a power cut from here on. */
  sync(): void {
    this.#inodes.makeDurable();
  }
}

function checkReplace(inode: Inode, there: Inode, path: string): void {
  if ((inode.kind === "dir") !== (there.kind === "dir")) {
    throw new Error(`Cannot replace ${JSON.stringify(path)}: one is a directory`);
  }
  if (there.kind === "dir" && there.entries.size + there.badNames.size > 0) {
    throw new Error(`Not empty: ${JSON.stringify(path)}`);
  }
}

function dump(dir: Inode, path: string, found: Map<string, Dumped>): void {
  for (const [name, inode] of dir.entries) {
    const at = path === "" ? name : `${path}/${name}`;
    found.set(at, dumped(inode));
    if (inode.kind === "dir") dump(inode, at, found);
  }
}

function dumped(inode: Inode): Dumped {
  const { kind, mode } = inode;
  if (kind === "link") return { kind, mode: 0o777, target: inode.target };
  if (kind !== "file") return { kind, mode };
  return { kind, mode, bytes: inode.content(), mtime: Math.floor(inode.mtimeUs / 1000) };
}
