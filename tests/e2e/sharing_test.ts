/** A workgroup on the real program: people on other machines with different rights in one folder. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { SeededRandom, seedForRun } from "../fakes/seeded_random.ts";
import { invite, owner, Person } from "./_person.ts";
import type { Program } from "./_program.ts";
import { RecordingProxy } from "./_proxy.ts";
import { differences, type Tree } from "./_tree.ts";
import { until, type World, worldTest } from "./_world.ts";

function write(world: World, path: string, text: string): void {
  const full = world.path(path);
  Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(full, text);
}

function read(world: World, path: string): string | null {
  try {
    return Deno.readTextFileSync(world.path(path));
  } catch {
    return null;
  }
}

const holds = (world: World, path: string, text: string | null) =>
  until(`${path} holds ${JSON.stringify(text)}`, () => read(world, path) === text);

/** Text that a failed command must say: one line and perhaps a hint. */
const ONE_LINE = /^fsync: [A-Z][^\n]*\n(hint: [^\n]*\n)?$/;

worldTest(
  "a workgroup: people join, get and lose rights, fill their quota, and are shown out",
  async (world, t) => {
    await world.startServer();
    write(world, "server_files/docs/a.txt", "server's a");
    write(world, "server_files/docs/b.txt", "server's b");
    write(world, "server_files/plans/p.txt", "server's plan");
    const [anna, ben, eve] = ["anna", "ben", "eve"].map((name) => new Person(world, name)) as [
      Person,
      Person,
      Person,
    ];
    let annas: Program;
    let bens: Program;
    const secrets: string[] = [];
    const invited = async (words: string) => {
      const line = await invite(world, words);
      secrets.push(line.split("/").at(-1)!);
      return line;
    };

    await t.step("two join by a line each, and need no flag ever after", async () => {
      const line = await invited("anna");
      await anna.ok("join", line, "anna");
      await ben.ok("join", await invited("ben --read-only"), "ben");
      assertEquals(await ben.ok("sync-all", "ben"), "");
      annas = await anna.watch("anna");
      await world.equal("anna", "ben");
      const again = await eve.run("join", line, "eve");
      assertEquals(again.code, 4);
      assertMatch(again.stderr, ONE_LINE);
    });

    await t.step("whatever is wrong with an invitation, it is one line and exit 4", async () => {
      const expired = await invited("eve --expires 1s");
      const revoked = await invited("eve");
      const good = await invited("eve");
      await owner(world, "invite --revoke 4");
      const [, , late] = (JSON.parse(await owner(world, "invite --list --json")) as {
        invitations: { expires: number }[];
      }).invitations;
      await until("it has expired", () => Date.now() > late!.expires);
      const wrong = good.slice(0, -22) + "A".repeat(22);
      const said = new Set<string>();
      for (const line of [expired, revoked, wrong]) {
        const { code, stdout, stderr } = await eve.run("join", line, "eve");
        assertEquals([code, stdout], [4, ""], stderr);
        assertMatch(stderr, ONE_LINE);
        said.add(stderr);
      }
      // Which of them it was, is not told.
      assertEquals(said.size, 1);
      assertEquals(world.tree(".").has("eve"), false);
    });

    await t.step(
      "what a reader changes is told, kept, and never sent; deleting it brings the server's back",
      async () => {
        write(world, "ben/docs/a.txt", "ben's a");
        write(world, "ben/new.txt", "ben's new one");
        const { code, stderr } = await ben.run("sync-all", "ben");
        assertEquals(code, 6);
        assertStringIncludes(stderr, "Changed here, but you may only read: docs/a.txt");
        assertStringIncludes(stderr, "Changed here, but you may only read: new.txt");
        write(world, "anna/docs/a.txt", "anna's a");
        await holds(world, "server_files/docs/a.txt", "anna's a");
        assertEquals((await ben.run("sync-all", "ben")).code, 6);
        assertEquals(read(world, "ben/docs/a.txt"), "ben's a");
        Deno.removeSync(world.path("ben/docs/a.txt"));
        Deno.removeSync(world.path("ben/new.txt"));
        await ben.ok("sync-all", "ben");
        assertEquals(read(world, "ben/docs/a.txt"), "anna's a");
        assertEquals(world.versions().filter(({ user }) => user === "ben"), []);
        await world.equal("anna", "ben");
      },
    );

    await t.step("a change of grants holds at once on watchers, in both directions", async () => {
      bens = await ben.watch("ben");
      await bens.line("Connected as ben");
      write(world, "ben/plans/mine.txt", "ben's own");
      await bens.line("Changed here, but you may only read: plans/mine.txt");
      await owner(world, "grant plans --user ben none");
      await holds(world, "ben/plans/p.txt", null);
      assertEquals(read(world, "ben/plans/mine.txt"), "ben's own");
      write(world, "anna/plans/hidden.txt", "not for ben");
      await holds(world, "server_files/plans/hidden.txt", "not for ben");
      // An honest change afterwards has arrived, so what was before it would have, too.
      write(world, "anna/docs/b.txt", "anna's b");
      await holds(world, "ben/docs/b.txt", "anna's b");
      assertEquals(read(world, "ben/plans/hidden.txt"), null);
      await owner(world, "grant plans --user ben write");
      await holds(world, "ben/plans/hidden.txt", "not for ben");
      await holds(world, "ben/plans/p.txt", "server's plan");
      await holds(world, "anna/plans/mine.txt", "ben's own");
    });

    await t.step("a quota that is used up is one line and exit 10, and what is there stays", async () => {
      assertEquals((await annas.stop()).code, 0);
      await owner(world, "user quota anna 100K");
      write(world, "anna/docs/large.txt", "x".repeat(150_000));
      write(world, "anna/docs/small.txt", "fits");
      const { code, stderr } = await anna.run("sync-all", "anna");
      assertEquals(code, 10, stderr);
      assertMatch(
        stderr,
        /^fsync: Cannot upload: the quota of 100 KiB is used up: docs\/large\.txt\n(hint: .*\n)?$/,
      );
      assertEquals([read(world, "server_files/docs/large.txt"), read(world, "server_files/docs/small.txt")], [
        null,
        "fits",
      ]);
      assertEquals(read(world, "anna/docs/large.txt")?.length, 150_000);
      await owner(world, "user quota anna none");
      await anna.ok("sync-all", "anna");
      await world.equal("anna", "ben");
      annas = await anna.watch("anna");
    });

    await t.step(
      "a device that is revoked and a user who is disabled are shown out at once, with exit 4",
      async () => {
        await annas.line("Connected as anna");
        const { devices } = JSON.parse(await owner(world, "device list --json")) as {
          devices: { id: string; user: string }[];
        };
        await owner(world, `device revoke ${devices.find(({ user }) => user === "anna")!.id}`);
        await owner(world, "user disable ben");
        assertEquals([await annas.exited, await bens.exited], [4, 4]);
        for (const watch of [annas, bens]) {
          assertEquals(
            watch.stderr.filter((line) => line.startsWith("fsync: ")).length,
            1,
            watch.stderr.join("\n"),
          );
        }
        // What they had stays with them, and what they do now goes nowhere.
        for (const person of [anna, ben]) {
          write(world, `${person.name}/late.txt`, "late");
          const { code, stderr } = await person.run("sync-all", person.name);
          assertEquals(code, 4);
          assertMatch(stderr, ONE_LINE);
          assertEquals(read(world, `${person.name}/docs/a.txt`), "anna's a");
        }
        await owner(world, "user enable ben");
        assertEquals((await ben.run("sync-all", "ben")).code, 6);
        assertEquals(read(world, "server_files/late.txt"), null);
      },
    );

    await t.step(
      "who changed what stands in the server's log, also with the server stopped, and no secret",
      async () => {
        await world.server.stop();
        await owner(world, "user add zoe");
        const log = await owner(world, "log --data server_files");
        const me = `(by ann@${Deno.hostname()})`;
        for (
          const line of [
            "Invited: anna, a new user, to folder main, by invitation 1 until ",
            "Joined: anna@",
            "Invitation revoked: 4, for eve",
            "Refused: ",
            `Granted: plans of folder main, user ben, none ${me}`,
            `Quota set: anna, 102,400 bytes ${me}`,
            "Device revoked: anna@",
            `User disabled: ben ${me}`,
            `User added: zoe ${me}`,
          ]
        ) assertStringIncludes(log, line);
        const granted = (await owner(world, "log plans --data server_files")).match(/Granted: /g);
        assertEquals(granted?.length, 2);
        const file = Deno.readTextFileSync(world.path("server_files/.fsync/log/events.jsonl"));
        for (const secret of [...secrets, ...tokensOf(world)]) {
          assert(!file.includes(secret), "the log holds a secret");
          for (const { stdout, stderr, name } of world.programs) {
            assert(![...stdout, ...stderr].join("\n").includes(secret), `${name} has said a secret`);
          }
        }
      },
    );
  },
);

/** What devices show to come in, as their users' files hold it. */
function tokensOf(world: World): string[] {
  return ["state", "state-anna", "state-ben"].flatMap((state) =>
    [...Deno.readDirSync(world.path(`${state}/servers`))].filter(({ name }) => name.endsWith(".json"))
      .map(({ name }) =>
        JSON.parse(Deno.readTextFileSync(world.path(`${state}/servers/${name}`))).token as string
      )
  );
}

const AREAS = ["red", "red/pub", "blue", "blue/pub", "both", "both/red", "both/blue"] as const;
type Area = typeof AREAS[number];
type Team = "red" | "blue";

/** Where each may write. It may read the other's `pub` too; of the rest it must not know anything. */
const MAY_WRITE: Readonly<Record<Team, readonly Area[]>> = {
  red: ["red", "red/pub", "both", "both/red"],
  blue: ["blue", "blue/pub", "both", "both/blue"],
};
const SEEN_BY_BOTH: readonly Area[] = ["red/pub", "blue/pub", "both"];

const GRANTS = [
  "red --group red write",
  "blue/pub --group red read",
  "both --group red write",
  "both/blue --group red none",
  "blue --group blue write",
  "red/pub --group blue read",
  "both --group blue write",
  "both/red --group blue none",
];

const areaOf = (path: string): Area | null =>
  AREAS.filter((area) => path === area || path.startsWith(`${area}/`)).sort((a, b) =>
    b.length - a.length
  )[0] ?? null;

/** What a team must have of the whole. */
function viewOf(team: Team, whole: Tree): Tree {
  const other = team === "red" ? "blue" : "red";
  return new Map([...whole].filter(([path]) => {
    const area = areaOf(path);
    // The way to what it may read.
    if (path === other) return true;
    return area !== null && (MAY_WRITE[team].includes(area) || SEEN_BY_BOTH.includes(area));
  }));
}

/** Somebody who does things at random, where the team may write. */
class Worker {
  readonly team: Team;
  /** Names and contents that the other team must not come to know. */
  readonly secrets = new Set<string>();
  /** Tokens that the other may have seen. */
  readonly shown = new Set<string>();
  readonly #root: string;
  readonly #random: SeededRandom;

  constructor(world: World, team: Team, seed: bigint) {
    this.team = team;
    this.#root = world.path(team);
    this.#random = new SeededRandom(seed);
  }

  /** One change. What stands where both write may go at any moment. */
  step(): void {
    try {
      this.#act();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #act(): void {
    const random = this.#random;
    const areas = MAY_WRITE[this.team];
    const area = areas[random.int(areas.length)]!;
    const there = this.#pathsIn(area);
    const path = there.length === 0 ? null : there[random.int(there.length)]!;
    const choice = random.int(10);
    if (path === null || choice < 3) this.#write(area, `${this.#dirIn(area)}/${this.#token(area)}`);
    else if (choice < 5) this.#change(area, path);
    else if (choice === 5) Deno.removeSync(this.#full(path), { recursive: true });
    else if (choice === 6) Deno.mkdirSync(this.#full(`${this.#dirIn(area)}/${this.#token(area)}`));
    // Within the area, or into another one: what was hidden is shown, or the other way round.
    else this.#move(path, choice === 7 ? area : areas[random.int(areas.length)]!);
  }

  #full(path: string): string {
    return `${this.#root}/${path}`;
  }

  /** A text that is nowhere else, a secret if it stands where only this team may read. */
  #token(area: Area): string {
    const token = `T${this.team}${this.#random.bytes(6).toHex()}`;
    (SEEN_BY_BOTH.includes(area) ? this.shown : this.secrets).add(token);
    return token;
  }

  #dirIn(area: Area): string {
    const dirs = this.#pathsIn(area).filter((path) => Deno.lstatSync(this.#full(path)).isDirectory);
    return dirs.length > 0 && this.#random.int(2) === 0 ? dirs[this.#random.int(dirs.length)]! : area;
  }

  #change(area: Area, path: string): void {
    const full = this.#full(path);
    const { isFile, isDirectory } = Deno.lstatSync(full);
    if (isFile) return this.#write(area, path);
    if (!isDirectory) Deno.removeSync(full);
    Deno.symlinkSync(this.#token(area), isDirectory ? `${full}/${this.#token(area)}` : full);
  }

  /** Small or large, and such that it compresses: tokens in a block must be found all the same. */
  #write(area: Area, path: string): void {
    const lines = [3, 40, 40, 6000][this.#random.int(4)]!;
    const text = `${this.#token(area)} this line says what it says\n`.repeat(lines);
    Deno.writeTextFileSync(this.#full(path), text);
  }

  #move(path: string, to: Area): void {
    // The name that it had stays a secret; what is in it does not.
    if (SEEN_BY_BOTH.includes(to)) { for (const token of this.#tokensIn(path)) this.#show(token); }
    Deno.renameSync(this.#full(path), this.#full(`${to}/${this.#token(to)}`));
  }

  #show(token: string): void {
    this.secrets.delete(token);
    this.shown.add(token);
  }

  *#tokensIn(path: string): Generator<string> {
    const full = this.#full(path);
    const { isFile, isSymlink } = Deno.lstatSync(full);
    if (isFile) yield* tokens(Deno.readTextFileSync(full).slice(0, 100));
    else if (isSymlink) yield* tokens(Deno.readLinkSync(full));
    else {
      for (const below of walk(this.#root, path)) {
        yield* tokens(below.slice(path.length));
        if (!Deno.lstatSync(this.#full(below)).isDirectory) yield* this.#tokensIn(below);
      }
    }
  }

  /** Own paths in an area, without those of areas in it. */
  #pathsIn(area: Area): string[] {
    return [...walk(this.#root, area)].filter((path) =>
      areaOf(path) === area && path.includes(`/T${this.team}`)
    );
  }
}

function tokens(text: string): string[] {
  return [...text.matchAll(/T(red|blue)[0-9a-f]{12}/g)].map(([token]) => token);
}

function* walk(root: string, dir: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${root}/${dir}`)) {
    yield `${dir}/${name}`;
    if (isDirectory) yield* walk(root, `${dir}/${name}`);
  }
}

/** A server with both teams' grants, and a member of each that has joined through a proxy. */
async function teams(world: World): Promise<Record<Team, { person: Person; proxy: RecordingProxy }>> {
  await world.startServer();
  for (const area of AREAS) Deno.mkdirSync(world.path(`server_files/${area}`), { recursive: true });
  await world.inSync();
  for (const team of ["red", "blue"]) await owner(world, `group add ${team}`);
  for (const grant of GRANTS) await owner(world, `grant ${grant}`);
  const join = async (team: Team) => {
    const proxy = new RecordingProxy(world.port);
    const person = new Person(world, team);
    const line = await invite(world, `${team} --group ${team}`, `127.0.0.1:${proxy.port}`);
    await person.ok("join", line, team);
    return { person, proxy };
  };
  return { red: await join("red"), blue: await join("blue") };
}

/** All that came through, to be searched, and in how many frames. */
function searchable(proxy: RecordingProxy): { readonly text: string; readonly frames: number } {
  const { raw, unpacked, frames } = proxy.seen();
  const text = [...raw, ...unpacked].map((bytes) => new TextDecoder("latin1").decode(bytes)).join("\n");
  return { text, frames };
}

worldTest(
  "what is taken out of a directory before it is moved to where others read it, never comes to them",
  async (world) => {
    const { red, blue } = await teams(world);
    await using _reds = red.proxy;
    await using blues = blue.proxy;
    write(world, "red/red/d/kept.txt", "for everybody");
    write(world, "red/red/d/gone-secret.txt", "the secret of a name");
    write(world, "red/red/d/edited.txt", "the secret of a text");
    await red.person.ok("sync-all", "red");
    await blue.person.ok("sync-all", "blue");
    Deno.removeSync(world.path("red/red/d/gone-secret.txt"));
    write(world, "red/red/d/edited.txt", "for everybody, too");
    Deno.renameSync(world.path("red/red/d"), world.path("red/red/pub/d"));
    const watch = await blue.person.watch("blue");
    await red.person.ok("sync-all", "red");
    await holds(world, "blue/red/pub/d/edited.txt", "for everybody, too");
    await holds(world, "blue/red/pub/d/kept.txt", "for everybody");
    assertEquals((await watch.stop()).code, 0);
    const { text: seen } = searchable(blues);
    assertStringIncludes(seen, "for everybody, too");
    assertEquals(seen.includes("secret"), false);
    // Nor is it in the history there, for whoever may see that.
    const there = world.versions().filter(({ path }) => path.startsWith("red/pub/d/"));
    assertEquals(there.map(({ path, operation }) => `${operation} ${path}`).sort(), [
      "created red/pub/d/edited.txt",
      "created red/pub/d/kept.txt",
    ]);
  },
  { server: ["--no-tls"] },
);

const SEED = seedForRun();

worldTest(
  `of what one group may not read, nothing comes to its members: no name, no content (seed ${SEED})`,
  async (world) => {
    const { red, blue } = await teams(world);
    await using reds = red.proxy;
    await using blues = blue.proxy;
    const proxies = { red: reds, blue: blues };
    const workers = (["red", "blue"] as const).map((team, i) => new Worker(world, team, SEED + BigInt(i)));
    const watches = [await red.person.watch("red"), await blue.person.watch("blue")];
    const same = async () => {
      let lines: string[] = [];
      await until("each has what it may see, and nothing else", () => {
        const whole = world.tree("server_files");
        lines = workers.flatMap(({ team }) => differences(viewOf(team, whole), world.tree(team)));
        return lines.length === 0;
      }).catch((error) => {
        throw new Error(lines.join("\n"), { cause: error });
      });
    };
    await same();
    const chance = new SeededRandom(SEED + 7n);
    for (let phase = 0; phase < 4; phase++) {
      for (let n = 0; n < 40; n++) workers[chance.int(2)]!.step();
      await same();
      if (phase === 1) {
        // What it is told when it comes back is a listing, and not what was told to it live.
        await watches[1]!.stop();
        for (let n = 0; n < 20; n++) workers[0]!.step();
        watches[1] = await blue.person.watch("blue");
        await same();
      }
    }
    for (const watch of watches) assertEquals((await watch.stop()).code, 0);
    for (const [i, worker] of workers.entries()) {
      const other = workers[1 - i]!;
      const { text: texts, frames } = searchable(proxies[other.team]);
      const found = [...worker.secrets].filter((token) => texts.includes(token));
      assertEquals(found, [], `${other.team} has come to know of ${worker.team}`);
      // The search finds what is there: what both may see has come.
      const shown = [...worker.shown].filter((token) => texts.includes(token));
      assert(
        worker.secrets.size > 15 && shown.length > 10 && frames > 50,
        `${worker.secrets.size} ${shown.length} ${frames}`,
      );
    }
  },
  { server: ["--no-tls"] },
);
