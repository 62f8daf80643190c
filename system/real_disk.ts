/** The disk on Linux. */
import { invariant } from "../core/invariant.ts";
import { nameOf, parentOf, RESERVED_NAME, type SyncPath } from "../core/path.ts";
import { bootOf } from "./boot.ts";
import { DirCache } from "./dir_cache.ts";
import {
  type Checked,
  type DirItem,
  type Disk,
  DiskError,
  type Meta,
  type ReadHandle,
  sameStat,
  type Staged,
  type StageFile,
  type Stat,
} from "./disk.ts";
import { diskError, EEXIST, EINVAL, ELOOP, ENOENT, ENOTDIR } from "./errno.ts";
import { hasFineTimes } from "./file_system.ts";
import { OpenFile } from "./open_file.ts";
import { systemRandom } from "./random.ts";
import { isGroupShared } from "./sharing.ts";
import { mayCopyInstead, StageArea } from "./stage_area.ts";
import { StagedThing } from "./staged.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, type Owner, type Sys } from "./sys.ts";
import { systemCalls } from "./system_calls.ts";
import { Touched } from "./touched.ts";
import { TreeChanges } from "./tree_changes.ts";

/** Times advance with the kernel's tick, 10 ms at most. */
const RACY_FINE_US = 20_000;
/** Whole seconds, or another machine's clock. */
const RACY_COARSE_US = 2_000_000;

const O_READ_FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface DiskOptions {
  /** For tests. */
  readonly sys?: Sys;
}

/**
 * Opens the folder at `root`.
 *
 * @throws {DiskError} not_found, not_a_directory, permission
 */
export function openDisk(root: string, options: DiskOptions = {}): Disk {
  const sys = options.sys ?? systemCalls();
  const fd = sys.open(null, root, O_RDONLY | O_DIRECTORY);
  if (fd < 0) throw diskError(fd, "open", root);
  const owner = sys.owner(fd);
  if (typeof owner === "number") {
    sys.close(fd);
    throw diskError(owner, "open", root);
  }
  return new RealDisk(sys, fd, root, owner);
}

class RealDisk implements Disk {
  readonly boot: string;
  readonly racyWindowUs: number;
  readonly #sys: Sys;
  readonly #root: string;
  readonly #rootFd: number;
  readonly #identity: Owner;
  readonly #dirs: DirCache;
  readonly #stage: StageArea;
  readonly #changes: TreeChanges;
  /** `null` where syncfs does it all. */
  readonly #touched: Touched | null;
  #syncing = 0;
  #closed = false;

  constructor(sys: Sys, rootFd: number, root: string, identity: Owner) {
    this.#sys = sys;
    this.#root = root;
    this.#rootFd = rootFd;
    this.#identity = identity;
    this.boot = bootOf(sys);
    this.#dirs = new DirCache(sys, rootFd);
    this.#stage = new StageArea(sys, rootFd, systemRandom.bytes(8).toHex());
    this.#changes = new TreeChanges(sys, this.#dirs, this.#stage);
    this.#touched = sys.syncfs === null ? new Touched(sys, rootFd) : null;
    this.racyWindowUs = this.#hasFineTimes() ? RACY_FINE_US : RACY_COARSE_US;
  }

  /** Also ext can keep whole seconds only (small inodes): then no time of the root has a fraction. */
  #hasFineTimes(): boolean {
    const info = this.#sys.statfs(this.#rootFd);
    return this.#sys.exactTimes && this.#identity.hasFraction && typeof info !== "number" &&
      hasFineTimes(info);
  }

  get groupShared(): boolean {
    const owner = this.#sys.owner(this.#rootFd);
    return typeof owner !== "number" && isGroupShared(owner.mode);
  }

  list(dir: SyncPath | null): DirItem[] {
    const sys = this.#sys;
    if (dir === null) this.#checkRoot();
    const path = dir ?? this.#root;
    // Through the path even for the root: a descriptor that is listed twice stands at its end.
    const fd = sys.openBeneath(this.#rootFd, dir ?? ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0) throw diskError(fd, "list", path);
    const items = sys.list(fd);
    sys.close(fd);
    if (typeof items === "number") throw diskError(items, "list", path);
    return dir === null ? items.filter((item) => item.name !== RESERVED_NAME) : items;
  }

  isStill(path: SyncPath, seen: Stat): boolean {
    const dir = parentOf(path);
    const sys = this.#sys;
    if (dir === null) return this.#isAt(this.#rootFd, path, seen);
    const fd = sys.openBeneath(this.#rootFd, dir, O_PATH | O_DIRECTORY);
    if (fd < 0) return false;
    const still = this.#isAt(fd, nameOf(path), seen);
    sys.close(fd);
    return still;
  }

  #isAt(dirFd: number, name: string, seen: Stat): boolean {
    const stat = this.#sys.stat(dirFd, name);
    return typeof stat !== "number" && sameStat(stat, seen);
  }

  /** A folder that was moved, deleted or unmounted must not be taken for an emptied one, nor be written to. */
  #checkRoot(): void {
    const fd = this.#sys.open(null, this.#root, O_RDONLY | O_DIRECTORY);
    if (fd < 0) throw diskError(fd, "list", this.#root);
    const owner = this.#sys.owner(fd);
    this.#sys.close(fd);
    if (typeof owner === "number") throw diskError(owner, "list", this.#root);
    if (owner.ino === this.#identity.ino && owner.device === this.#identity.device) return;
    throw new DiskError(
      "not_found",
      "list",
      this.#root,
      "another directory stands there than when it was opened",
    );
  }

  stat(path: SyncPath): Stat | null {
    const parent = this.#dirs.find(parentOf(path));
    if (parent === -ENOENT || parent === -ENOTDIR) return null;
    if (typeof parent === "number") throw diskError(parent, "look at", path);
    const stat = this.#sys.stat(parent.fd, nameOf(path));
    if (stat === -ENOENT) return null;
    if (typeof stat === "number") throw diskError(stat, "look at", path);
    return stat;
  }

  readLink(path: SyncPath): string {
    const parent = this.#dirs.get(parentOf(path), "read", path);
    const bytes = this.#sys.readLink(parent.fd, nameOf(path));
    if (bytes === -EINVAL) throw new DiskError("not_a_file", "read", path, "it is not a symbolic link");
    if (typeof bytes === "number") throw diskError(bytes, "read", path);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new DiskError("io", "read", path, "the text of the link is not UTF-8");
    }
  }

  open(path: SyncPath): ReadHandle {
    const fd = this.#openFile(path);
    return new OpenFile(this.#sys, fd, path);
  }

  #openFile(path: SyncPath): number {
    const sys = this.#sys;
    const parent = this.#dirs.get(parentOf(path), "open", path);
    const name = nameOf(path);
    // Looked at first, because opening a device may already do something.
    const before = sys.stat(parent.fd, name);
    if (typeof before === "number") throw diskError(before, "open", path);
    if (before.kind !== "file") throw notAFile(path);
    const fd = sys.open(parent.fd, name, O_READ_FILE);
    if (fd === -ELOOP) throw notAFile(path);
    if (fd < 0) throw diskError(fd, "open", path);
    const stat = sys.fstat(fd);
    if (typeof stat !== "number" && stat.kind === "file") return fd;
    sys.close(fd);
    throw typeof stat === "number" ? diskError(stat, "open", path) : notAFile(path);
  }

  stageBytes(bytes: Uint8Array, meta: Meta): Staged {
    return this.#staged(this.#stage.bytes(bytes, meta));
  }

  stageLink(target: string): Staged {
    return this.#staged(this.#stage.link(target));
  }

  stageDir(mode: number): Staged {
    return this.#staged(this.#stage.dir(mode));
  }

  stageLarge(key: string): StageFile {
    this.#touched?.content(stagePath(`${key}.part`));
    return this.#stage.large(key);
  }

  stagePrivate(name: string, meta: Meta): Staged {
    return this.#staged(this.#stage.fromPrivate(name, meta));
  }

  #staged(thing: StagedThing): Staged {
    if (thing.kind === "file") this.#touched?.content(stagePath(thing.name));
    this.#touched?.directory(`${RESERVED_NAME}/stage`);
    return thing.seal();
  }

  stagedName(staged: Staged): string {
    return StagedThing.of(staged).name;
  }

  staged(): Map<string, Stat | null> {
    return this.#stage.names();
  }

  discard(staged: Staged): void {
    this.#stage.discard(StagedThing.of(staged));
  }

  clearStage(keep: (key: string) => boolean, names?: ReadonlySet<string>): void {
    this.#stage.clear(keep, names);
  }

  place(staged: Staged, path: SyncPath, expected: Stat | null): Checked<Stat> {
    const thing = StagedThing.of(staged);
    const result = this.#changes.place(thing, path, expected);
    if (thing.kind !== "link" && result.done) this.#touch(path, thing.kind === "dir");
    this.#touched?.names(path);
    return result;
  }

  remove(path: SyncPath, expected: Stat): Checked<null> {
    this.#touched?.names(path);
    return this.#changes.remove(path, expected);
  }

  move(from: SyncPath, to: SyncPath, expected: Stat): Checked<Stat> {
    this.#touched?.names(from);
    this.#touched?.names(to);
    this.#touch(to, expected.kind === "dir");
    return this.#changes.move(from, to, expected);
  }

  setMeta(path: SyncPath, meta: Partial<Meta>, expected: Stat): Checked<Stat> {
    this.#touch(path, expected.kind === "dir");
    this.#touched?.names(path);
    return this.#changes.setMeta(path, meta, expected);
  }

  #touch(path: SyncPath, isDir: boolean): void {
    if (isDir) this.#touched?.directory(path);
    else this.#touched?.content(path);
  }

  linkPrivate(path: SyncPath, name: string, expected: Stat): Checked<null> {
    const parent = this.#dirs.get(parentOf(path), "keep", path);
    const found = this.#sys.stat(parent.fd, nameOf(path));
    if (typeof found === "number") {
      if (found === -ENOENT) return { done: false, found: null };
      throw diskError(found, "look at", path);
    }
    if (!sameStat(found, expected)) return { done: false, found };
    if (found.kind !== "file") throw notAFile(path);
    const staged = this.#stage.freshName();
    const linked = this.#sys.link(parent.fd, nameOf(path), this.#stage.fd, staged);
    if (linked < 0 && !mayCopyInstead(linked)) throw diskError(linked, "keep", path);
    const taken = linked === 0 ? this.#linked(staged, expected) : this.#copyToStage(path, staged);
    if (!sameStat(taken, expected)) {
      this.#stage.drop(staged);
      return { done: false, found: this.stat(path) };
    }
    this.#keepPrivate(staged, name);
    return { done: true, value: null };
  }

  /** What was linked. A new link changes the ctime, nothing else. */
  #linked(staged: string, expected: Stat): Stat | null {
    const stat = this.#sys.stat(this.#stage.fd, staged);
    return typeof stat === "number" ? null : { ...stat, ctimeUs: expected.ctimeUs };
  }

  /** Copies a file of the tree. Returns what it was after the copy. */
  #copyToStage(path: SyncPath, staged: string): Stat {
    const fd = this.#openFile(path);
    const file = new OpenFile(this.#sys, fd, path);
    try {
      this.#stage.copyHere(fd, file.stat().size, staged, path);
      return file.stat();
    } finally {
      file.close();
    }
  }

  #keepPrivate(staged: string, name: string): void {
    const path = `${RESERVED_NAME}/${name}`;
    const result = this.#stage.toPrivate(staged, name);
    if (result < 0) {
      this.#stage.drop(staged);
      throw result === -EEXIST
        ? new DiskError("exists", "keep", path, "it exists already")
        : diskError(result, "keep", path);
    }
    this.#touched?.content(path);
    this.#touched?.directory(path.slice(0, path.lastIndexOf("/")));
  }

  async sync(): Promise<void> {
    invariant(!this.#closed, "a closed disk is synced");
    this.#syncing++;
    try {
      await this.#syncAll();
    } finally {
      this.#syncing--;
      if (this.#closed) this.#release();
    }
  }

  async #syncAll(): Promise<void> {
    if (this.#touched !== null) return await this.#touched.sync();
    const result = await this.#sys.syncfs!(this.#rootFd);
    if (result === 0) return;
    const full = this.freeBytes() === 0;
    throw full
      ? new DiskError("no_space", "make durable", this.#root, "no space left on the device")
      : diskError(result, "make durable", this.#root);
  }

  async syncFile(path: SyncPath): Promise<void> {
    const fd = this.#openFile(path);
    const result = await this.#sys.fsync(fd);
    this.#sys.close(fd);
    if (result < 0) throw diskError(result, "make durable", path);
  }

  freeBytes(): number {
    const info = this.#sys.statfs(this.#rootFd);
    if (typeof info === "number") throw diskError(info, "look at", this.#root);
    return info.freeBytes;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dirs.clear();
    this.#stage.close();
    if (this.#syncing === 0) this.#release();
  }

  #release(): void {
    if (this.#syncing === 0) this.#sys.close(this.#rootFd);
  }
}

function stagePath(name: string): string {
  return `${RESERVED_NAME}/stage/${name}`;
}

function notAFile(path: string): DiskError {
  return new DiskError("not_a_file", "open", path, "it is not a regular file");
}
