import { assertEquals } from "@std/assert";
import { headCommit } from "./_commit.ts";

const A = "a".repeat(40), B = "b".repeat(40);

function withFiles(files: { readonly [path: string]: string }, check: (root: string) => void): void {
  const root = Deno.makeTempDirSync();
  try {
    for (const [path, text] of Object.entries(files)) {
      Deno.mkdirSync(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      Deno.writeTextFileSync(`${root}/${path}`, text.replaceAll("ROOT", root));
    }
    check(root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("the commit of a branch is read where git keeps it", () => {
  const head = "ref: refs/heads/main\n";
  withFiles({ ".git/HEAD": head, ".git/refs/heads/main": `${A}\n` }, (root) => {
    assertEquals(headCommit(`${root}/.git`), A);
  });
  const packed = `# pack-refs with: peeled\n${B} refs/heads/maintenance\n${A} refs/heads/main\n`;
  withFiles({ ".git/HEAD": head, ".git/packed-refs": packed }, (root) => {
    assertEquals(headCommit(`${root}/.git`), A);
  });
});

Deno.test("a commit that was checked out is the commit", () => {
  withFiles({ ".git/HEAD": `${B}\n` }, (root) => assertEquals(headCommit(`${root}/.git`), B));
});

Deno.test("a linked working tree has its own head and shared branches", () => {
  const files = {
    "tree/.git": "gitdir: ROOT/main/.git/worktrees/tree\n",
    "main/.git/worktrees/tree/HEAD": "ref: refs/heads/topic\n",
    "main/.git/worktrees/tree/commondir": "../..\n",
    "main/.git/refs/heads/topic": `${A}\n`,
    "main/.git/HEAD": `${B}\n`,
  };
  withFiles(files, (root) => assertEquals(headCommit(`${root}/tree/.git`), A));
});

Deno.test("without git, without commits or with something else in their place, it is unknown", () => {
  withFiles({}, (root) => assertEquals(headCommit(`${root}/.git`), null));
  withFiles(
    { ".git/HEAD": "ref: refs/heads/main\n" },
    (root) => assertEquals(headCommit(`${root}/.git`), null),
  );
  withFiles({ ".git/HEAD": "something else\n" }, (root) => assertEquals(headCommit(`${root}/.git`), null));
});
