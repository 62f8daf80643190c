import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ensureDir, ensureDirSync, exists, existsSync } from "@std/fs";

Deno.test("ensureDir makes parents, accepts what is there, and refuses a file", async () => {
  const root = Deno.makeTempDirSync();
  try {
    ensureDirSync(`${root}/a/b`);
    ensureDirSync(`${root}/a/b`);
    await ensureDir(`${root}/a/c`);
    assert(Deno.statSync(`${root}/a/c`).isDirectory);
    Deno.writeTextFileSync(`${root}/file`, "x");
    assertThrows(() => ensureDirSync(`${root}/file`), Deno.errors.AlreadyExists);
    await assertRejects(() => ensureDir(`${root}/file`), Deno.errors.AlreadyExists);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("exists tells files from directories", async () => {
  const root = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${root}/file`, "x");
    assertEquals([existsSync(`${root}/file`), existsSync(`${root}/none`)], [true, false]);
    assertEquals([await exists(root), await exists(`${root}/none`)], [true, false]);
    assertEquals(existsSync(root, { isFile: true }), false);
    assertEquals(await exists(root, { isDirectory: true }), true);
    assertThrows(() => existsSync(root, { isFile: true, isDirectory: true }), TypeError);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
