import { assert, assertEquals, assertThrows } from "@std/assert";
import { SetupError } from "../_exit.ts";
import { carryOut } from "./carry.ts";
import { planFiles } from "./plan.ts";
import { type Installed, NOTHING_INSTALLED, readRecord, writeRecord } from "./record.ts";
import type { Thing } from "./things.ts";

/** A place to install into. */
class Place implements Disposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "fsync-install-" });
  installed: Installed = NOTHING_INSTALLED;

  path(name: string): string {
    return `${this.dir}/${name}`;
  }

  text(name: string, text: string, service: string | null = null): Thing {
    return { path: this.path(name), what: "text", content: { kind: "text", text }, service };
  }

  /** What would be done, e.g. `make a/b`. */
  plan(wanted: readonly Thing[], options: { force?: boolean; service?: string } = {}): string[] {
    return this.#steps(wanted, options).map(({ action, path }) =>
      `${action} ${path.slice(this.dir.length + 1)}`
    );
  }

  install(wanted: readonly Thing[], options: { force?: boolean; service?: string } = {}): string[] {
    const said = this.plan(wanted, options);
    this.installed = carryOut(this.#steps(wanted, options), this.installed, [], () => {});
    return said;
  }

  #steps(wanted: readonly Thing[], { force = false, service }: { force?: boolean; service?: string }) {
    const inScope = (made: { service: string | null }) => service === undefined || made.service === service;
    return planFiles(wanted, this.installed.things, { force, inScope });
  }

  read(name: string): string {
    return Deno.readTextFileSync(this.path(name));
  }

  write(name: string, text: string): void {
    Deno.writeTextFileSync(this.path(name), text);
  }

  /** All names below. */
  names(dir = this.dir): string[] {
    return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) => {
      const path = `${dir}/${name}`;
      return [path.slice(this.dir.length + 1), ...(isDirectory ? this.names(path) : [])];
    }).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

Deno.test("what is missing is made, and the second time nothing is done", () => {
  using place = new Place();
  const link: Thing = {
    path: place.path("x/link"),
    what: "link",
    content: { kind: "link", target: "../a" },
    service: null,
  };
  const wanted = [place.text("a", "one"), place.text("d/e/b", "two"), link];
  assertEquals(place.install(wanted), ["make a", "make d/e/b", "make x/link"]);
  assertEquals([place.read("a"), place.read("d/e/b"), place.read("x/link")], ["one", "two", "one"]);
  assertEquals(Deno.statSync(place.path("a")).mode! & 0o777, 0o644);
  assertEquals(place.install(wanted), ["keep a", "keep d/e/b", "keep x/link"]);
  assertEquals(place.names(), ["a", "d", "d/e", "d/e/b", "x", "x/link"]);
});

Deno.test("everything that was made goes again, with the directories that were made for it", () => {
  using place = new Place();
  Deno.mkdirSync(place.path("d"));
  place.install([place.text("a", "one"), place.text("d/e/f/b", "two"), place.text("d/g/c", "three")]);
  place.write("d/g/own", "mine");
  assertEquals(place.install([]), ["remove a", "remove d/e/f/b", "remove d/g/c"]);
  assertEquals(place.names(), ["d", "d/g", "d/g/own"]);
  assertEquals(place.installed.things.size, 0);
});

Deno.test("what is new replaces what was made, and what is not wanted any more goes", () => {
  using place = new Place();
  place.install([place.text("a", "one"), place.text("old", "x")]);
  assertEquals(place.install([place.text("a", "two")]), ["replace a", "remove old"]);
  assertEquals([place.read("a"), place.names()], ["two", ["a"]]);
});

Deno.test("what somebody changed stays, with the new one beside it", () => {
  using place = new Place();
  place.install([place.text("a", "one")]);
  place.write("a", "mine");
  assertEquals(place.install([place.text("a", "one")]), ["beside a.new"]);
  assertEquals(place.install([place.text("a", "two")]), ["beside a.new"]);
  assertEquals(place.install([place.text("a", "two")]), ["keep a.new"]);
  assertEquals([place.read("a"), place.read("a.new")], ["mine", "two"]);
  place.write("a", "two");
  assertEquals(place.install([place.text("a", "two")]), ["keep a", "remove a.new"]);
  place.write("a", "mine again");
  assertEquals(place.install([]), ["leave a"]);
  assertEquals(place.names(), ["a"]);
});

Deno.test("what was never ours stays, too, unless it is to be replaced", () => {
  using place = new Place();
  place.write("a", "theirs");
  assertEquals(place.install([place.text("a", "one")]), ["beside a.new"]);
  assertEquals(place.install([place.text("a", "one")], { force: true }), ["replace a", "remove a.new"]);
  assertEquals(place.install([]), ["remove a"]);
  place.write("a", "one");
  assertEquals(place.install([place.text("a", "one")]), ["keep a"]);
});

Deno.test("what was taken away by hand comes back, or is forgotten", () => {
  using place = new Place();
  place.install([place.text("a", "one")]);
  Deno.removeSync(place.path("a"));
  assertEquals(place.install([place.text("a", "one")]), ["make a"]);
  Deno.removeSync(place.path("a"));
  assertEquals(place.install([]), ["forget a"]);
  assertEquals(place.installed.things.size, 0);
});

Deno.test("one service goes, the rest stays", () => {
  using place = new Place();
  place.install([
    place.text("a", "one"),
    place.text("w/x", "1", "watch x"),
    place.text("w/y", "2", "watch y"),
  ]);
  assertEquals(place.install([], { service: "watch x" }), ["remove w/x"]);
  assertEquals(place.names(), ["a", "w", "w/y"]);
});

Deno.test("a program is copied to be run, while the one before runs, and goes again", async () => {
  using place = new Place();
  const program = (from: string): Thing => ({
    path: place.path("bin/run"),
    what: "program",
    content: { kind: "program", from },
    service: null,
  });
  // A script would not do: a file that the kernel executes cannot be written to.
  Deno.copyFileSync("/bin/sh", place.path("new"));
  place.install([program(place.path("new"))]);
  assertEquals(Deno.statSync(place.path("bin/run")).mode! & 0o777, 0o755);
  const running = new Deno.Command(place.path("bin/run"), { args: ["-c", "read line"], stdin: "piped" })
    .spawn();
  try {
    place.write("newer", "#!/bin/sh\necho newer\n");
    assertEquals(place.install([program(place.path("newer"))]), ["replace bin/run"]);
  } finally {
    await running.stdin.close();
    await running.status;
  }
  assertEquals(
    new TextDecoder().decode(new Deno.Command(place.path("bin/run")).outputSync().stdout),
    "newer\n",
  );
  // Upgraded by hand: still ours.
  place.write("bin/run", "#!/bin/sh\necho other\n");
  assertEquals(place.install([program(place.path("newer"))]), ["replace bin/run"]);
  assertEquals(place.install([]), ["remove bin/run"]);
});

Deno.test("a program that runs from its place already was not put there by us", () => {
  using place = new Place();
  place.write("run", "x");
  const program: Thing = {
    path: place.path("run"),
    what: "program",
    content: { kind: "program", from: place.path("run") },
    service: null,
  };
  assertEquals(place.install([program]), ["keep run"]);
  assertEquals(place.install([]), []);
  assertEquals(place.names(), ["run"]);
});

Deno.test("what was begun is recorded before it is made", () => {
  using place = new Place();
  Deno.mkdirSync(place.path("b"));
  const records: string[][] = [];
  const steps = planFiles([place.text("a", "one"), place.text("b", "two")], new Map(), {
    force: true,
    inScope: () => true,
  });
  const save = ({ things }: Installed) => void records.push([...things.keys()]);
  const error = assertThrows(() => carryOut(steps, NOTHING_INSTALLED, [], save), SetupError);
  assert(error.message.startsWith(`Cannot write "${place.path("b")}": `), error.message);
  assertEquals(records, [[place.path("a"), place.path("b")]]);
  assertEquals(place.names(), ["a", "b"]);
});

Deno.test("the record is read as it was written, and a damaged one is said to be", () => {
  using place = new Place();
  const path = place.path("share/installed.json");
  assertEquals(readRecord(path), NOTHING_INSTALLED);
  const installed: Installed = {
    things: new Map([["/x", { what: "text", print: "sha256 0", service: null }]]),
    dirs: ["/d"],
    services: [{ kind: "watch", dir: "/home/ann/docs", owner: null }],
  };
  writeRecord(path, installed);
  assertEquals(readRecord(path), installed);
  for (
    const text of [
      "",
      "{",
      "{}",
      `{"format":2}`,
      `{"format":1,"things":[{"path":"/x"}],"dirs":[],"services":[]}`,
    ]
  ) {
    Deno.writeTextFileSync(path, text);
    const error = assertThrows(() => readRecord(path), SetupError, "Cannot read the record");
    assertEquals(error.outcome, "state");
  }
});
