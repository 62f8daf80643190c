/** A server and a client that an earlier version wrote go on with this one; an older program is told so. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { decode, encode } from "../../protocol/codec.ts";
import { connectTcp, listen } from "../../system/tcp_link.ts";
import { readVersions } from "./_records.ts";
import { readTree } from "./_tree.ts";
import { type World, worldTest } from "./_world.ts";

const STORE_1 = fromFileUrl(new URL("../fixtures/store_1.tar.gz", import.meta.url));

/** Unpacks the fixture; its times are those of the files. */
async function unpack(world: World, archive: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("tar", { args: ["-xpzf", archive, "-C", world.cwd] })
    .output();
  assert(success, new TextDecoder().decode(stderr));
  Deno.renameSync(world.path("server"), world.path("server_files"));
}

worldTest("a store and a client of format 1 go on where they were", async (world) => {
  await unpack(world, STORE_1);
  const versions = readVersions(world.serverDir);
  const tree = readTree(world.path("client"));
  await world.startServer();
  const pass = await world.syncAll("client", "--json");
  assertEquals(pass.code, 7, pass.stderr);
  const { uploaded, downloaded, bytes_sent } = JSON.parse(pass.stdout);
  assertEquals([uploaded, downloaded], [0, 0], pass.stdout);
  assert(bytes_sent < 4096, `${bytes_sent} bytes were sent`);
  assertEquals(readTree(world.path("client")), tree);
  assertEquals(readVersions(world.serverDir), versions);

  const listed = await world.run(["conflicts", "list", "--dir", "client", "--json"]);
  assertStringIncludes(listed.stdout, "dir/sub/deep.txt");
  const old = await world.run(["restore", "client/note.txt", "--version", "7", "--to", "old.txt"]);
  assertEquals(old.code, 0, old.stderr);
  assertEquals(Deno.readTextFileSync(world.path("old.txt")), "one\n");
  const undeleted = await world.run(["restore", "client/gone.txt"]);
  assertEquals(undeleted.code, 0, undeleted.stderr);

  Deno.writeTextFileSync(world.path("client/note.txt"), "three\n");
  Deno.mkdirSync(world.path("fresh"));
  assertEquals((await world.syncAll("client")).code, 7);
  assertEquals((await world.syncAll("fresh")).code, 7);
  const synced = await world.equal("client", "fresh");
  assert(synced.has("gone.txt"));
  await world.server.stop();
  const check = await world.run(["check", "--data", "server_files"]);
  assertEquals(check.code, 0, check.stderr);
}, { server: ["--no-tls"] });

worldTest(
  "a program that speaks another version of the wire is told so, and exits as such",
  async (world) => {
    await world.startServer();
    Deno.mkdirSync(world.path("a"));
    assertEquals((await world.syncAll("a")).code, 0);
    await world.server.stop();
    // A server of the future, on the same port.
    const listener = listen({ hostname: "127.0.0.1", port: world.port, tls: null });
    const asked = listener.accept().then(async (link) => {
      const frame = await link!.receive();
      const { id, message } = decode(frame!);
      const text = "Cannot talk: this server speaks protocol version 99";
      await link!.send(
        encode({
          id,
          message: { type: "error", code: "version", message: text, hint: "update the older side" },
        }),
      );
      link!.close();
      return message.type;
    });
    const pass = await world.syncAll("a");
    assertEquals(await asked, "hello");
    listener.close();
    assertEquals(pass.code, 1);
    assertStringIncludes(pass.stderr, "protocol version 99");
    assertStringIncludes(pass.stderr, "update the older side");
  },
  { server: ["--no-tls"] },
);

worldTest("a client of version 1 is told that it is too old", async (world) => {
  await world.startServer();
  const link = await connectTcp("127.0.0.1", world.port, { tls: null });
  const id = "00".repeat(16);
  const hello = {
    type: "hello",
    versions: [1],
    software: "fsync 0.0.9",
    folder: "",
    replica: id,
    device: id,
  } as const;
  await link.send(encode({ id: 0, message: { ...hello, token: new Uint8Array(32), clock: 0 } }));
  const { message } = decode((await link.receive())!);
  assert(message.type === "error" && message.code === "version", message.type);
  assertStringIncludes(message.message, "protocol version 2");
  link.close();
}, { server: ["--no-tls"] });
