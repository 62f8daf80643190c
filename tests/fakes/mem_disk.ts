/**
 * A folder in memory that behaves like the real disk, decided by its arguments alone: time comes from a clock, faults
 * and power cuts from the test. `user` is what a user's programs do in it.
 */
import { invariant } from "../../core/invariant.ts";
import { MODE_MASK } from "../../core/entry.ts";
import { nameOf, parentOf, RESERVED_NAME, type SyncPath } from "../../core/path.ts";
import {
  type Checked,
  type DirItem,
  type Disk,
  DiskError,
  type DiskErrorCode,
  type Meta,
  type ReadHandle,
  sameStat,
  type Staged,
  type StageFile,
  type Stat,
} from "../../system/disk.ts";
import { isGroupShared, modeIn, S_ISGID } from "../../system/sharing.ts";
import { type Inode, MemInodes, type NameOp } from "./mem_inodes.ts";
import { MemUser } from "./mem_user.ts";
import { powerCut } from "./power_cut.ts";

export interface MemDiskOptions {
  /** Wall clock, ms. Default: stands still. */
  readonly clock?: () => number;
  /** Bytes that the folder can hold. */
  readonly capacity?: number;
  /** How coarse times are, µs; also the racy window. Default 1: every change shows, the window is 0. */
  readonly granularityUs?: number;
  /** A Unix group shares the folder: its root has mode 2770. */
  readonly groupShared?: boolean;
}

/**
 * Asked before each call of the disk, with the method's name and the path (a staged thing's name, a private name, or
 * "" for the whole): a code makes the call fail with it and change nothing. May also throw, to imitate a kill.
 */
export type Fault = (op: string, path: string) => DiskErrorCode | null;

interface MemStaged {
  readonly name: string;
  readonly inode: Inode;
  gone: boolean;
}

const CAPACITY = 2 ** 40;
const NAME_BYTES_MAX = 255;

export class MemDisk implements Disk {
  readonly racyWindowUs: number;
  readonly inodes: MemInodes;
  readonly user: MemUser;
  fault: Fault | null = null;
  /** Told the path of every change in the tree, by whomever: the events a watcher would see. */
  onEvent: ((path: string) => void) | null = null;
  capacity: number;
  /** Nothing tells how much room there is, as with the quotas of some file systems. */
  hidesFree = false;
  #next = 0;
  #powerCuts = 0;

  constructor(options: MemDiskOptions = {}) {
    const granularity = options.granularityUs ?? 1;
    this.racyWindowUs = granularity > 1 ? granularity : 0;
    this.capacity = options.capacity ?? CAPACITY;
    this.inodes = new MemInodes(options.clock ?? (() => 1_735_689_600_000), granularity);
    if (options.groupShared === true) this.inodes.root.mode = 0o2770;
    this.inodes.root.makeDurable();
    this.user = new MemUser(this.inodes, {
      changed: (path) => this.onEvent?.(path),
      reserve: (bytes, path) => this.#reserve("write", path, bytes),
    });
  }

  get groupShared(): boolean {
    return isGroupShared(this.inodes.root.mode);
  }

  /** The bits that something gets in the directory `parent`. */
  #modeIn(parent: Inode, kind: "file" | "dir", mode: number): number {
    const gid = this.groupShared || (parent.mode & S_ISGID) !== 0 ? 0 : null;
    return modeIn({ gid, shared: this.groupShared || isGroupShared(parent.mode) }, kind, mode);
  }

  #check(op: string, action: string, path: string): void {
    const code = this.fault?.(op, path) ?? null;
    if (code !== null) throw new DiskError(code, action, path, `injected (${code})`);
  }

  #reserve(action: string, path: string, bytes: number): void {
    if (bytes > 0 && this.inodes.used + bytes > this.capacity) {
      throw new DiskError("no_space", action, path, "no space left on the device");
    }
  }

  /** The directory at `dir`. @throws {DiskError} */
  #dir(dir: SyncPath | null, action: string, path: string): Inode {
    let inode = this.inodes.root;
    for (const part of dir === null ? [] : dir.split("/")) {
      const next = inode.entries.get(part);
      if (next === undefined) throw new DiskError("not_found", action, path, "no such file or directory");
      if (next.kind === "link") {
        throw new DiskError("link_in_path", action, path, "a part of the path is a symbolic link");
      }
      if (next.kind !== "dir") {
        throw new DiskError("not_a_directory", action, path, "a part of the path is not a directory");
      }
      inode = next;
    }
    return inode;
  }

  list(dir: SyncPath | null): DirItem[] {
    this.#check("list", "list", dir ?? "");
    const inode = this.#dir(dir, "list", dir ?? "");
    const items: DirItem[] = [];
    for (const [name, entry] of inode.entries) {
      if (name !== RESERVED_NAME) items.push({ name, stat: entry.stat() });
      else if (dir !== null) items.push({ name, problem: `the name "${RESERVED_NAME}" is reserved` });
    }
    for (const name of inode.badNames) items.push({ name, problem: "its name is not UTF-8" });
    return items;
  }

  stat(path: SyncPath): Stat | null {
    this.#check("stat", "look at", path);
    return this.#look(path)?.stat() ?? null;
  }

  #look(path: SyncPath): Inode | null {
    try {
      return this.#dir(parentOf(path), "look at", path).entries.get(nameOf(path)) ?? null;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (error.code === "not_found" || error.code === "not_a_directory") return null;
      throw error;
    }
  }

  isStill(path: SyncPath, seen: Stat): boolean {
    try {
      return sameStat(this.#look(path)?.stat() ?? null, seen);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return false;
    }
  }

  readLink(path: SyncPath): string {
    this.#check("readLink", "read", path);
    const inode = this.#need(path, "read");
    if (inode.kind !== "link") throw new DiskError("not_a_file", "read", path, "it is not a symbolic link");
    return inode.target;
  }

  #need(path: SyncPath, action: string): Inode {
    const inode = this.#dir(parentOf(path), action, path).entries.get(nameOf(path));
    if (inode === undefined) throw new DiskError("not_found", action, path, "no such file or directory");
    return inode;
  }

  open(path: SyncPath): ReadHandle {
    this.#check("open", "open", path);
    return new MemFile(this.#needFile(path), () => this.#check("read", "read", path));
  }

  #needFile(path: SyncPath): Inode {
    const inode = this.#need(path, "open");
    if (inode.kind !== "file") throw new DiskError("not_a_file", "open", path, "it is not a regular file");
    return inode;
  }

  stageBytes(bytes: Uint8Array, meta: Meta): Staged {
    const inode = this.inodes.create("file", 0o600);
    const name = this.#freshName();
    this.#check("stageBytes", "write", name);
    this.#reserve("write", name, bytes.length);
    this.inodes.writeAt(inode, 0, bytes);
    this.#finish(inode, meta);
    return this.#stage(inode, name);
  }

  #finish(inode: Inode, meta: Meta): void {
    this.inodes.setMeta(inode, { mode: meta.mode & MODE_MASK, mtime: Math.floor(meta.mtime) });
  }

  stageLink(target: string): Staged {
    const name = this.#freshName();
    this.#check("stageLink", "create", name);
    if (target === "" || target.includes("\0") || !target.isWellFormed()) {
      throw new DiskError("io", "create", name, "a link cannot have such a text");
    }
    return this.#stage(this.inodes.create("link", 0o777, target), name);
  }

  stageDir(mode: number): Staged {
    const name = this.#freshName();
    this.#check("stageDir", "create", name);
    return this.#stage(this.inodes.create("dir", mode & MODE_MASK), name);
  }

  #freshName(): string {
    return `s${this.#next++}`;
  }

  #stage(inode: Inode, name: string): Staged {
    if (!this.inodes.stage.entries.has(name)) {
      this.inodes.rename([{ dir: this.inodes.stage, name, to: inode }]);
    }
    const staged: MemStaged = { name, inode, gone: false };
    return staged as unknown as Staged;
  }

  stageLarge(key: string): StageFile {
    const name = `${key}.part`;
    this.#check("stageLarge", "open", name);
    let inode = this.inodes.stage.entries.get(name);
    if (inode === undefined) {
      inode = this.inodes.create("file", 0o600);
      this.inodes.rename([{ dir: this.inodes.stage, name, to: inode }]);
    }
    return new MemLarge(this.inodes, inode, {
      check: (op) => this.#check(op, "write", name),
      reserve: (bytes) => this.#reserve("write", name, bytes),
      seal: (meta) => {
        this.#finish(inode, meta);
        return this.#stage(inode, name);
      },
    });
  }

  stagePrivate(name: string, meta: Meta): Staged {
    this.#check("stagePrivate", "open", name);
    const inode = this.inodes.privateArea.entries.get(name);
    if (inode === undefined) throw new DiskError("not_found", "open", name, "no such file or directory");
    const staged = inode.nlink === 1 ? inode : this.#copy(inode, name);
    this.#finish(staged, meta);
    return this.#stage(staged, this.#freshName());
  }

  #copy(inode: Inode, path: string): Inode {
    this.#reserve("copy", path, inode.size);
    const copy = this.inodes.create("file", 0o600);
    this.inodes.writeAt(copy, 0, inode.content());
    return copy;
  }

  stagedName(staged: Staged): string {
    return (staged as unknown as MemStaged).name;
  }

  get boot(): string {
    return `boot ${this.#powerCuts}`;
  }

  staged(): Map<string, Stat | null> {
    this.#check("staged", "list", "");
    return new Map([...this.inodes.stage.entries].map(([name, inode]) => [name, inode.stat()]));
  }

  discard(staged: Staged): void {
    const thing = staged as unknown as MemStaged;
    if (thing.gone) return;
    thing.gone = true;
    if (this.inodes.stage.entries.get(thing.name) === thing.inode) this.#drop(thing.name);
  }

  #drop(name: string): void {
    this.inodes.rename([{ dir: this.inodes.stage, name, to: null }]);
  }

  clearStage(keep: (key: string) => boolean, names: ReadonlySet<string> = new Set()): void {
    this.#check("clearStage", "clear", "");
    for (const name of [...this.inodes.stage.entries.keys()]) {
      if (names.has(name)) continue;
      if (!name.endsWith(".part") || !keep(name.slice(0, -".part".length))) this.#drop(name);
    }
  }

  place(staged: Staged, path: SyncPath, expected: Stat | null): Checked<Stat> {
    this.#check("place", "write", path);
    const thing = staged as unknown as MemStaged;
    invariant(!thing.gone, "a staged thing is placed twice");
    const dir = this.#dir(parentOf(path), "write", path);
    const name = nameOf(path);
    this.#checkName(name, path);
    const target = dir.entries.get(name) ?? null;
    if (!sameStat(target?.stat() ?? null, expected)) return { done: false, found: target?.stat() ?? null };
    if (target?.kind === "dir") this.#checkEmpty(target, "replace", path);
    if (this.inodes.stage.entries.get(thing.name) !== thing.inode) {
      throw new DiskError("not_found", "write", path, "the staged thing is gone");
    }
    const from = { dir: this.inodes.stage, name: thing.name };
    const { kind, mode } = thing.inode;
    if (kind === "file" || kind === "dir") {
      const bits = this.#modeIn(dir, kind, mode);
      if (bits !== mode) this.inodes.setMeta(thing.inode, { mode: bits });
    }
    // An exchange and a removal, as on the real disk: a power cut can come between them.
    this.inodes.rename([{ dir, name, to: thing.inode }, { ...from, to: target }]);
    if (target !== null) this.#drop(thing.name);
    thing.gone = true;
    return this.#changed(path, thing.inode);
  }

  #checkName(name: string, path: string): void {
    if (new TextEncoder().encode(name).length > NAME_BYTES_MAX) {
      throw new DiskError("name_too_long", "write", path, "the name is too long");
    }
  }

  #checkEmpty(dir: Inode, action: string, path: string): void {
    if (dir.entries.size + dir.badNames.size > 0) {
      throw new DiskError("not_empty", action, path, "the directory is not empty");
    }
  }

  #changed(path: SyncPath, inode: Inode): Checked<Stat> {
    this.onEvent?.(path);
    return { done: true, value: inode.stat() };
  }

  remove(path: SyncPath, expected: Stat): Checked<null> {
    this.#check("remove", "remove", path);
    const found = this.#expect(path, expected, "remove");
    if ("done" in found) return found;
    const { dir, inode } = found;
    if (inode.kind === "dir") this.#checkEmpty(inode, "remove", path);
    this.inodes.rename([{ dir, name: nameOf(path), to: null }]);
    this.onEvent?.(path);
    return { done: true, value: null };
  }

  /** What stands at `path`, if it is as expected. */
  #expect(
    path: SyncPath,
    expected: Stat,
    action: string,
  ): { dir: Inode; inode: Inode } | { done: false; found: Stat | null } {
    const dir = this.#dir(parentOf(path), action, path);
    const inode = dir.entries.get(nameOf(path));
    const stat = inode?.stat() ?? null;
    return inode !== undefined && sameStat(stat, expected) ? { dir, inode } : { done: false, found: stat };
  }

  move(from: SyncPath, to: SyncPath, expected: Stat): Checked<Stat> {
    this.#check("move", "move", from);
    const target = this.#dir(parentOf(to), "write", to);
    this.#checkName(nameOf(to), to);
    const source = this.#expect(from, expected, "move");
    if ("done" in source) return source;
    const there = target.entries.get(nameOf(to));
    if (there !== undefined) return { done: false, found: there.stat() };
    if (`${to}/`.startsWith(`${from}/`)) {
      throw new DiskError("io", "move", from, "the file system refuses it");
    }
    this.inodes.rename(renameOp(source.dir, nameOf(from), target, nameOf(to), source.inode));
    this.onEvent?.(from);
    return this.#changed(to, source.inode);
  }

  setMeta(path: SyncPath, meta: Partial<Meta>, expected: Stat): Checked<Stat> {
    this.#check("setMeta", "change", path);
    const found = this.#expect(path, expected, "change");
    if ("done" in found) return found;
    const { dir, inode } = found;
    if (inode.kind !== "file" && inode.kind !== "dir") {
      throw new DiskError("not_a_file", "change", path, "it is not a file or directory");
    }
    const kept = inode.kind === "dir" ? inode.mode & ~MODE_MASK : 0;
    const mode = meta.mode === undefined
      ? {}
      : { mode: this.#modeIn(dir, inode.kind, meta.mode & MODE_MASK) | kept };
    const mtime = meta.mtime === undefined || inode.kind === "dir" ? {} : { mtime: Math.floor(meta.mtime) };
    this.inodes.setMeta(inode, { ...mode, ...mtime });
    return this.#changed(path, inode);
  }

  linkPrivate(path: SyncPath, name: string, expected: Stat): Checked<null> {
    this.#check("linkPrivate", "keep", path);
    const found = this.#expect(path, expected, "keep");
    if ("done" in found) return found;
    if (found.inode.kind !== "file") {
      throw new DiskError("not_a_file", "open", path, "it is not a regular file");
    }
    const area = this.inodes.privateArea;
    if (area.entries.has(name)) throw new DiskError("exists", "keep", name, "it exists already");
    this.inodes.rename([{ dir: area, name, to: found.inode }]);
    return { done: true, value: null };
  }

  // deno-lint-ignore require-await -- faults must come as a rejection
  async sync(): Promise<void> {
    this.#check("sync", "make durable", "");
    this.inodes.makeDurable();
  }

  // deno-lint-ignore require-await -- faults must come as a rejection
  async syncFile(path: SyncPath): Promise<void> {
    this.#check("syncFile", "make durable", path);
    this.inodes.makeContentDurable(this.#needFile(path));
  }

  freeBytes(): number {
    return this.hidesFree ? Infinity : Math.max(0, this.capacity - this.inodes.used);
  }

  close(): void {
    // Nothing is held; the folder stays, for the next one who opens it.
  }

  /** What a power cut leaves; staged things and open files of before must not be used any more. */
  powerCut(random: () => number): void {
    this.#powerCuts++;
    powerCut(this.inodes, random);
  }

  /** Content of `.fsync/<name>`, or `null`. */
  privateRead(name: string): Uint8Array | null {
    return this.inodes.privateArea.entries.get(name)?.content() ?? null;
  }

  /** Creates or overwrites `.fsync/<name>` in place. */
  privateWrite(name: string, bytes: Uint8Array): void {
    let inode = this.inodes.privateArea.entries.get(name);
    this.#reserve("write", name, bytes.length - (inode?.size ?? 0));
    if (inode === undefined) {
      inode = this.inodes.create("file", 0o600);
      this.inodes.rename([{ dir: this.inodes.privateArea, name, to: inode }]);
    } else this.inodes.truncate(inode, 0);
    this.inodes.writeAt(inode, 0, bytes);
  }

  privateRemove(name: string): void {
    if (!this.inodes.privateArea.entries.has(name)) return;
    this.inodes.rename([{ dir: this.inodes.privateArea, name, to: null }]);
  }

  /** Names in the private area that begin with `prefix`, sorted. */
  privateList(prefix = ""): string[] {
    return [...this.inodes.privateArea.entries.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  /** Names in the staging area, sorted. */
  stageList(): string[] {
    return [...this.inodes.stage.entries.keys()].sort();
  }
}

function renameOp(fromDir: Inode, from: string, toDir: Inode, to: string, inode: Inode): NameOp {
  return [{ dir: toDir, name: to, to: inode }, { dir: fromDir, name: from, to: null }];
}

class MemFile implements ReadHandle {
  readonly #inode: Inode;
  readonly #check: () => void;
  #open = true;

  constructor(inode: Inode, check: () => void) {
    this.#inode = inode;
    this.#check = check;
  }

  stat(): Stat {
    invariant(this.#open, "a closed file is looked at");
    return this.#inode.stat();
  }

  read(into: Uint8Array, offset: number): number {
    invariant(this.#open, "a closed file is read");
    this.#check();
    const part = this.#inode.bytes.subarray(offset, Math.min(this.#inode.size, offset + into.length));
    if (offset >= this.#inode.size) return 0;
    into.set(part);
    return part.length;
  }

  close(): void {
    this.#open = false;
  }
}

interface LargeHooks {
  check(op: string): void;
  reserve(bytes: number): void;
  seal(meta: Meta): Staged;
}

class MemLarge implements StageFile {
  readonly #inodes: MemInodes;
  readonly #inode: Inode;
  readonly #hooks: LargeHooks;
  readonly #file: MemFile;
  #open = true;

  constructor(inodes: MemInodes, inode: Inode, hooks: LargeHooks) {
    this.#inodes = inodes;
    this.#inode = inode;
    this.#hooks = hooks;
    this.#file = new MemFile(inode, () => {});
  }

  get size(): number {
    return this.#inode.size;
  }

  stat(): Stat {
    return this.#file.stat();
  }

  read(into: Uint8Array, offset: number): number {
    return this.#file.read(into, offset);
  }

  append(bytes: Uint8Array): void {
    invariant(this.#open, "a closed staged file is written to");
    this.#hooks.check("append");
    this.#hooks.reserve(bytes.length);
    this.#inodes.writeAt(this.#inode, this.#inode.size, bytes);
  }

  truncate(size: number): void {
    invariant(this.#open, "a closed staged file is cut");
    invariant(size <= this.#inode.size, "a staged file is cut to more than it has");
    this.#inodes.truncate(this.#inode, size);
  }

  seal(meta: Meta): Staged {
    invariant(this.#open, "a closed staged file is sealed");
    this.#hooks.check("seal");
    const staged = this.#hooks.seal(meta);
    this.close();
    return staged;
  }

  close(): void {
    this.#open = false;
    this.#file.close();
  }
}
