/** How editors save, and how soon a save arrives elsewhere. */
import { assertEquals } from "@std/assert";
import { assertQuick } from "./_quick.ts";
import { until, worldTest } from "./_world.ts";

worldTest("an editor that saves through a temporary file makes one line of versions", async (world) => {
  await world.startServer();
  const [a, b] = await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
  Deno.writeTextFileSync(world.path("a/f"), "save 0");
  await world.equal("a", "b");
  for (let i = 1; i <= 100; i++) {
    using file = Deno.openSync(world.path("a/f.tmp"), { write: true, create: true });
    file.writeSync(new TextEncoder().encode(`save ${i}`));
    file.syncSync();
    Deno.renameSync(world.path("a/f.tmp"), world.path("a/f"));
    // As a person would: not faster than this.
    if (i % 10 === 0) {
      await until("it arrived", () => Deno.readTextFileSync(world.path("b/f")) === `save ${i}`);
    }
  }
  await world.inSync("a", "b");
  assertEquals(Deno.readTextFileSync(world.path("b/f")), "save 100");
  const versions = world.versions().filter(({ path }) => path === "f");
  assertEquals(versions.filter(({ operation }) => operation === "deleted"), []);
  assertEquals(versions.filter(({ size }) => size === 0), []);
  assertEquals(versions.filter(({ head }) => head).length, 1);
  assertEquals(b!.count("File removed: f "), 0);
  assertEquals(a!.stdout.filter((line) => line === "File uploaded: f").length, versions.length);
  assertEquals(world.conflicts(), []);
});

worldTest("saves arrive within moments", async (world) => {
  await world.startServer();
  await Promise.all(["a", "b"].map((name) => world.startWatch(name)));
  Deno.writeTextFileSync(world.path("a/f"), "0");
  await world.inSync("a", "b");
  const times: number[] = [];
  for (let i = 1; i <= 50; i++) {
    const events = Deno.watchFs(world.path("b"));
    const began = performance.now();
    const text = `save ${i} `.repeat(i);
    Deno.writeTextFileSync(world.path("a/f"), text);
    for await (const _ of events) if (Deno.readTextFileSync(world.path("b/f")) === text) break;
    times.push(performance.now() - began);
  }
  times.sort((x, y) => x - y);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))]!;
  console.log(
    `save to save: median ${at(0.5).toFixed(1)} ms, 95 % ${at(0.95).toFixed(1)} ms, worst ${
      at(1).toFixed(1)
    } ms`,
  );
  await assertQuick(world, at(0.5), 150, "a save");
  await world.inSync("a", "b");
  assertEquals(world.versions().filter(({ path }) => path === "f").length, 51);
});
