/** Joining a server from another machine (here: with another state directory), and what a joined user may do. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Program, Result, RunOptions } from "./_program.ts";
import { until, type World, worldTest } from "./_world.ts";

/** Somebody with a machine of their own. */
class Person {
  readonly world: World;
  readonly env: { readonly [name: string]: string };

  constructor(world: World, name: string) {
    this.world = world;
    this.env = { USER: name, FSYNC_STATE_DIR: world.path(`state-${name}`) };
  }

  run(line: string, options: RunOptions = {}): Promise<Result> {
    return this.world.run(line.split(" "), { env: this.env, ...options });
  }

  /** Runs a command that must end well. */
  async ok(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(line);
    assertEquals([code, stderr], [0, ""], line);
    return stdout;
  }

  async json<T>(line: string): Promise<T> {
    return JSON.parse((await this.run(`${line} --json`)).stdout) as T;
  }

  async watch(dir: string): Promise<Program> {
    const program = this.world.start(`watch of ${dir}`, ["watch", dir], { env: this.env });
    await program.line(`Watching: ${dir}`);
    return program;
  }
}

/** The line of an invitation that the owner makes. */
async function invite(world: World, words: string): Promise<string> {
  const { code, stdout, stderr } = await world.run([
    "invite",
    ...words.split(" "),
    "--host",
    `127.0.0.1:${world.port}`,
  ]);
  assertEquals(code, 0, stderr);
  return stdout.trim();
}

async function owner(world: World, line: string): Promise<void> {
  const { code, stderr } = await world.run(line.split(" "));
  assertEquals(code, 0, `${line}: ${stderr}`);
}

worldTest("a second machine joins by one line, and needs no flag ever after", async (world, t) => {
  await world.startServer();
  Deno.mkdirSync(world.path("server_files/docs"), { recursive: true });
  Deno.writeTextFileSync(world.path("server_files/docs/a.txt"), "from the server");
  const bob = new Person(world, "bob");
  const line = await invite(world, "bob");

  await t.step("join, sync-all, watch", async () => {
    Deno.mkdirSync(world.path("mine"));
    Deno.writeTextFileSync(world.path("mine/b.txt"), "from bob");
    const said = await bob.ok(`join ${line} mine`);
    assertStringIncludes(said, "fsync watch mine");
    assertStringIncludes(said, "as bob");
    await world.server.line("Joined: bob@");
    assertEquals(await bob.ok("sync-all mine"), "");
    const watch = await bob.watch("mine");
    Deno.writeTextFileSync(world.path("mine/c.txt"), "while watching");
    await world.equal("mine");
    assertEquals(world.versions().filter(({ user }) => user === "bob").map(({ path }) => path).sort(), [
      "b.txt",
      "c.txt",
    ]);
    const status = await bob.json<{ user: string; folder: string; server: string }>("status mine");
    assertEquals([status.user, status.folder, status.server], ["bob", "main", `127.0.0.1:${world.port}`]);
    await watch.stop();
    assertStringIncludes(await bob.ok("status mine"), "folder main, as bob\n");
  });

  await t.step("what is stored is bob's alone, and has no secret of the line", () => {
    const files = [...Deno.readDirSync(world.path("state-bob/servers"))].map(({ name }) => name);
    assertEquals(files, [`localhost_${world.port}.json`]);
    const path = world.path(`state-bob/servers/${files[0]}`);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    assert(!Deno.readTextFileSync(path).includes(line.split("/").at(-1)!));
    assertEquals([...Deno.readDirSync(world.path("state-bob/joins"))], []);
  });

  await t.step("the server at another address is the same server", async () => {
    Deno.writeTextFileSync(world.path("mine/d.txt"), "later");
    await bob.ok(`sync-all mine --server localhost:${world.port}`);
    await world.equal("mine");
  });
});

worldTest("invitations that let nobody in are refused with one line", async (world) => {
  await world.startServer();
  const bob = new Person(world, "bob");
  const used = await invite(world, "bob");
  await bob.ok(`join ${used} first`);
  const revoked = await invite(world, "bob");
  await owner(world, "invite --revoke 2");
  const good = await invite(world, "bob");
  const wrong = good.slice(0, -22) + "A".repeat(22);
  const elsewhere = good.replace(`:${world.port}/`, ":1/");
  const refused: readonly (readonly [string, number, string, RegExp])[] = [
    [used, 4, "denied", /does not accept this invitation\nhint: it was used/],
    [revoked, 4, "denied", /does not accept this invitation/],
    [wrong, 4, "denied", /does not accept this invitation/],
    [elsewhere, 5, "unreachable", /connection refused\nhint: .*the invitation is not used up/],
    [good.slice(0, -3), 2, "usage", /the secret is (too short|not valid)/],
    ["hello", 2, "usage", /it does not begin with fsync/],
    [good.replace(/\/[^/]{44}\//, "/"), 2, "usage", /the server's key is/],
  ];
  for (const [line, code, result, said] of refused) {
    const end = await bob.run(`join ${line} other --json`);
    assertEquals([end.code, JSON.parse(end.stdout).result], [code, result], end.stderr);
    assertMatch(end.stderr, said);
    // Nothing is left of it.
    assertEquals([...Deno.readDirSync(world.cwd)].some(({ name }) => name === "other"), false);
  }
  // A line that was pasted with what stood around it, and from standard input's side.
  const pasted = await world.run(["join", ` fsync join '${good}' `, "other"], { env: bob.env });
  assertEquals(pasted.code, 0, pasted.stderr);
});

worldTest("an impostor gets no word of an invitation, and is refused", async (world) => {
  await world.startServer();
  const line = await invite(world, "bob");
  await world.server.stop();
  Deno.removeSync(world.path("server_files/.fsync/tls"), { recursive: true });
  await world.startServer();
  const bob = new Person(world, "bob");
  const { code, stderr } = await bob.run(`join ${line} mine`);
  assertEquals(code, 4, stderr);
  assertStringIncludes(stderr, "its certificate is not the pinned one");
  assertEquals(world.server.count("Refused"), 0);
});

worldTest(
  "who may only read keeps what was changed here, and is told; a new grant takes effect at once",
  async (world) => {
    await world.startServer();
    Deno.mkdirSync(world.path("server_files/docs"), { recursive: true });
    Deno.writeTextFileSync(world.path("server_files/docs/a.txt"), "theirs");
    Deno.writeTextFileSync(world.path("server_files/docs/b.txt"), "theirs");
    const bob = new Person(world, "bob");
    await bob.ok(`join ${await invite(world, "bob --read-only")} mine`);
    await bob.ok("sync-all mine");
    Deno.writeTextFileSync(world.path("mine/docs/a.txt"), "bob's own words");
    Deno.removeSync(world.path("mine/docs/b.txt"));
    const { code, stderr } = await bob.run("sync-all mine");
    assertEquals([code, stderr], [6, "fsync: Changed here, but you may only read: docs/a.txt\n"]);
    assertEquals(Deno.readTextFileSync(world.path("mine/docs/a.txt")), "bob's own words");
    assertEquals(Deno.readTextFileSync(world.path("mine/docs/b.txt")), "theirs");
    assertEquals(Deno.readTextFileSync(world.path("server_files/docs/a.txt")), "theirs");
    const status = await bob.run("status mine");
    assertEquals(status.code, 6);
    assertStringIncludes(status.stdout, "folder main, as bob (read only)");
    assertStringIncludes(status.stdout, "problem: Changed here, but you may only read: docs/a.txt");

    const watch = await bob.watch("mine");
    await watch.line("Changed here, but you may only read: docs/a.txt");
    assertEquals(watch.stderr.filter((line) => line.includes("docs/a.txt")).length, 1);
    Deno.removeSync(world.path("mine/docs/b.txt"));
    await watch.line("Deleted here, but you may only read: docs/b.txt");
    await until("it is back", () => world.tree("mine").has("docs/b.txt"));

    await owner(world, "grant docs --user bob write");
    await until(
      "it goes out",
      () => Deno.readTextFileSync(world.path("server_files/docs/a.txt")) === "bob's own words",
    );
    await owner(world, "grant / --user bob none");
    await owner(world, "grant docs --user bob none");
    await watch.exited;
    assertEquals(watch.code, 4);
  },
);

worldTest("parts of a folder come and go with the rights to them", async (world) => {
  await world.startServer();
  for (const part of ["open", "closed"]) {
    Deno.mkdirSync(world.path(`server_files/${part}`));
    for (let i = 0; i < 3; i++) {
      Deno.writeTextFileSync(world.path(`server_files/${part}/${i}`), `${part} ${i}`);
    }
  }
  const bob = new Person(world, "bob");
  const line = await invite(world, "bob --group staff");
  await owner(world, "grant closed --group staff none");
  await bob.ok(`join ${line} mine`);
  const watch = await bob.watch("mine");
  await until("the open part is there", () => world.tree("mine").has("open/2"));
  assertEquals(world.tree("mine").has("closed"), false);
  await owner(world, "grant closed --group staff read");
  await until("the closed part is there", () => world.tree("mine").has("closed/2"));
  Deno.writeTextFileSync(world.path("mine/closed/1"), "changed by bob");
  await watch.line("Changed here, but you may only read: closed/1");
  await owner(world, "grant closed --group staff none");
  await until("it is gone", () => !world.tree("mine").has("closed/0"));
  await until(
    "what bob changed is told again",
    () =>
      watch.stderr.some((text) =>
        text.includes("neither see nor change") || text.includes("does not let you")
      ),
  );
  assertEquals([...world.tree("mine").keys()].filter((path) => path.startsWith("closed")).sort(), [
    "closed",
    "closed/1",
  ]);
  assertEquals(Deno.readTextFileSync(world.path("mine/closed/1")), "changed by bob");
  assertEquals(Deno.readTextFileSync(world.path("server_files/closed/1")), "closed 1");
});

worldTest("a directory belongs to one folder of one server", async (world) => {
  await world.startServer();
  Deno.writeTextFileSync(world.path("server_files/main.txt"), "1");
  await owner(world, `folder add photos --path ${world.path("photos")}`);
  Deno.writeTextFileSync(world.path("photos/p.jpg"), "2");
  // The owner, on the server's machine, without any invitation.
  Deno.mkdirSync(world.path("own"));
  await owner(world, `sync-all own --server ${world.address} --folder photos`);
  await owner(world, "sync-all own");
  assertEquals([...world.tree("own").keys()], ["p.jpg"]);
  const other = await world.run(["sync-all", "own", "--folder", "main"]);
  assertEquals(other.code, 2);
  assertStringIncludes(other.stderr, 'it belongs to the folder "photos"');

  const bob = new Person(world, "bob");
  await bob.ok(`join ${await invite(world, "bob --folder photos")} pictures`);
  await bob.ok("sync-all pictures");
  assertEquals([...world.tree("pictures").keys()], ["p.jpg"]);
  // The same device for another folder, once it may.
  await owner(world, "grant / --user bob read --folder main");
  Deno.mkdirSync(world.path("all"));
  await bob.ok(`sync-all all --server 127.0.0.1:${world.port}`);
  assertEquals([...world.tree("all").keys()], ["main.txt"]);

  const again = await invite(world, "bob --folder main");
  const refused = await bob.run(`join ${again} pictures`);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "it is synced with another folder");
  await bob.ok(`join ${again} third`);
  const server = await bob.run(`join ${again} server_files`);
  assertStringIncludes(server.stderr, "it is the directory of a server");
});

worldTest("two users of one server live on one machine", async (world) => {
  await world.startServer();
  const home = new Person(world, "home");
  for (const name of ["ann2", "bob"]) await home.ok(`join ${await invite(world, name)} of-${name}`);
  Deno.writeTextFileSync(world.path("of-ann2/x"), "ann's");
  await home.ok("sync-all of-ann2");
  Deno.writeTextFileSync(world.path("of-bob/y"), "bob's");
  await home.ok("sync-all of-bob");
  assertEquals(world.versions().map(({ path, user }) => [path, user]), [["x", "ann2"], ["y", "bob"]]);
  await owner(world, "user disable ann2");
  assertEquals((await home.run("sync-all of-ann2")).code, 4);
  assertEquals((await home.run("sync-all of-bob")).code, 0);
});

worldTest("a join that is killed at any write goes on when it is run again", async (world) => {
  const strace = straceWith("rename,unlink");
  if (strace === null) return;
  await world.startServer();
  for (const [call, count] of [["rename", 2], ["unlink", 1]] as const) {
    for (let when = 1; when <= count; when++) {
      const name = `${call}${when}`;
      const person = new Person(world, name);
      const line = await invite(world, name);
      const wrapper = straceWith(call, when)!;
      const killed = await person.run(`join ${line} ${name}`, { wrapper, env: person.env });
      assertEquals(killed.code, 137, `${name}: ${killed.stdout}${killed.stderr}`);
      await person.ok(`join ${line} ${name}`);
      Deno.writeTextFileSync(world.path(`${name}/f-${name}`), name);
      await person.ok(`sync-all ${name}`);
    }
  }
  assertEquals(world.versions().map(({ user }) => user), ["rename1", "rename2", "unlink1"]);
});

/** What to put before a command so that it is killed at a call; `null` if that cannot be had. */
function straceWith(calls: string, when?: number): readonly string[] | null {
  const trace = calls.split(",").flatMap((call) => [call, `${call}at`]).join(",");
  const inject = when === undefined ? [] : ["-e", `inject=${trace}:signal=SIGKILL:when=${when}`];
  const wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${trace}`, ...inject];
  try {
    const [file, ...rest] = wrapper;
    return new Deno.Command(file!, { args: [...rest, "true"] }).outputSync().success ? wrapper : null;
  } catch {
    return null;
  }
}
