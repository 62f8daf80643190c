/** Several Unix users on one machine share one folder, under real permissions and the unfriendliest umask. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { GROUP, Member, whyNoMembers } from "./_members.ts";
import { until, World, worldTest } from "./_world.ts";

const reason = whyNoMembers();

function groupTest(name: string, body: (world: World, t: Deno.TestContext) => Promise<void>): void {
  if (reason === null) return worldTest(name, body);
  Deno.test({ name: `e2e: ${name} (${reason})`, ignore: true, fn() {} });
}

interface Place {
  readonly world: World;
  readonly ann: Member;
  readonly ben: Member;
  readonly cyd: Member;
  readonly stranger: Member;
  readonly dir: string;
}

/** A server of root's, and an empty folder of ann's, who has its credential. */
async function place(world: World): Promise<Place> {
  Deno.chmodSync(world.cwd, 0o755);
  await world.startServer();
  const members = [0, 1, 2].map((number) => new Member(world, number, [GROUP]));
  const [ann, ben, cyd] = members as [Member, Member, Member];
  const stranger = new Member(world, 3, []);
  const key = `servers/localhost_${world.port}.json`;
  Deno.mkdirSync(`${ann.home}/state/servers`, { recursive: true, mode: 0o700 });
  Deno.copyFileSync(world.path(`state/${key}`), `${ann.home}/state/${key}`);
  for (const path of ["state", "state/servers", `state/${key}`]) {
    Deno.chownSync(`${ann.home}/${path}`, ann.uid, ann.uid);
  }
  Deno.mkdirSync(world.path("shared"));
  Deno.chownSync(world.path("shared"), ann.uid, ann.uid);
  return { world, ann, ben, cyd, stranger, dir: world.path("shared") };
}

function init({ world, ann }: Place) {
  return world.start(
    "ann",
    ["watch", "shared", "--init-group", String(GROUP), "--server", world.address],
    ann.options,
  );
}

/** Mode, whether it is the group's, and who owns it. */
function look(dir: string, path: string): string {
  const { mode, gid, uid } = Deno.lstatSync(`${dir}/${path}`);
  return `${(mode! & 0o7777).toString(8)} ${gid === GROUP ? "shared" : gid} ${"abcs"[uid! - 61_001] ?? uid}`;
}

/** Everything in the folder and in its private area that a member could not go on with. */
function notShared(dir: string): string[] {
  const wrong: string[] = [];
  const visit = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(`${dir}/${path}`)) {
      const at = path === "" ? name : `${path}/${name}`;
      const { mode, gid } = Deno.lstatSync(`${dir}/${at}`);
      const bits = isDirectory ? 0o2070 : name === "credential.json" ? 0o040 : 0o060;
      if (gid !== GROUP || (mode! & bits) !== bits) wrong.push(`${at} ${look(dir, at)}`);
      if (isDirectory) visit(at);
    }
  };
  visit("");
  return wrong;
}

groupTest(
  "users of one group run fsync on one folder by turns, and edit each other's files",
  async (world, t) => {
    const here = await place(world);
    const { ann, ben, cyd, stranger, dir } = here;
    const pass = async (member: Member, code = 0) => {
      const result = await world.run(["sync-all", "shared"], member.options);
      assertEquals([result.code, result.stdout], [code, ""], result.stderr);
      return result.stderr;
    };
    const watch = init(here);
    await watch.line("Its members sync here");
    assertEquals(watch.stdout[0], "Watching: shared");

    await t.step("the folder and its private area are the group's, and nobody else's", async () => {
      await ann.shell("mkdir d; echo one > d/by_ann; echo run > script; chmod a+x script", dir);
      await ben.shell("echo two > by_ben; echo more >> d/by_ann", dir);
      await until("all is uploaded", () => world.tree("server_files").size === 4);
      assertEquals(look(dir, "."), "2770 shared a");
      assertEquals(look(dir, ".fsync/credential.json"), "640 shared a");
      assertEquals(look(dir, ".fsync/control.sock"), "660 shared a");
      assertEquals(notShared(dir), []);
    });

    await t.step("another member asks the watch of the first one, and leaves the work to it", async () => {
      const status = await world.run(["status", "shared", "--json"], ben.options);
      assertEquals([status.code, JSON.parse(status.stdout).watched], [0, true], status.stderr);
      await pass(cyd);
    });

    await t.step("a stranger gets nothing", async () => {
      for (const command of ["status", "sync-all", "watch", "log", "versions"]) {
        const { code, stdout, stderr } = await world.run([command, "shared"], stranger.options);
        assert(code !== 0, command);
        assertEquals(stdout, "", command);
        assert(stderr.startsWith("fsync: Cannot use "), stderr);
      }
    });

    await t.step("what a killed watch leaves is in nobody's way", async () => {
      await watch.kill();
      const status = await world.run(["status", "shared", "--json"], ben.options);
      assertEquals([status.code, JSON.parse(status.stdout).watched], [0, false], status.stderr);
    });

    await t.step("modes travel without the group's bits, and arrive with them", async () => {
      assertEquals((await world.syncAll("plain_absent")).code, 1);
      Deno.mkdirSync(world.path("plain"));
      assertEquals((await world.syncAll("plain")).code, 0);
      const modes = ["d", "d/by_ann", "by_ben", "script"].map((path) =>
        (Deno.statSync(world.path(`plain/${path}`)).mode! & 0o777).toString(8)
      );
      assertEquals(modes, ["755", "644", "644", "755"]);
      Deno.writeTextFileSync(world.path("plain/new"), "new");
      Deno.mkdirSync(world.path("plain/e"));
      Deno.writeTextFileSync(world.path("plain/e/secret"), "s", { mode: 0o600 });
      assertEquals((await world.syncAll("plain")).code, 0);
      await pass(ben);
      const arrived = ["new", "e", "e/secret"].map((path) => look(dir, path));
      assertEquals(arrived, ["664 shared b", "2775 shared b", "660 shared b"]);
    });

    await t.step("bits and time of another member's file are set by replacing it", async () => {
      Deno.chmodSync(world.path("plain/by_ben"), 0o755);
      Deno.utimeSync(world.path("plain/d/by_ann"), 1_000_000, 1_000_000);
      Deno.renameSync(world.path("plain/script"), world.path("plain/moved"));
      Deno.removeSync(world.path("plain/new"));
      assertEquals((await world.syncAll("plain")).code, 0);
      await pass(cyd);
      assertEquals([look(dir, "by_ben"), look(dir, "moved")], ["775 shared c", "775 shared a"]);
      assertEquals(Deno.statSync(`${dir}/d/by_ann`).mtime!.getTime(), 1_000_000_000);
      assertEquals(Deno.readTextFileSync(`${dir}/d/by_ann`), "one\nmore\n");
      assertEquals(notShared(dir), []);
    });

    await t.step("each edits what another one wrote, and any of them syncs it", async () => {
      await ann.shell("echo ann >> by_ben; chmod 600 by_ben 2>/dev/null || true", dir);
      await cyd.shell("echo cyd >> moved", dir);
      await ben.shell("echo ben >> d/by_ann; mv e/secret e/renamed", dir);
      await pass(ann);
      assertEquals((await world.syncAll("plain")).code, 0);
      assertEquals(Deno.readTextFileSync(world.path("plain/by_ben")), "two\nann\n");
      assertEquals(Deno.readTextFileSync(world.path("plain/moved")), "run\ncyd\n");
      assertEquals(Deno.readTextFileSync(world.path("plain/e/renamed")), "s");
      assertEquals(Deno.statSync(world.path("plain/e/renamed")).mode! & 0o777, 0o600);
      assertEquals(notShared(dir), []);
    });

    await t.step("nothing is left to do for anybody, and no file went to and fro", async () => {
      const before = world.versions().length;
      for (const member of [ben, ann, cyd]) await pass(member);
      assertEquals((await world.syncAll("plain")).code, 0);
      assertEquals(world.versions().length, before);
      assertEquals(world.versions().filter(({ path }) => path === "e/secret" || path === "by_ben").length, 5);
    });

    await t.step(
      "a file that its owner keeps from the group is a problem by name, the rest goes on",
      async () => {
        await ben.shell("echo mine > private; chmod 600 private; echo ours > public", dir);
        const said = await pass(cyd, 6);
        assertStringIncludes(said, '"private": permission denied');
        assertEquals([world.tree("server_files").has("public"), world.tree("server_files").has("private")], [
          true,
          false,
        ]);
        await pass(ben);
        assert(world.tree("server_files").has("private"));
        await pass(cyd);
      },
    );

    await t.step("a link in the private area leads nobody to files of theirs", async () => {
      await ben.shell("rm .fsync/lock; ln -s ../../home2/precious .fsync/lock", dir);
      await cyd.shell("echo precious > precious", cyd.home);
      const { code, stderr } = await world.run(["sync-all", "shared"], cyd.options);
      assertEquals(code, 3);
      assertStringIncludes(stderr, ".fsync/lock");
      assertEquals(Deno.readTextFileSync(`${cyd.home}/precious`), "precious\n");
    });
  },
);

groupTest("a folder is shared only by whom it belongs to, and never a server's", async (world) => {
  const here = await place(world);
  const share = async (member: Member | null, dir: string, group = String(GROUP)) => {
    const { code, stderr } = await world.run(["watch", dir, "--init-group", group], member?.options ?? {});
    return `${code} ${stderr.split("\n")[0]}`;
  };
  assertEquals(
    await share(here.ann, "shared", "nosuch"),
    '2 fsync: Cannot find the group "nosuch": this machine has none of that name',
  );
  assertStringIncludes(await share(here.ben, "shared"), "permission denied");
  assertStringIncludes(await share(here.ann, "shared", "61999"), "you are not in it");
  assertStringIncludes(await share(null, "server_files"), "it is the directory of a server");
  assertEquals(look(here.dir, "."), "755 61001 a");
});

groupTest(
  "members of a Unix group come to the server of their machine without an invitation",
  async (world) => {
    Deno.chmodSync(world.cwd, 0o755);
    const place = world.path("left");
    const env = { FSYNC_SHARED_DIR: place };
    const flags = ["--host", "127.0.0.1", "--port", "0", "--credential-group", String(GROUP)];
    const missing = await world.run(["server", "server_files", ...flags], { env });
    assertEquals(missing.code, 4, missing.stderr);
    assertStringIncludes(missing.stderr, "is not there");
    assertStringIncludes(missing.stderr, "hint: once, as root: install -d");

    Deno.mkdirSync(place, { mode: 0o755 });
    const server = world.start("server", ["server", "server_files", ...flags], { env });
    const ready = await server.line("Server listening on ");
    const address = `localhost:${ready.slice(ready.lastIndexOf(":") + 1)}`;
    const [{ name }] = [...Deno.readDirSync(place)] as [Deno.DirEntry];
    const { mode, gid } = Deno.statSync(`${place}/${name}`);
    assertEquals([mode! & 0o777, gid], [0o640, GROUP]);

    const [ben, stranger] = [new Member(world, 1, [GROUP]), new Member(world, 3, [])];
    for (const [member, code] of [[ben, 0], [stranger, 5]] as const) {
      const dir = world.path(`of${member.uid}`);
      Deno.mkdirSync(dir);
      Deno.writeTextFileSync(`${dir}/file${member.uid}`, "text");
      for (const path of [dir, `${dir}/file${member.uid}`]) Deno.chownSync(path, member.uid, member.uid);
      const options = { ...member.options, env: { ...member.options.env, ...env } };
      const pass = await world.run(["sync-all", dir, "--server", address], options);
      assertEquals(pass.code, code, pass.stderr);
    }
    await until("the member's file is there", () => {
      try {
        return Deno.readTextFileSync(world.path(`server_files/file${ben.uid}`)) === "text";
      } catch {
        return false;
      }
    });
    await server.line(`by ${GROUP}@`);
  },
);
