/**
 * The self-extracting file on its own: what it carries here is no Deno but a small script that tells how it was called,
 * so that unpacking takes no time. The real thing is tried in `tests/e2e/packaging_test.ts`.
 */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { RUN_FLAGS } from "../run_flags.ts";
import { renderStub, selfExtracting } from "./self_extracting.ts";
import { TARGETS } from "./targets.ts";

const encoder = new TextEncoder();
/** Of this run alone: what a failed run has left in a place that all share is not found by the next. */
const VERSION = `0.0.${Date.now()}`;

/** Stands for Deno: prints its arguments, each behind a mark, then the variables that it got. */
const TELL = `#!/bin/sh
[ "$1" = --version ] && exit 0
printf '<%s>' "$@"
echo
cat "\${0%/*}/lib/main.js"
env
exit 7
`;
const SLEEP = `#!/bin/sh
[ "$1" = --version ] && exit 0
echo $$
exec sleep 60
`;

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A built file, and a place for its user. */
class Box implements Disposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "fsync-stub-" }));
  readonly file = `${this.path}/fsync`;
  readonly cache = `${this.path}/cache`;
  readonly env: { [name: string]: string } = { HOME: `${this.path}/home`, XDG_CACHE_HOME: this.cache };

  constructor(runtime = TELL) {
    this.build(this.file, runtime);
    Deno.mkdirSync(this.cache);
  }

  build(path: string, runtime = TELL): void {
    const library = new Map([
      ["a.js", encoder.encode("export default 1;\n")],
      ["main.js", encoder.encode("// the program\n")],
    ]);
    const parts = {
      version: VERSION,
      target: TARGETS[0]!,
      runtime: encoder.encode(runtime),
      library,
      level: 1,
    };
    Deno.writeFileSync(path, selfExtracting(parts), { mode: 0o755 });
  }

  /** The one version that is unpacked below a place. */
  version(place = `${this.cache}/fsync`): string {
    const names = [...Deno.readDirSync(place)].map(({ name }) => name).filter((name) => name !== "lock");
    assertEquals(names.length, 1, names.join(" "));
    return `${place}/${names[0]}`;
  }

  async run(args: readonly string[] = [], options: { wrapper?: readonly string[]; file?: string } = {}) {
    const [command, ...rest] = [...options.wrapper ?? [], options.file ?? this.file, ...args];
    const output = await new Deno.Command(command!, {
      args: rest,
      cwd: this.path,
      clearEnv: true,
      env: this.env,
      stdin: "null",
    }).output();
    return answerOf(output);
  }

  /** Runs after a shell script, in a namespace of its own with nothing in /var/tmp. */
  runAfter(script: string): Promise<Answer> {
    const line = `mount -t tmpfs tmpfs /var/tmp && ${script} && exec "$@"`;
    return this.run([], { wrapper: ["unshare", "-rm", "sh", "-c", line, "sh"] });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function answerOf({ code, stdout, stderr }: Deno.CommandOutput): Answer {
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** It started, silently, from the place where it belongs. */
function assertQuiet(box: Box, answer: Answer): void {
  assertEquals([answer.code, answer.stderr], [7, ""]);
  assertMatch(answer.stdout, new RegExp(`^DENO_DIR=${RegExp.escape(box.version())}/deno$`, "m"));
}

function canMount(): boolean {
  try {
    const args = ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/var/tmp"];
    return new Deno.Command("unshare", { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Needs a namespace in which it may mount: root, or a kernel that lets users have some. */
function mountTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !canMount(), fn });
}

Deno.test("the program gets its arguments, its flags, its file, and passes its exit code on", async () => {
  using box = new Box();
  const odd = ["two words", "a\nline", "", "*", "$HOME", "--help", "é'\""];
  const { code, stdout, stderr } = await box.run(odd);
  assertEquals([code, stderr], [7, ""]);
  const main = `${box.version()}/lib/main.js`;
  const words = ["run", "--quiet", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--cached-only"];
  const line = [...words, ...RUN_FLAGS, main, ...odd].map((word) => `<${word}>`).join("");
  assertEquals(stdout.slice(0, line.length), line);
  assert(stdout.includes("// the program\n"));
  assertMatch(stdout, new RegExp(`^FSYNC_EXECUTABLE=${RegExp.escape(box.file)}$`, "m"));
});

Deno.test("the search path is the caller's, also where there is none", async () => {
  using box = new Box();
  const none = await box.run();
  // What a shell adds by itself is not the system's list that the stub uses.
  assert(!/^PATH=\/usr\/bin:\/bin:\/usr\/sbin:\/sbin/m.test(none.stdout), none.stdout);
  box.env.PATH = "/bin:/usr/bin:/opt/x";
  assertMatch((await box.run()).stdout, /^PATH=\/bin:\/usr\/bin:\/opt\/x$/m);
});

Deno.test("however it is called, it knows its own file", async () => {
  using box = new Box();
  Deno.symlinkSync("fsync", `${box.path}/link`);
  Deno.mkdirSync(`${box.path}/bin dir`);
  Deno.copyFileSync(box.file, `${box.path}/bin dir/copy`);
  const told = (answer: Answer) => answer.stdout.match(/^FSYNC_EXECUTABLE=(.*)$/m)?.[1];
  assertEquals(told(await box.run([], { file: `${box.path}/link` })), box.file);
  assertEquals(told(await box.run([], { file: "bin dir/copy" })), `${box.path}/bin dir/copy`);
  assertEquals(told(await box.run([], { wrapper: ["sh"], file: "fsync" })), `${box.path}/fsync`);
  box.env.PATH = `/usr/bin:/bin:${box.path}/bin dir`;
  assertEquals(told(await box.run([], { wrapper: ["env"], file: "copy" })), `${box.path}/bin dir/copy`);
});

Deno.test("it unpacks once, for its user alone", async () => {
  using box = new Box();
  assertQuiet(box, await box.run());
  const version = box.version();
  assertEquals(Deno.statSync(version).mode! & 0o777, 0o700);
  assertEquals(Deno.statSync(`${version}/lib/main.js`).mode! & 0o077, 0);
  const before = Deno.statSync(`${version}/fsync`).ino;
  assertQuiet(box, await box.run());
  assertEquals(Deno.statSync(`${version}/fsync`).ino, before);
});

Deno.test("twenty first starts at once unpack once and all run", async () => {
  using box = new Box();
  const answers = await Promise.all(Array.from({ length: 20 }, () => box.run()));
  for (const answer of answers) assertQuiet(box, answer);
});

Deno.test("first starts at once without flock all run too", async () => {
  using box = new Box();
  hideFlock(box);
  const answers = await Promise.all(Array.from({ length: 8 }, () => box.run()));
  for (const answer of answers) assertQuiet(box, answer);
});

/** Lets the stub look for tools in a directory that has all but one. */
function hideFlock(box: Box): void {
  const tools = `${box.path}/tools`;
  Deno.mkdirSync(tools);
  for (const dir of ["/bin", "/usr/bin"]) {
    for (const { name } of Deno.readDirSync(dir)) {
      if (name === "flock" || exists(`${tools}/${name}`)) continue;
      Deno.symlinkSync(`${dir}/${name}`, `${tools}/${name}`);
    }
  }
  box.env.PATH = tools;
  const bytes = Deno.readFileSync(box.file);
  const length = stubLength(bytes);
  const stub = new TextDecoder().decode(bytes.subarray(0, length)).trimEnd();
  const changed = stub.replace("PATH=/usr/bin:/bin:/usr/sbin:/sbin${PATH:+:$PATH}", `PATH='${tools}'`);
  assertNotEquals(changed, stub);
  bytes.fill(0x0a, 0, length).set(encoder.encode(changed));
  Deno.writeFileSync(box.file, bytes);
}

function stubLength(bytes: Uint8Array): number {
  const head = new TextDecoder().decode(bytes.subarray(0, 4096));
  return Number(head.match(/^offset=(\d+)$/m)![1]) - 1;
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("what is damaged is noticed and unpacked anew", async (t) => {
  const cut = (path: string) => Deno.truncateSync(path, 10);
  const swap = (path: string) => {
    const { mtime } = Deno.statSync(path);
    const bytes = Deno.readFileSync(path);
    Deno.writeFileSync(path, bytes.fill(0x20, 0, 2));
    Deno.utimeSync(path, mtime!, mtime!);
  };
  const damages: [name: string, damage: (version: string) => void][] = [
    ["the runtime is cut off", (version) => {
      Deno.chmodSync(`${version}/fsync`, 0o700);
      cut(`${version}/fsync`);
    }],
    ["a file of the program is gone", (version) => Deno.removeSync(`${version}/lib/a.js`)],
    ["a file has the same size and time and other contents", (version) => swap(`${version}/lib/main.js`)],
    ["nothing was finished", (version) => Deno.removeSync(`${version}/seal`)],
    ["others may look into it", (version) => Deno.chmodSync(version, 0o755)],
    ["the directory is a file", (version) => {
      Deno.removeSync(version, { recursive: true });
      Deno.writeTextFileSync(version, "");
    }],
  ];
  for (const [name, damage] of damages) {
    await t.step(name, async () => {
      using box = new Box();
      await box.run();
      // The clock of a file system ticks slower than this test.
      await new Promise((resolve) => setTimeout(resolve, 1_100 - Date.now() % 1_000));
      damage(box.version());
      const answer = await box.run();
      assertQuiet(box, answer);
      assert(answer.stdout.includes("// the program\n"));
      assertEquals(Deno.readTextFileSync(`${box.version()}/lib/a.js`), "export default 1;\n");
      assertEquals(Deno.readTextFileSync(`${box.version()}/fsync`), TELL);
      assertEquals(Deno.statSync(box.version()).mode! & 0o777, 0o700);
    });
  }
});

Deno.test("a copy with times of its own is as good", async () => {
  using box = new Box();
  await box.run();
  const before = Deno.statSync(`${box.version()}/fsync`).ino;
  Deno.utimeSync(`${box.version()}/lib/main.js`, 1, 1);
  const seal = Deno.readTextFileSync(`${box.version()}/seal`);
  assertQuiet(box, await box.run());
  assertEquals(Deno.statSync(`${box.version()}/fsync`).ino, before);
  assertNotEquals(Deno.readTextFileSync(`${box.version()}/seal`), seal);
});

Deno.test("what an unpacking left behind that was killed is removed", async () => {
  using box = new Box();
  Deno.mkdirSync(`${box.cache}/fsync/.new.killed`, { recursive: true });
  assertQuiet(box, await box.run());
});

Deno.test("a file that is damaged or cut off says so and runs nothing", async () => {
  using box = new Box();
  const whole = Deno.readFileSync(box.file);
  const flipped = whole.slice();
  flipped[whole.length - 30]! ^= 0xff;
  const stub = new TextDecoder().decode(whole.subarray(0, stubLength(whole)));
  // In the payload, in a line of the stub, between two functions of it, and empty but for its first lines.
  const cuts = [whole.length - 5, stub.indexOf("is_ready() {") + 30, stub.indexOf("\nfind_self() {"), 300];
  for (const bytes of [flipped, ...cuts.map((at) => whole.subarray(0, at))]) {
    Deno.writeFileSync(box.file, bytes);
    const { code, stdout, stderr } = await box.run();
    assertNotEquals(code, 0);
    assertNotEquals(code, 7);
    assertEquals(stdout, "");
    assertMatch(stderr, /download it again|[Ss]yntax error/);
  }
});

Deno.test("a runtime that does not run here is an error, and nothing is left", async () => {
  using box = new Box("#!/bin/sh\necho no such machine >&2\nexit 1\n");
  const { code, stdout, stderr } = await box.run();
  assertEquals([code, stdout], [1, ""]);
  assertMatch(
    stderr,
    /^fsync: cannot start: this file is for Linux with glibc on x86_64, .*: no such machine\n$/,
  );
  assertEquals([...Deno.readDirSync(`${box.cache}/fsync`)].map(({ name }) => name), ["lock"]);
});

Deno.test("an old version that nobody runs goes, and one that somebody runs stays", async () => {
  using box = new Box();
  const place = `${box.cache}/fsync`;
  const days = (count: number) => new Date(Date.now() - count * 86_400_000);
  for (const [name, age] of [["unused", 10], ["held", 10], ["recent", 3]] as const) {
    Deno.mkdirSync(`${place}/${name}/lib`, { recursive: true });
    Deno.writeTextFileSync(`${place}/${name}/used`, "");
    Deno.utimeSync(`${place}/${name}/used`, days(age), days(age));
  }
  using held = Deno.openSync(`${place}/held/used`);
  held.lockSync(false);
  await box.run();
  const names = [...Deno.readDirSync(place)].map(({ name }) => name);
  assertEquals(names.filter((name) => !name.startsWith(VERSION)).sort(), ["held", "lock", "recent"]);
});

Deno.test("a program that runs holds its version, and is found under its own process number", async () => {
  using box = new Box(SLEEP);
  const child = new Deno.Command(box.file, { clearEnv: true, env: box.env, stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  try {
    const said = new TextDecoder().decode((await reader.read()).value);
    assertEquals(said, `${child.pid}\n`);
    using used = Deno.openSync(`${box.version()}/used`);
    assertEquals(used.tryLockSync(true), false);
    child.kill("SIGTERM");
    assertEquals((await child.status).signal, "SIGTERM");
    assertEquals(used.tryLockSync(true), true);
  } finally {
    await reader.cancel();
  }
});

/** It started all the same, from /var/tmp, and said why. */
function assertElsewhere(answer: Answer, place: string, why: RegExp): void {
  assertEquals(answer.code, 7, answer.stderr);
  const [reason, where, ...rest] = answer.stderr.split("\n");
  assertEquals(rest, [""], answer.stderr);
  assert(reason!.startsWith(`fsync: cannot use ${place}: `), reason);
  assertMatch(reason!, why);
  assertMatch(where!, new RegExp(`^fsync: unpacked into /var/tmp/fsync-0/${VERSION}-[0-9a-f]{16} instead$`));
  assertMatch(answer.stdout, /^DENO_DIR=\/var\/tmp\/fsync-0\//m);
}

mountTest("a cache that cannot be written is passed over", async () => {
  using box = new Box();
  const answer = await box.runAfter(`mount -t tmpfs -o ro tmpfs "${box.cache}"`);
  assertElsewhere(answer, `${box.cache}/fsync`, /it cannot be written$/);
});

mountTest("a cache from which nothing may be executed is passed over", async () => {
  using box = new Box();
  const answer = await box.runAfter(`mount -t tmpfs -o noexec tmpfs "${box.cache}"`);
  assertElsewhere(answer, `${box.cache}/fsync`, /may not be executed \(noexec\)$/);
});

mountTest("a cache that is full is passed over", async () => {
  // Bytes that do not compress away, more than there is room for.
  using box = new Box(`${TELL}#${"x".repeat(200_000)}`);
  const answer = await box.runAfter(`mount -t tmpfs -o size=128k tmpfs "${box.cache}"`);
  assertElsewhere(answer, `${box.cache}/fsync`, /No space left on device$/);
});

mountTest("a cache in which others can write is passed over, before and after it was used", async () => {
  for (const open of ["cache", "cache/fsync"]) {
    using box = new Box();
    assertQuiet(box, await box.run());
    const answer = await box.runAfter(`chmod 777 "${box.path}/${open}"`);
    assertElsewhere(answer, `${box.cache}/fsync`, /other users can change it$/);
  }
});

mountTest("nothing is made where others can write", async () => {
  using box = new Box();
  const answer = await box.runAfter(`chmod 777 "${box.cache}"`);
  assertElsewhere(answer, `${box.cache}/fsync`, /other users can change it$/);
  assertEquals([...Deno.readDirSync(box.cache)], []);
});

mountTest("a directory in /var/tmp that others made is not trusted", async () => {
  using box = new Box();
  box.env.TMPDIR = `${box.path}/tmp`;
  Deno.mkdirSync(box.env.TMPDIR);
  const readOnly = `mount -t tmpfs -o ro tmpfs "${box.cache}"`;
  const { code, stdout, stderr } = await box.runAfter(`${readOnly} && mkdir -m 777 /var/tmp/fsync-0`);
  assertEquals(code, 7);
  assertMatch(stderr, /^fsync: cannot use \/var\/tmp\/fsync-0: other users can change it$/m);
  assert(stdout.includes(`DENO_DIR=${box.version(`${box.env.TMPDIR}/fsync-0`)}/deno\n`));
});

mountTest("a link there is followed once and then forgotten", async () => {
  using box = new Box();
  const elsewhere = `mkdir -m 700 "${box.path}/real" && ln -s "${box.path}/real" /var/tmp/fsync-0`;
  const answer = await box.runAfter(`mount -t tmpfs -o ro tmpfs "${box.cache}" && ${elsewhere}`);
  assertEquals(answer.code, 7);
  assert(answer.stdout.includes(`DENO_DIR=${box.version(`${box.path}/real`)}/deno\n`));
});

mountTest("what was unpacked elsewhere is used from there, without a word", async () => {
  using box = new Box();
  const answer = await box.runAfter(
    `mount -t tmpfs -o noexec tmpfs "${box.cache}" && { "${box.file}" >"${box.path}/first" 2>&1; true; }`,
  );
  assertEquals([answer.code, answer.stderr], [7, ""]);
  assertMatch(answer.stdout, /^DENO_DIR=\/var\/tmp\/fsync-0\//m);
  assertMatch(Deno.readTextFileSync(`${box.path}/first`), /^fsync: unpacked into /m);
});

mountTest("without HOME the user's own home is looked up", async () => {
  using box = new Box();
  delete box.env.HOME;
  delete box.env.XDG_CACHE_HOME;
  const home = `printf 'root:x:0:0::%s/home:/bin/sh\\n' "${box.path}" >"${box.path}/passwd"`;
  const answer = await box.runAfter(`${home} && mount --bind "${box.path}/passwd" /etc/passwd`);
  assertEquals([answer.code, answer.stderr], [7, ""]);
  assert(answer.stdout.includes(`DENO_DIR=${box.version(`${box.path}/home/.cache/fsync`)}/deno\n`));
});

mountTest("where there is no place at all it says what it tried", async () => {
  using box = new Box();
  const answer = await box.runAfter(
    `mount -o remount,ro /var/tmp && mount -t tmpfs -o ro tmpfs "${box.cache}" && mount -t tmpfs tmpfs /mnt && ` +
      `cp "${box.file}" /mnt/fsync && set -- /mnt/fsync && mount -t tmpfs -o ro tmpfs /tmp`,
  );
  assertEquals([answer.code, answer.stdout], [1, ""]);
  assertEquals(answer.stderr.match(/^fsync: cannot use .*: it cannot be written$/gm)?.length, 3);
  assertMatch(answer.stderr, /^fsync: cannot start: there is no place to unpack to; set XDG_CACHE_HOME /m);
});

Deno.test("the stub states where its own end is, and what is missing in it is an error", () => {
  const stub = renderStub("offset=@OFFSET@ a=@A@\n", new Map([["A", "1"]]));
  assertEquals(new TextDecoder().decode(stub).trimEnd(), `offset=${stub.length + 1} a=1`);
  assertEquals(stub.length % 4096, 0);
  let message = "";
  try {
    renderStub("@B@", new Map());
  } catch (error) {
    message = String(error);
  }
  assertMatch(message, /nothing is known of @B@/);
});

Deno.test("the same parts give the same file", () => {
  using box = new Box();
  box.build(`${box.path}/again`);
  assertEquals(Deno.readFileSync(`${box.path}/again`), Deno.readFileSync(box.file));
});
