import { assertEquals, assertInstanceOf } from "@std/assert";
import type { LiveStatus } from "./_control.ts";
import { askRunning } from "./_control.ts";
import { LockedError, SetupError } from "./_exit.ts";
import { bindFolder } from "./_folder_home.ts";
import { FolderKeeper } from "./_folder_keeper.ts";
import { Journal } from "./_journal.ts";
import { Output } from "./_output.ts";

/** A keeper for folders below a directory of its own, and what it says. */
class Place implements AsyncDisposable {
  readonly base = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "fsync-keeper-" }));
  readonly said: string[] = [];
  readonly ended: string[] = [];
  readonly keeper: FolderKeeper;
  readonly #journal: Journal;

  constructor() {
    Deno.env.set("FSYNC_STATE_DIR", `${this.base}/state`);
    Deno.mkdirSync(`${this.base}/server`);
    const output = Object.assign(new Output({ json: false, quiet: true, verbose: false }), {
      warn: (text: string) => void this.said.push(text),
    });
    this.#journal = new Journal(`${this.base}/server/.fsync`, output);
    this.keeper = new FolderKeeper({
      server: `${this.base}/server`,
      accounts: { opens: () => false },
      output,
      general: this.#journal,
      journal: (dir, output) => new Journal(dir, output),
      control: () => ({ server: "here" }),
      endSessions: (name) => Promise.resolve(void this.ended.push(name)),
      foldersMax: 2,
      retryMs: 20,
    });
  }

  make(name: string): string {
    const path = `${this.base}/${name}`;
    Deno.mkdirSync(path);
    bindFolder(path, { server: `${this.base}/server`, name });
    return path;
  }

  /** The status that the folder's own socket tells, when it does. */
  async status(path: string): Promise<LiveStatus> {
    for (;;) {
      const status = await askRunning(path, { ask: "status" }).catch(() => null);
      if (status !== null) return status;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.keeper.close();
    this.#journal.close();
    Deno.env.delete("FSYNC_STATE_DIR");
    Deno.removeSync(this.base, { recursive: true });
  }
}

Deno.test("keeper: a folder whose directory comes back is served again, without a restart", async () => {
  await using place = new Place();
  const [a, b] = [place.make("a"), place.make("b")];
  Deno.renameSync(b, `${place.base}/away`);
  place.keeper.keep("a", a);
  place.keeper.keep("b", b);
  assertEquals((await place.status(a)).folder, "a");
  assertEquals(place.keeper.unserved.map(({ name, path }) => [name, path]), [["b", b]]);
  assertEquals([place.keeper.folder("a") !== null, place.keeper.folder("b")], [true, null]);
  Deno.renameSync(`${place.base}/away`, b);
  assertEquals((await place.status(b)).folder, "b");
  assertEquals(place.keeper.unserved, []);
  // However often it was tried, it was told once.
  assertEquals(place.said.filter((line) => line.includes("Cannot serve")).length, 1);
});

Deno.test("keeper: what is removed ends its sessions, and lets go of its directory", async () => {
  await using place = new Place();
  const a = place.make("a");
  await place.keeper.add("a", a);
  const held = await place.keeper.add("again", a).catch((error: unknown) => error);
  assertInstanceOf(held, LockedError);
  await place.status(a);
  await place.keeper.remove("a");
  assertEquals([place.ended, place.keeper.folder("a"), place.keeper.served], [["a"], null, []]);
  await place.keeper.add("a", a);
  await place.keeper.remove("nobody");
  assertEquals(place.keeper.served.map(({ name }) => name), ["a"]);
});

Deno.test("keeper: no more folders are served than there are files for, and each again when there are", async () => {
  await using place = new Place();
  const [a, b, c] = ["a", "b", "c"].map((name) => place.make(name));
  await place.keeper.add("a", a!);
  await place.keeper.add("b", b!);
  const refused = await place.keeper.add("c", c!).catch((error: unknown) => error);
  assertInstanceOf(refused, SetupError);
  assertEquals(refused.message, 'Cannot serve folder "c": the server may open too few files');
  await place.keeper.remove("a");
  await place.keeper.add("c", c!);
  assertEquals(place.keeper.served.map(({ name }) => name), ["b", "c"]);
});
