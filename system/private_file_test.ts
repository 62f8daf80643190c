import { assertEquals, assertThrows } from "@std/assert";
import { ExposedFileError, makePrivateDir, readPrivateFile, writePrivateFile } from "./private_file.ts";

Deno.test("a private file is written whole, for its owner alone, in place of the old one", () => {
  using dir = tempDir();
  const path = `${dir.path}/secret`;
  assertEquals(readPrivateFile(path), null);
  writePrivateFile(path, "one ü\n");
  Deno.chmodSync(path, 0o644);
  writePrivateFile(path, "two");
  assertEquals(readPrivateFile(path), "two");
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  assertEquals([...Deno.readDirSync(dir.path)].map(({ name }) => name), ["secret"]);
});

Deno.test("a file that others may read or write is refused", () => {
  using dir = tempDir();
  const path = `${dir.path}/secret`;
  writePrivateFile(path, "one");
  for (const mode of [0o604, 0o602, 0o640, 0o620, 0o601]) {
    Deno.chmodSync(path, mode);
    assertThrows(() => readPrivateFile(path), ExposedFileError, path);
  }
});

Deno.test("a write that fails leaves the old state and no temporary file", () => {
  using dir = tempDir();
  Deno.mkdirSync(`${dir.path}/taken/inside`, { recursive: true });
  assertThrows(() => writePrivateFile(`${dir.path}/taken`, "x"));
  assertEquals([...Deno.readDirSync(dir.path)].map(({ name }) => name), ["taken"]);
});

Deno.test("a private directory is made with its parents; one that exists keeps its bits", () => {
  using dir = tempDir();
  makePrivateDir(`${dir.path}/a/b`);
  assertEquals(Deno.statSync(`${dir.path}/a/b`).mode! & 0o777, 0o700);
  assertEquals(Deno.statSync(`${dir.path}/a`).mode! & 0o777, 0o700);
  Deno.chmodSync(`${dir.path}/a`, 0o755);
  makePrivateDir(`${dir.path}/a`);
  assertEquals(Deno.statSync(`${dir.path}/a`).mode! & 0o777, 0o755);
});

function tempDir() {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
