/** People who do anything, in three folders and the server's at once. `SEED` repeats a run. */
import { assert } from "@std/assert";
import { SeededRandom, seedForRun } from "../fakes/seeded_random.ts";
import { until, type World, worldTest } from "./_world.ts";

const NAMES = ["a", "A", "é", "x y", "-d", "__proto__", "n\nl"];
const PLACES = ["a", "b", "c", "server_files"];
const ROUNDS = 3;
const STEPS = 40;

const seed = seedForRun();

worldTest(`random changes everywhere come to one end (seed ${seed})`, async (world) => {
  const random = new SeededRandom(seed);
  await world.startServer();
  await Promise.all(["a", "b", "c"].map((name) => world.startWatch(name)));
  const log: string[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (let step = 0; step < STEPS; step++) log.push(change(world, random, `${round}.${step}`));
      await settle(world);
    }
  } catch (error) {
    console.error(log.join("\n"));
    throw error;
  }
  for (const place of PLACES) checkTokens(world.path(place));
});

async function settle(world: World): Promise<void> {
  // A guard may hold what many deletes at once leave; people would approve it.
  await until("nothing is held", async () => {
    await world.equal("a", "b", "c").catch(() => {});
    const held = await Promise.all(PLACES.map((name) => world.run(["status", name])));
    const waiting = PLACES.filter((_, i) => held[i]!.code === 8);
    for (const name of waiting) await world.run(["sync-all", name, "--approve-deletes"]);
    return waiting.length === 0;
  }, 90_000);
  await world.inSync("a", "b", "c");
}

/** One change at one place, as a line for the log. */
function change(world: World, random: SeededRandom, token: string): string {
  const path = () => Array.from({ length: random.between(1, 3) }, () => random.pick(NAMES)).join("/");
  const place = random.pick(PLACES);
  const root = world.path(place);
  const [from, to] = [path(), path()];
  const what = random.pick([
    "write",
    "write",
    "write",
    "append",
    "save",
    "remove",
    "rename",
    "rename",
    "mkdir",
    "link",
    "chmod",
  ]);
  const line = `${place} ${what} ${JSON.stringify(from)} ${JSON.stringify(to)} ${token}`;
  try {
    act(root, what, from, to, token);
    return line;
  } catch (error) {
    return `${line}: ${(error as Error).name}`;
  }
}

function act(root: string, what: string, from: string, to: string, token: string): void {
  const full = `${root}/${from}`;
  const text = `<${token}>`;
  const parent = () => Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
  switch (what) {
    case "write":
      parent();
      return Deno.writeTextFileSync(full, text.repeat(1 + token.length * 50));
    case "append":
      return Deno.writeTextFileSync(full, text, { append: true, create: false });
    case "save":
      parent();
      Deno.writeTextFileSync(`${full}%`, text);
      return Deno.renameSync(`${full}%`, full);
    case "remove":
      return Deno.removeSync(full, { recursive: true });
    case "rename":
      return Deno.renameSync(full, `${root}/${to}`);
    case "mkdir":
      return Deno.mkdirSync(full, { recursive: true });
    case "link":
      parent();
      return Deno.symlinkSync(to, full);
    case "chmod":
      return Deno.chmodSync(full, Deno.lstatSync(full).isDirectory ? 0o750 : 0o640);
  }
}

/** Each file is whole tokens: nothing torn, nothing mixed in the middle of one. */
function checkTokens(root: string): void {
  const files = (dir: string): string[] =>
    [...Deno.readDirSync(dir)].filter(({ name }) => name !== ".fsync").flatMap((
      { name, isFile, isDirectory },
    ) => isDirectory ? files(`${dir}/${name}`) : isFile ? [`${dir}/${name}`] : []);
  for (const file of files(root)) {
    assert(/^(<\d+\.\d+>)*$/.test(Deno.readTextFileSync(file)), `torn: ${file}`);
  }
}
