/** `status --watch` on the real program. */
import { assertEquals } from "@std/assert";
import { worldTest } from "./_world.ts";

worldTest("status --watch shows each change until it is stopped", async (world) => {
  await world.startServer();
  const watch = await world.startWatch("a");
  const status = world.start("status", ["status", "a", "--watch", "--json"]);
  await status.line(/"state":"in sync".*"files":0/);
  Deno.writeTextFileSync(world.path("a/one"), "1");
  await status.line(/"state":"in sync".*"files":1/);
  await watch.stop();
  await status.line('"watched":false');
  assertEquals((await status.stop()).code, 0);
  // Nothing is said twice.
  for (const [i, line] of status.stdout.entries()) assertEquals(line === status.stdout[i - 1], false, line);
});
