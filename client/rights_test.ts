/** What a client does when its user may not see or write everything: the engine over a server in memory. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Rule } from "../core/access.ts";
import { isAtOrBelow, parsePath, type SyncPath } from "../core/path.ts";
import { FakeFolder, MAY_READ, MAY_WRITE } from "../tests/fakes/fake_folder.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { MemDisk } from "../tests/fakes/mem_disk.ts";
import { MemState } from "../tests/fakes/mem_state.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import type { Clock } from "../system/clock.ts";
import { Engine } from "./engine.ts";
import type { EngineStatus } from "./engine_status.ts";
import type { EngineEvent } from "./events.ts";

const p = parsePath;

/** One client of a folder, run as under cron or as `watch`. */
class Client {
  readonly server = new FakeFolder();
  readonly clock = new ManualClock();
  readonly disk = new MemDisk({ clock: () => this.clock.now() });
  readonly random = new SeededRandom(1n);
  readonly state = new MemState(this.random);
  readonly events: EngineEvent[] = [];

  get user() {
    return this.disk.user;
  }

  engine(clock: Clock = this.clock): Engine {
    return new Engine({
      disk: this.disk,
      state: this.state,
      clock,
      random: this.random,
      onEvent: (event) => void this.events.push(event),
      connector: this.server.connector(),
      folder: "",
      rootProblem: () => null,
      guard: "on",
    });
  }

  /** One pass, by a process of its own. */
  pass(prepare: (engine: Engine) => void = () => {}): Promise<EngineStatus> {
    const engine = this.engine();
    prepare(engine);
    return this.clock.runUntil(engine.pass(new AbortController().signal), 60_000);
  }

  /** What stands here: files with their text, directories with a slash. */
  files(): string[] {
    return [...this.user.tree()].map(([path, { kind, bytes }]) =>
      kind === "file" ? `${path}=${new TextDecoder().decode(bytes)}` : `${path}/`
    ).sort();
  }

  told(): string[] {
    return this.events.flatMap((event) =>
      event.type === "problem" ? [event.reason] : event.type === "undone" ? [`undone ${event.path}`] : []
    );
  }
}

function rule(prefix: string, access: "read" | "write"): Rule {
  return { prefix: p(prefix), access, history: false };
}

const below = (dir: string) => (path: SyncPath) => isAtOrBelow(path, p(dir));
const reasons = ({ problems }: EngineStatus) => problems.map(({ reason }) => reason);

Deno.test("what goes out of sight is removed here, what comes into sight arrives though it is old", async () => {
  const c = new Client();
  c.server.sees = (path) => !below("b")(path);
  c.server.put("b/old", "from before");
  c.server.put("a/one", "1");
  c.server.put("a/two", "2");
  await c.pass();
  assertEquals(c.files(), ["a/", "a/one=1", "a/two=2"]);
  // The newest revision of all is at a/two: nothing newer will ever tell of its end.
  c.server.regrant({ sees: (path) => !below("a")(path) }, "2");
  assertEquals((await c.pass()).state, "in sync");
  assertEquals(c.files(), ["b/", "b/old=from before"]);
  c.server.regrant({ sees: () => true }, "3");
  await c.pass();
  assertEquals(c.files(), ["a/", "a/one=1", "a/two=2", "b/", "b/old=from before"]);
  const { subscribed, uploaded } = c.server;
  await c.pass();
  assertEquals([subscribed, uploaded], [[0, 0, 0, c.server.revision], []]);
});

Deno.test("a kill at any write of the state repeats the listing, and ends the same", async () => {
  for (let kills = 1;; kills++) {
    const c = new Client();
    c.server.put("a/one", "1");
    c.server.put("b/two", "2");
    c.server.sees = (path) => !below("b")(path);
    await c.pass();
    c.server.regrant({ sees: below("b") }, "2");
    let writes = 0;
    const write = c.state.write.bind(c.state);
    c.state.write = (change) => {
      if (++writes === kills) throw new Error("killed");
      write(change);
    };
    const killed = await c.pass().then(() => false, ({ message }) => message === "killed");
    c.state.write = write;
    // Whatever was written, only together with what is still to do, or not at all.
    assertEquals((await c.pass()).state, "in sync");
    assertEquals(c.files(), ["b/", "b/two=2"], `killed at write ${kills}`);
    if (!killed) return assert(kills > 2, "it was killed more than once");
  }
});

Deno.test("removals that the guard holds stay held in the next run, and end when the rights come back", async () => {
  const c = new Client();
  for (let i = 0; i < 30; i++) c.server.put(`f${i}`, `${i}`);
  await c.pass();
  c.server.regrant({ sees: () => false }, "2");
  for (let run = 0; run < 2; run++) {
    const status = await c.pass();
    assertEquals([status.state, status.held], ["held", { side: "server", deletes: 30, files: 30 }]);
    assertEquals(c.files().length, 30);
  }
  c.server.regrant({ sees: () => true }, "1");
  assertEquals((await c.pass()).state, "in sync");
  assertEquals(c.files().length, 30);

  c.server.regrant({ sees: () => false }, "2");
  await c.pass();
  await c.pass((engine) => engine.approveDeletes());
  assertEquals(c.files(), []);
});

Deno.test("an edit of what went out of sight stays here, as a problem, and never goes out", async () => {
  const c = new Client();
  c.server.put("a/d/edited", "1");
  c.server.put("a/d/other", "2");
  await c.pass();
  c.user.write("a/d/edited", "mine");
  c.server.regrant({ sees: () => false, rules: [] }, "2");
  for (let run = 0; run < 3; run++) {
    const status = await c.pass();
    const where = "you may neither see nor change this on the server: a/d/edited";
    assert(reasons(status).includes(`Changed here, but ${where}`), reasons(status).join());
    assertEquals(status.state, "problems");
  }
  assertEquals(c.files(), ["a/", "a/d/", "a/d/edited=mine"]);
  assertEquals(c.server.uploaded, []);
  // The last runs did not have to list everything again.
  assert(c.server.subscribed.at(-1)! > 0);
  c.user.removeTree("a");
  assertEquals((await c.pass()).state, "in sync");
  assertEquals(c.server.uploaded, []);
});

Deno.test("an edit of a file that may only be read is told once, kept, and overwritten by nothing", async () => {
  const c = new Client();
  c.server.rules = [MAY_READ];
  c.server.put("docs/a.txt", "1");
  await c.pass();
  c.user.write("docs/a.txt", "mine");
  assertEquals(reasons(await c.pass()), ["Changed here, but you may only read: docs/a.txt"]);
  c.server.put("docs/a.txt", "3");
  const [reason] = reasons(await c.pass());
  assertStringIncludes(reason!, "Changed here and on the server, but you may only read: docs/a.txt");
  assertEquals(c.files(), ["docs/", "docs/a.txt=mine"]);
  c.server.remove("docs/a.txt");
  assertEquals(reasons(await c.pass()), ["Changed here, but you may only read: docs/a.txt"]);
  assertEquals(c.files(), ["docs/", "docs/a.txt=mine"]);
  assertEquals(c.server.uploaded, []);
  c.server.put("docs/a.txt", "4");
  c.user.remove("docs/a.txt");
  assertEquals((await c.pass()).state, "in sync");
  assertEquals(c.files(), ["docs/", "docs/a.txt=4"]);
});

Deno.test("a delete, a rename and a new directory where one may only read are undone or kept", async () => {
  const c = new Client();
  c.server.rules = [MAY_WRITE, rule("docs", "read")];
  c.server.put("docs/a", "1");
  c.server.put("docs/sub/b", "2");
  c.server.put("mine/x", "3");
  await c.pass();
  c.user.removeTree("docs/sub");
  c.user.rename("docs/a", "docs/renamed");
  c.user.mkdir("docs/new");
  c.user.write("docs/new/file", "4");
  c.user.rename("mine/x", "mine/y");
  const status = await c.pass();
  assertEquals(c.files(), [
    "docs/",
    "docs/a=1",
    "docs/new/",
    "docs/new/file=4",
    "docs/renamed=1",
    "docs/sub/",
    "docs/sub/b=2",
    "mine/",
    "mine/y=3",
  ]);
  assertEquals(
    reasons(status).sort(),
    ["docs/new", "docs/new/file", "docs/renamed"].map((path) =>
      `Changed here, but you may only read: ${path}`
    ),
  );
  assertEquals(c.told().filter((line) => line.startsWith("undone")).sort(), [
    "undone docs/a",
    "undone docs/sub/b",
  ]);
  assertEquals(c.server.uploaded.filter((item) => item.includes("docs")), []);
  assertEquals(c.server.text("mine/y"), "3");
});

Deno.test("moving a file out of where one may only read copies it", async () => {
  const c = new Client();
  c.server.rules = [MAY_WRITE, rule("docs", "read")];
  c.server.put("docs/a", "1");
  c.server.put("mine/x", "3");
  await c.pass();
  c.user.rename("docs/a", "mine/a");
  assertEquals((await c.pass()).state, "in sync");
  assertEquals(c.files(), ["docs/", "docs/a=1", "mine/", "mine/a=1", "mine/x=3"]);
  assertEquals(c.server.text("mine/a"), "1");
});

Deno.test("a directory that one may delete comes back for what below it may only be read", async () => {
  const c = new Client();
  c.server.rules = [MAY_WRITE, rule("d/read", "read")];
  c.server.put("d/own", "1");
  c.server.put("d/read/x", "2");
  await c.pass();
  c.user.removeTree("d");
  assertEquals((await c.pass()).state, "in sync");
  assertEquals(c.files(), ["d/", "d/read/", "d/read/x=2"]);
  assertEquals(c.server.text("d/own"), null);
});

Deno.test("a file in the place of a directory that may only be read stays until it is gone", async () => {
  const c = new Client();
  c.server.rules = [MAY_READ];
  c.server.put("d/x", "1");
  await c.pass();
  c.user.removeTree("d");
  c.user.write("d", "a file");
  for (let run = 0; run < 2; run++) {
    assertEquals(reasons(await c.pass()), ["Changed here, but you may only read: d"]);
    c.server.put("d/y", "2");
  }
  assertEquals(c.files(), ["d=a file"]);
  c.user.remove("d");
  assertEquals((await c.pass()).state, "in sync");
  assertEquals(c.files(), ["d/", "d/x=1", "d/y=2"]);
});

Deno.test("what the server forbids beyond its rules is kept or undone like what they forbid", async () => {
  const c = new Client();
  c.server.put("docs/a", "1");
  c.server.put("docs/b", "2");
  c.server.put("docs/c", "3");
  await c.pass();
  c.server.forbids = below("docs");
  c.user.write("docs/a", "mine");
  c.user.remove("docs/b");
  c.user.rename("docs/c", "docs/moved");
  c.user.write("own", "x");
  const status = await c.pass();
  assertEquals(c.files(), ["docs/", "docs/a=mine", "docs/b=2", "docs/c=3", "docs/moved=3", "own=x"]);
  assertEquals(reasons(status).sort(), [
    "Changed here, but the server does not let you change this: docs/a",
    "Changed here, but the server does not let you change this: docs/moved",
  ]);
  assertEquals(c.server.text("own"), "x");
});

Deno.test("many new files where one may only read stay here, also those that a look finds first", async () => {
  const c = new Client();
  c.server.rules = [MAY_READ];
  for (let i = 0; i < 500; i++) c.user.write(`new${i}`, `${i}`);
  // Each question for the time takes a while, so the look is cut into slices.
  let asked = 0;
  const slow: Clock = {
    now: () => c.clock.now(),
    monotonic: () => c.clock.monotonic() + 10 * asked++,
    sleep: (ms, signal) => c.clock.sleep(ms, signal),
    yield: () => c.clock.yield(),
  };
  const status = await c.clock.runUntil(c.engine(slow).pass(new AbortController().signal), 60_000);
  assertEquals([status.problems.length, c.server.uploaded, c.files().length], [500, [], 500]);
});

Deno.test("a watching client that holds removals lets go of them when the rights come back", async () => {
  const c = new Client();
  for (let i = 0; i < 30; i++) c.server.put(`f${i}`, `${i}`);
  const engine = c.engine();
  const stop = new AbortController();
  const running = engine.run(stop.signal);
  await c.clock.runUntil(engine.atRest(), 5000);
  c.server.regrant({ sees: () => false }, "2");
  await c.clock.advance(5000);
  assertEquals([engine.status().state, c.files().length], ["held", 30]);
  c.server.regrant({ sees: () => true }, "1");
  await c.clock.advance(5000);
  assertEquals([engine.status().state, engine.status().held, c.files().length], ["in sync", null, 30]);
  stop.abort();
  await c.clock.runUntil(running, 5000);
});

Deno.test("a watching client whose rights change goes on at once, with what it may see then", async () => {
  const c = new Client();
  c.server.put("a", "1");
  c.server.put("b", "2");
  const engine = c.engine();
  const stop = new AbortController();
  const running = engine.run(stop.signal);
  await c.clock.runUntil(engine.atRest(), 5000);
  assertEquals(c.files(), ["a=1", "b=2"]);
  c.server.regrant({ sees: (path) => path !== "b", rules: [MAY_READ] }, "2");
  await c.clock.advance(2000);
  assertEquals([engine.status().state, c.files()], ["in sync", ["a=1"]]);
  c.user.remove("a");
  c.user.write("c", "3");
  engine.dirty({ all: false, paths: new Map([[p("a"), "deep"], [p("c"), "deep"]]) });
  await c.clock.advance(2000);
  assertEquals(c.files(), ["a=1", "c=3"]);
  assertEquals(engine.status().state, "problems");
  c.server.regrant({ rules: [MAY_WRITE] }, "2");
  await c.clock.advance(2000);
  assertEquals([engine.status().state, c.server.text("c")], ["in sync", "3"]);
  stop.abort();
  await c.clock.runUntil(running, 5000);
  assertEquals(c.told().sort(), ["Changed here, but you may only read: c", "undone a"]);
});
