import { assert, assertEquals } from "@std/assert";
import { IN_CLOSE_WRITE, IN_CREATE, IN_IGNORED, type Inotify, openInotify, parseEvents } from "./inotify.ts";

function event(wd: number, mask: number, cookie: number, name: readonly number[]): number[] {
  const bytes = new Uint8Array(16 + name.length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, wd, true);
  view.setUint32(4, mask, true);
  view.setUint32(8, cookie, true);
  view.setUint32(12, name.length, true);
  bytes.set(name, 16);
  return [...bytes];
}

function openHere(): Inotify {
  const queue = openInotify();
  assert(queue !== null, "libc cannot be called");
  return queue;
}

Deno.test("events are read with their names, padded, missing, empty and not UTF-8", () => {
  const bytes = new Uint8Array([
    ...event(3, IN_CREATE, 7, [0x61, 0xc3, 0xa9, 0]),
    ...event(-1, 0x4000, 0, []),
    ...event(4, IN_CREATE, 0, [0x62, 0xff, 0, 0]),
    ...event(5, IN_CREATE, 0, [0xef, 0xbb, 0xbf, 0x78]),
  ]);
  assertEquals(parseEvents(bytes), [
    { wd: 3, mask: IN_CREATE, cookie: 7, name: "aé" },
    { wd: -1, mask: 0x4000, cookie: 0, name: "" },
    { wd: 4, mask: IN_CREATE, cookie: 0, name: null },
    { wd: 5, mask: IN_CREATE, cookie: 0, name: "\uFEFFx" },
  ]);
});

Deno.test("a write is read as create and close, and an ended watch says so", async () => {
  const dir = Deno.makeTempDirSync();
  const queue = openHere();
  try {
    const wd = queue.add(dir);
    Deno.writeTextFileSync(`${dir}/f`, "x");
    const masks = (await queue.read())!.filter(({ name }) => name === "f").map(({ mask }) => mask);
    assertEquals([masks[0], masks.at(-1)], [IN_CREATE, IN_CLOSE_WRITE]);
    queue.remove(wd);
    assertEquals(await queue.read(), [{ wd, mask: IN_IGNORED, cookie: 0, name: "" }]);
  } finally {
    await queue.close();
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("closing ends a read that waits, and gives the descriptor back", async () => {
  const queue = openHere();
  const read = queue.read();
  await queue.close();
  assertEquals(await read, null);
  assertEquals(await queue.read(), null);
  assertEquals(queue.add("/"), -9);
});

Deno.test("what is no directory, or not there, or behind a link is refused by number", async () => {
  const dir = Deno.makeTempDirSync();
  const queue = openHere();
  try {
    Deno.writeTextFileSync(`${dir}/f`, "");
    Deno.symlinkSync(dir, `${dir}/l`);
    assertEquals(queue.add(`${dir}/f`), -20);
    assertEquals(queue.add(`${dir}/nothing`), -2);
    assertEquals(queue.add(`${dir}/l`), -20);
    assertEquals(queue.add(`${dir}/${"x".repeat(5_000)}`), -36);
  } finally {
    await queue.close();
    Deno.removeSync(dir, { recursive: true });
  }
});
