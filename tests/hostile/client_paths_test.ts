/** MC01–MC04, MC11, MC27: paths that a hostile client names, wherever the protocol takes one. */
import { assert, assertEquals, AssertionError, assertRejects } from "@std/assert";
import { digestHex } from "../../core/chunk.ts";
import { freeDir, FreeFields, freeFile, type FreePath } from "./free_frames.ts";
import { freeItem, HostileClient, hostileClientTest } from "./hostile_client.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

const REFUSED: readonly FreePath[] = [
  // MC01
  "",
  ".",
  "..",
  "/",
  "/.",
  "/..",
  "/foo",
  "./foo",
  "foo/",
  "foo/.",
  "foo/./x",
  // MC02
  "../x",
  "a/../../x",
  "a/..",
  "a/../b",
  "a//b",
  "x/..",
  "../canary/secret",
  // MC03
  "/etc/passwd",
  "//etc",
  // MC04: NUL, overlong, invalid, surrogates, a byte too long
  "a\0b",
  "a\0",
  bytes(0xc0, 0xae, 0xc0, 0xae, 0x2f, 0x78),
  bytes(0x66, 0xff),
  bytes(0xed, 0xa0, 0x80),
  bytes(0x80),
  "n".repeat(256),
  `${"d/".repeat(2048)}x`,
  // Ours
  ".fsync",
  ".fsync/server.db",
  "d/.fsync/x",
];
/** MC01, MC03: odd, and allowed; they are names like others. */
const ALLOWED = [
  "foo..",
  ".foo",
  "foo.",
  "\\..",
  "foo.d/bar:baz",
  "C:\\x",
  "~root",
  "file:",
  "...",
  ".fsyncx",
  "-rf",
  "a\\b",
];

/** Every place of the protocol that takes a path, with `path` there. */
const PLACES: Record<string, (client: HostileClient, path: FreePath) => Promise<void>> = {
  "a new file": (client, path) => client.upload([freeItem.file(path, "x")], bytes(120)).then(refused),
  "a directory": (client, path) => client.upload([freeItem.entry(path, freeDir())]).then(refused),
  "a delete": (client, path) => client.upload([freeItem.delete(path, 1)]).then(refused),
  "a rename's source": (client, path) => client.upload([freeItem.rename(path, "to", 1, 1)]).then(refused),
  "a rename's target": (client, path) => client.upload([freeItem.rename("from", path, 1, 1)]).then(refused),
  "a content's source": async (client, path) => {
    const item = new FreeFields().u8(1).text("new").uint(0).raw(freeFile(digestHex(bytes(1)), { size: 1 }));
    refused(await client.upload([item.u8(2).text(path).uint(1).bytes()]));
  },
  "a download": (client, path) => ends(client, 11, new FreeFields().uint(1).text(path).uint(1).bytes()),
  "a fetch": (client, path) => ends(client, 13, new FreeFields().text(path).uint(1).u8(0).uint(0).bytes()),
  "a fetch's base": (client, path) =>
    ends(client, 13, new FreeFields().text("f").uint(1).u8(1).text(path).uint(1).uint(0).bytes()),
  "the versions of": (client, path) => ends(client, 18, new FreeFields().text(path).bytes()),
  "a version of": (client, path) => ends(client, 20, new FreeFields().text(path).uint(1).bytes()),
  "a restore of": (client, path) =>
    ends(client, 22, new FreeFields().u8(1).text(path).u8(1).uint(1).u8(0).bytes()),
};

function refused(results: unknown): void {
  assertEquals(results, null, "the server accepted it");
}

/** The server answers with an error of the protocol, or nothing, and closes. */
async function ends(client: HostileClient, type: number, fields: Uint8Array): Promise<void> {
  await client.send(type, fields);
  const answer = await client.next();
  if (answer === null) return;
  assert(answer.type === "error" && answer.code === "protocol", `${answer.type}: ${JSON.stringify(answer)}`);
  assertEquals(await client.next(), null, "the connection stays open");
}

hostileClientTest(
  "MC01–MC04: no path leaves the folder, wherever it stands; the session ends at once",
  async (world) => {
    for (const attack of Object.values(PLACES)) {
      for (const path of REFUSED) {
        const client = await HostileClient.signedIn(world);
        await attack(client, path);
        client.close();
      }
    }
  },
);

hostileClientTest(
  "MC01–MC04: a path that keeps the rules is no error of the protocol at any of these places",
  async (world) => {
    for (const [place, attack] of Object.entries(PLACES)) {
      const client = await HostileClient.signedIn(world);
      await assertRejects(() => attack(client, `fine/${place}`), AssertionError, "", place);
      client.close();
    }
  },
);

hostileClientTest("MC01: odd names that are allowed are names like others", async (world) => {
  const client = await HostileClient.signedIn(world);
  assertEquals((await client.upload([freeItem.entry("foo.d", freeDir())]))?.[0]?.status, "ok");
  for (const name of ALLOWED) {
    const results = await client.upload([freeItem.file(name, "x")], bytes(120));
    assertEquals(results?.[0]?.status, "ok", name);
  }
  client.close();
  Deno.mkdirSync(world.path("honest"));
  assertEquals((await world.syncAll("honest")).code, 0);
  for (const name of ALLOWED) assertEquals(Deno.readTextFileSync(world.path(`honest/${name}`)), "x", name);
});

hostileClientTest(
  "MC11: what cannot be is refused: a child without a parent, a file below a file, twins, a directory with bytes",
  async (world) => {
    const client = await HostileClient.signedIn(world);
    const statuses = async (...items: Uint8Array[]) => {
      const inline = items.filter((item) => item.at(-1) === 1).length;
      return (await client.upload(items, new Uint8Array(inline).fill(120)))?.map(({ status }) => status);
    };
    assertEquals(await statuses(freeItem.file("no/parent", "x")), ["stale"]);
    assertEquals(await statuses(freeItem.file("f", "x"), freeItem.file("f/below", "x")), ["ok", "stale"]);
    // The second of two says that it knows of nothing there: its own, so no conflict with itself.
    assertEquals(await statuses(freeItem.file("twin", "x"), freeItem.file("twin", "x")), ["ok", "skip"]);
    const withBytes = new FreeFields().u8(1).text("dir").uint(0).raw(freeDir()).u8(1).bytes();
    refused(await client.upload([withBytes], bytes(120)));
    const without = await HostileClient.signedIn(world);
    const content = digestHex(new TextEncoder().encode("x"));
    refused(
      await without.upload([
        new FreeFields().u8(1).text("g").uint(0).raw(freeFile(content, { size: 1 })).bytes(),
      ]),
    );
  },
);

hostileClientTest(
  "MC27: nobody renames a directory into itself, onto what is above it, or the root",
  async (world) => {
    const client = await HostileClient.signedIn(world);
    const made = await client.upload([freeItem.entry("a", freeDir()), freeItem.entry("a/b", freeDir())]);
    assertEquals(made?.map(({ status }) => status), ["ok", "ok"]);
    const head = made!.at(-1)!.status === "ok" ? (made!.at(-1) as { revision: number }).revision : 0;
    // Onto what is above it: taken already.
    assertEquals((await client.upload([freeItem.rename("a/b", "a", head, 1)]))?.[0]?.status, "stale");
    client.close();
    for (const [from, to] of [["a", "a"], ["a", "a/b/c"], ["", "x"], ["a", ""]]) {
      const next = await HostileClient.signedIn(world);
      refused(await next.upload([freeItem.rename(from!, to!, head, 2)]));
    }
    for (const path of ["", "/", "."]) {
      const next = await HostileClient.signedIn(world);
      refused(await next.upload([freeItem.delete(path, head)]));
    }
  },
);
