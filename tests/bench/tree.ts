/** Trees on disk: what is in one, whether two are equal, and waiting until one holds what another does. */

import { Buffer } from "node:buffer";

interface Item {
  readonly kind: "file" | "dir" | "link";
  /** Bytes; 0 for what is no file. */
  readonly size: number;
  /** Whole milliseconds; 0 for what is no file: times of directories are not synced. */
  readonly mtime: number;
}

/** What a tree holds, by directory: its path relative to the root ("" for the root) and the names in it. */
export type Listing = ReadonlyMap<string, ReadonlyMap<string, Item>>;

/** Private to fsync, at the root of each side. */
const PRIVATE = ".fsync";
/** Between two looks at a directory that is not complete yet, milliseconds. */
const LOOK_MS = 10;
/** Contents up to this size are compared in one piece, bytes. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Reads the names, kinds, sizes and times of everything below `root`. */
export function listTree(root: string): Listing {
  const listing = new Map<string, Map<string, Item>>();
  const pending = [""];
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    const items = listDirectory(root, dir);
    listing.set(dir, items);
    for (const [name, { kind }] of items) if (kind === "dir") pending.push(join(dir, name));
  }
  return listing;
}

export interface TreeSize {
  /** Files, directories and links. */
  readonly entries: number;
  /** Of its files. */
  readonly bytes: number;
}

export function measureTree(root: string): TreeSize {
  let entries = 0;
  let bytes = 0;
  for (const items of listTree(root).values()) {
    entries += items.size;
    for (const { size } of items.values()) bytes += size;
  }
  return { entries, bytes };
}

/**
 * Waits until `root` holds what `expected` lists. Directories only ever get more complete while a tree is being synced,
 * so each is looked at until it fits, and then no more: all the looking costs about as much as one walk.
 *
 * @returns when the last entry came into its place, milliseconds since 1970: the latest ctime, so that neither the
 * length of a walk nor the time between two looks is added to it
 * @throws {Error} if that does not happen in time, or the tree holds anything else
 */
export async function awaitTree(root: string, expected: Listing, timeoutMs = 300_000): Promise<number> {
  const deadline = Date.now() + timeoutMs;
  let latest = 0;
  for (const [dir, items] of expected) {
    for (;;) {
      const changed = lastChange(root, dir, items);
      if (changed !== null) {
        latest = Math.max(latest, changed);
        break;
      }
      if (Date.now() > deadline) throw new Error(`The tree "${root}" is not complete: "${dir}" differs`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
  return latest;
}

/** The latest ctime of the directory and what is in it; `null` if it does not hold exactly `items`. */
function lastChange(root: string, dir: string, items: ReadonlyMap<string, Item>): number | null {
  try {
    const full = join(root, dir);
    let latest = Deno.lstatSync(full).ctime?.getTime() ?? 0;
    const found = listDirectory(root, dir, (ctime) => latest = Math.max(latest, ctime));
    if (found.size !== items.size) return null;
    for (const [name, item] of items) if (!same(item, found.get(name))) return null;
    return latest;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}

function same(a: Item, b: Item | undefined): boolean {
  return b !== undefined && a.kind === b.kind && a.size === b.size && a.mtime === b.mtime;
}

function listDirectory(root: string, dir: string, onCtime?: (ctime: number) => void): Map<string, Item> {
  const items = new Map<string, Item>();
  for (const { name } of Deno.readDirSync(join(root, dir))) {
    if (dir === "" && name === PRIVATE) continue;
    const info = Deno.lstatSync(join(join(root, dir), name));
    const kind = info.isDirectory ? "dir" : info.isSymlink ? "link" : "file";
    items.set(name, {
      kind,
      size: kind === "file" ? info.size : 0,
      mtime: kind === "file" ? info.mtime!.getTime() : 0,
    });
    onCtime?.(info.ctime?.getTime() ?? 0);
  }
  return items;
}

/**
 * The first difference of two trees, or `null`. Compared are names, kinds, modes, targets of links, and times (whole
 * milliseconds) and bytes of files.
 */
export function firstDifference(a: string, b: string, dir = ""): string | null {
  const ours = listDirectory(a, dir);
  const theirs = listDirectory(b, dir);
  for (const name of theirs.keys()) if (!ours.has(name)) return `only "${b}" has "${join(dir, name)}"`;
  for (const [name, item] of ours) {
    const path = join(dir, name);
    const other = theirs.get(name);
    if (other === undefined) return `only "${a}" has "${path}"`;
    const difference = differenceAt(`${a}/${path}`, `${b}/${path}`, item, other);
    if (difference !== null) return `"${path}" differs in its ${difference}`;
    if (item.kind !== "dir") continue;
    const below = firstDifference(a, b, path);
    if (below !== null) return below;
  }
  return null;
}

function differenceAt(a: string, b: string, item: Item, other: Item): string | null {
  if (item.kind !== other.kind) return "kind";
  if (item.kind === "link") return Deno.readLinkSync(a) === Deno.readLinkSync(b) ? null : "target";
  const [modeA, modeB] = [a, b].map((path) => (Deno.lstatSync(path).mode ?? 0) & 0o777);
  if (modeA !== modeB) return "mode";
  if (item.kind === "dir") return null;
  if (item.size !== other.size) return "size";
  if (item.mtime !== other.mtime) return "time";
  return sameBytes(a, b) ? null : "bytes";
}

function sameBytes(a: string, b: string): boolean {
  using fileA = Deno.openSync(a);
  using fileB = Deno.openSync(b);
  const [pieceA, pieceB] = [pieceFor(fileA), pieceFor(fileB)];
  for (;;) {
    const countA = fill(fileA, pieceA);
    const countB = fill(fileB, pieceB);
    if (countA !== countB || !equal(pieceA.subarray(0, countA), pieceB.subarray(0, countB))) return false;
    if (countA < pieceA.length) return true;
  }
}

/** One byte more than the file has, so that its end shows in the first read. */
function pieceFor(file: Deno.FsFile): Uint8Array {
  return new Uint8Array(Math.min(file.statSync().size + 1, PIECE_BYTES));
}

function fill(file: Deno.FsFile, piece: Uint8Array): number {
  let count = 0;
  while (count < piece.length) {
    const more = file.readSync(piece.subarray(count));
    if (more === null) break;
    count += more;
  }
  return count;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function join(dir: string, name: string): string {
  return dir === "" ? name : name === "" ? dir : `${dir}/${name}`;
}
