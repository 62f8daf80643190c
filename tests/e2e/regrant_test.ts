/** A pass under cron while the owner changes what its user may do. */
import { assertEquals, assertMatch } from "@std/assert";
import { invite, owner, Person } from "./_person.ts";
import { fresh, type World, worldTest } from "./_world.ts";

const BYTES = 400_000;
/** So slow that the commands of the owner come in the middle of it. */
const SLOW = ["--limit-up", "200K"];

/** A pass of ben's, with `change` made while it sends. */
async function passWhile(world: World, ben: Person, change: () => Promise<unknown>) {
  const met = world.server.count("Connected: ben");
  Deno.writeFileSync(world.path("ben/large"), fresh(BYTES));
  const pass = world.start("pass", ["sync-all", "ben", ...SLOW], ben.options);
  for (const seen = performance.now(); world.server.count("Connected: ben") === met;) {
    if (performance.now() - seen > 30_000) throw new Error("ben never came");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await change();
  assertEquals(pass.code, null, "the change came too late");
  return { code: await pass.exited, said: [...pass.stdout, ...pass.stderr].join("\n") };
}

worldTest("a pass goes on when the rights of its user change, and ends when they end", async (world, t) => {
  await world.startServer();
  Deno.mkdirSync(world.path("server_files/plans"));
  Deno.writeTextFileSync(world.path("server_files/plans/p.txt"), "a plan");
  await owner(world, "status server_files");
  const ben = new Person(world, "ben");
  await ben.ok("join", await invite(world, "ben"), "ben");
  await ben.ok("sync-all", "ben");

  await t.step("it ends with 0 and prints nothing, and what it may not see any more is gone", async () => {
    const { code, said } = await passWhile(
      world,
      ben,
      () => owner(world, "grant plans --user ben none"),
    );
    assertEquals([code, said], [0, ""]);
    assertEquals(world.tree("ben").has("plans/p.txt"), false);
    assertEquals(world.tree("server_files").get("large"), world.tree("ben").get("large"));
  });

  await t.step("several changes in a row do not stop it either", async () => {
    const { code, said } = await passWhile(world, ben, async () => {
      for (const access of ["read", "none", "write"]) await owner(world, `grant plans --user ben ${access}`);
    });
    assertEquals([code, said], [0, ""]);
    assertEquals(Deno.readTextFileSync(world.path("ben/plans/p.txt")), "a plan");
  });

  await t.step("who is disabled meanwhile is told so at once, with 4", async () => {
    const met = world.server.count("Connected: ben");
    const { code, said } = await passWhile(world, ben, () => owner(world, "user disable ben"));
    assertEquals(code, 4, said);
    assertMatch(said, /^fsync: [A-Z][^\n]*\n(hint: [^\n]*)?$/);
    assertEquals(world.server.count("Connected: ben"), met + 1);
  });
});
