/** MS05: a server that wants everything gone, at once, in disguise, or little by little. */
import { assert, assertEquals } from "@std/assert";
import type { Entry } from "../../core/entry.ts";
import { parsePath, type SyncPath } from "../../core/path.ts";
import { hostileTest, type Rig } from "./rig.ts";

const p = parsePath;
const FILES = 30;

const textOf = (i: number) => `text of number ${i}`;
const all = Array.from({ length: FILES }, (_, i) => `f${i}=${textOf(i)}`).sort();

async function start(rig: Rig): Promise<void> {
  for (let i = 0; i < FILES; i++) rig.server.put(`f${i}`, textOf(i));
  assertEquals((await rig.status()).state, "in sync");
}

/** All that stood here stands here, after several tries; then an honest server restores what the hostile one had lost. */
async function checkHeld(rig: Rig): Promise<void> {
  for (let run = 0; run < 3; run++) {
    const status = await rig.status();
    assert(status.held !== null, JSON.stringify(status));
    assertEquals(status.held.side, "server");
    const here = rig.files();
    for (const file of all) assert(here.includes(file), `${file} is gone`);
  }
  rig.checkUntouched();
  for (const path of [...rig.server.heads.keys()]) if (path.includes("/")) rig.server.heads.delete(path);
  await rig.checkHonest(Object.fromEntries(all.map((line) => line.split("=") as [string, string])));
}

function each(rig: Rig, change: (path: SyncPath, entry: Entry, bytes: Uint8Array | null, i: number) => void) {
  for (let i = 0; i < FILES; i++) {
    const path = p(`f${i}`);
    const { entry, bytes } = rig.server.heads.get(path)!;
    change(path, entry!, bytes, i);
  }
}

hostileTest("MS05: every file is said to be deleted", async (rig) => {
  await start(rig);
  each(rig, (path) => rig.server.setHead(path, null, null));
  await checkHeld(rig);
});

hostileTest("MS05: a listing of an empty folder under another view", async (rig) => {
  await start(rig);
  const { server } = rig;
  server.welcome = { view: "9".repeat(32) };
  server.on.subscribe = (talk, id) =>
    talk.send(id, { type: "changes", notices: [], upTo: server.revision, more: false, conflicts: 0 });
  await checkHeld(rig);
});

hostileTest("MS05: every file is to become a link, or a directory", async (rig) => {
  await start(rig);
  each(rig, (path, _entry, _bytes, i) => {
    rig.server.setHead(
      path,
      i % 2 === 0 ? { kind: "link", target: "x" } : { kind: "dir", mode: 0o755 },
      null,
    );
  });
  rig.server.put("f1/below", "in the place of a file");
  await checkHeld(rig);
});

hostileTest("MS05: every file is said to have moved to where nothing can stand", async (rig) => {
  await start(rig);
  const { server } = rig;
  each(rig, (path, entry, bytes, i) => {
    server.setHead(path, null, null);
    server.setHead(p(`nowhere/g${i}`), entry, bytes);
  });
  for (let run = 0; run < 3; run++) await rig.pass();
  assertEquals(rig.files(), all);
});

hostileTest("MS05: contents that overwrite other files and are then not to be had", async (rig) => {
  await start(rig);
  const { server } = rig;
  // All but two of those that go are wanted at the places of others, where they never arrive.
  const stay = FILES / 2 - 1;
  each(rig, (path, entry, _bytes, i) => {
    if (i < stay) return;
    if (i < 2 * stay) server.setHead(p(`f${i - stay}`), entry, null);
    server.setHead(path, null, null);
  });
  const { held } = await rig.status();
  assertEquals(held, { side: "server", deletes: FILES - stay, files: FILES });
  assertEquals(rig.files(), all);
});

hostileTest("MS05: files go in small parts to a client that watches", async (rig) => {
  await start(rig);
  const { server } = rig;
  await rig.watch(async (engine) => {
    await engine.atRest();
    for (let i = 0; i < FILES; i += 5) {
      const notices = Array.from({ length: 5 }, (_, n) => ({
        kind: "gone" as const,
        path: p(`f${i + n}`),
        revision: server.setHead(p(`f${i + n}`), null, null),
        author: { user: "mallory", device: "lair" },
      }));
      for (const talk of server.talks) {
        await talk.send(0, { type: "changes", notices, upTo: server.revision, more: false, conflicts: 0 });
      }
      await engine.atRest();
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
    await engine.atRest();
    assertEquals(engine.status().held?.side, "server");
  });
  assert(rig.files().length >= FILES / 2, `only ${rig.files().length} are left`);
});
