/** Plants each kind of breach in a small project and sees it reported; a rule that never fails guards nothing. */
import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { checkLayers, formatViolation } from "./check_layers.ts";

function check(files: Record<string, string>): string[] {
  const root = Deno.makeTempDirSync({ prefix: "layers-" });
  try {
    const all = {
      "deno.json": `{ "imports": { "@std/fs": "./system/fs.ts", "x": "npm:x@1.0.0" } }`,
      ...files,
    };
    for (const [path, text] of Object.entries(all)) {
      const file = join(root, path);
      Deno.mkdirSync(dirname(file), { recursive: true });
      Deno.writeTextFileSync(file, text);
    }
    return checkLayers(root).map(formatViolation);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

interface Case {
  readonly name: string;
  readonly files: Record<string, string>;
  readonly found: readonly string[];
}

const breaches: readonly Case[] = [
  {
    name: "core importing protocol",
    files: { "core/a.ts": `\n\nimport { b } from "../protocol/b.ts";`, "protocol/b.ts": "" },
    found: ["core/a.ts:3: imports protocol/b.ts, but core may import only itself"],
  },
  {
    name: "a type import is an import",
    files: { "watcher/a.ts": `import type { B } from "../client/b.ts";`, "client/b.ts": "" },
    found: ["watcher/a.ts:1: imports client/b.ts, but watcher may import only core, system and itself"],
  },
  {
    name: "a re-export over several lines",
    files: { "client/a.ts": `export {\n  b,\n} from "../server/b.ts";`, "server/b.ts": "" },
    found: [
      "client/a.ts:1: imports server/b.ts, but client may import only core, protocol, system and itself",
    ],
  },
  {
    name: "a dynamic import and a worker",
    files: {
      "server/a.ts": `await import("../cli/b.ts");\nnew Worker(new URL("../client/w.ts", import.meta.url));`,
      "cli/b.ts": "",
      "client/w.ts": "",
    },
    found: [
      "server/a.ts:1: imports cli/b.ts, but server may import only core, protocol, system and itself",
      "server/a.ts:2: imports client/w.ts, but server may import only core, protocol, system and itself",
    ],
  },
  {
    name: "a name from deno.json that means a file",
    files: { "protocol/a.ts": `import { walk } from "@std/fs";`, "system/fs.ts": "" },
    found: ["protocol/a.ts:1: imports system/fs.ts, but protocol may import only core and itself"],
  },
  {
    name: "importing tests",
    files: {
      "client/a.ts": `import "../tests/fake.ts";\nimport "./b_test.ts";`,
      "client/b_test.ts": "",
      "tests/fake.ts": "",
    },
    found: [
      "client/a.ts:1: imports tests/fake.ts, but only tests import tests",
      "client/a.ts:2: imports client/b_test.ts, but only tests import tests",
    ],
  },
  {
    name: "leaving the project",
    files: { "system/a.ts": `import "../../elsewhere/b.ts";` },
    found: [`system/a.ts:1: imports "../elsewhere/b.ts", which is outside the project`],
  },
  {
    name: "packages in a pure room",
    files: { "core/a.ts": `import "node:fs";\nimport "x";`, "protocol/b.ts": `import "node:net";` },
    found: [
      `core/a.ts:1: imports "node:fs", but core is pure: it may import only node:crypto, node:buffer`,
      `core/a.ts:2: imports "x", but core is pure: it may import only node:crypto, node:buffer`,
      `protocol/b.ts:1: imports "node:net", but protocol is pure: it may import only node:crypto, node:buffer, node:zlib`,
    ],
  },
  {
    name: "packages that deno.json does not name, and packages for tests",
    files: { "cli/a.ts": `import "npm:x";\nimport { assert } from "@std/assert";` },
    found: [
      `cli/a.ts:1: imports "npm:x": packages are named in deno.json`,
      `cli/a.ts:2: imports "@std/assert", which is for tests only`,
    ],
  },
  {
    name: "machine, clock and chance in a pure room",
    files: {
      "core/a.ts":
        "Deno.cwd();\nDate.now();\nMath.random();\nperformance.now();\ncrypto.getRandomValues(x);\nnew Date();\nsetTimeout(f);",
      "protocol/b.ts": `const text = \`now: \${ { at: Date.now() }.at }\`;`,
    },
    found: [
      `core/a.ts:1: core may not use "Deno.cwd": pure rooms know nothing of the machine`,
      `core/a.ts:2: core may not use "Date.now": time comes in as an argument`,
      `core/a.ts:3: core may not use "Math.random": chance comes in as an argument`,
      `core/a.ts:4: core may not use "performance.": time comes in as an argument`,
      `core/a.ts:5: core may not use "getRandomValues": chance comes in as an argument`,
      `core/a.ts:6: core may not use "new Date()": time comes in as an argument`,
      `core/a.ts:7: core may not use "setTimeout(": time comes in as an argument`,
      `protocol/b.ts:1: protocol may not use "Date.now": time comes in as an argument`,
    ],
  },
  {
    name: "terminal, exit codes and libc in the wrong room",
    files: {
      "client/a.ts": `console.log(1);\nDeno.exit(1);`,
      "system/b.ts": `Deno.dlopen("libc.so.6", {});`,
    },
    found: [
      `client/a.ts:1: client may not use "console.": only cli/ writes to the terminal`,
      `client/a.ts:2: client may not use "Deno.exit": only cli/ has output and exit codes`,
      `system/b.ts:1: system may not use "Deno.dlopen": only system/libc.ts calls libc`,
    ],
  },
  {
    name: "a folder that says nothing, and a room without rules",
    files: { "core/utils/a.ts": "", "web/b.ts": "" },
    found: [
      `core/utils/a.ts: a folder may not be called "utils": name it for what is in it`,
      `web/b.ts: "web" has no row in the import table of scripts/check_layers.ts`,
    ],
  },
  {
    name: "an import cycle",
    files: {
      "core/a.ts": `// first\nimport { b } from "./b.ts";`,
      "core/b.ts": `import { c } from "./c.ts";`,
      "core/c.ts": `export { a } from "./a.ts";`,
    },
    found: [
      `core/a.ts:2: import cycle core/a.ts → core/b.ts → core/c.ts → core/a.ts: move what is shared, or use "import type"`,
    ],
  },
];

for (const { name, files, found } of breaches) {
  Deno.test(`reported: ${name}`, () => assertEquals(check(files), found));
}

const innocent: readonly Omit<Case, "found">[] = [
  {
    name: "each room importing what it may",
    files: {
      "main.ts": `await import("./cli/mod.ts");`,
      "cli/mod.ts": `import "../server/a.ts";\nconsole.log(1);\nDeno.exit(0);`,
      "server/a.ts": `import "../core/a.ts";\nimport "../protocol/a.ts";\nimport "node:sqlite";`,
      "protocol/a.ts": `import "../core/a.ts";\nimport "node:zlib";`,
      "core/a.ts": `import "node:crypto";`,
      "system/libc.ts": `Deno.dlopen("libc.so.6", {});`,
      "scripts/a.ts": `import "../tests/a.ts";`,
      "tests/a.ts": `import "../server/a.ts";\nimport "fast-check";\nconsole.log(1);`,
    },
  },
  {
    name: "a test beside the code importing anything",
    files: {
      "core/a_test.ts": `import { assert } from "@std/assert";\nimport "../tests/a.ts";\nDate.now();`,
      "tests/a.ts": "",
    },
  },
  {
    name: "words in comments, texts, templates and regular expressions",
    files: {
      "core/a.ts": [
        `// import "../server/a.ts"; console.log(Deno.cwd())`,
        `/* Date.now() */ const a = "Math.random() // \\" Deno.exit";`,
        'const b = `import x from "../cli/b.ts" ${a.replace(/[/"`]Deno.x/g, \'}\')} console.log`;',
        `const c = a.length / 2; const d = "console.log()"; const e = c / 3;`,
        `export const from = a; const plan = { console: 1 };`,
      ].join("\n"),
    },
  },
  {
    name: "a cycle of types, and one that is closed later",
    files: {
      "core/a.ts": `import { b } from "./b.ts";`,
      "core/b.ts": `import type { A } from "./a.ts";\nimport { type A2, type A3 } from "./a.ts";`,
      "cli/c.ts": `import "./d.ts";`,
      "cli/d.ts": `await import("./c.ts");`,
    },
  },
];

for (const { name, files } of innocent) {
  Deno.test(`not reported: ${name}`, () => assertEquals(check(files), []));
}
