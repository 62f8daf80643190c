import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { memLinkPair } from "../tests/fakes/mem_link.ts";
import type { Link } from "../system/link.ts";
import { Door, doorLimits, foldersMax, type Visit } from "./door.ts";

/** A connection from `peer`, and whether it was closed on the server's side. */
function connection(peer: string): { link: Link; closed: () => boolean } {
  let closed = false;
  const link = memLinkPair({ names: [peer, "server"] }).b;
  void link.ended.then(() => closed = true);
  return { link, closed: () => closed };
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("door: when strangers are too many, the oldest of the network that has most goes", async () => {
  const door = new Door({ connections: 100, strangers: 5 });
  const [a1, b1, b2, a2, a3, c1, c2] = ["a:1", "b:1", "b:2", "a:2", "a:3", "c:1", "c:2"].map(connection);
  for (const { link } of [a1!, b1!, b2!, a2!, a3!]) door.enter(link);
  door.enter(c1!.link);
  await turn();
  assertEquals([a1, b1, b2, a2, a3, c1].map((one) => one!.closed()), [
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
  door.enter(c2!.link);
  await turn();
  // Equal numbers: whichever it is, it is one of theirs and not the newcomer.
  assertEquals([b1, a2].filter((one) => one!.closed()).length, 1);
  assertEquals([c1, c2].some((one) => one!.closed()), false);
  assertEquals(door.strangers, 5);
});

Deno.test("door: all from one address: the newest always gets in", async () => {
  const door = new Door({ connections: 1000, strangers: 8 });
  const all = Array.from({ length: 500 }, (_, i) => connection(`10.0.0.7:${i}`));
  const visits = all.map(({ link }) => door.enter(link));
  await turn();
  assertEquals(visits.every((visit) => visit !== null), true);
  assertEquals(all.map(({ closed }) => closed()), all.map((_, i) => i < 492));
});

Deno.test("door: who has signed in is not closed for strangers, but counts", async () => {
  const door = new Door({ connections: 6, strangers: 2 });
  const known = Array.from({ length: 5 }, (_, i) => connection(`a:${i}`));
  const visits = known.map(({ link }) => {
    const visit = door.enter(link)!;
    visit.decided();
    return visit;
  });
  const [s1, s2] = ["b:1", "b:2"].map(connection);
  door.enter(s1!.link);
  const second = door.enter(s2!.link);
  await turn();
  assertEquals([known.some(({ closed }) => closed()), s1!.closed(), s2!.closed()], [false, true, false]);
  second!.decided();
  assertEquals([door.connections, door.enter(connection("c:1").link)], [6, null]);
  visits[0]!.leave();
  visits[0]!.leave();
  assertEquals(door.connections, 5);
  assertEquals(door.enter(connection("c:1").link) === null, false);
});

Deno.test("door: what has ended leaves nothing behind", () => {
  const door = new Door({ connections: 50, strangers: 10 });
  for (let round = 0; round < 100; round++) {
    const visits = Array.from({ length: 9 }, (_, i) => door.enter(connection(`n${i % 3}:${i}`).link));
    visits.forEach((visit: Visit | null, i) => {
      if (i % 2 === 0) visit!.decided();
      visit!.leave();
    });
  }
  assertEquals([door.connections, door.strangers], [0, 0]);
});

Deno.test("door: descriptors are left for the store of each folder, also of one that comes later", () => {
  for (const files of [64, 256, 1024, 4096, 524_288]) {
    const most = foldersMax(files);
    for (const folders of [1, 2, most]) {
      const { connections, strangers } = doorLimits(files, () => folders);
      assertGreater(strangers, 0);
      assertLessOrEqual(strangers, connections / 2);
      if (files > 256 && folders <= most) assertLessOrEqual(connections + folders * 128, files - 128);
    }
  }
  let folders = 1;
  const { ...now } = doorLimits(1_048_576, () => folders);
  assertEquals(now, { connections: 4096, strangers: 1024 });
  const limits = doorLimits(1024, () => folders);
  assertEquals([limits.connections, foldersMax(1024)], [768, 6]);
  folders = 5;
  assertEquals([limits.connections, limits.strangers], [256, 85]);
});
