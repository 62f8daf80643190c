/** `fsync install` and `uninstall` as a user meets them, in a home directory of its own. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { existsSync } from "@std/fs";
import { COMMANDS } from "../../cli/mod.ts";
import { escapePath } from "../../cli/_install/units.ts";
import type { Result, RunOptions } from "./_program.ts";
import { type World, worldTest } from "./_world.ts";

const DATA = ".local/share";
const USER_FILES = [
  ".config/fish/completions/fsync.fish",
  ".local/bin/fsync",
  `${DATA}/bash-completion/completions/fsync`,
  `${DATA}/fsync/installed.json`,
  ...["fsync", ...[...COMMANDS.keys()].map((name) => `fsync-${name}`)].map((name) =>
    `${DATA}/man/man1/${name}.1`
  ),
  `${DATA}/systemd/user/fsync-server@.service`,
  `${DATA}/systemd/user/fsync-sync-all@.service`,
  `${DATA}/systemd/user/fsync-sync-all@.timer`,
  `${DATA}/systemd/user/fsync-watch@.service`,
  `${DATA}/zsh/site-functions/_fsync`,
].sort();

/** Runs a command in a home directory of its own, far from any session. */
class Home {
  readonly dir: string;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.dir = world.path("home");
    for (const name of ["docs", "my files"]) Deno.mkdirSync(`${this.dir}/${name}`, { recursive: true });
    Deno.mkdirSync(world.path("session"));
    Deno.writeTextFileSync(world.path("program"), "#!/bin/sh\necho one\n", { mode: 0o755 });
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const cache = `${Deno.env.get("HOME")}/.cache`;
    const env = {
      HOME: this.dir,
      XDG_RUNTIME_DIR: this.#world.path("session"),
      // Of the runtime below the program, not of the program.
      DENO_DIR: this.#world.env.DENO_DIR ?? `${cache}/deno`,
      XDG_CACHE_HOME: this.#world.env.XDG_CACHE_HOME ?? cache,
    };
    return this.#world.run(args, { ...options, env: { ...env, ...options.env } });
  }

  install(...flags: readonly string[]): Promise<Result> {
    return this.run(["install", "--user", "--from", this.#world.path("program"), ...flags]);
  }

  /** All files and links below. */
  files(dir = this.dir): string[] {
    return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) => {
      const path = `${dir}/${name}`;
      return isDirectory ? this.files(path) : [path.slice(this.dir.length + 1)];
    }).sort();
  }

  read(name: string): string {
    return Deno.readTextFileSync(`${this.dir}/${name}`);
  }

  mode(name: string): string {
    return (Deno.statSync(`${this.dir}/${name}`).mode! & 0o7777).toString(8);
  }
}

const hasUnits = ["/usr/bin/systemctl", "/bin/systemctl", "/run/systemd/system"].some((path) =>
  existsSync(path)
);
const expectedFiles = USER_FILES.filter((name) => hasUnits || !name.includes("/systemd/"));

worldTest("install puts all in place, once, and uninstall takes all of it away", async (world) => {
  const home = new Home(world);
  const before = home.files();
  const dry = await home.install("--dry-run");
  assertEquals([dry.code, dry.stderr], [0, ""]);
  for (const name of expectedFiles.filter((name) => !name.endsWith("installed.json"))) {
    assertStringIncludes(dry.stdout, `${home.dir}/${name} (`);
  }
  assertMatch(dry.stdout, /\nNothing of that was done\.\n$/);
  assertEquals(home.files(), before);

  const first = await home.install();
  assertEquals([first.code, first.stderr], [0, ""]);
  assertEquals(home.files(), expectedFiles);
  assertEquals([home.mode(".local/bin/fsync"), home.mode(`${DATA}/man/man1/fsync.1`)], ["755", "644"]);
  assertStringIncludes(first.stdout, `export PATH=${home.dir}/.local/bin:$PATH`);
  if (hasUnits) {
    const unit = home.read(`${DATA}/systemd/user/fsync-watch@.service`);
    assertStringIncludes(unit, `\nExecStart=:${home.dir}/.local/bin/fsync watch %f\n`);
  }

  const second = await home.install("--json");
  const { result, steps } = JSON.parse(second.stdout);
  assertEquals([result, new Set(steps.map(({ action }: { action: string }) => action))], [
    "ok",
    new Set(["keep"]),
  ]);
  assertStringIncludes((await home.install()).stdout, "Nothing to do: all is in place.");

  const planned = await home.run(["uninstall", "--user", "--dry-run"]);
  assertStringIncludes(planned.stdout, `remove   ${home.dir}/.local/bin/fsync (program)`);
  assertEquals(home.files(), expectedFiles);
  const gone = await home.run(["uninstall", "--user"]);
  assertEquals([gone.code, gone.stderr], [0, ""]);
  assertStringIncludes(gone.stdout, "Synced folders and a server's folder stay as they are.");
  assertEquals(home.files(), before);
  assertEquals([...Deno.readDirSync(home.dir)].map(({ name }) => name).sort(), ["docs", "my files"]);
  assertStringIncludes((await home.run(["uninstall", "--user"])).stdout, "Nothing to do");
});

worldTest("an upgrade replaces what is old, and nothing that somebody has changed", async (world) => {
  const home = new Home(world);
  await home.install();
  const changed = `${DATA}/man/man1/fsync.1`;
  Deno.writeTextFileSync(`${home.dir}/${changed}`, "mine");
  Deno.writeTextFileSync(world.path("program"), "#!/bin/sh\necho two\n");
  const upgrade = await home.install();
  assertEquals(upgrade.code, 0);
  assertStringIncludes(upgrade.stdout, `replace  ${home.dir}/.local/bin/fsync (program)`);
  assertStringIncludes(
    upgrade.stderr,
    `not replaced, since it was changed or is not ours: ${home.dir}/${changed}`,
  );
  assertEquals([home.read(".local/bin/fsync"), home.read(changed)], ["#!/bin/sh\necho two\n", "mine"]);
  assertStringIncludes(home.read(`${changed}.new`), ".TH FSYNC 1");
  const gone = await home.run(["uninstall", "--user"]);
  assertStringIncludes(gone.stderr, `left as it is, since it was changed: ${home.dir}/${changed}`);
  assertEquals(home.files(), [changed]);
  assertEquals((await home.install("--force")).stderr, "");
  await home.run(["uninstall", "--user"]);
  assertEquals(home.files(), []);
});

worldTest("another program of the same name is not replaced by chance", async (world) => {
  const home = new Home(world);
  Deno.mkdirSync(`${home.dir}/.local/bin`, { recursive: true });
  Deno.writeTextFileSync(`${home.dir}/.local/bin/fsync`, "another");
  const { code, stderr } = await home.install();
  assertEquals(code, 1);
  assertStringIncludes(stderr, "there is another file, which fsync install has not put there");
  assertEquals(home.files(), [".local/bin/fsync"]);
});

worldTest("what cannot be installed is said before anything is done", async (world) => {
  const home = new Home(world);
  const cases: [string[], string][] = [
    [["--watch", "nowhere"], 'Cannot install --watch "nowhere": there is no such folder'],
    [["--from", "nowhere"], `nowhere": there is no such file`],
    [["--bin-dir", `${home.dir}/a "b"`], hasUnits ? "systemd starts no program with a quote" : ""],
  ];
  for (const [flags, message] of cases.filter(([, message]) => message !== "")) {
    const { code, stdout, stderr } = await home.install(...flags);
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, message);
  }
  if (!Deno.env.has("FSYNC_BIN")) {
    const sources = await home.run(["install", "--user"]);
    assertEquals(sources.code, 1);
    assertStringIncludes(sources.stderr, "it runs from its sources");
    assertStringIncludes(sources.stderr, "deno task compile");
  }
  assertEquals(home.files(), []);
});

worldTest("the built file installs itself, and what it installed works and goes", async (world) => {
  const binary = Deno.env.get("FSYNC_BIN");
  if (!binary) return;
  const home = new Home(world);
  assertEquals((await home.run(["install", "--user"])).code, 0);
  const installed = `${home.dir}/.local/bin/fsync`;
  assertEquals(Deno.statSync(installed).size, Deno.statSync(binary).size);
  const env = { HOME: home.dir, PATH: "/usr/bin:/bin", XDG_CACHE_HOME: world.env.XDG_CACHE_HOME ?? "" };
  const own = (...args: string[]) => new Deno.Command(installed, { args, env, clearEnv: true }).outputSync();
  assertMatch(new TextDecoder().decode(own("version").stdout), /^fsync \d/);
  assertEquals(own("install", "--user").code, 0);
  assertEquals(own("uninstall", "--user").code, 0);
  assert(!existsSync(installed));
});

worldTest("a folder is watched from login on, until that is taken back", async (world) => {
  const home = new Home(world);
  const folder = `${home.dir}/my files`;
  const link = `.config/systemd/user/default.target.wants/fsync-watch@${escapePath(folder)}.service`;
  const timer = `.config/systemd/user/timers.target.wants/fsync-sync-all@${
    escapePath(`${home.dir}/docs`)
  }.timer`;
  const { code, stdout, stderr } = await home.install("--watch", folder);
  if (!hasUnits) {
    assertEquals(code, 1);
    assertStringIncludes(stderr, "this machine has no systemd");
    return;
  }
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, `Watches ${folder} from each login on`);
  assertEquals(
    Deno.readLinkSync(`${home.dir}/${link}`),
    `${home.dir}/${DATA}/systemd/user/fsync-watch@.service`,
  );
  await home.install("--timer", `${home.dir}/docs`);
  // Not named again, and there all the same.
  assertStringIncludes((await home.install()).stdout, "Nothing to do");
  assertEquals(home.files(), [...expectedFiles, link, timer].sort());
  Deno.removeSync(folder);
  const taken = await home.run(["uninstall", "--user", "--watch", folder]);
  assertEquals([taken.code, taken.stderr], [0, ""]);
  assertEquals(home.files(), [...expectedFiles, timer].sort());
  await home.run(["uninstall", "--user"]);
  assertEquals(home.files(), []);
});

worldTest("a package is made of files below its directory, and of nothing else", async (world) => {
  const home = new Home(world);
  const dest = world.path("package");
  const { code, stdout, stderr } = await home.install("--destdir", dest);
  assertEquals([code, stderr], [0, ""]);
  assert(stdout.split("\n").every((line) => line === "" || line.includes(` ${dest}/`)), stdout);
  assertEquals(home.files(), []);
  const unit = Deno.readTextFileSync(`${dest}/usr/local/lib/systemd/system/fsync-server@.service`);
  assertStringIncludes(unit, "\nExecStart=:/usr/local/bin/fsync server %f\n");
  assert(existsSync(`${dest}/usr/local/bin/fsync`, { isFile: true }));
  assert(!existsSync(`${dest}/usr/local/share/fsync`));
});

/** Lets cron keep its tables in `dir`; `null` where that cannot be had. */
function withTablesIn(dir: string): readonly string[] | null {
  if (Deno.uid() !== 0 || !existsSync("/usr/bin/crontab")) return null;
  Deno.mkdirSync(dir, { recursive: true });
  const wrapper = [
    "unshare",
    "-m",
    "sh",
    "-c",
    `mount --bind "$0" /var/spool/cron/crontabs && exec "$@"`,
    dir,
  ];
  const [file, ...rest] = wrapper;
  try {
    return new Deno.Command(file!, { args: [...rest, "true"], stderr: "null" }).outputSync().success
      ? wrapper
      : null;
  } catch {
    return null;
  }
}

worldTest("cron syncs a folder when asked to, once, and no more when told so", async (world) => {
  const wrapper = withTablesIn(world.path("crontabs"));
  if (wrapper === null) return;
  const home = new Home(world);
  const cron = (...args: readonly string[]) => {
    const all = ["--user", "--from", world.path("program"), "--cron", `${home.dir}/my files`, ...args];
    return home.run(["install", ...all], { wrapper });
  };
  const table = () => {
    const [file, ...rest] = wrapper;
    const { stdout } = new Deno.Command(file!, { args: [...rest, "crontab", "-l"], stderr: "null" })
      .outputSync();
    return new TextDecoder().decode(stdout);
  };
  const line = `*/10 * * * * ${home.dir}/.local/bin/fsync sync-all '${home.dir}/my files'\n`;
  const dry = await cron("--dry-run");
  assertStringIncludes(dry.stdout, `cron     ${line}`);
  assertEquals(table(), "");
  assertEquals((await cron()).code, 0);
  assert(table().endsWith(`(by fsync install --cron)\n${line}`), table());
  const once = table();
  assertStringIncludes((await cron()).stdout, "Nothing to do");
  assertEquals(table(), once);
  await home.run(["uninstall", "--user"], { wrapper });
  assertEquals(table(), "");
});
