import { assert, assertEquals, assertThrows } from "@std/assert";
import { DiskError } from "./disk.ts";
import { expectFile, groupOfFolder, isGroupsSecret, openAreaFile, shareNew } from "./group_area.ts";
import { openLibc } from "./libc.ts";
import { shareFolder } from "./share_folder.ts";
import { findGroup, groupOf, mayBeMember } from "./unix_group.ts";

/** Only the superuser can give things to any group and owner. */
const asRoot = Deno.uid() === 0;
const GID = asRoot ? 12_345 : Deno.gid()!;

function inFolder(body: (root: string) => void): () => void {
  return () => {
    const root = Deno.makeTempDirSync();
    try {
      body(root);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  };
}

function modes(root: string, ...paths: string[]): string[] {
  return paths.map((path) => {
    const { mode, gid } = Deno.lstatSync(`${root}/${path}`);
    return `${(mode! & 0o7777).toString(8)} ${gid === GID ? "shared" : "own"}`;
  });
}

Deno.test(
  "a folder is shared with all that is in it, its private area too",
  inFolder((root) => {
    Deno.mkdirSync(`${root}/d/e`, { recursive: true });
    for (
      const [path, mode] of [["f", 0o644], ["d/script", 0o755], ["d/e/secret", 0o600], [
        "d/read",
        0o444,
      ]] as const
    ) {
      Deno.writeTextFileSync(`${root}/${path}`, "x");
      Deno.chmodSync(`${root}/${path}`, mode);
    }
    Deno.chmodSync(`${root}/d/e`, 0o700);
    Deno.symlinkSync("/etc", `${root}/link`);
    Deno.mkdirSync(`${root}/.fsync/stage`, { recursive: true, mode: 0o700 });
    for (const name of ["state.db", "credential.json"]) Deno.writeTextFileSync(`${root}/.fsync/${name}`, "");
    assertEquals(groupOfFolder(root), null);
    const etc = Deno.statSync("/etc").gid;

    const outcome = shareFolder(root, GID);
    assertEquals([outcome.directories, outcome.files, outcome.left], [4, 6, []]);
    assertEquals(modes(root, ".", "d", "d/e"), ["2770 shared", "2775 shared", "2770 shared"]);
    assertEquals(modes(root, "f", "d/script", "d/e/secret", "d/read"), [
      "664 shared",
      "775 shared",
      "660 shared",
      "444 shared",
    ]);
    assertEquals(modes(root, ".fsync", ".fsync/stage", ".fsync/state.db", ".fsync/credential.json"), [
      "2770 shared",
      "2770 shared",
      "660 shared",
      "640 shared",
    ]);
    assertEquals(groupOfFolder(root), GID);
    assertEquals(Deno.statSync("/etc").gid, etc);
  }),
);

Deno.test(
  "what is created in a shared folder is the group's, whatever the umask",
  inFolder((root) => {
    Deno.chmodSync(root, 0o755);
    if (!shareFolder(root, GID).inherits) return assert(openLibc() !== null, "no access lists here");
    const before = Deno.umask(0o077);
    try {
      Deno.mkdirSync(`${root}/d`);
      Deno.writeTextFileSync(`${root}/d/f`, "x");
      assertEquals(shareFolder(root, GID).left, []);
      Deno.mkdirSync(`${root}/d/later`);
    } finally {
      Deno.umask(before);
    }
    assertEquals(modes(root, "d", "d/f", "d/later"), ["2775 shared", "664 shared", "2775 shared"]);
  }),
);

Deno.test(
  "a file with another name elsewhere is left, and named, unless it is one's own",
  inFolder((root) => {
    Deno.mkdirSync(`${root}/folder`);
    Deno.writeTextFileSync(`${root}/elsewhere`, "x");
    Deno.linkSync(`${root}/elsewhere`, `${root}/folder/f`);
    assertEquals(shareFolder(`${root}/folder`, GID).files, 1);
    if (!asRoot) return;
    Deno.chownSync(`${root}/elsewhere`, 4242, 4242);
    Deno.chmodSync(`${root}/elsewhere`, 0o600);
    const { left } = shareFolder(`${root}/folder`, GID);
    assertEquals(left, [{ path: "f", reason: "it has another name elsewhere (a hard link)" }]);
    assertEquals(Deno.statSync(`${root}/elsewhere`).gid, 4242);
  }),
);

Deno.test(
  "a folder of another user is not shared",
  inFolder((root) => {
    const refused = new Proxy(openLibc()!, {
      get(sys, key) {
        const call = Reflect.get(sys, key);
        if (key === "chmodAny" || key === "setGroupAny") return () => -1;
        return typeof call === "function" ? call.bind(sys) : call;
      },
    });
    const error = assertThrows(() => shareFolder(root, 4242, refused), DiskError);
    assertEquals(error.code, "permission");
  }),
);

Deno.test(
  "what is made in a shared private area is the group's, and a link there is refused",
  inFolder((root) => {
    shareFolder(root, GID);
    const dir = `${root}/.fsync`;
    Deno.mkdirSync(`${dir}/log`, { mode: 0o700 });
    shareNew(`${dir}/log`);
    openAreaFile(`${dir}/lock`, { write: true, create: true }).close();
    assertEquals(modes(root, ".fsync/log", ".fsync/lock"), ["2770 shared", "660 shared"]);
    const victim = `${root}/victim`;
    Deno.writeTextFileSync(victim, "precious");
    Deno.symlinkSync(victim, `${dir}/trap`);
    assertThrows(
      () => openAreaFile(`${dir}/trap`, { write: true, create: true }),
      Error,
      "not a regular file",
    );
    assertThrows(() => expectFile(`${dir}/trap`), Error, "not a regular file");
    Deno.chmodSync(dir, 0o700);
    openAreaFile(`${dir}/own`, { write: true, create: true }).close();
    assertEquals(modes(root, ".fsync/own").map((text) => text.slice(0, 3)), ["600"]);
  }),
);

Deno.test("a group's secret is of the folder's group and of one of its members", () => {
  const info = (mode: number, uid: number, gid: number) => ({ mode, uid, gid }) as Deno.FileInfo;
  const own = Deno.uid()!;
  assert(isGroupsSecret(info(0o640, own, 77_777), 77_777));
  assert(isGroupsSecret(info(0o640, 0, 77_777), 77_777));
  assert(!isGroupsSecret(info(0o640, own, 77_778), 77_777));
  assert(!isGroupsSecret(info(0o644, own, 77_777), 77_777));
  // Known here, and no member of root's group.
  const stranger = Number(
    /^(?:daemon|bin|nobody):[^:]*:(\d+):/m.exec(Deno.readTextFileSync("/etc/passwd"))?.[1],
  );
  if (!Number.isNaN(stranger) && stranger !== own) assert(!isGroupsSecret(info(0o640, stranger, 0), 0));
});

Deno.test("groups are found by name and by number", () => {
  assertEquals(findGroup("root"), { gid: 0, name: "root" });
  assertEquals(findGroup("0"), { gid: 0, name: "root" });
  assertEquals(findGroup("54321"), { gid: 54_321, name: "54321" });
  assertEquals(findGroup("no such group"), null);
  assertEquals(findGroup("99999999999"), null);
  assertEquals(groupOf(0).name, "root");
  assert(mayBeMember(0, 0));
  assert(mayBeMember(4_000_000, 0), "a user that is not known here may be a member");
});
