import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { checksumLines } from "./checksums.ts";
import { currentCommit, stageSources, withBuild } from "./stage.ts";
import { isProgramFor, ownTarget, TARGETS } from "./targets.ts";
import { runtimeVersion } from "./runtimes.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

Deno.test("the staged sources say how they are built, and are without tests", () => {
  const stage = stageSources({ kind: "compiled", commit: "abc" });
  try {
    const text = Deno.readTextFileSync(`${stage}/cli/_build.ts`);
    assertMatch(text, /^export const BUILD: Build = \{"kind":"compiled","commit":"abc"\};$/m);
    const names = [...Deno.readDirSync(`${stage}/cli`)].map(({ name }) => name);
    assert(names.includes("mod.ts"));
    assertEquals(names.filter((name) => name.endsWith("_test.ts")), []);
  } finally {
    Deno.removeSync(stage, { recursive: true });
  }
});

Deno.test("every room of the program is staged", () => {
  const stage = stageSources({ kind: "compiled", commit: null });
  try {
    const rooms = [...Deno.readDirSync(ROOT)].filter(({ name, isDirectory }) =>
      isDirectory && !name.startsWith(".") &&
      !["docs", "scripts", "tests", "dist", "coverage", "server_files", "client_files", "node_modules"]
        .includes(name)
    );
    for (const { name } of rooms) assert(Deno.statSync(`${stage}/${name}`).isDirectory, name);
  } finally {
    Deno.removeSync(stage, { recursive: true });
  }
});

Deno.test("a build file without its line is refused", () => {
  let message = "";
  try {
    withBuild("export const BUILD = 1;", { kind: "compiled", commit: null });
  } catch (error) {
    message = String(error);
  }
  assertMatch(message, /has no BUILD line/);
});

Deno.test("the commit is that of the checkout, or unknown without one", () => {
  const found = currentCommit();
  assert(found === null || /^[0-9a-f]{12}(-dirty)?$/.test(found), String(found));
});

Deno.test("checksums are lines for sha256sum", () => {
  const files = new Map([["a b", new TextEncoder().encode("hello\n")]]);
  assertEquals(
    checksumLines(files),
    "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  a b\n",
  );
});

Deno.test("a program is known by its machine", () => {
  const own = ownTarget();
  assert(own !== null, Deno.build.target);
  for (const target of TARGETS) assertEquals(isProgramFor(Deno.execPath(), target), target === own);
  assertEquals(isProgramFor(`${ROOT}deno.json`, own), false);
});

Deno.test("each target has a pinned runtime, and its package is in the lock with its integrity", () => {
  const lock = JSON.parse(Deno.readTextFileSync(`${ROOT}scripts/compile/runtimes.lock`));
  for (const target of TARGETS) {
    const version = runtimeVersion(target);
    assertMatch(version, /^2\.9\.\d+$/);
    assertMatch(lock.npm[`${target.package}@${version}`].integrity, /^sha512-.{86}==$/);
    assertMatch(target.runtimeSha256, /^[0-9a-f]{64}$/);
  }
});
