/**
 * The private area of a folder: `.fsync/`, and in it `stage/`, where things are complete before they get their place.
 * Both are made when first needed, mode 0700; below a private area that a group shares (`group_area.ts`), as that is.
 */
import { invariant } from "../core/invariant.ts";
import { MODE_MASK } from "../core/entry.ts";
import { RESERVED_NAME } from "../core/path.ts";
import { type DirItem, DiskError, type Meta, type StageFile, type Stat } from "./disk.ts";
import { diskError, EACCES, EEXIST, EMLINK, ENOENT, EOPNOTSUPP, EPERM, EXDEV } from "./errno.ts";
import { applyMeta, copyAll, writeAll } from "./file_io.ts";
import { LargeStage } from "./large_stage.ts";
import { type Place, renameNew } from "./rename.ts";
import { isGroupShared } from "./sharing.ts";
import { StagedThing } from "./staged.ts";
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  type Sys,
} from "./sys.ts";

const STAGE = "stage";
const STAGE_PATH = `${RESERVED_NAME}/${STAGE}`;
const PART = ".part";
const O_WRITE_NEW = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW;

export class StageArea {
  readonly #sys: Sys;
  readonly #rootFd: number;
  /** Tells the names of this process from those of an earlier one. */
  readonly #session: string;
  #next = 0;
  #fd = -1;
  #privateFd = -1;
  #shared = false;
  /** The private area is the folder's marker: only a folder that has none gets one, and only once. */
  #mayCreate: boolean;

  constructor(sys: Sys, rootFd: number, session: string) {
    this.#sys = sys;
    this.#rootFd = rootFd;
    this.#session = session;
    this.#mayCreate = sys.stat(rootFd, RESERVED_NAME) === -ENOENT;
  }

  /** The open staging directory. @throws {DiskError} */
  get fd(): number {
    if (this.#fd < 0) this.#fd = this.#openStage();
    return this.#fd;
  }

  #openStage(): number {
    const sys = this.#sys;
    const privateFd = this.privateFd;
    const made = sys.mkdir(privateFd, STAGE, 0o700);
    if (made < 0 && made !== -EEXIST) throw diskError(made, "create", STAGE_PATH);
    const fd = sys.open(privateFd, STAGE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) throw diskError(fd, "open", STAGE_PATH);
    // Below a folder with the set-gid bit the bit was inherited, and would be given on to what is staged.
    if (made === 0) sys.chmod(fd, this.#shared ? 0o2770 : 0o700);
    return fd;
  }

  /** The open private area. @throws {DiskError} */
  get privateFd(): number {
    if (this.#privateFd >= 0) return this.#privateFd;
    const sys = this.#sys;
    if (this.#mayCreate) {
      const made = sys.mkdir(this.#rootFd, RESERVED_NAME, 0o700);
      if (made < 0 && made !== -EEXIST) throw diskError(made, "create", RESERVED_NAME);
    }
    const fd = sys.open(this.#rootFd, RESERVED_NAME, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) throw diskError(fd, "open", RESERVED_NAME);
    this.#mayCreate = false;
    const owner = sys.owner(fd);
    this.#shared = typeof owner !== "number" && isGroupShared(owner.mode);
    return this.#privateFd = fd;
  }

  /** A name that nobody has. */
  freshName(): string {
    return `${this.#session}-${this.#next++}`;
  }

  /** Makes something in the staging area; once more if the area was removed under us. */
  #make(action: string, make: (fd: number) => number): number {
    let result = make(this.fd);
    if (result === -ENOENT) {
      this.close();
      result = make(this.fd);
    }
    if (result < 0) throw diskError(result, action, STAGE_PATH);
    return result;
  }

  bytes(bytes: Uint8Array, meta: Meta): StagedThing {
    const sys = this.#sys;
    const name = this.freshName();
    const fd = this.#make("create a file in", (dir) => sys.open(dir, name, O_WRITE_NEW, 0o600));
    let result = writeAll(sys, fd, bytes, 0);
    if (result === 0) result = this.#finish(fd, meta);
    sys.close(fd);
    if (result < 0) {
      sys.unlink(this.fd, name);
      throw diskError(result, "write a file in", STAGE_PATH);
    }
    return new StagedThing(name, "file", meta.mode & MODE_MASK);
  }

  #finish(fd: number, meta: Meta): number {
    const result = applyMeta(this.#sys, fd, meta);
    if (result < 0) return result;
    // Without syncfs a file must be opened again to be synced, which such bits would forbid.
    const unopenable = this.#sys.syncfs === null && (meta.mode & 0o400) === 0;
    return unopenable ? this.#sys.fsyncNow(fd) : 0;
  }

  link(target: string): StagedThing {
    const name = this.freshName();
    this.#make("create a link in", (dir) => this.#sys.symlink(target, dir, name));
    return new StagedThing(name, "link", 0o777);
  }

  /** The final bits come when it has its place: one cannot move a directory that one may not write to. */
  dir(mode: number): StagedThing {
    const name = this.freshName();
    this.#make("create a directory in", (dir) => this.#sys.mkdir(dir, name, mode & MODE_MASK | 0o700));
    return new StagedThing(name, "dir", mode & MODE_MASK);
  }

  large(key: string): StageFile {
    invariant(/^[0-9a-f]{1,128}$/.test(key), "a staging key is not hex digits");
    const sys = this.#sys;
    const name = key + PART;
    const path = `${STAGE_PATH}/${name}`;
    const open = (dir: number) => sys.open(dir, name, O_CREAT | O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0o600);
    const fd = this.#make("open a file in", (dir) => {
      const result = open(dir);
      if (result !== -EACCES) return result;
      // It was finished before, with bits that do not let us write.
      const any = sys.open(dir, name, O_PATH | O_NOFOLLOW);
      if (any < 0) return any;
      const opened = sys.chmodAny(any, 0o600);
      sys.close(any);
      // Of another user, who began it in a shared folder: it is begun anew.
      if (opened < 0) sys.unlink(dir, name);
      return open(dir);
    });
    // Whoever of the group goes on with it.
    if (this.#shared) sys.chmod(fd, 0o660);
    const stat = sys.fstat(fd);
    if (typeof stat === "number" || stat.kind !== "file") {
      sys.close(fd);
      throw typeof stat === "number"
        ? diskError(stat, "open", path)
        : new DiskError("not_a_file", "open", path, "it is not a regular file");
    }
    return new LargeStage(sys, fd, path, stat.size, (meta) => {
      const result = this.#finish(fd, meta);
      if (result === -EPERM) return this.#ownCopy(fd, name, meta).seal();
      if (result < 0) throw diskError(result, "finish", path);
      return new StagedThing(name, "file", meta.mode & MODE_MASK).seal();
    });
  }

  /** In place of what another member of the group began: bits and time are for its owner alone to set. */
  #ownCopy(fd: number, name: string, meta: Meta): StagedThing {
    const path = `${STAGE_PATH}/${name}`;
    const stat = this.#sys.fstat(fd);
    if (typeof stat === "number") throw diskError(stat, "look at", path);
    const copied = this.copy(fd, stat.size, meta, path);
    this.#sys.unlink(this.fd, name);
    return copied;
  }

  /** Stages a file of the private area. */
  fromPrivate(name: string, meta: Meta): StagedThing {
    const sys = this.#sys;
    const path = `${RESERVED_NAME}/${name}`;
    const fd = sys.openBeneath(this.privateFd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) throw diskError(fd, "open", path);
    const staged = this.freshName();
    try {
      const stat = sys.fstat(fd);
      if (typeof stat === "number") throw diskError(stat, "look at", path);
      if (stat.kind !== "file") throw new DiskError("not_a_file", "open", path, "it is not a regular file");
      if (stat.nlink !== 1 || !this.#linkHere(name, staged)) this.copyHere(fd, stat.size, staged, path);
      this.#setStagedMeta(staged, meta);
    } finally {
      sys.close(fd);
    }
    return new StagedThing(staged, "file", meta.mode & MODE_MASK);
  }

  /** Stages a copy of a file that is open for reading, durable at once: what it replaces may be the only other one. */
  copy(fromFd: number, size: number, meta: Meta, path: string): StagedThing {
    const sys = this.#sys;
    const name = this.freshName();
    const fd = this.#make("create a file in", (dir) => sys.open(dir, name, O_WRITE_NEW, 0o600));
    let result = copyAll(sys, fromFd, fd, size);
    if (result === 0) result = applyMeta(sys, fd, meta);
    if (result === 0) result = sys.fsyncNow(fd);
    sys.close(fd);
    if (result === 0) return new StagedThing(name, "file", meta.mode & MODE_MASK);
    sys.unlink(this.fd, name);
    throw diskError(result, "copy", path);
  }

  #linkHere(name: string, staged: string): boolean {
    const from = this.privatePlace(name, false);
    try {
      const result = this.#sys.link(from.fd, from.name, this.fd, staged);
      if (result < 0 && !mayCopyInstead(result)) {
        throw diskError(result, "link", `${RESERVED_NAME}/${name}`);
      }
      return result === 0;
    } finally {
      this.releasePlace(from);
    }
  }

  #setStagedMeta(staged: string, meta: Meta): void {
    const sys = this.#sys;
    const fd = sys.open(this.fd, staged, O_PATH | O_NOFOLLOW);
    let result = fd;
    if (fd >= 0) {
      result = sys.setMtimeAny(fd, meta.mtime);
      if (result === 0) result = sys.chmodAny(fd, meta.mode & MODE_MASK);
      sys.close(fd);
    }
    if (result === 0) return;
    sys.unlink(this.fd, staged);
    throw diskError(result, "finish a file in", STAGE_PATH);
  }

  /** Copies an open file to a new staged name, complete or not at all. */
  copyHere(fromFd: number, size: number, staged: string, path: string): void {
    const sys = this.#sys;
    const fd = this.#make("create a file in", (dir) => sys.open(dir, staged, O_WRITE_NEW, 0o600));
    const result = copyAll(sys, fromFd, fd, size);
    sys.close(fd);
    if (result === 0) return;
    sys.unlink(this.fd, staged);
    throw diskError(result, "copy", path);
  }

  /**
   * The directory and last part of a private name; to be released. `create`: also makes missing directories.
   * @throws {DiskError}
   */
  privatePlace(name: string, create: boolean): Place {
    const parts = name.split("/");
    invariant(
      parts.every((part) => part !== "" && part !== "." && part !== ".."),
      "a private name is not clean",
    );
    const sys = this.#sys;
    const last = parts.pop()!;
    let fd = this.privateFd;
    for (const part of parts) {
      if (create) sys.mkdir(fd, part, 0o700);
      const next = sys.open(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      if (fd !== this.#privateFd) sys.close(fd);
      if (next < 0) throw diskError(next, "open", `${RESERVED_NAME}/${name}`);
      fd = next;
    }
    return { fd, name: last };
  }

  releasePlace(place: Place): void {
    if (place.fd !== this.#privateFd) this.#sys.close(place.fd);
  }

  /** Moves a staged name to a private one. Returns 0 or a negated error number. */
  toPrivate(staged: string, name: string): number {
    const to = this.privatePlace(name, true);
    const result = renameNew(this.#sys, { fd: this.fd, name: staged }, to);
    this.releasePlace(to);
    return result;
  }

  /** Removes a staged name, whatever it is. */
  drop(name: string): void {
    if (this.#fd < 0) return;
    if (this.#sys.unlink(this.#fd, name) < 0) this.#sys.rmdir(this.#fd, name);
  }

  discard(thing: StagedThing): void {
    if (thing.gone) return;
    thing.gone = true;
    this.drop(thing.name);
  }

  /** What waits, by name. */
  names(): Map<string, Stat | null> {
    return new Map(this.#list().map((item) => [item.name, "stat" in item ? item.stat : null]));
  }

  #list(): DirItem[] {
    const sys = this.#sys;
    if (sys.stat(this.#rootFd, RESERVED_NAME) === -ENOENT) return [];
    const fd = sys.open(this.fd, ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0) throw diskError(fd, "list", STAGE_PATH);
    const items = sys.list(fd);
    sys.close(fd);
    if (typeof items === "number") throw diskError(items, "list", STAGE_PATH);
    return items;
  }

  clear(keep: (key: string) => boolean, names: ReadonlySet<string> = new Set()): void {
    for (const { name } of this.#list()) {
      if (names.has(name)) continue;
      if (name.endsWith(PART) && keep(name.slice(0, -PART.length))) continue;
      this.drop(name);
    }
  }

  close(): void {
    if (this.#fd >= 0) this.#sys.close(this.#fd);
    if (this.#privateFd >= 0) this.#sys.close(this.#privateFd);
    this.#fd = this.#privateFd = -1;
  }
}

/** Whether a hard link cannot be had, for a reason that does not hinder a copy. */
export function mayCopyInstead(result: number): boolean {
  return [-EPERM, -EXDEV, -EMLINK, -EOPNOTSUPP].includes(result);
}
