/** The things to sync, made from a seed. */
import { createCipheriv } from "node:crypto";
import { SeededRandom } from "../fakes/seeded_random.ts";

export interface TreeOptions {
  readonly files: number;
  readonly seed: bigint;
}

/**
 * Sizes of files in installed npm packages: half of them below 600 bytes, 1.7 kB on average, a few beyond 100 kB. That
 * is close to a log-normal distribution with these parameters.
 */
const MEDIAN_BYTES = 600;
const SPREAD = 1.443;
const BYTES_MAX = 1024 * 1024;
/** Times lie in the years 2020 to 2024: none is fresh. */
const EPOCH_SECONDS = 1_577_836_800;
const SPAN_SECONDS = 4 * 365 * 86_400;
const TEXT_BYTES = 2 * 1024 * 1024;
const WORDS = ["export", "const", "function", "return", "import", "from", "props", "value", "state", "index"];
const FOLDERS = ["dist", "esm", "cjs", "lib", "src", "locale", "internal", "types", "node_modules", "test"];
const ENDINGS = [".js", ".d.ts", ".js", ".mjs", ".json", ".js.map", ".md"];

/** Makes a tree like an installed `node_modules` in `root`: packages, deep directories, a few links and executables. */
export function generateTree(root: string, { files, seed }: TreeOptions): void {
  const random = new SeededRandom(seed);
  const text = new TextSource(random.fork());
  Deno.mkdirSync(`${root}/.bin`, { recursive: true });
  for (let made = 0, index = 0; made < files; index++) {
    const count = Math.min(packageSize(random), files - made);
    const scope = random.chance(0.3) ? `@scope${random.int(20)}/` : "";
    const name = `${scope}package-${index}`;
    generatePackage(`${root}/${name}`, count, random, text);
    if (random.chance(0.1)) Deno.symlinkSync(`../${name}/file-0.js`, `${root}/.bin/tool-${index}`);
    made += count;
  }
  Deno.mkdirSync(`${root}/empty`);
}

/** Most packages have few files, some have thousands. */
function packageSize(random: SeededRandom): number {
  return Math.min(Math.ceil(6 / (1 - random.fraction()) ** 0.9), 3000);
}

function generatePackage(root: string, files: number, random: SeededRandom, text: TextSource): void {
  Deno.mkdirSync(root, { recursive: true });
  const dirs = [root];
  for (let i = 0; i < files; i++) {
    if (i > 0 && random.chance(0.12)) dirs.push(newFolder(random.pick(dirs), dirs.length, random));
    const ending = i === 0 ? ".js" : random.pick(ENDINGS);
    const path = `${i === 0 ? root : random.pick(dirs)}/file-${i}${ending}`;
    Deno.writeFileSync(path, text.next(fileSize(random)), { mode: random.chance(0.02) ? 0o755 : 0o644 });
    const seconds = EPOCH_SECONDS + random.int(SPAN_SECONDS);
    Deno.utimeSync(path, seconds, seconds);
  }
}

function newFolder(parent: string, index: number, random: SeededRandom): string {
  const path = `${parent}/${random.pick(FOLDERS)}-${index}`;
  Deno.mkdirSync(path);
  return path;
}

export function fileSize(random: SeededRandom): number {
  // Box and Muller's way to a normal distribution.
  const normal = Math.sqrt(-2 * Math.log(1 - random.fraction())) * Math.cos(2 * Math.PI * random.fraction());
  return Math.min(Math.round(MEDIAN_BYTES * Math.exp(SPREAD * normal)), BYTES_MAX);
}

/** Bytes that compress about as well as program text, different for each file. */
class TextSource {
  readonly #text: Uint8Array;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
    let text = "";
    while (text.length < TEXT_BYTES) {
      text += random.chance(0.3)
        ? `${random.uint32().toString(36)}${random.chance(0.3) ? ";\n" : " "}`
        : `${random.pick(WORDS)} `;
    }
    this.#text = new TextEncoder().encode(text);
  }

  next(size: number): Uint8Array {
    const at = this.#random.int(this.#text.length - size);
    return this.#text.subarray(at, at + size);
  }
}

/** Makes a file of bytes that do not compress. */
export function generateLargeFile(path: string, bytes: number, seed: bigint): void {
  const key = new SeededRandom(seed).bytes(16);
  const stream = createCipheriv("aes-128-ctr", key, new Uint8Array(16));
  const zeros = new Uint8Array(4 * 1024 * 1024);
  using file = Deno.openSync(path, { write: true, createNew: true });
  for (let left = bytes; left > 0; left -= zeros.length) {
    writeAll(file, stream.update(zeros.subarray(0, Math.min(left, zeros.length))));
  }
}

/** Saves `path` anew with one byte more at `at`: beside it first (at `aside`), then in its place, as editors do. */
export function insertByte(path: string, at: number, aside: string): void {
  {
    using from = Deno.openSync(path);
    using to = Deno.openSync(aside, { write: true, createNew: true });
    const piece = new Uint8Array(4 * 1024 * 1024);
    let first = true;
    for (let count = from.readSync(piece); count !== null; count = from.readSync(piece)) {
      const bytes = piece.subarray(0, count);
      writeAll(to, first ? bytes.subarray(0, at) : bytes);
      if (first) {
        writeAll(to, new Uint8Array([0x2a]));
        writeAll(to, bytes.subarray(at));
      }
      first = false;
    }
  }
  Deno.renameSync(aside, path);
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
