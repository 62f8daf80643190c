/**
 * Makes a folder, with all that is in it, one that the users of a Unix group share. Everything is reached by
 * descriptors, without following a link: this may run as root, on a folder in which others write meanwhile.
 */
import { MODE_MASK } from "../core/entry.ts";
import { RESERVED_NAME } from "../core/path.ts";
import { modeInShared } from "../core/shared_mode.ts";
import { AREA_DIR_MODE, AREA_FILE_MODE, GROUPS_SECRET_MODE } from "./group_area.ts";
import { type DirItem, DiskError } from "./disk.ts";
import { diskError, EEXIST } from "./errno.ts";
import { defaultForOthers, setDefaultAcl } from "./default_acl.ts";
import { S_ISGID } from "./sharing.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, type Owner, type Sys } from "./sys.ts";
import { systemCalls } from "./system_calls.ts";

export interface ShareOutcome {
  readonly directories: number;
  readonly files: number;
  /** What could not be shared, with the reason. */
  readonly left: readonly { readonly path: string; readonly reason: string }[];
  /** Whether what the members create there is the group's, whatever their umask. */
  readonly inherits: boolean;
}

const ROOT_MODE = 0o2770;

/**
 * Shares the folder at `root` with the group `gid`: mode 2770, the set-gid bit and the group's bits on all below, and
 * the private area the group's. What belongs to somebody else is left, and named.
 *
 * @throws {DiskError} permission: the root itself is somebody else's, or this user is not in the group
 */
export function shareFolder(root: string, gid: number, sys: Sys = systemCalls()): ShareOutcome {
  const fd = sys.open(null, root, O_RDONLY | O_DIRECTORY);
  if (fd < 0) throw diskError(fd, "share", root);
  try {
    return new Sharer(sys, fd, root, gid).run();
  } finally {
    sys.close(fd);
  }
}

class Sharer {
  readonly #sys: Sys;
  readonly #rootFd: number;
  readonly #root: string;
  readonly #gid: number;
  readonly #left: { path: string; reason: string }[] = [];
  #directories = 0;
  #files = 0;
  #inherits = true;
  /** What others may do with what is created here, elsewhere: what they might in the folder before it was shared. */
  #others = 0;

  constructor(sys: Sys, rootFd: number, root: string, gid: number) {
    this.#sys = sys;
    this.#rootFd = rootFd;
    this.#root = root;
    this.#gid = gid;
  }

  run(): ShareOutcome {
    const owner = this.#ownerOf(this.#rootFd);
    this.#others = defaultForOthers(this.#rootFd) ?? owner.mode & 0o005;
    // The private area first: with it shared, and the root not yet, nobody new gets anywhere.
    const made = this.#sys.mkdir(this.#rootFd, RESERVED_NAME, 0o700);
    if (made < 0 && made !== -EEXIST) throw diskError(made, "share", this.#root);
    this.#shareDir(RESERVED_NAME, () => AREA_DIR_MODE, areaFileMode);
    this.#shareDir(".", (mode) => mode | S_ISGID, (_, mode) => modeInShared("file", mode));
    this.#set(this.#rootFd, owner, ROOT_MODE, this.#root);
    this.#setAcl(this.#rootFd);
    return {
      directories: this.#directories,
      files: this.#files,
      left: this.#left,
      inherits: this.#inherits,
    };
  }

  #ownerOf(fd: number): Owner {
    const owner = this.#sys.owner(fd);
    if (typeof owner === "number") throw diskError(owner, "share", this.#root);
    return owner;
  }

  /** Everything at and below `top`; the root itself comes last, on its own. */
  #shareDir(
    top: string,
    dirMode: (mode: number) => number,
    fileMode: (name: string, mode: number) => number,
  ) {
    const sys = this.#sys;
    const stack = [top];
    for (let dir = stack.pop(); dir !== undefined; dir = stack.pop()) {
      const path = dir;
      const fd = sys.openBeneath(this.#rootFd, path, O_RDONLY | O_DIRECTORY);
      if (fd < 0) {
        this.#leave(path, fd);
        continue;
      }
      const items = sys.list(fd);
      if (typeof items === "number") this.#leave(path, items);
      else for (const item of items) this.#shareItem(fd, path, item, stack, fileMode);
      if (path !== ".") {
        this.#tryNow(path, () => {
          const owner = this.#ownerOf(fd);
          this.#set(fd, owner, dirMode(modeInShared("dir", owner.mode)), path);
          this.#setAcl(fd);
          this.#directories++;
        });
      }
      sys.close(fd);
    }
  }

  #shareItem(
    dirFd: number,
    dir: string,
    item: DirItem,
    stack: string[],
    fileMode: (name: string, mode: number) => number,
  ): void {
    const path = dir === "." ? item.name : `${dir}/${item.name}`;
    if (path === RESERVED_NAME) return;
    if ("problem" in item) return void this.#left.push({ path, reason: item.problem });
    if (item.stat.kind === "dir") stack.push(path);
    if (item.stat.kind !== "file") return;
    const fd = this.#sys.open(dirFd, item.name, O_PATH | O_NOFOLLOW);
    if (fd < 0) return this.#leave(path, fd);
    this.#tryNow(path, () => this.#shareFile(fd, path, (mode) => fileMode(item.name, mode)));
    this.#sys.close(fd);
  }

  #shareFile(fd: number, path: string, modeOf: (mode: number) => number): void {
    const stat = this.#sys.fstat(fd);
    const owner = this.#ownerOf(fd);
    if (typeof stat === "number" || stat.kind !== "file") return;
    // Its other name may lie where its bits matter; root must not be led to change them.
    if (stat.nlink > 1 && owner.uid !== Deno.uid()) {
      return void this.#left.push({ path, reason: "it has another name elsewhere (a hard link)" });
    }
    this.#set(fd, owner, modeOf(stat.mode & MODE_MASK), path);
    this.#files++;
  }

  /** The group first: giving it takes set-id bits away. @throws {DiskError} */
  #set(fd: number, { gid, mode }: Owner, wanted: number, path: string): void {
    const sys = this.#sys;
    let result = gid === this.#gid ? 0 : sys.setGroupAny(fd, this.#gid);
    if (result === 0 && (mode !== wanted || gid !== this.#gid)) result = sys.chmodAny(fd, wanted);
    if (result < 0) throw diskError(result, "share", path);
  }

  #setAcl(fd: number): void {
    if (!setDefaultAcl(fd, 0o770 | this.#others)) this.#inherits = false;
  }

  #tryNow(path: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#left.push({ path, reason: error.message.slice(error.message.indexOf('": ') + 3) });
    }
  }

  #leave(path: string, result: number): void {
    const { message } = diskError(result, "share", path);
    this.#left.push({ path, reason: message.slice(message.indexOf('": ') + 3) });
  }
}

/** A secret of the area is read by the group, and written by nobody but its owner. */
function areaFileMode(name: string): number {
  return name === "credential.json" ? GROUPS_SECRET_MODE : AREA_FILE_MODE;
}
