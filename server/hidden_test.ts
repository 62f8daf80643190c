/**
 * What a client is answered does not depend on what is hidden from it: one script is played twice, with and without all
 * that happens in the hidden part, and the client is sent the same.
 */
import { assert, assertEquals } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { packBlock } from "../protocol/block.ts";
import { systemClock } from "../system/clock.ts";
import { delivery, large, noise } from "../tests/conformance/contents_suite.ts";
import { copyOf, fileOf, type FreeClient, gone, Hub, renamed } from "../tests/fakes/free_client.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { attacks, groupRights, isLast } from "../tests/fakes/two_groups.ts";

const BASE_SEED = BigInt(Deno.env.get("FSYNC_SIM_SEED") ?? "1");
const p = parsePath;

/** One step of a script that is played twice: with and without what happens in the red part. */
interface Step {
  readonly hidden: boolean;
  readonly play: (hub: Hub, bea: FreeClient, memory: Map<string, number>) => Promise<unknown>;
}

/** What blue does, and what it tries; between, what the owner does in its sight, and out of it. */
function script(random: SeededRandom): Step[] {
  const steps: Step[] = [];
  const names = ["a", "b", "c"];
  const put = (hub: Hub, client: FreeClient, path: string, text: string, memory: Map<string, number>) =>
    client.upload(fileOf(path, text, memory.get(path) ?? 0)).then(() => {
      memory.set(path, hub.folder.heads.get(p(path))?.revision ?? 0);
    });
  for (let n = 0; n < 40; n++) {
    const [name, other] = [random.pick(names), random.pick(names)];
    const text = `text ${n}`;
    const place = random.pick(["blue", "both"]);
    const hidden = random.pick([`red/${name}`, `blue/box/secret/${name}`, `mixed/${name}`]);
    steps.push({ hidden: true, play: (hub, _bea, memory) => put(hub, hub.olga, hidden, text, memory) });
    steps.push({
      hidden: true,
      play: async (hub, _bea, memory) => {
        const revision = hub.folder.heads.get(p(hidden))?.revision ?? 0;
        await hub.olga.upload(renamed(hidden, `red/moved ${n}`, revision, 1));
        memory.set(hidden, 0);
      },
    });
    steps.push({
      hidden: false,
      play: (hub, bea, memory) => put(hub, bea, `${place}/${other}`, text, memory),
    });
    steps.push({
      hidden: false,
      play: (hub, _bea, memory) => put(hub, hub.olga, `both/${name}`, text, memory),
    });
    steps.push({
      hidden: false,
      play: (hub, bea) => {
        const revision = hub.folder.heads.get(p(`${place}/${other}`))?.revision ?? 1;
        return bea.ask({ type: "download", items: [{ path: p(`${place}/${other}`), revision }] }, isLast);
      },
    });
    const bytes = new TextEncoder().encode(text);
    const target = { path: p(hidden), revision: 1 + random.int(9), bytes };
    const mine = `blue/${other}`;
    for (let i = 0; i < 5; i++) {
      const which = random.int(19);
      const play = (hub: Hub, bea: FreeClient) => {
        const head = hub.folder.heads.get(p(mine))?.revision ?? 1;
        const tried = attacks(target, { place: "blue", mine, head, conflict: 10_000 });
        assertEquals(tried.length, 19);
        return bea.ask(tried[which]!, isLast);
      };
      steps.push({ hidden: false, play });
    }
    if (random.chance(0.1)) {
      const content = random.pick(CONTENTS);
      steps.push({ hidden: true, play: (hub) => stagePart(hub, content) });
      steps.push({ hidden: false, play: (_hub, bea) => bea.stage(content) });
      steps.push({ hidden: true, play: (hub) => stageAndName(hub.olga, `red/large ${n}`, content) });
      steps.push({ hidden: false, play: (_hub, bea) => bea.stage(content) });
    }
    const live = random.chance(0.5);
    if (random.chance(0.2)) steps.push({ hidden: false, play: (_hub, bea) => bea.list(0, live) });
    if (random.chance(0.2)) {
      steps.push({
        hidden: false,
        play: (_hub, bea) => bea.upload(gone("blue/box/secret", 1), gone("blue/box", 99)),
      });
    }
  }
  return steps;
}

const CONTENTS = [1, 2, 3].map((seed) => large(noise(150_000, seed)));

/** Somebody of the other group begins to send a content, and is gone. */
async function stagePart(hub: Hub, content: (typeof CONTENTS)[number]): Promise<void> {
  const rita = hub.client("rita", groupRights("red"));
  const { id } = await rita.stage(content);
  const [piece] = delivery(content, null);
  await rita.sendRaw(id, { type: "data", ops: piece!.ops, block: packBlock([piece!.bytes]), last: false });
  await rita.settle();
  await rita.close();
}

async function stageAndName(
  client: FreeClient,
  path: string,
  content: (typeof CONTENTS)[number],
): Promise<void> {
  await client.stageAll(content);
  await client.upload(copyOf(path, content.bytes, { from: "staged" }));
}

/** What a client was sent, without the numbers that count what happens in the whole folder. */
async function transcript(steps: readonly Step[], withHidden: boolean): Promise<string[]> {
  await using hub = new Hub(undefined, { ...systemClock, now: () => 1_750_000_000_000 });
  const bea = hub.client("bea", groupRights("blue", { "blue/box/secret": "none" }));
  await hub.olga.mkdir("blue", "both", "mixed", "mixed/blue", "blue/box");
  if (withHidden) await hub.olga.mkdir("red", "blue/box/secret");
  await bea.list(0, true);
  const memory = new Map<string, number>();
  const told: string[] = [];
  for (const step of steps) {
    if (step.hidden && !withHidden) continue;
    const answer = await step.play(hub, bea, memory);
    await bea.settle();
    const news = bea.news.splice(0);
    if (!step.hidden) told.push(withoutNumbers(answer), ...news.map(withoutNumbers));
    else assertEquals(news, [], "something was told of what is hidden");
  }
  return told;
}

const NUMBERS = new Set(["revision", "upTo", "base", "winner", "loser", "version"]);

function withoutNumbers(value: unknown): string {
  return JSON.stringify(value, (key, inner) => {
    if (NUMBERS.has(key) && typeof inner === "number") return "some";
    return key === "id" ? "some" : inner;
  }) ?? "nothing";
}

for (let n = 0n; n < 3n; n++) {
  const seed = BASE_SEED + n;
  Deno.test(`hidden: what happens in the hidden part changes no answer, seed ${seed}`, async () => {
    const steps = script(new SeededRandom(seed));
    const [busy, empty] = [await transcript(steps, true), await transcript(steps, false)];
    const at = busy.findIndex((line, i) => line !== empty[i]);
    assertEquals(busy.slice(Math.max(0, at - 3), at + 3), empty.slice(Math.max(0, at - 3), at + 3));
    assertEquals(busy.length, empty.length);
    assert(busy.length > 200);
  });
}
