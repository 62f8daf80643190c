import { assert, assertEquals } from "@std/assert";
import { BUILTIN_IGNORES, builtinRules } from "./builtin_ignores.ts";
import { IgnoreRules, type RuleFiles, type RuleSources } from "./ignore.ts";
import { RuleSet } from "./ignore_rules.ts";
import { parsePath, type SyncPath } from "./path.ts";

type Files = Readonly<Record<string, string>>;

function filesOf(name: string, files: Files): RuleFiles {
  return new Map(
    Object.entries(files).map(([dir, text]) => {
      const at = dir === "" ? null : parsePath(dir);
      const source = dir === "" ? name : `${dir}/${name}`;
      return [at, new RuleSet(source, text, at, name === ".gitignore")];
    }),
  );
}

function sourcesOf(shared: Files, { excludes = "", git = {} as Files, builtin = false } = {}): RuleSources {
  return {
    excludes: excludes === "" ? null : new RuleSet(".fsync/exclude", excludes, null),
    shared: filesOf(".fsyncignore", shared),
    git: filesOf(".gitignore", git),
    builtin: builtin ? builtinRules() : null,
  };
}

interface Case {
  readonly name: string;
  readonly shared?: Files;
  readonly more?: { readonly excludes?: string; readonly git?: Files; readonly builtin?: boolean };
  /** Paths that are ignored; a directory ends in a slash. */
  readonly ignored: readonly string[];
  readonly synced: readonly string[];
}

const cases: readonly Case[] = [
  {
    name: "a name is ignored wherever it stands, with all below it",
    shared: { "": "node_modules" },
    ignored: ["node_modules/", "a/node_modules", "node_modules/x", "a/node_modules/b/c"],
    synced: ["node_modules2", "a"],
  },
  {
    name: "a pattern with a slash is about the path from its directory on",
    shared: { "": "/build\ndocs/*.pdf" },
    ignored: ["build", "docs/a.pdf"],
    synced: ["a/build", "x/docs/a.pdf", "docs/b/a.pdf"],
  },
  {
    name: "a slash at the end means directories only",
    shared: { "": "out/" },
    ignored: ["out/", "a/out/", "out/x"],
    synced: ["out", "a/out"],
  },
  {
    name: "of several rules the last one counts",
    shared: { "": "*.log\n!keep.log\n/a/keep.log" },
    ignored: ["x.log", "a/keep.log"],
    synced: ["keep.log", "b/keep.log"],
  },
  {
    name: "what lies in an ignored directory cannot be brought back",
    shared: { "": "d/\n!d/keep", d: "!keep" },
    ignored: ["d/", "d/keep"],
    synced: [],
  },
  {
    name: "the file that is nearest decides",
    shared: { "": "*.log\nb", d: "!*.log\nc", "d/e": "*.log" },
    ignored: ["x.log", "d/b", "d/c", "d/e/x.log"],
    synced: ["d/x.log", "d/f/x.log", "c"],
  },
  {
    name: "only some kind of files, from all directories",
    shared: { "": "*\n!*/\n!*.txt" },
    ignored: ["a", "d/e/b.jpg"],
    synced: ["d/", "d/e/", "a.txt", "d/e/b.txt"],
  },
  {
    name: "comments, blanks, escapes, a mark at the beginning, lines of other systems",
    shared: { "": "\ufeff# no\n\n   \n\\#yes\n\\!also\r\ntrailing   \nkept\\ \n[broken\n" },
    ignored: ["#yes", "!also", "trailing", "kept "],
    synced: ["# no", "kept", "[broken"],
  },
  {
    name: "a shared ignore file is synced itself, unless its directory is ignored",
    shared: { "": "*\n.fsyncignore\n!d/" },
    ignored: ["a", "e/.fsyncignore"],
    synced: [".fsyncignore", "d/.fsyncignore"],
  },
  {
    name: "the excludes of this device are stronger than what is shared",
    shared: { "": "!big\n*.iso", d: "!big" },
    more: { excludes: "big\n!mine.iso" },
    ignored: ["big", "d/big", "x.iso"],
    synced: ["mine.iso"],
  },
  {
    name: ".fsyncignore is stronger than .gitignore, wherever they are",
    shared: { "": "!dist" },
    more: { git: { "": "*.o", p: "dist\n!x.o" } },
    ignored: ["a.o", "p/a.o"],
    synced: ["p/dist", "p/x.o"],
  },
  {
    name: "files that editors leave behind are ignored, unless a rule brings them back",
    shared: { "": "!*.swp" },
    more: { builtin: true },
    ignored: [".#a", "#a#", "a~", "d/.~lock.a.odt#", ".goutputstream-X1", "~$a.docx", ".a.kate-swp"],
    synced: [".a.swp", "~", "#", "##", "a.swp", "a.part", "a.tmp", "~$", ".#"],
  },
  {
    name: "names that are keys of every object",
    shared: { "": "__proto__\nconstructor/\n/toString" },
    ignored: ["__proto__", "constructor/", "toString"],
    synced: ["hasOwnProperty", "constructor"],
  },
];

for (const { name, shared = {}, more = {}, ignored, synced } of cases) {
  Deno.test(`ignore: ${name}`, () => {
    const rules = new IgnoreRules(sourcesOf(shared, more));
    const check = (text: string, expected: boolean) => {
      const isDir = text.endsWith("/");
      const path = parsePath(isDir ? text.slice(0, -1) : text);
      assertEquals(rules.isIgnored(path, isDir), expected, text);
      assertEquals(rules.explain(path, isDir).ignored, expected, text);
    };
    for (const path of ignored) check(path, true);
    for (const path of synced) check(path, false);
  });
}

Deno.test("ignore: the reason is the rule, its file and its line, and what it matched", () => {
  const rules = new IgnoreRules(sourcesOf({ "": "# builds\nout/", d: "!x.log" }, { excludes: "*.log" }));
  const why = (path: string) => {
    const { ignored, rule, at } = rules.explain(path as SyncPath, false);
    return [ignored, rule?.source, rule?.line, rule?.text, at];
  };
  assertEquals(why("d/out/a"), [true, ".fsyncignore", 2, "out/", "d/out"]);
  assertEquals(why("d/x.log"), [true, ".fsync/exclude", 1, "*.log", "d/x.log"]);
  assertEquals(why("d/y"), [false, undefined, undefined, undefined, "d/y"]);
});

Deno.test("ignore: git's rules do not leave out a .gitignore that the server has; all others do", () => {
  const git = { "": ".gitignore\n/out/\n", a: "*\n" };
  const by = (shared: Files, more = {}) => {
    const rules = new IgnoreRules(sourcesOf(shared, { git, ...more }));
    return (path: string, onServer: boolean) => rules.isIgnored(parsePath(path), false, onServer);
  };
  const plain = by({});
  for (const path of [".gitignore", "a/.gitignore"]) {
    assertEquals([plain(path, false), plain(path, true)], [true, false], path);
  }
  assert(plain("a/x", true), "it is about rule files alone");
  assert(plain("out/.gitignore", true), "what lies in an ignored directory does not count");
  assert(by({ "": ".gitignore" })("a/.gitignore", true));
  assert(by({}, { excludes: "/a/.gitignore" })("a/.gitignore", true));
});

Deno.test("ignore: a change of rules counts at once, below its directory and nowhere else", () => {
  const rules = new IgnoreRules(sourcesOf({ "": "a" }));
  const ignored = () => ["a", "d/b/x", "e/b/x"].filter((path) => rules.isIgnored(parsePath(path), false));
  assertEquals(ignored(), ["a"]);
  rules.change(sourcesOf({ "": "a", d: "b/" }), parsePath("d"));
  assertEquals(ignored(), ["a", "d/b/x"]);
  rules.change(sourcesOf({ "": "b" }), null);
  assertEquals(ignored(), ["d/b/x", "e/b/x"]);
});

Deno.test("ignore: each built-in rule says what it is good for", () => {
  assert(BUILTIN_IGNORES.every(({ reason }) => reason.includes(": ")));
  const patterns = BUILTIN_IGNORES.map(({ pattern }) => pattern);
  assertEquals(new Set(patterns).size, patterns.length);
});
