import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import {
  directoryInodes,
  instancesShortage,
  parseFdInfo,
  watchesMax,
  watchesShortage,
} from "./inotify_budget.ts";

Deno.test("the watches are read from the kernel's text", () => {
  const text = "pos:\t0\nflags:\t02004000\nmnt_id:\t16\nino:\t1057\n" +
    "inotify wd:1a ino:2100e4 sdev:fe00000 mask:3ee ignored_mask:0 fhandle-bytes:8\n" +
    "inotify wd:1 ino:2 sdev:fe00000 mask:3ee ignored_mask:0\n";
  assertEquals([...parseFdInfo(text)], [[0x1a, 0x2100e4], [1, 2]]);
  assertEquals([...parseFdInfo("")], []);
});

Deno.test("the advice is a line to paste that grows with the need", () => {
  assertEquals(watchesShortage(41_200, 8_192), {
    reason:
      "Cannot watch all 41200 directories: the system allows 8192 watches for each user (fs.inotify.max_user_watches)",
    advice: "sudo sysctl fs.inotify.max_user_watches=524288 # and put it in /etc/sysctl.d/",
  });
  const advised = (needed: number, limit: number) =>
    watchesShortage(needed, limit).advice?.match(/=(\d+)/)?.[1];
  assertEquals(advised(400_000, 8_192), "1048576");
  assertEquals(advised(10, 524_288), "1048576");
  assertEquals(
    instancesShortage(128).advice,
    "sudo sysctl fs.inotify.max_user_instances=1024 # and put it in /etc/sysctl.d/",
  );
});

Deno.test("the kernel tells its limit", () => {
  const limit = watchesMax();
  assert(limit !== null && limit > 0);
});

Deno.test("directories are counted without ours, and without what links lead to", async () => {
  const root = Deno.makeTempDirSync();
  try {
    for (const dir of ["a/b", "c", ".fsync/stage"]) Deno.mkdirSync(`${root}/${dir}`, { recursive: true });
    Deno.symlinkSync("/", `${root}/all`);
    Deno.writeTextFileSync(`${root}/a/f`, "");
    const inodes = await directoryInodes(root, new ManualClock());
    const expected = ["", "/a", "/a/b", "/c"].map((path) => Deno.statSync(root + path).ino!);
    assertEquals(inodes.sort(), expected.sort());
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
