/** The rules against git itself: random ignore files over a real tree. Left out where there is no git. */
import { assertEquals } from "@std/assert";
import { GIT_RULES_NAME, IgnoreRules, type RuleFiles } from "./ignore.ts";
import { RuleSet } from "./ignore_rules.ts";
import { parsePath, type SyncPath } from "./path.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";

const SEED = BigInt(Deno.env.get("FSYNC_IGNORE_SEED") ?? "1");
const ROUNDS = 100;

const NAMES = ["a", "b", "ab", "ba", "a.b", ".a", "x y", "t ", "#h", "!n", "a*", "[a]", "-", "]", "a\\b"];
/** Pieces of patterns. Characters beyond ASCII are left out: git counts bytes, and we count characters. */
const PIECES = [
  ...[
    "a",
    "b",
    "ab",
    ".",
    "-",
    "x y",
    "*",
    "**",
    "?",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-b]",
    "[]-]",
    "[[:alpha:]]",
  ],
  ...[
    "[[:punct:]]",
    "[[:nope:]]",
    "[a",
    "[\\]]",
    "[a-]",
    "\\*",
    "\\a",
    "\\",
    "#",
    "!",
    " ",
    "\\ ",
    "[:a]",
    "***",
  ],
];

/**
 * Git takes the `**` of `ab**\/c` for directories, because it has cut off `ab` before it looks; its manual says that
 * such stars are ordinary ones, and so do we.
 */
const CUT_BEFORE_STARS = /^!?\/?[^*?[\\]*[^*?[\\/]\*\*/;

function pattern(random: SeededRandom): string {
  for (;;) {
    const made = anyPattern(random);
    if (!CUT_BEFORE_STARS.test(made)) return made;
  }
}

function anyPattern(random: SeededRandom): string {
  const part = () => Array.from({ length: random.between(1, 3) }, () => random.pick(PIECES)).join("");
  const parts = Array.from({ length: random.weighted([[1, 6], [2, 4], [3, 2]] as const) }, () => {
    return random.weighted([[random.pick(NAMES), 4], ["**", 2], ["*", 1], [part(), 5]]);
  });
  const start = random.weighted([["", 6], ["/", 2], ["!", 3], ["!/", 1], ["#", 0.3], ["\\!", 0.3]]);
  return start + parts.join("/") +
    random.weighted([["", 6], ["/", 2], [" ", 0.5], ["/**", 0.5], ["\r", 0.3]]);
}

/** A tree of everything in everything, three deep where it matters. */
function makeTree(root: string, random: SeededRandom): Map<SyncPath, boolean> {
  const paths = new Map<SyncPath, boolean>();
  const fill = (dir: string, depth: number) => {
    for (const name of NAMES) {
      const path = dir === "" ? name : `${dir}/${name}`;
      const isDir = depth < 2 && random.chance(depth === 0 ? 0.5 : 0.2);
      paths.set(parsePath(path), isDir);
      if (!isDir) Deno.writeTextFileSync(`${root}/${path}`, "");
      else {
        Deno.mkdirSync(`${root}/${path}`);
        fill(path, depth + 1);
      }
    }
  };
  fill("", 0);
  return paths;
}

function git(root: string, args: readonly string[], input = ""): string {
  const env = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null", LC_ALL: "C", HOME: root };
  const file = `${root}.in`;
  Deno.writeTextFileSync(file, input);
  const { code, stdout, stderr } = new Deno.Command("sh", {
    args: ["-c", 'exec git -C "$0" "$@" < "$0.in"', root, ...args],
    env,
  }).outputSync();
  Deno.removeSync(file);
  if (code > 1) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

function hasGit(): boolean {
  try {
    return new Deno.Command("git", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

/** `path: rule that decides`, as git says it. */
function askGit(root: string, paths: ReadonlyMap<SyncPath, boolean>): string[] {
  const input = [...paths.keys()].map((path) => `${path}\0`).join("");
  const fields = git(root, ["check-ignore", "-z", "-v", "-n", "--no-index", "--stdin"], input).split("\0");
  const lines: string[] = [];
  for (let at = 0; at + 3 < fields.length; at += 4) {
    const [source, line, text, path] = fields.slice(at, at + 4);
    const decided = source === ""
      ? "none"
      : `${text!.startsWith("!") ? "synced" : "ignored"} ${source}:${line}`;
    lines.push(`${path}: ${decided}`);
  }
  return lines;
}

function askUs(files: ReadonlyMap<SyncPath | null, string>, paths: ReadonlyMap<SyncPath, boolean>): string[] {
  const git: RuleFiles = new Map([...files].map(([dir, text]) => {
    const source = dir === null ? GIT_RULES_NAME : `${dir}/${GIT_RULES_NAME}`;
    return [dir, new RuleSet(source, text, dir)];
  }));
  const rules = new IgnoreRules({ excludes: null, shared: new Map(), git, builtin: null });
  return [...paths].map(([path, isDir]) => {
    const { ignored, rule } = rules.explain(path, isDir);
    assertEquals(rules.isIgnored(path, isDir), ignored, path);
    const decided = rule === null ? "none" : `${ignored ? "ignored" : "synced"} ${rule.source}:${rule.line}`;
    return `${path}: ${decided}`;
  });
}

Deno.test({
  name: `ignore: what git makes of random rules, we make of them (seed ${SEED})`,
  ignore: !hasGit(),
  fn() {
    const temporary = Deno.makeTempDirSync();
    const root = `${temporary}/repository`;
    Deno.mkdirSync(root);
    try {
      const random = new SeededRandom(SEED);
      git(root, ["init", "-q"]);
      const paths = makeTree(root, random);
      const dirs = [...paths].filter(([, isDir]) => isDir).map(([path]) => path);
      for (let round = 0; round < ROUNDS; round++) {
        const files = new Map<SyncPath | null, string>();
        for (const dir of [null, ...random.shuffle(dirs).slice(0, random.int(4))]) {
          const lines = Array.from({ length: random.between(1, 6) }, () => pattern(random));
          files.set(dir, lines.join("\n") + (random.chance(0.5) ? "\n" : ""));
        }
        const write = (dir: SyncPath | null, text: string | null) => {
          const file = dir === null ? `${root}/${GIT_RULES_NAME}` : `${root}/${dir}/${GIT_RULES_NAME}`;
          if (text === null) Deno.removeSync(file);
          else Deno.writeTextFileSync(file, text);
        };
        for (const [dir, text] of files) write(dir, text);
        assertEquals(askUs(files, paths), askGit(root, paths), JSON.stringify([...files], null, 1));
        for (const dir of files.keys()) write(dir, null);
      }
    } finally {
      Deno.removeSync(temporary, { recursive: true });
    }
  },
});
