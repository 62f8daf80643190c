import { Rights } from "../../core/access.ts";
import { assertEquals, assertRejects } from "@std/assert";
import { digestHex } from "../../core/chunk.ts";
import type { ContentId, FileEntry } from "../../core/entry.ts";
import { parsePath } from "../../core/path.ts";
import { packBlock } from "../../protocol/block.ts";
import { RemoteError } from "../../protocol/errors.ts";
import type { UploadItem } from "../../protocol/messages.ts";
import { MemContents } from "../../tests/fakes/mem_contents.ts";
import { MemRecords } from "../../tests/fakes/mem_records.ts";
import { SeededRandom } from "../../tests/fakes/seeded_random.ts";
import type { Caller } from "../caller.ts";
import { Folder } from "../folder.ts";
import { FolderHistory } from "./folder_history.ts";

/** Of whoever may write everywhere, and see no past. */
const WRITES = new Rights([{ prefix: null, access: "write", history: false }]);

/** A folder with users who upload texts; the time goes on by a second with each upload. */
class Past {
  now = 1_744_024_265_000;
  readonly records: MemRecords;
  readonly folder: Folder;
  #replicas = 0;

  constructor() {
    const clock = { now: () => this.now, yield: () => Promise.resolve() } as unknown as ConstructorParameters<
      typeof Folder
    >[0]["clock"];
    this.records = new MemRecords(new SeededRandom(1n), clock);
    this.folder = new Folder({
      records: this.records,
      contents: new MemContents(),
      clock,
      onCommit: () => {},
    });
  }

  /** `olga` is the owner. */
  of(user: string, rights?: Rights): FolderHistory {
    return new FolderHistory({
      folder: this.folder,
      caller: this.caller(user, rights),
      clock: { yield: () => Promise.resolve() },
    });
  }

  caller(user: string, rights = user === "olga" ? Rights.ALL : WRITES): Caller {
    const replica = String(++this.#replicas).padStart(32, "0");
    return { actor: { user, device: `${user}'s`, replica, clockOffset: 0 }, rights: () => rights };
  }

  async #upload(user: string, item: UploadItem, bytes: Uint8Array[] = []): Promise<number> {
    this.now += 1000;
    const block = packBlock(bytes);
    const raw = bytes[0] ?? new Uint8Array(0);
    const results = await this.folder.upload({
      caller: this.caller(user),
      items: [item],
      block,
      raw,
      staged: new Map(),
    });
    const [result] = results;
    if (result?.status !== "ok" && result?.status !== "conflict") throw new Error(JSON.stringify(result));
    return result.revision;
  }

  put(user: string, path: string, text: string, base = 0): Promise<number> {
    const bytes = new TextEncoder().encode(text);
    const content = digestHex(bytes) as ContentId;
    const entry: FileEntry = { kind: "file", size: bytes.length, mtime: this.now, mode: 0o644, content };
    const item = { op: "put", path: parsePath(path), base, entry, source: { from: "inline" } } as const;
    return this.#upload(user, item, [bytes]);
  }

  dir(path: string): Promise<number> {
    const entry = { kind: "dir", mode: 0o750 } as const;
    return this.#upload("olga", { op: "put", path: parsePath(path), base: 0, entry, source: null });
  }

  delete(path: string, base: number): Promise<number> {
    return this.#upload("olga", { op: "delete", path: parsePath(path), base });
  }

  rename(from: string, to: string, base: number): Promise<number> {
    return this.#upload("olga", { op: "rename", from: parsePath(from), to: parsePath(to), base, count: 1 });
  }

  async text(user: string, path: string, revision: number): Promise<string> {
    let text = "";
    await this.of(user).read(parsePath(path), revision, (bytes) => text += new TextDecoder().decode(bytes));
    return text;
  }

  /** The text of what `path` holds now. */
  async textNow(path: string): Promise<string | null> {
    const head = this.folder.heads.get(parsePath(path));
    return head === null ? null : await this.text("olga", path, head.revision);
  }
}

const f = parsePath("f");

async function refused(work: Promise<unknown>, code: string): Promise<void> {
  assertEquals((await assertRejects(() => work, RemoteError)).code, code);
}

Deno.test("the owner sees and restores past versions, others not by themselves", async () => {
  const past = new Past();
  const first = await past.put("ann", "f", "one");
  await past.put("ann", "f", "two", first);
  const ann = past.of("ann");
  await refused(ann.versions(f), "forbidden");
  await refused(ann.read(f, first, () => {}), "forbidden");
  await refused(ann.restore(f, { kind: "version", revision: first }, true), "forbidden");
  assertEquals((await past.of("olga").versions(f)).map(({ operation }) => operation), [
    "created",
    "modified",
  ]);
  assertEquals(await past.text("olga", "f", first), "one");
});

Deno.test("a path that had several lives tells all of them, and where its content came from", async () => {
  const past = new Past();
  const one = await past.put("ann", "f", "one");
  await past.delete("f", one);
  const g = await past.put("ann", "g", "two");
  const moved = await past.rename("g", "f", g);
  const h = await past.rename("f", "h", moved);
  await past.put("ann", "h", "three", h);
  const expected = ["created f", "deleted f", "created g", "renamed f", "renamed h", "modified h"];
  const told = async (path: string) =>
    (await past.of("olga").versions(parsePath(path))).map(({ operation, path }) => `${operation} ${path}`);
  assertEquals(await told("f"), expected);
  assertEquals(await told("h"), expected.slice(2));
  assertEquals(await told("g"), expected.slice(2));
});

Deno.test("a version of a file whose directory is gone brings the directory back", async () => {
  const past = new Past();
  const dir = await past.dir("d");
  const file = await past.put("ann", "d/f", "one");
  await past.delete("d/f", file);
  await past.delete("d", dir);
  const steps = await past.of("olga").restore(parsePath("d/f"), { kind: "version", revision: file }, false);
  assertEquals(steps.map(({ action }) => action), ["create"]);
  assertEquals(await past.textNow("d/f"), "one");
  assertEquals(past.folder.heads.get(parsePath("d"))!.entry, { kind: "dir", mode: 0o750 });
});

Deno.test("everything as it was: a file became a directory and back, others came and went", async () => {
  const past = new Past();
  const x = await past.put("ann", "x", "file");
  const keep = await past.put("ann", "keep", "old");
  const then = past.now;
  await past.delete("x", x);
  await past.dir("x");
  await past.put("ann", "x/in", "in");
  await past.put("ann", "keep", "new", keep);
  await past.put("ann", "late", "late");
  const later = past.now;
  const olga = past.of("olga");
  const planned = await olga.restore(null, { kind: "time", time: then }, true);
  assertEquals(planned.map(({ action, path }) => `${action} ${path}`), [
    "delete x/in",
    "delete late",
    "change keep",
    "change x",
  ]);
  past.now += 1000;
  assertEquals(await olga.restore(null, { kind: "time", time: then }, false), planned);
  const now = async () =>
    await Promise.all(["x", "x/in", "keep", "late"].map((path) => past.textNow(path).catch(() => "dir")));
  assertEquals(await now(), ["file", null, "old", null]);
  past.now += 1000;
  await olga.restore(null, { kind: "time", time: later }, false);
  assertEquals(await now(), ["dir", "in", "new", "late"]);
  assertEquals(past.folder.openConflicts(past.caller("olga")), 0);
});

Deno.test("a conflict is seen and settled by those whom it concerns, and by the owner", async () => {
  const past = new Past();
  const base = await past.put("ann", "f", "base");
  const ann = await past.put("ann", "f", "ann's", base);
  await past.put("cy", "other", "not theirs");
  const ben = await past.put("ben", "f", "ben's", base);
  const users = ["ann", "ben", "olga", "cy"];
  const seen = await Promise.all(users.map((user) => past.of(user).conflicts({ open: true })));
  assertEquals(seen.map(({ length }) => length), [1, 1, 1, 0]);
  const [{ id, winner, loser, base: common }] = seen[0] as [typeof seen[0][0] & object];
  assertEquals([winner?.revision, loser?.revision, common?.revision], [ben, ann, base]);
  assertEquals(await past.text("ann", "f", ben), "ben's");
  assertEquals(await past.text("ann", "f", base), "base");
  await refused(past.of("cy").read(f, ben, () => {}), "forbidden");
  await refused(past.of("cy").resolve(id, { kind: "head" }), "notFound");
  await refused(past.of("ann").resolve(id, { kind: "version", revision: 999 }), "notFound");
  assertEquals(past.folder.openConflicts(past.caller("ben")), 1);

  assertEquals(await past.of("ann").resolve(id, { kind: "version", revision: ann }), {
    path: f,
    beside: null,
  });
  assertEquals(await past.textNow("f"), "ann's");
  assertEquals(users.map((user) => past.folder.openConflicts(past.caller(user))), [0, 0, 0, 0]);
  assertEquals((await past.of("ben").conflicts({ open: true })).length, 0);
  assertEquals((await past.of("ben").conflicts({ open: false })).length, 1);
});

Deno.test("keeping both puts the loser beside the winner, and a file that stepped aside stays there", async () => {
  const past = new Past();
  const base = await past.put("ann", "d.txt", "base");
  await past.put("ann", "d.txt", "ann's", base);
  await past.put("ben", "d.txt", "ben's", base);
  await past.dir("dir");
  await past.put("ann", "dir/in", "in");
  await past.put("ben", "dir", "a file");
  const olga = past.of("olga");
  const [text, dir] = await olga.conflicts({ open: true });
  const { beside } = await olga.resolve(text!.id, { kind: "both" });
  assertEquals(beside!.startsWith("d (conflict ann 2025-04-07 "), true);
  assertEquals([await past.textNow("d.txt"), await past.textNow(beside!)], ["ben's", "ann's"]);
  await refused(olga.resolve(dir!.id, { kind: "version", revision: dir!.loser!.revision }), "notFound");
  const before = past.folder.revision;
  assertEquals((await olga.resolve(dir!.id, { kind: "both" })).beside, dir!.loser!.path);
  assertEquals(past.folder.revision, before);
  assertEquals(past.folder.openConflicts(past.caller("ben")), 0);
});

Deno.test("an offline edit that meets a restored version is kept, and wins by its time", async () => {
  const past = new Past();
  const one = await past.put("ann", "f", "one");
  const two = await past.put("ann", "f", "two", one);
  await past.of("olga").restore(f, { kind: "version", revision: one }, false);
  await past.put("ben", "f", "edit", two);
  assertEquals(await past.textNow("f"), "edit");
  assertEquals(past.folder.openConflicts(past.caller("ben")), 1);
  assertEquals((await past.of("olga").versions(f)).length, 4);
});
