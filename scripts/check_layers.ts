/**
 * Who may import whom, and what may be used where. Run by `deno task test`; `deno task layers` runs it alone.
 *
 * The tables below are the rules; everything after them only carries them out.
 */
import { findCycles } from "./import_cycles.ts";
import { type Import, importsOf, lineOf, readSource, type SourceText } from "./source_text.ts";

/** What a room (a folder at the top) may import of the project; its own files always. */
const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = new Map([
  ["core", []],
  ["protocol", ["core"]],
  ["system", ["core"]],
  ["watcher", ["core", "system"]],
  ["client", ["core", "protocol", "system"]],
  ["server", ["core", "protocol", "system"]],
  ["cli", ["core", "protocol", "system", "watcher", "client", "server"]],
  ["main.ts", ["cli", "core", "protocol", "system", "watcher", "client", "server"]],
  ["std_types", []],
  ["tests", ["*"]],
  ["scripts", ["*"]],
]);

/** The only packages that a pure room may import. */
const PURE: ReadonlyMap<string, readonly string[]> = new Map([
  ["core", ["node:crypto", "node:buffer"]],
  ["protocol", ["node:crypto", "node:buffer", "node:zlib"]],
]);

const TEST_PACKAGES = ["@std/assert", "fast-check"];
const VAGUE_FOLDERS = ["utils", "common", "lib"];

interface Use {
  readonly pattern: RegExp;
  /** Whether the file at `path` in `room` may use it. Tests may use everything. */
  readonly allowed: (room: string, path: string) => boolean;
  readonly why: string;
}

const isShell = (room: string): boolean => ["cli", "main.ts", "scripts", "tests"].includes(room);
const isImpure = (room: string): boolean => !PURE.has(room);

const USES: readonly Use[] = [
  { pattern: /\bconsole\s*\./g, allowed: isShell, why: "only cli/ writes to the terminal" },
  {
    pattern: /\bDeno\s*\.\s*(?:stdout|stderr|exit)\b/g,
    allowed: isShell,
    why: "only cli/ has output and exit codes",
  },
  {
    pattern: /\bDeno\s*\.\s*dlopen\b/g,
    allowed: (_room, path) => path === "system/libc.ts",
    why: "only system/libc.ts calls libc",
  },
  { pattern: /\bDeno\s*\.\s*\w+/g, allowed: isImpure, why: "pure rooms know nothing of the machine" },
  {
    pattern:
      /\b(?:Date\s*\.\s*now|performance\s*\.|new\s+Date\s*\(\s*\)|Temporal\s*\.\s*Now|set(?:Timeout|Interval|Immediate)\s*\()/g,
    allowed: isImpure,
    why: "time comes in as an argument",
  },
  {
    pattern: /\b(?:Math\s*\.\s*random|getRandomValues|random(?:UUID|Bytes|Int|Fill|FillSync))\b/g,
    allowed: isImpure,
    why: "chance comes in as an argument",
  },
];

export interface Violation {
  readonly path: string;
  /** From 1; 0 stands for the file as a whole. */
  readonly line: number;
  readonly message: string;
}

interface File {
  /** Relative to the root. */
  readonly path: string;
  readonly room: string;
  /** May import and use everything, and is imported by tests only. */
  readonly test: boolean;
  readonly text: SourceText;
  readonly imports: readonly (Import & { readonly target: string | null })[];
}

/** Every breach of the rules below `root`, by file and line. */
export function checkLayers(root: string): Violation[] {
  const names = localNames(root);
  const files = sourceFiles(root, "").sort().map((path) => readFile(root, path, names));
  const violations = [...files.flatMap(checkFile), ...checkCycles(files)];
  return violations.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line);
}

export function formatViolation({ path, line, message }: Violation): string {
  return line === 0 ? `${path}: ${message}` : `${path}:${line}: ${message}`;
}

function checkFile(file: File): Violation[] {
  const place = checkPlace(file).map((message) => ({ path: file.path, line: 0, message }));
  return [...place, ...checkImports(file), ...(file.test ? [] : checkUses(file))];
}

function checkImports(file: File): Violation[] {
  return file.imports.flatMap(({ offset, specifier, target }) => {
    const message = target === null ? packageProblem(file, specifier) : roomProblem(file, target);
    return message === null ? [] : [violation(file, offset, message)];
  });
}

function checkUses(file: File): Violation[] {
  const found = new Map<number, Violation>();
  for (const { pattern, allowed, why } of USES) {
    if (allowed(file.room, file.path)) continue;
    for (const { 0: use, index } of file.text.code.matchAll(pattern)) {
      // The first rule that a use breaks says it best.
      if (found.has(index)) continue;
      found.set(index, violation(file, index, `${file.room} may not use "${use.trim()}": ${why}`));
    }
  }
  return [...found.values()];
}

function violation(file: File, offset: number, message: string): Violation {
  return { path: file.path, line: lineOf(file.text, offset), message };
}

function checkPlace(file: File): string[] {
  const problems: string[] = [];
  if (!MAY_IMPORT.has(file.room)) {
    problems.push(`"${file.room}" has no row in the import table of scripts/check_layers.ts`);
  }
  const vague = file.path.split("/").slice(0, -1).find((part) => VAGUE_FOLDERS.includes(part));
  if (vague !== undefined) problems.push(`a folder may not be called "${vague}": name it for what is in it`);
  return problems;
}

function roomProblem(file: File, target: string): string | null {
  if (target.startsWith("../")) return `imports "${target}", which is outside the project`;
  // The version that the program tells stands where packages state theirs.
  if (target === "deno.json" && file.room === "cli") return null;
  const room = roomOf(target);
  const allowed = MAY_IMPORT.get(file.room) ?? [];
  if (file.test || allowed.includes("*")) return null;
  if (isTest(target)) return `imports ${target}, but only tests import tests`;
  if (room === file.room || allowed.includes(room)) return null;
  const others = allowed.length === 0 ? "only itself" : `only ${allowed.join(", ")} and itself`;
  return `imports ${target}, but ${file.room} may import ${others}`;
}

function packageProblem(file: File, specifier: string): string | null {
  if (/^(?:npm|jsr|https?|file|data):/.test(specifier)) {
    return `imports "${specifier}": packages are named in deno.json`;
  }
  if (file.test) return null;
  const pure = PURE.get(file.room);
  if (pure !== undefined && !pure.includes(specifier)) {
    return `imports "${specifier}", but ${file.room} is pure: it may import only ${pure.join(", ")}`;
  }
  if (TEST_PACKAGES.includes(specifier) && file.room !== "scripts") {
    return `imports "${specifier}", which is for tests only`;
  }
  return null;
}

function checkCycles(files: readonly File[]): Violation[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const loads = (file: File) => file.imports.filter((one) => !one.typeOnly && !one.dynamic);
  const graph = new Map(
    files.map((file) => [file.path, loads(file).flatMap(({ target }) => target === null ? [] : [target])]),
  );
  return findCycles(graph).map((cycle) => {
    const [path = "", next = path] = cycle;
    const file = byPath.get(path);
    const edge = file?.imports.find((one) => one.target === next);
    const line = file === undefined || edge === undefined ? 0 : lineOf(file.text, edge.offset);
    const message = `import cycle ${[...cycle, path].join(" → ")}: move what is shared, or use "import type"`;
    return { path, line, message };
  });
}

function readFile(root: string, path: string, names: ReadonlyMap<string, string>): File {
  const text = readSource(Deno.readTextFileSync(`${root}/${path}`));
  const imports = importsOf(text).map((one) => ({
    ...one,
    target: resolveLocal(path, one.specifier, names),
  }));
  return { path, room: roomOf(path), test: isTest(path), text, imports };
}

/** The project's file that a specifier means, relative to the root (`../…` if outside); `null` for a package. */
function resolveLocal(from: string, specifier: string, names: ReadonlyMap<string, string>): string | null {
  const named = names.get(specifier);
  if (named !== undefined) return named;
  if (!/^\.{0,2}\//.test(specifier)) return null;
  const parts = specifier.startsWith("/") ? [] : from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return `../${specifier.replace(/^(?:\.\.\/)+/, "")}`;
    } else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

/** The names that `deno.json` gives to files of the project. */
function localNames(root: string): Map<string, string> {
  const { imports = {} } = JSON.parse(Deno.readTextFileSync(`${root}/deno.json`)) as {
    imports?: Record<string, string>;
  };
  const local = Object.entries(imports).filter(([, target]) => target.startsWith("./"));
  return new Map(local.map(([name, target]) => [name, target.slice(2)]));
}

function roomOf(path: string): string {
  return path.split("/", 1)[0] ?? path;
}

function isTest(path: string): boolean {
  return roomOf(path) === "tests" || path.endsWith("_test.ts");
}

const NOT_OURS = ["node_modules", "dist", "server_files", "client_files"];

function sourceFiles(root: string, dir: string): string[] {
  return [...Deno.readDirSync(`${root}/${dir}`)].flatMap(({ name, isDirectory }) => {
    if (name.startsWith(".") || (dir === "" && NOT_OURS.includes(name))) return [];
    if (isDirectory) return sourceFiles(root, `${dir}${name}/`);
    return /\.[cm]?[jt]sx?$/.test(name) ? [dir + name] : [];
  });
}

if (import.meta.main) {
  const violations = checkLayers(".");
  for (const violation of violations) console.error(formatViolation(violation));
  Deno.exit(violations.length === 0 ? 0 : 1);
}
