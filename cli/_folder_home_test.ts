import { assertEquals, assertThrows } from "@std/assert";
import { SetupError } from "./_exit.ts";
import {
  bindFolder,
  checkAdded,
  checkOwn,
  checkPlace,
  readHome,
  releaseFolder,
  serverOf,
} from "./_folder_home.ts";

/** A directory with two servers' directories, `one` and `two`, and a folder `docs` of the first. */
function places(test: (base: string) => void): void {
  const base = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "fsync-home-" }));
  try {
    for (const server of ["one", "two"]) {
      Deno.mkdirSync(`${base}/${server}/.fsync`, { recursive: true });
      Deno.writeTextFileSync(`${base}/${server}/.fsync/accounts.db`, "");
    }
    Deno.mkdirSync(`${base}/docs`);
    bindFolder(`${base}/docs`, { server: `${base}/one`, name: "docs" });
    Deno.writeTextFileSync(`${base}/docs/.fsync/server.db`, "");
    test(base);
  } finally {
    Deno.removeSync(base, { recursive: true });
  }
}

Deno.test("folder home: a folder knows its server, a server is its own", () => {
  places((base) => {
    assertEquals(serverOf(`${base}/docs`), `${base}/one`);
    assertEquals([serverOf(`${base}/one`), serverOf(`${base}/new`)], [`${base}/one`, `${base}/new`]);
    assertEquals(Deno.statSync(`${base}/docs/.fsync`).mode! & 0o777, 0o700);
    assertThrows(() => checkOwn(`${base}/docs`), SetupError, `of the server in "${base}/one"`);
    checkOwn(`${base}/one`);
    checkOwn(`${base}/new`);
  });
});

Deno.test("folder home: a folder that was let go of may be another server's, or a server of its own", () => {
  places((base) => {
    const [docs, theirs] = [`${base}/docs`, { server: `${base}/two`, name: "papers" }];
    assertThrows(() => checkPlace(docs, theirs), SetupError, 'it is the folder "docs" of the server in');
    releaseFolder(docs, `${base}/two`);
    assertThrows(() => checkPlace(docs, theirs), SetupError, 'it is the folder "docs" of the server in');
    releaseFolder(docs, `${base}/one`);
    assertEquals(readHome(docs), { server: null, name: "docs" });
    checkPlace(docs, theirs);
    bindFolder(docs, theirs)();
    assertEquals(readHome(docs), { server: null, name: "docs" });
    checkOwn(docs);
    assertEquals(readHome(docs), null);
    assertThrows(() => checkPlace(docs, theirs), SetupError, "it is a server's own folder");
  });
});

Deno.test("folder home: a server that moved takes its folders along, a copy of it does not", () => {
  places((base) => {
    const docs = `${base}/docs`;
    checkAdded(docs, { server: `${base}/one`, name: "docs" });
    assertThrows(
      () => checkAdded(docs, { server: `${base}/two`, name: "docs" }),
      SetupError,
      'Cannot serve folder "docs": the server in',
    );
    Deno.removeSync(`${base}/two`, { recursive: true });
    Deno.renameSync(`${base}/one`, `${base}/two`);
    checkAdded(docs, { server: `${base}/two`, name: "docs" });
    assertEquals(serverOf(docs), `${base}/two`);
  });
});

Deno.test("folder home: a directory that is gone, or another one at its place, is not served", () => {
  places((base) => {
    const [docs, binding] = [`${base}/docs`, { server: `${base}/one`, name: "docs" }];
    Deno.renameSync(docs, `${base}/away`);
    assertThrows(() => checkAdded(docs, binding), SetupError, `its directory "${docs}" is gone`);
    Deno.mkdirSync(`${docs}/.fsync`, { recursive: true });
    assertThrows(() => checkAdded(docs, binding), SetupError, "its marker .fsync is gone");
    Deno.writeTextFileSync(`${docs}/.fsync/server.json`, "{", { mode: 0o600 });
    assertThrows(() => checkAdded(docs, binding), SetupError, 'server.json" is damaged');
  });
});
