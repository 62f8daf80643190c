/**
 * Changes of the tree that first look whether the target still is what the caller saw. Looking and acting are two
 * steps for the kernel, so what an action took away is looked at once more before it is destroyed, and given back
 * if it is not what was expected.
 */
import { invariant } from "../core/invariant.ts";
import { MODE_MASK } from "../core/entry.ts";
import { nameOf, parentOf, type SyncPath, utf8Length } from "../core/path.ts";
import type { DirCache, Parent } from "./dir_cache.ts";
import { type Checked, DiskError, type Meta, sameStat, type Stat } from "./disk.ts";
import { diskError, EACCES, EEXIST, ELOOP, ENOENT, ENOTEMPTY, EPERM } from "./errno.ts";
import { isUnsupported, type Place, renameNew } from "./rename.ts";
import { modeIn } from "./sharing.ts";
import type { StageArea } from "./stage_area.ts";
import type { StagedThing } from "./staged.ts";
import { O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, RENAME_EXCHANGE, type Sys } from "./sys.ts";

/** Leaves room for a suffix in a name of 255 bytes. */
const RECOVERED_NAME_BYTES = 190;

type Refused = { readonly done: false; readonly found: Stat | null };

export class TreeChanges {
  readonly #sys: Sys;
  readonly #dirs: DirCache;
  readonly #stage: StageArea;

  constructor(sys: Sys, dirs: DirCache, stage: StageArea) {
    this.#sys = sys;
    this.#dirs = dirs;
    this.#stage = stage;
  }

  place(thing: StagedThing, path: SyncPath, expected: Stat | null): Checked<Stat> {
    invariant(!thing.gone, "a staged thing is placed twice");
    const parent = this.#dirs.get(parentOf(path), "write", path);
    const from = { fd: this.#stage.fd, name: thing.name };
    const to = { fd: parent.fd, name: nameOf(path) };
    const mode = modeIn(parent, thing.kind, thing.mode);
    if (parent.gid !== null) this.#share(thing, parent.gid, mode);
    const mine = this.#look(from, path);
    if (mine === null) throw diskError(-ENOENT, "write", path);
    const refused = expected === null ? this.#add(from, to, path) : this.#replace(from, to, path, expected);
    if (refused !== null) return refused;
    thing.gone = true;
    const placed = this.#placed(to, path, mine, mode);
    if (thing.kind === "dir" || expected?.kind === "dir") this.#dirs.clear();
    return placed;
  }

  /** Gives a staged thing the group and bits of a shared folder. Not being in the group is no reason to fail. */
  #share(thing: StagedThing, gid: number, mode: number): void {
    if (thing.kind === "link") return;
    const fd = this.#sys.open(this.#stage.fd, thing.name, O_PATH | O_NOFOLLOW);
    if (fd < 0) return;
    this.#sys.setGroupAny(fd, gid);
    if (thing.kind === "file") this.#sys.chmodAny(fd, mode);
    this.#sys.close(fd);
  }

  /** What stands at `to` after placing, unless somebody was faster than this look. */
  #placed(to: Place, path: SyncPath, mine: Stat, mode: number): Checked<Stat> {
    let now = this.#look(to, path);
    if (now?.kind === "dir" && now.ino === mine.ino && now.mode !== mode) {
      this.#setDirMode(to, mine, mode);
      now = this.#look(to, path);
    }
    if (now === null || !isUntouched(now, { ...mine, mode: now.mode })) return { done: false, found: now };
    return { done: true, value: now };
  }

  #setDirMode(to: Place, mine: Stat, mode: number): void {
    const fd = this.#sys.open(to.fd, to.name, O_PATH | O_NOFOLLOW);
    if (fd < 0) return;
    const stat = this.#sys.fstat(fd);
    if (typeof stat !== "number" && stat.ino === mine.ino) this.#sys.chmodAny(fd, mode);
    this.#sys.close(fd);
  }

  #add(from: Place, to: Place, path: SyncPath): Refused | null {
    const result = renameNew(this.#sys, from, to);
    if (result === 0) return null;
    if (result === -EEXIST || result === -ENOTEMPTY) return { done: false, found: this.#look(to, path) };
    throw diskError(result, "write", path);
  }

  #replace(from: Place, to: Place, path: SyncPath, expected: Stat): Refused | null {
    const found = this.#look(to, path);
    if (!sameStat(found, expected)) return { done: false, found };
    const result = this.#sys.rename(from.fd, from.name, to.fd, to.name, RENAME_EXCHANGE);
    if (isUnsupported(result)) return this.#replaceSlowly(from, to, path, expected);
    if (result === -ENOENT && this.#look(to, path) === null) return { done: false, found: null };
    if (result < 0) throw diskError(result, "replace", path);

    const taken = this.#sys.stat(from.fd, from.name);
    if (typeof taken === "number" || !isUntouched(taken, expected)) {
      this.#swapBack(from, to, path);
      return { done: false, found: this.#look(to, path) };
    }
    const removed = this.#unlink(from, expected);
    if (removed === 0) return null;
    this.#swapBack(from, to, path);
    throw diskError(removed === -EEXIST ? -ENOTEMPTY : removed, "replace", path);
  }

  /** Undoes an exchange. */
  #swapBack(from: Place, to: Place, path: SyncPath): void {
    const sys = this.#sys;
    const mine = sys.stat(to.fd, to.name);
    const result = sys.rename(from.fd, from.name, to.fd, to.name, RENAME_EXCHANGE);
    if (result < 0) return this.#putBack(from, to, path);
    const back = sys.stat(from.fd, from.name);
    if (typeof back === "number" || typeof mine === "number" || back.ino === mine.ino) return;
    // Somebody saved over what we had placed, between the two looks: that newest one keeps the name.
    if (sys.rename(from.fd, from.name, to.fd, to.name, RENAME_EXCHANGE) === 0) this.#putBack(from, to, path);
  }

  /** Gives back what was taken away; beside the name if that is taken by now. */
  #putBack(from: Place, to: Place, path: SyncPath): void {
    let result = renameNew(this.#sys, from, to);
    if (result === -EEXIST || result === -ENOTEMPTY) {
      result = renameNew(this.#sys, from, {
        fd: to.fd,
        name: recoveredName(to.name, this.#stage.freshName()),
      });
    }
    if (result < 0) throw diskError(result, "give back", path);
  }

  #unlink(place: Place, expected: Stat): number {
    const { fd, name } = place;
    return expected.kind === "dir" ? this.#sys.rmdir(fd, name) : this.#sys.unlink(fd, name);
  }

  /** For file systems that cannot exchange. Only a change of type leaves a gap. */
  #replaceSlowly(from: Place, to: Place, path: SyncPath, expected: Stat): Refused | null {
    const sys = this.#sys;
    const mine = this.#look(from, path);
    const isDir = mine?.kind === "dir";
    if (isDir === (expected.kind === "dir")) {
      const result = sys.rename(from.fd, from.name, to.fd, to.name, 0);
      if (result < 0) throw diskError(result === -EEXIST ? -ENOTEMPTY : result, "replace", path);
      // Two names of one file stay two.
      if (!isDir) sys.unlink(from.fd, from.name);
      return null;
    }
    const removed = this.remove(path, expected);
    return removed.done ? this.#add(from, to, path) : removed;
  }

  remove(path: SyncPath, expected: Stat): Checked<null> {
    const parent = this.#dirs.get(parentOf(path), "remove", path);
    const at = { fd: parent.fd, name: nameOf(path) };
    const found = this.#look(at, path);
    if (!sameStat(found, expected)) return { done: false, found };
    if (expected.kind === "dir") return this.#removeDir(at, path);

    const aside = { fd: this.#stage.fd, name: this.#stage.freshName() };
    const moved = this.#sys.rename(at.fd, at.name, aside.fd, aside.name, 0);
    if (moved === -ENOENT && this.#look(at, path) === null) return { done: false, found: null };
    if (moved < 0) throw diskError(moved, "remove", path);
    const taken = this.#sys.stat(aside.fd, aside.name);
    if (typeof taken === "number" || !isUntouched(taken, expected)) {
      this.#putBack(aside, at, path);
      return { done: false, found: this.#look(at, path) };
    }
    const removed = this.#unlink(aside, taken);
    if (removed === 0) return { done: true, value: null };
    this.#putBack(aside, at, path);
    throw diskError(removed, "remove", path);
  }

  #removeDir(at: Place, path: SyncPath): Checked<null> {
    const result = this.#sys.rmdir(at.fd, at.name);
    if (result === -ENOENT) return { done: false, found: null };
    if (result < 0) throw diskError(result === -EEXIST ? -ENOTEMPTY : result, "remove", path);
    this.#dirs.clear();
    return { done: true, value: null };
  }

  move(from: SyncPath, to: SyncPath, expected: Stat): Checked<Stat> {
    const [source, target] = this.#dirs.findBoth(parentOf(from), parentOf(to));
    if (typeof source === "number") throw diskError(source, "move", from);
    if (typeof target === "number") throw diskError(target, "write", to);
    const a = { fd: source.fd, name: nameOf(from) };
    const b = { fd: target.fd, name: nameOf(to) };
    const found = this.#look(a, from);
    if (!sameStat(found, expected)) return { done: false, found };
    const result = renameNew(this.#sys, a, b);
    if (result === -EEXIST || result === -ENOTEMPTY) return { done: false, found: this.#look(b, to) };
    if (result < 0) throw diskError(result, "move", from);
    const moved = this.#look(b, to);
    if (moved === null || !isUntouched(moved, expected)) {
      if (moved !== null) this.#putBack(b, a, from);
      return { done: false, found: this.#look(a, from) };
    }
    if (expected.kind === "dir") this.#dirs.clear();
    return { done: true, value: moved };
  }

  setMeta(path: SyncPath, meta: Partial<Meta>, expected: Stat): Checked<Stat> {
    const sys = this.#sys;
    const parent = this.#dirs.get(parentOf(path), "change", path);
    const name = nameOf(path);
    const fd = sys.open(parent.fd, name, O_PATH | O_NOFOLLOW);
    if (fd === -ENOENT) return { done: false, found: null };
    if (fd < 0) throw diskError(fd, "change", path);
    try {
      const found = sys.fstat(fd);
      if (typeof found === "number") throw diskError(found, "look at", path);
      if (!sameStat(found, expected)) return { done: false, found };
      if (found.kind === "link" || found.kind === "other") {
        throw new DiskError("not_a_file", "change", path, "it is not a file or directory");
      }
      const result = this.#applyMeta(fd, parent, found, meta);
      // Only its owner may do that. Who may write to the directory may put another file there.
      const isForeign = result === -EPERM || result === -EACCES;
      if (isForeign && found.kind === "file") return this.#replaceByCopy(path, parent, meta, found, result);
      if (result < 0) throw diskError(result, "change", path);
      const now = this.#look({ fd: parent.fd, name }, path);
      return now?.ino === expected.ino ? { done: true, value: now } : { done: false, found: now };
    } finally {
      sys.close(fd);
    }
  }

  #replaceByCopy(
    path: SyncPath,
    parent: Parent,
    meta: Partial<Meta>,
    found: Stat,
    reason: number,
  ): Checked<Stat> {
    const sys = this.#sys;
    const fd = sys.open(parent.fd, nameOf(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) throw diskError(reason, "change", path);
    let copy: StagedThing | null = null;
    try {
      const { mode = found.mode & MODE_MASK, mtime = Math.floor(found.mtimeUs / 1000) } = meta;
      copy = this.#stage.copy(fd, found.size, { mode, mtime }, path);
      const after = sys.fstat(fd);
      if (typeof after === "number" || !sameStat(after, found)) {
        return { done: false, found: this.#look({ fd: parent.fd, name: nameOf(path) }, path) };
      }
      return this.place(copy, path, found);
    } finally {
      sys.close(fd);
      if (copy !== null) this.#stage.discard(copy);
    }
  }

  /** Returns 0, or a negated error number. */
  #applyMeta(fd: number, parent: Parent, found: Stat, meta: Partial<Meta>): number {
    let result = 0;
    if (meta.mtime !== undefined && found.kind === "file") result = this.#sys.setMtimeAny(fd, meta.mtime);
    if (result === 0 && meta.mode !== undefined) {
      // A directory keeps the set-gid and sticky bits that its owner gave it; a file does not keep set-id bits.
      const kept = found.kind === "dir" ? found.mode & ~MODE_MASK : 0;
      const mode = modeIn(parent, found.kind, meta.mode & MODE_MASK) | kept;
      if (mode !== found.mode) result = this.#sys.chmodAny(fd, mode);
    }
    return result;
  }

  #look(place: Place, path: SyncPath): Stat | null {
    const stat = this.#sys.stat(place.fd, place.name);
    if (typeof stat !== "number") return stat;
    if (stat === -ENOENT || stat === -ELOOP) return null;
    throw diskError(stat, "look at", path);
  }
}

/** As {@link sameStat} after a rename, which changes the ctime. */
function isUntouched(now: Stat, expected: Stat): boolean {
  return sameStat({ ...now, ctimeUs: expected.ctimeUs }, expected);
}

function recoveredName(name: string, suffix: string): string {
  let start = "";
  let bytes = 0;
  for (const char of name) {
    bytes += utf8Length(char);
    if (bytes > RECOVERED_NAME_BYTES) break;
    start += char;
  }
  return `${start} (recovered ${suffix})`;
}
