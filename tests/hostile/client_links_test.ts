/** MC06, MC10: links as a way out of the folder, on the server and on the other clients. */
import { assert, assertEquals } from "@std/assert";
import { freeDir, freeLink } from "./free_frames.ts";
import { freeItem, HostileClient, hostileClientTest } from "./hostile_client.ts";

const x = Uint8Array.of(120);

hostileClientTest(
  "MC06: nothing is read, written or removed through a link, here or on other machines",
  async (world) => {
    const canary = world.path("canary");
    Deno.writeTextFileSync(`${canary}/dir-victim`, "stays");
    const client = await HostileClient.signedIn(world);
    const one = async (item: Uint8Array, block?: Uint8Array) =>
      (await client.upload([item], block))?.[0]?.status;
    assertEquals(await one(freeItem.entry("d", freeLink(canary))), "ok");
    assertEquals(await one(freeItem.entry("up", freeLink("../canary"))), "ok");
    for (const link of ["d", "up"]) {
      assertEquals(await one(freeItem.file(`${link}/x`, "x"), x), "stale");
      assertEquals(await one(freeItem.entry(`${link}/y`, freeDir())), "stale");
      // What is not there is gone already; nothing else can be said of it.
      assertEquals(await one(freeItem.delete(`${link}/dir-victim`, 99)), "skip");
      assertEquals(await one(freeItem.rename(`${link}/dir-victim`, "stolen", 99, 1)), "stale");
      const read = await client.ask({
        type: "download",
        items: [{ path: `${link}/secret` as never, revision: 1 }],
      });
      assert(read?.type === "contents");
      assertEquals(read.sizes, [-1]);
    }
    // A directory with a file becomes a link, and the file is written again.
    assertEquals(await one(freeItem.entry("e", freeDir())), "ok");
    assertEquals(await one(freeItem.file("e/secret", "x"), x), "ok");
    Deno.mkdirSync(world.path("honest"));
    assertEquals((await world.syncAll("honest")).code, 0);
    const [deleted, replaced] =
      (await client.upload([freeItem.delete("e/secret", 99), freeItem.entry("e", freeLink(canary), 99)]))!;
    assertEquals([deleted?.status, replaced?.status], ["ok", "ok"]);
    assertEquals(await one(freeItem.file("e/secret", "x"), x), "stale");
    client.close();
    assertEquals((await world.syncAll("honest")).code, 0);
    await world.equal("honest");
    for (const root of ["honest", "server_files"]) {
      for (const link of ["d", "e"]) assertEquals(Deno.readLinkSync(world.path(`${root}/${link}`)), canary);
    }
    assertEquals(Deno.readTextFileSync(`${canary}/dir-victim`), "stays");
    Deno.removeSync(`${canary}/dir-victim`);
  },
);

hostileClientTest(
  "MC10: names that only look the same are different ones, whatever one of them is",
  async (world) => {
    const canary = world.path("canary");
    const client = await HostileClient.signedIn(world);
    const upload = async (...items: Uint8Array[]) => {
      const inline = items.filter((item) => item.at(-1) === 1).length;
      return (await client.upload(items, new Uint8Array(inline).fill(120)))?.map(({ status }) => status);
    };
    const [nfc, nfd] = ["caf\u00e9", "cafe\u0301"];
    const made = await upload(
      freeItem.entry(nfc, freeDir()),
      freeItem.entry(nfd, freeLink(canary)),
      freeItem.file(`${nfc}/x`, "x"),
      freeItem.entry("FOO", freeDir()),
      freeItem.entry("foo", freeLink(canary)),
      freeItem.file("FOO/x", "x"),
      freeItem.entry("a\\b", freeDir()),
      freeItem.file("a\\b/x", "x"),
    );
    assertEquals(made, Array(8).fill("ok"));
    assertEquals(await upload(freeItem.file(`${nfd}/x`, "x"), freeItem.file("foo/x", "x")), [
      "stale",
      "stale",
    ]);
    client.close();
    Deno.mkdirSync(world.path("honest"));
    assertEquals((await world.syncAll("honest")).code, 0);
    await world.equal("honest");
    for (const name of [nfc, "FOO", "a\\b"]) {
      assertEquals(
        Deno.readTextFileSync(world.path(`honest/${name}/x`)),
        "x",
      );
    }
  },
);
