/**
 * The inodes of a folder in memory: directories, contents, times, and which of it would survive a power cut. Knows
 * nothing of staging or checking; that is `mem_disk.ts`.
 */
import { invariant } from "../../core/invariant.ts";
import type { FileKind, Stat } from "../../system/disk.ts";

/** What of a file or directory is on the platters. */
interface Durable {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly mode: number;
  readonly mtimeUs: number;
  readonly ctimeUs: number;
}

export class Inode {
  readonly ino: number;
  readonly kind: FileKind;
  mode: number;
  mtimeUs = 0;
  ctimeUs = 0;
  nlink = 0;
  /** Content of a file, with room to grow behind `size`. */
  bytes: Uint8Array = new Uint8Array(0);
  size = 0;
  /** Text of a link. */
  readonly target: string;
  /** Names of a directory. */
  entries = new Map<string, Inode>();
  /** Names in a directory that are not UTF-8, as they would be shown. */
  readonly badNames = new Set<string>();
  durable: Durable | null = null;
  durableEntries: Map<string, Inode> | null = null;

  constructor(ino: number, kind: FileKind, mode: number, target = "") {
    this.ino = ino;
    this.kind = kind;
    this.mode = mode;
    this.target = target;
  }

  stat(): Stat {
    const { kind, mtimeUs, ctimeUs, ino, mode, nlink } = this;
    const size = kind === "link" ? new TextEncoder().encode(this.target).length : this.size;
    return { kind, size, mtimeUs, ctimeUs, ino, mode, nlink };
  }

  content(): Uint8Array {
    return this.bytes.slice(0, this.size);
  }

  writeAt(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    // What is durable is shared with the snapshot until it is written to.
    const shared = this.durable !== null && this.durable.bytes === this.bytes && offset < this.durable.size;
    if (shared || end > this.bytes.length) {
      const grown = new Uint8Array(
        end > this.bytes.length ? Math.max(end, this.bytes.length * 2) : this.bytes.length,
      );
      grown.set(this.bytes.subarray(0, this.size));
      this.bytes = grown;
    }
    if (offset > this.size) this.bytes.fill(0, this.size, offset);
    this.bytes.set(bytes, offset);
    this.size = Math.max(this.size, end);
  }

  /** Whether the content is another than the durable one. */
  get contentChanged(): boolean {
    return this.durable === null || this.durable.bytes !== this.bytes || this.durable.size !== this.size;
  }

  makeDurable(): void {
    const { bytes, size, mode, mtimeUs, ctimeUs } = this;
    this.durable = { bytes, size, mode, mtimeUs, ctimeUs };
    if (this.kind === "dir") this.durableEntries = new Map(this.entries);
  }

  /** Takes the state that was last durable (a new file: empty). */
  revert(): void {
    if (this.durable === null) {
      this.bytes = new Uint8Array(0);
      this.size = 0;
      return;
    }
    this.bytes = this.durable.bytes;
    this.size = this.durable.size;
    this.mode = this.durable.mode;
    this.mtimeUs = this.durable.mtimeUs;
    this.ctimeUs = this.durable.ctimeUs;
  }
}

/** A name in a directory gets another inode, or none. */
export interface NameChange {
  readonly dir: Inode;
  readonly name: string;
  readonly to: Inode | null;
}

/** Name changes that one system call makes. */
export type NameOp = readonly NameChange[];

export class MemInodes {
  readonly root: Inode;
  readonly stage: Inode;
  /** `.fsync`, with the names that callers give, slashes included. */
  readonly privateArea: Inode;
  readonly #clock: () => number;
  readonly #granularityUs: number;
  #nextIno = 1;
  #tick = -Infinity;
  /** In order, since everything was last durable. */
  #ops: NameOp[] = [];
  readonly #dirty = new Set<Inode>();
  /** Bytes of all contents that have a name. */
  used = 0;

  /**
   * @param clock wall clock, ms
   * @param granularityUs how coarse times are
   */
  constructor(clock: () => number, granularityUs: number) {
    this.#clock = clock;
    this.#granularityUs = granularityUs;
    this.root = this.#base();
    this.stage = this.#base();
    this.privateArea = this.#base();
  }

  #base(): Inode {
    const dir = this.create("dir", 0o755);
    dir.nlink = 1;
    dir.makeDurable();
    this.#dirty.delete(dir);
    return dir;
  }

  create(kind: FileKind, mode: number, target = ""): Inode {
    const inode = new Inode(this.#nextIno++, kind, mode, target);
    this.touched(inode);
    inode.mtimeUs = this.nowUs();
    return inode;
  }

  /** Time for an mtime, µs. */
  nowUs(): number {
    return this.#coarse(Math.floor(this.#clock() * 1000));
  }

  #coarse(us: number): number {
    return us - (((us % this.#granularityUs) + this.#granularityUs) % this.#granularityUs);
  }

  /** The inode was changed: a new ctime, which never repeats unless times are coarse. */
  touched(inode: Inode): void {
    const now = Math.floor(this.#clock() * 1000);
    // Coarse times follow the clock back, as in the kernel; fine ones must never repeat.
    this.#tick = this.#granularityUs > 1 ? now : Math.max(this.#tick + 1, now);
    inode.ctimeUs = this.#coarse(this.#tick);
    this.#dirty.add(inode);
  }

  writeAt(inode: Inode, offset: number, bytes: Uint8Array): void {
    const before = inode.size;
    inode.writeAt(offset, bytes);
    this.#wrote(inode, before);
  }

  truncate(inode: Inode, size: number): void {
    const before = inode.size;
    if (size > before) inode.writeAt(before, new Uint8Array(size - before));
    else {
      // Bytes behind the end may still be in the durable snapshot.
      inode.bytes = inode.bytes.slice(0, size);
      inode.size = size;
    }
    this.#wrote(inode, before);
  }

  #wrote(inode: Inode, sizeBefore: number): void {
    if (inode.nlink > 0) this.used += inode.size - sizeBefore;
    inode.mtimeUs = this.nowUs();
    this.touched(inode);
  }

  setMeta(inode: Inode, meta: { mode?: number; mtime?: number }): void {
    if (meta.mode !== undefined) inode.mode = meta.mode;
    if (meta.mtime !== undefined) inode.mtimeUs = meta.mtime * 1000;
    this.touched(inode);
  }

  /** Carries out one system call's changes of names. */
  rename(op: NameOp): void {
    this.#ops.push(op);
    for (const { dir, name, to } of op) {
      const old = dir.entries.get(name);
      if (to === null) dir.entries.delete(name);
      else dir.entries.set(name, to);
      if (to !== null) this.#count(to, 1);
      if (old !== undefined) this.#count(old, -1);
      dir.mtimeUs = this.nowUs();
      this.touched(dir);
    }
  }

  #count(inode: Inode, by: number): void {
    if (inode.nlink === 0) this.used += inode.size;
    inode.nlink += by;
    invariant(inode.nlink >= 0, "an inode has fewer than no names");
    if (inode.nlink === 0) this.used -= inode.size;
    this.touched(inode);
  }

  /** Everything survives from here on. */
  makeDurable(): void {
    for (const inode of this.#dirty) inode.makeDurable();
    this.#dirty.clear();
    this.#ops = [];
  }

  /** The content of one file survives; its name may not. */
  makeContentDurable(inode: Inode): void {
    inode.makeDurable();
    this.#dirty.delete(inode);
  }

  /** For {@link powerCut}. */
  takeUnsynced(): { readonly ops: readonly NameOp[]; readonly dirty: ReadonlySet<Inode> } {
    const taken = { ops: this.#ops, dirty: new Set(this.#dirty) };
    this.#ops = [];
    this.#dirty.clear();
    return taken;
  }

  /** Counts names and bytes anew after entries were set from outside. */
  recount(): void {
    const seen = new Set<Inode>();
    this.used = 0;
    const visit = (dir: Inode) => {
      for (const inode of dir.entries.values()) {
        if (!seen.has(inode)) inode.nlink = 0;
        inode.nlink++;
        if (seen.has(inode)) continue;
        seen.add(inode);
        this.used += inode.size;
        if (inode.kind === "dir") visit(inode);
      }
    };
    for (const base of [this.root, this.stage, this.privateArea]) visit(base);
  }
}
