/** Where secrets lie, who may read them, and where they are not: on the real program, under an umask that hides nothing. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { invite, owner, Person } from "./_person.ts";
import { until, type World, worldTest } from "./_world.ts";

const OTHERS = 0o077;
/** Files that may hold what lets a device in: in the state directories of the two. */
const HOLDS_TOKEN = /^(state|state-nina)\/servers\/[^/]+\.json$/;
const HOLDS_KEY = /^(server_files|copy)\/\.fsync\/tls\/key\.pem$/;

worldTest("secrets lie where only their owner may read, and nowhere else", async (world) => {
  const before = Deno.umask(0);
  try {
    await world.startServer();
    const nina = new Person(world, "nina");
    const line = await invite(world, "nina");
    await nina.ok("join", line, "nina");
    Deno.writeTextFileSync(world.path("nina/a.txt"), "a");
    const watch = await nina.watch("nina");
    await until("it is there", () => world.tree("server_files").has("a.txt"));
    await owner(world, "backup copy --data server_files");
    for (const program of [world.server, watch]) checkProcess(program.pid, secretsOf(world, line));
    checkModes(world);
    checkContents(world, line);
    await watch.stop();
    await world.server.stop();
    checkModes(world);
    checkContents(world, line);
    for (const { name, stdout, stderr } of world.programs) {
      const said = [...stdout, ...stderr].join("\n");
      for (const { what, forms } of secretsOf(world, line)) {
        for (const form of forms) assert(!said.includes(form), `${name} has said ${what}`);
      }
    }
  } finally {
    Deno.umask(before);
  }
});

worldTest(
  "after a theft of the server's disk a new identity locks the thief out, and everybody joins again",
  async (world) => {
    await world.startServer();
    const nina = new Person(world, "nina");
    await nina.ok("join", await invite(world, "nina"), "nina");
    Deno.writeTextFileSync(world.path("nina/a.txt"), "a");
    await nina.ok("sync-all", "nina");
    await world.server.stop();
    Deno.removeSync(world.path("server_files/.fsync/tls"), { recursive: true });
    await world.startServer();
    const { devices } = JSON.parse(await owner(world, "device list --json")) as {
      devices: { id: string; user: string }[];
    };
    for (const { id, user } of devices) if (user === "nina") await owner(world, `device revoke ${id}`);
    const refused = await nina.run("sync-all", "nina");
    assertEquals(refused.code, 4);
    assertStringIncludes(refused.stderr, "its certificate is not the pinned one");
    // The same directory, with all that is in it.
    await nina.ok("join", await invite(world, "nina"), "nina");
    Deno.writeTextFileSync(world.path("nina/b.txt"), "b");
    await nina.ok("sync-all", "nina");
    await world.equal("nina");
  },
);

interface Secret {
  readonly what: string;
  /** As it could be written somewhere. */
  readonly forms: readonly string[];
  /** Where it has to be. */
  readonly place: RegExp | null;
}

function secretsOf(world: World, line: string): Secret[] {
  const tokens = ["state", "state-nina"].map((state): Secret => {
    const dir = world.path(`${state}/servers`);
    const name = [...Deno.readDirSync(dir)].map(({ name }) => name).find((name) => name.endsWith(".json"))!;
    const { token } = JSON.parse(Deno.readTextFileSync(`${dir}/${name}`)) as { token: string };
    return { what: `the token of ${state}`, forms: formsOf(token), place: HOLDS_TOKEN };
  });
  const key = Deno.readTextFileSync(world.path("server_files/.fsync/tls/key.pem")).split("\n")[1]!;
  return [
    ...tokens,
    { what: "the secret of the invitation", forms: formsOf(line.split("/").at(-1)!), place: null },
    { what: "the server's key", forms: [key], place: HOLDS_KEY },
  ];
}

function formsOf(base64url: string): string[] {
  const bytes = Uint8Array.fromBase64(base64url, { alphabet: "base64url" });
  return [base64url, bytes.toBase64(), bytes.toHex(), new TextDecoder("latin1").decode(bytes)];
}

/** Neither the words of the command nor its environment show a secret to other users of the machine. */
function checkProcess(pid: number, secrets: readonly Secret[]): void {
  for (const file of ["cmdline", "environ"]) {
    const text = Deno.readTextFileSync(`/proc/${pid}/${file}`);
    for (const { what, forms } of secrets) {
      for (const form of forms) assert(!text.includes(form), `${what} is in ${file}`);
    }
  }
}

/** What belongs to fsync is for its user alone, or lies in a directory that is. */
function checkModes(world: World): void {
  const closed = ["server_files/.fsync", "nina/.fsync", "copy/.fsync", "state", "state-nina"];
  for (const dir of closed) assertEquals(Deno.statSync(world.path(dir)).mode! & OTHERS, 0, dir);
  for (const { path, info } of files(world)) {
    if (!HOLDS_TOKEN.test(path) && !HOLDS_KEY.test(path) && !path.includes("/accounts.db")) continue;
    assertEquals(info.mode! & OTHERS, 0, path);
  }
}

function checkContents(world: World, line: string): void {
  const found = new Set<string>();
  for (const { path } of files(world)) {
    const text = new TextDecoder("latin1").decode(Deno.readFileSync(world.path(path)));
    for (const { what, forms, place } of secretsOf(world, line)) {
      if (!forms.some((form) => text.includes(form))) continue;
      assert(place?.test(path), `${what} is in ${path}`);
      found.add(what);
    }
  }
  // The search finds what is there.
  assertEquals(found.size, 3);
}

function* files(world: World, dir = ""): Generator<{ readonly path: string; readonly info: Deno.FileInfo }> {
  for (const { name } of Deno.readDirSync(world.path(dir))) {
    const path = `${dir}${name}`;
    const info = Deno.lstatSync(world.path(path));
    if (info.isDirectory) yield* files(world, `${path}/`);
    else if (info.isFile) yield { path, info };
  }
}
