/** Folders as values: what stands where, down to bytes, modes and times. */
import { hash } from "node:crypto";

/** One line for each path; equal maps are equal folders. */
export type Tree = ReadonlyMap<string, string>;

/** Contents read before, by what cannot change without the file changing; a poll need not read all of them again. */
const known = new Map<string, { readonly stamp: string; readonly digest: string }>();

/** What stands below `root`, without `.fsync`. `contents`: read the files too, which takes a while if there are many. */
export function readTree(root: string, contents = true): Tree {
  const tree = new Map<string, string>();
  collect(root, "", tree, contents);
  return tree;
}

function collect(root: string, dir: string, tree: Map<string, string>, contents: boolean): void {
  for (const { name } of Deno.readDirSync(`${root}/${dir}`)) {
    if (name === ".fsync") continue;
    const path = dir === "" ? name : `${dir}/${name}`;
    const full = `${root}/${path}`;
    try {
      const info = Deno.lstatSync(full);
      const text = describe(full, info);
      tree.set(path, contents && info.isFile ? `${text} ${digest(full, info)}` : text);
      if (info.isDirectory) collect(root, path, tree, contents);
    } catch (error) {
      // A name that is not UTF-8, or gone meanwhile.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function describe(full: string, info: Deno.FileInfo): string {
  const mode = ((info.mode ?? 0) & 0o777).toString(8);
  if (info.isSymlink) return `link ${Deno.readLinkSync(full)}`;
  if (info.isDirectory) return `dir ${mode}`;
  if (!info.isFile) return "other";
  return `file ${mode} ${info.mtime?.getTime()} ${info.size}`;
}

function digest(full: string, info: Deno.FileInfo): string {
  const old = info.ctime !== null && Date.now() - info.ctime.getTime() > 3000;
  const stamp = `${info.dev} ${info.ino} ${info.size} ${info.mtime?.getTime()} ${info.ctime?.getTime()}`;
  const before = known.get(full);
  if (old && before?.stamp === stamp) return before.digest;
  const value = hash("sha256", Deno.readFileSync(full), "hex").slice(0, 16);
  if (old) known.set(full, { stamp, digest: value });
  return value;
}

/** What differs, for a person: at most a few lines; empty if nothing does. */
export function differences(a: Tree, b: Tree, limit = 8): string[] {
  const lines: string[] = [];
  for (const path of new Set([...a.keys(), ...b.keys()])) {
    const [left, right] = [a.get(path), b.get(path)];
    if (left !== right) lines.push(`${JSON.stringify(path)}: ${left ?? "absent"} | ${right ?? "absent"}`);
    if (lines.length === limit) break;
  }
  return lines;
}

/** A tree as of a source checkout: `files` files of mostly a few kB in nested directories, the same for each seed. */
export function growTree(root: string, files: number, seed = 1): void {
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const names = ["src", "lib", "test", "docs", "node_modules", "é", "with space", "_internal", "locale"];
  const dirs = [""];
  for (let made = 0; made < files;) {
    if (dirs.length < 4 || (random(9) === 0 && dirs.length < files / 8)) {
      const parent = dirs[random(dirs.length)]!;
      const dir = `${parent}${names[random(names.length)]}${dirs.length}/`;
      if (dir.split("/").length < 9) dirs.push(dir);
      Deno.mkdirSync(`${root}/${dirs.at(-1)}`, { recursive: true });
      continue;
    }
    const name = `${dirs[random(dirs.length)]}file_${made}.${["ts", "js", "json", "md"][random(4)]}`;
    const size = random(20) === 0 ? random(60_000) : random(4000);
    const line = `// ${seed} ${made} `;
    Deno.writeTextFileSync(`${root}/${name}`, line.repeat(Math.ceil(size / line.length)).slice(0, size));
    if (random(40) === 0) Deno.chmodSync(`${root}/${name}`, 0o755);
    if (random(60) === 0) Deno.symlinkSync(name.slice(name.lastIndexOf("/") + 1), `${root}/${name}.link`);
    made++;
  }
}
