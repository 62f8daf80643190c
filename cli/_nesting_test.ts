import { assertEquals, assertThrows } from "@std/assert";
import { SetupError } from "./_exit.ts";
import { checkClientPlace, checkServerPlace, realPathOf, syncedAround } from "./_nesting.ts";

/** A tree with a client's folder, a server's, and what is neither. */
function withTree(run: (root: string) => void): void {
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    for (const dir of ["client/.fsync", "client/in", "all/server/.fsync", "free/1/2/3/deep/.fsync"]) {
      Deno.mkdirSync(`${root}/${dir}`, { recursive: true });
    }
    Deno.writeTextFileSync(`${root}/client/.fsync/state.db`, "");
    Deno.writeTextFileSync(`${root}/all/server/.fsync/server.db`, "");
    Deno.writeTextFileSync(`${root}/free/1/2/3/deep/.fsync/state.db`, "");
    Deno.symlinkSync(`${root}/client`, `${root}/link`);
    run(root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const cases: readonly {
  readonly name: string;
  readonly dir: string;
  readonly client: string | null;
  readonly server: string | null;
}[] = [
  { name: "one's own is taken up again", dir: "client", client: null, server: "that a client syncs" },
  { name: "nor the other's", dir: "all/server", client: "the directory of a server", server: null },
  { name: "within, there", dir: "client/in", client: "lies in", server: "lies in" },
  { name: "within, not there yet", dir: "client/a/b", client: "lies in", server: "lies in" },
  { name: "within, by a link", dir: "link/in", client: "lies in", server: "lies in" },
  { name: "around a server", dir: "all", client: "holds", server: "holds" },
  { name: "around everything", dir: "", client: "holds", server: "holds" },
  { name: "deeper than is searched", dir: "free", client: null, server: null },
  { name: "beside", dir: "new", client: null, server: null },
];

Deno.test("nesting: a folder is neither in nor around another", () => {
  withTree((root) => {
    for (const { name, dir, client, server } of cases) {
      for (const [check, said] of [[checkClientPlace, client], [checkServerPlace, server]] as const) {
        const at = `${root}/${dir}`;
        if (said === null) check(at);
        else assertThrows(() => check(at), SetupError, said, name);
      }
    }
  });
});

Deno.test("nesting: the nearest synced directory is found, also around what is not there", () => {
  withTree((root) => {
    assertEquals(syncedAround(realPathOf(`${root}/link/in/new`)), `${root}/client`);
    assertEquals(syncedAround(`${root}/client`), `${root}/client`);
    assertEquals(syncedAround(`${root}/free`), null);
  });
});
