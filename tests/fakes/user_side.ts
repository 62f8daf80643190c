/** What a user's programs do in a folder, on the real disk ({@link RealUser}) and on its twin (`mem_user.ts`). */
import type { FileKind } from "../../system/disk.ts";

/** One thing in a folder, as a test compares it. */
export interface Dumped {
  readonly kind: FileKind;
  /** Content of a file. */
  readonly bytes?: Uint8Array;
  /** Text of a link. */
  readonly target?: string;
  /** `& 0o7777`; 0o777 for links. */
  readonly mode: number;
  /** Milliseconds; only of files. */
  readonly mtime?: number;
}

/** Paths are relative to the folder. All throw if the kernel would refuse. */
export interface UserSide {
  /** Creates a file, or overwrites it in place (same inode). */
  write(path: string, content: string | Uint8Array): void;
  append(path: string, content: string | Uint8Array): void;
  /** Overwrites a part in place. */
  patch(path: string, offset: number, content: string | Uint8Array): void;
  truncate(path: string, size: number): void;
  /** rename(2): replaces what stands at `to` if it may. */
  rename(from: string, to: string): void;
  /** With parents. */
  mkdir(path: string): void;
  /** A file, a link or an empty directory. */
  remove(path: string): void;
  removeTree(path: string): void;
  symlink(target: string, path: string): void;
  hardLink(from: string, to: string): void;
  /** "" is the root. */
  chmod(path: string, mode: number): void;
  /** Sets the modification time, milliseconds. */
  touch(path: string, mtime: number): void;
  fifo(path: string): void;
  /** A file in `dir` ("" is the root) whose name is `start` and the byte 0xff. */
  badName(dir: string, start: string): void;
  read(path: string): Uint8Array;
  /** Whether there is anything, also a dangling link. */
  exists(path: string): boolean;
  /** Everything but `.fsync` in the root, by path. */
  tree(): Map<string, Dumped>;
}

export function asBytes(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

/** Acts through Deno's own calls, not through ours. */
export class RealUser implements UserSide {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  #at(path: string): string {
    return path === "" ? this.#root : `${this.#root}/${path}`;
  }

  write(path: string, content: string | Uint8Array): void {
    Deno.writeFileSync(this.#at(path), asBytes(content));
  }

  append(path: string, content: string | Uint8Array): void {
    Deno.writeFileSync(this.#at(path), asBytes(content), { append: true, create: false });
  }

  patch(path: string, offset: number, content: string | Uint8Array): void {
    using file = Deno.openSync(this.#at(path), { write: true });
    file.seekSync(offset, Deno.SeekMode.Start);
    const bytes = asBytes(content);
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  }

  truncate(path: string, size: number): void {
    Deno.truncateSync(this.#at(path), size);
  }

  rename(from: string, to: string): void {
    Deno.renameSync(this.#at(from), this.#at(to));
  }

  mkdir(path: string): void {
    Deno.mkdirSync(this.#at(path), { recursive: true });
  }

  remove(path: string): void {
    Deno.removeSync(this.#at(path));
  }

  removeTree(path: string): void {
    Deno.removeSync(this.#at(path), { recursive: true });
  }

  symlink(target: string, path: string): void {
    Deno.symlinkSync(target, this.#at(path));
  }

  hardLink(from: string, to: string): void {
    Deno.linkSync(this.#at(from), this.#at(to));
  }

  chmod(path: string, mode: number): void {
    Deno.chmodSync(this.#at(path), mode);
  }

  touch(path: string, mtime: number): void {
    Deno.utimeSync(this.#at(path), new Date(), new Date(mtime));
  }

  fifo(path: string): void {
    run("mkfifo", [this.#at(path)]);
  }

  badName(dir: string, start: string): void {
    run("bash", ["-c", `touch -- "$1"$'\\xff'`, "bash", `${this.#at(dir)}/${start}`]);
  }

  read(path: string): Uint8Array {
    return Deno.readFileSync(this.#at(path));
  }

  exists(path: string): boolean {
    try {
      Deno.lstatSync(this.#at(path));
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
      throw error;
    }
  }

  tree(): Map<string, Dumped> {
    const found = new Map<string, Dumped>();
    this.#dump("", found);
    return found;
  }

  #dump(dir: string, found: Map<string, Dumped>): void {
    for (const { name } of Deno.readDirSync(this.#at(dir))) {
      if (dir === "" && name === ".fsync") continue;
      const path = dir === "" ? name : `${dir}/${name}`;
      const item = dumped(this.#at(path));
      found.set(path, item);
      if (item.kind === "dir") this.#dump(path, found);
    }
  }
}

function dumped(path: string): Dumped {
  const info = Deno.lstatSync(path);
  const mode = info.mode! & 0o7777;
  if (info.isDirectory) return { kind: "dir", mode };
  if (info.isSymlink) return { kind: "link", mode: 0o777, target: Deno.readLinkSync(path) };
  if (!info.isFile) return { kind: "other", mode };
  return { kind: "file", mode, bytes: Deno.readFileSync(path), mtime: info.mtime!.getTime() };
}

function run(command: string, args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
