/** MS01: names that no server may use, in every place where a server can name something. */
import { assert, assertEquals } from "@std/assert";
import { ProtocolError } from "../../protocol/errors.ts";
import {
  freeChanges,
  freeDir,
  FreeFields,
  freeFile,
  freeFrame,
  freeLink,
  freeNotice,
} from "./free_frames.ts";
import { hostileTest, type Rig } from "./rig.ts";

const CONTENT = "ab".repeat(32);
const bytes = (...values: number[]) => Uint8Array.from(values);

const REFUSED: readonly (string | Uint8Array)[] = [
  ...["", ".", "..", "/", "/.", "/..", "/foo", "./foo", "foo/", "foo/.", "a//b", "a/./b"],
  ...["../x", "../canary/x", "a/../../x", "a/..", "a/../b", "../../../../../../etc/passwd"],
  ...["/etc/passwd", "//etc", "file:///etc"],
  ...["a\0b", "a\0", "\0"],
  // Overlong, broken, surrogate.
  ...[bytes(0xc0, 0xae, 0xc0, 0xae, 0x2f, 0x78), bytes(0x61, 0xff), bytes(0xed, 0xa0, 0x80)],
  ...[".fsync", ".fsync/state.db", ".fsync/stage/x", "a/.fsync", "a/.fsync/x"],
  ...["n".repeat(256), `a/${"n".repeat(256)}`, `${"d/".repeat(2048)}x`],
];

const ALLOWED = [
  "foo..",
  ".foo",
  "\\..",
  "foo/bar:baz",
  "C:\\x",
  "~root/x",
  "..a/b",
  ".fsync2",
  "...",
  "a\\b",
];

const file = freeFile(CONTENT);
const PLACES = {
  "a listing, as a file": (path) => freeNotice.set(path, 500, file),
  "a listing, as a directory": (path) => freeNotice.set(path, 500, freeDir()),
  "a listing, as a link": (path) => freeNotice.set(path, 500, freeLink("x")),
  "a delete": (path) => freeNotice.gone(path, 500),
  "the source of a move": (path) => freeNotice.moved(path, "moved", 500),
  "the target of a move": (path) => freeNotice.moved("kept", path, 500),
  "the origin of a file": (path) => freeNotice.setFrom("good", path, 500, file),
} as const satisfies Record<string, (path: string | Uint8Array) => Uint8Array>;

async function start(rig: Rig): Promise<void> {
  rig.server.put("kept", "kept");
  await rig.status();
}

for (const [place, notice] of Object.entries(PLACES)) {
  hostileTest(`MS01: a name that is none in ${place} ends the session, and changes nothing`, async (rig) => {
    await start(rig);
    for (const path of REFUSED) {
      rig.server.on.subscribe = (talk, id) =>
        talk.frame(freeChanges(id, [freeNotice.set("early", 499, file), notice(path)]));
      const error = await rig.refusal();
      assert(error instanceof ProtocolError, `${JSON.stringify(path)}: ${error}`);
      assertEquals(rig.files(), ["kept=kept"], JSON.stringify(path));
      rig.checkUntouched();
    }
    await rig.checkHonest({ kept: "kept" });
  });
}

hostileTest("MS01: such a name in the name that a conflict gave a file", async (rig) => {
  await start(rig);
  for (const path of REFUSED) {
    Deno.writeTextFileSync(rig.at("mine"), "mine");
    rig.server.on.upload = (talk, id) => {
      const result = new FreeFields().u8(3).u8(0).uint(500).u8(1).text(path).text("why");
      return talk.frame(freeFrame(7, id, new FreeFields().uint(1).raw(result.bytes()).bytes()));
    };
    assert(await rig.refusal() instanceof ProtocolError, JSON.stringify(path));
    assertEquals(rig.files(), ["kept=kept", "mine=mine"]);
  }
  await rig.checkHonest({ kept: "kept" });
  assertEquals(rig.files().includes("mine=mine"), true);
});

hostileTest("MS01: strange names that are names arrive as they are", async (rig) => {
  for (const path of ALLOWED) rig.server.put(path, `text of ${path}`);
  assertEquals((await rig.status()).state, "in sync");
  for (const path of ALLOWED) assertEquals(Deno.readTextFileSync(rig.at(path)), `text of ${path}`);
  await rig.checkHonest({});
});

hostileTest("MS01: kinds, modes and sizes that are none", async (rig) => {
  await start(rig);
  const entries = {
    "set-uid": freeFile(CONTENT, { mode: 0o4755 }),
    "set-gid": freeFile(CONTENT, { mode: 0o2755 }),
    "sticky directory": freeDir(0o1777),
    "set-gid directory": freeDir(0o2770),
    "negative size": new FreeFields().u8(1).raw(new Uint8Array(8).fill(0xff)).bytes(),
    "9 TiB": freeFile(CONTENT, { size: 9 * 2 ** 40 }),
    "device": new FreeFields().u8(4).uint(0o644).uint(1).uint(3).bytes(),
    "fifo": new FreeFields().u8(5).uint(0o644).bytes(),
    "absent": new FreeFields().u8(0).bytes(),
    "link without a target": freeLink(""),
    "link with NUL": freeLink("a\0b"),
    "link of 4,096 bytes": freeLink("l".repeat(4096)),
  };
  for (const [name, entry] of Object.entries(entries)) {
    rig.server.on.subscribe = (talk, id) => talk.frame(freeChanges(id, [freeNotice.set("bad", 500, entry)]));
    assert(await rig.refusal() instanceof ProtocolError, name);
    assertEquals(rig.files(), ["kept=kept"], name);
  }
  await rig.checkHonest({ kept: "kept" });
});
