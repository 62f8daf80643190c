/** The owner's commands about users and rights on the real program, with the server running and without. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseInvitation } from "../../client/invitation.ts";
import { openServerAccounts } from "../../server/accounts/former.ts";
import { systemClock } from "../../system/clock.ts";
import { isPinned } from "../../system/server_pin.ts";
import { systemRandom } from "../../system/random.ts";
import { type World, worldTest } from "./_world.ts";

/** Runs a command that must succeed; what it says on stdout. */
async function ok(world: World, line: string): Promise<string> {
  const { code, stdout, stderr } = await world.run(line.split(" "));
  assertEquals([code, stderr.replace(/^note: .*\n/gm, "")], [0, ""], line);
  return stdout;
}

async function json<T>(world: World, line: string): Promise<T> {
  return JSON.parse(await ok(world, `${line} --json`)) as T;
}

/** Runs a command that must fail, with `result` in its JSON too. */
async function refused(world: World, line: string, exit: readonly [number, string]): Promise<string> {
  const { code, stdout, stderr } = await world.run([...line.split(" "), "--json"]);
  const { result } = JSON.parse(stdout) as { result: string };
  assertEquals([code, result], exit, line);
  assertMatch(stderr, /^fsync: Cannot .*\n(hint: .*\n)?$/);
  return stderr;
}

/** Lines of a table without its head, with single spaces. */
async function table(world: World, line: string): Promise<string[]> {
  const rows = (await ok(world, line)).trimEnd().split("\n").slice(1);
  return rows.map((row) => row.replaceAll(/ +/g, " ").trim());
}

const FAILED = [1, "failed"] as const;
const USAGE = [2, "usage"] as const;
const DENIED = [4, "denied"] as const;

/** What goes wrong is tried where a server answers: `cli/_accounts_test.ts` has every case. */
const MODES = [["with the server running", true], ["without the server", false]] as const;

for (const [mode, running] of MODES) {
  worldTest(`users, groups, devices, grants and folders are managed ${mode}`, async (world) => {
    await world.startServer();
    if (!running) await world.server.stop();
    Deno.mkdirSync(world.path("server_files/docs"));

    assertStringIncludes(await ok(world, "user add ben"), "ben is known now");
    assertStringIncludes(await refused(world, "user quota bem 5G", FAILED), "hint: did you mean ben?");
    assertEquals(await ok(world, "user quota ben 5G"), "ben may store 5 GiB of versions.\n");
    await ok(world, "user disable ben");
    const used = running ? "0 B" : "-";
    assertEquals(await table(world, "user list"), [
      `ann owner 1 ${used} - never`,
      `ben disabled 0 ${used} 5 GiB never`,
    ]);
    await ok(world, "user enable ben");
    if (running) await refused(world, "user remove ann", DENIED);

    await ok(world, "group add staff");
    await ok(world, "group member staff add ben ann");
    const { group } = await json<{ group: unknown }>(world, "group member remove staff ann");
    assertEquals(group, { name: "staff", members: ["ben"] });

    await ok(world, "grant server_files/docs/ --group staff write --history");
    await ok(world, "grant / --user ben read");
    await ok(world, "grant docs/secret --user ben none");
    assertStringIncludes(
      await refused(world, "grant docs --group stuff read", FAILED),
      "did you mean staff?",
    );
    assertEquals(await table(world, "grant list"), [
      "main / user ben read",
      "main docs group staff write yes",
      "main docs/secret user ben none",
    ]);
    await ok(world, "grant docs/secret --user ben --remove");

    const add = `folder add photos --path ${world.path("photos")}`;
    const { folder } = await json<{ folder: unknown }>(world, add);
    assertEquals(folder, { name: "photos", path: Deno.realPathSync(world.path("photos")) });
    assertStringIncludes(
      await refused(world, "folder add more --path server_files/docs", USAGE),
      "own folder",
    );
    await refused(world, "folder add more --path server_files/deeper", USAGE);
    assert((await table(world, "folder list"))[1]?.startsWith("photos "));
    if (running) {
      // By the directory of an added folder its server is meant, and that folder.
      await ok(world, "grant photos/2025 --user ben write --data photos");
      assertEquals(await table(world, "grant list --folder photos"), ["photos 2025 user ben write"]);
    }
    await ok(world, "folder remove photos");
    if (running) {
      assertStringIncludes(await refused(world, "user list --data photos", FAILED), "let go of it");
    }
    assert(Deno.statSync(world.path("photos")).isDirectory);

    const { devices } = await json<{ devices: { id: string; user: string }[] }>(world, "device list");
    assertEquals(devices.map((device) => device.user), ["ann"]);
    assertStringIncludes(
      await ok(world, `device revoke ${devices[0]!.id.slice(0, 6)}`),
      "already stays there",
    );
    assertMatch((await table(world, "device list"))[0]!, / revoked$/);

    await ok(world, "group remove staff");
    await ok(world, "user remove ben");
    assertEquals([await table(world, "user list"), await table(world, "grant list")], [
      [`ann owner 0 ${used} - never`],
      [],
    ]);
  });

  worldTest(`people are invited ${mode}`, async (world) => {
    await world.startServer();
    if (!running) await world.server.stop();
    const { code, stdout, stderr } = await world.run(["invite", "ben", "--read-only", "--expires", "7d"]);
    assertEquals(code, 0);
    const line = parseInvitation(stdout);
    assertEquals(line.user, "ben");
    assertStringIncludes(stderr, "ben is new here and may read folder main.");
    const caPem = Deno.readTextFileSync(world.path("server_files/.fsync/tls/ca.pem"));
    assert(isPinned(caPem, line.pin!));
    // A running server listens on loopback here, and it is said that nobody else gets there.
    assertEquals(line.server.endsWith(`:${world.port}`), true, line.server);
    assertEquals(stderr.includes("other machines cannot reach"), running);

    if (running) await refused(world, "invite ben --expires soon", USAGE);
    const made = await json<{ line: string; allowed: string }>(
      world,
      "invite dora --group staff --host files.example.org",
    );
    assertEquals(parseInvitation(made.line).server, `files.example.org:${world.port}`);
    assertEquals(made.allowed, "write");
    if (running) {
      assertStringIncludes(await refused(world, "invite dora --read-only", DENIED), "may write");
    }
    assertEquals(await table(world, "grant list"), ["main / group staff write", "main / user ben read"]);

    await ok(world, "invite --revoke 1");
    const states = (await table(world, "invite --list")).map((row) => row.split(" "));
    assertEquals(states.map((row) => [row[0], row[1], row.at(-1)]), [["1", "ben", "revoked"], [
      "2",
      "dora",
      "open",
    ]]);

    // The secret is good for one device, and only its hash is kept.
    const secret = parseInvitation(made.line).secret;
    await world.server.stop();
    const accounts = openServerAccounts({
      dir: world.path("server_files/.fsync"),
      owner: "ann",
      random: systemRandom,
      clock: systemClock,
    });
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(secret)));
    const device = { id: "d0".repeat(16), name: "phone", tokenHash: hash };
    assertEquals(accounts.redeem(hash, device)?.user, "dora");
    accounts.close();
    for (const { name } of Deno.readDirSync(world.path("server_files/.fsync"))) {
      if (!name.startsWith("accounts.db")) continue;
      const bytes = Deno.readFileSync(world.path(`server_files/.fsync/${name}`));
      assertEquals(bytes.toHex().includes(secret.toHex()), false, name);
    }
  });
}

worldTest("a device that is revoked is cut off at once, and not let in again", async (world) => {
  await world.startServer();
  Deno.mkdirSync(world.path("a"));
  Deno.writeTextFileSync(world.path("a/before"), "1");
  const watch = await world.startWatch("a");
  await world.inSync("a");
  const { devices } = await json<{ devices: { id: string; lastSeen: number }[] }>(world, "device list");
  assertEquals([devices.length, devices[0]!.lastSeen > 0], [1, true]);
  await ok(world, `device revoke ${devices[0]!.id}`);
  await world.server.line("Disconnected: ann@");
  await watch.kill();
  Deno.writeTextFileSync(world.path("a/after"), "2");
  const { code, stderr } = await world.syncAll("a");
  assertEquals(code, 4, stderr);
  assertEquals([...world.tree("server_files").keys()], ["before"]);
  // Its own user gets a new credential when the server starts anew.
  await world.server.stop();
  await world.startServer();
  assertEquals((await world.syncAll("a")).code, 0);
  await world.equal("a");
});

worldTest("nobody manages a server whose folder somebody else works on", async (world) => {
  await world.startServer();
  // Answered, so its socket is there; and then it is not.
  await ok(world, "user list");
  Deno.removeSync(world.path("state"), { recursive: true });
  const error = await refused(world, "user add ben", [9, "locked"]);
  assertStringIncludes(error, "a running server holds it");
});
