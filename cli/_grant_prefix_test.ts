import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./_exit.ts";
import { readPrefix } from "./_grant_prefix.ts";

/** A server's directory `server_files`, with `docs` in it, below the working directory. */
function inPlace(body: (dir: string, root: string) => void): void {
  const dir = Deno.realPathSync(Deno.makeTempDirSync());
  const before = Deno.cwd();
  Deno.mkdirSync(`${dir}/server_files/docs`, { recursive: true });
  Deno.symlinkSync("server_files", `${dir}/srv`);
  Deno.chdir(dir);
  try {
    body(dir, `${dir}/server_files`);
  } finally {
    Deno.chdir(before);
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("a prefix is a path in the folder, or one on disk into it", () => {
  inPlace((dir, root) => {
    const cases: [string, string | null][] = [
      ["/", null],
      [".", null],
      ["./", null],
      ["docs", "docs"],
      ["docs/", "docs"],
      ["/docs", "docs"],
      ["docs//a/./b", "docs/a/b"],
      ["not there/yet", "not there/yet"],
      ["server_files", null],
      ["./server_files/", null],
      ["server_files/docs", "docs"],
      ["./server_files/not/there", "not/there"],
      [`${dir}/server_files/docs`, "docs"],
      ["srv/docs", "docs"],
      ["srv", null],
    ];
    for (const [word, prefix] of cases) assertEquals(readPrefix(word, root), prefix as never, word);
    Deno.chdir(root);
    assertEquals(readPrefix("docs", root), "docs" as never);
  });
});

Deno.test("what is no path in the folder is no prefix", () => {
  inPlace((_, root) => {
    for (const word of ["..", "../x", "docs/../../x", ".fsync", "server_files/.fsync/x", "a\0b"]) {
      assertThrows(() => readPrefix(word, root), UsageError, "Cannot use");
    }
  });
});
