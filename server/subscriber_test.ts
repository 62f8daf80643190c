import { assertEquals } from "@std/assert";
import { Rights } from "../core/access.ts";
import { parsePath } from "../core/path.ts";
import { ITEMS_MAX, NOTICES_QUEUED_MAX } from "../protocol/limits.ts";
import type { Changes, LookAgain, Notice } from "../protocol/messages.ts";
import { Subscriber } from "./subscriber.ts";

/** A link that is busy until the test lets a message through. */
class SlowLink {
  readonly told: (Changes | LookAgain)[] = [];
  readonly #waiting: PromiseWithResolvers<void>[] = [];

  readonly tell = (message: Changes | LookAgain): Promise<void> => {
    this.told.push(message);
    const sent = Promise.withResolvers<void>();
    this.#waiting.push(sent);
    return sent.promise;
  };

  /** Lets the oldest message through. */
  async sent(): Promise<void> {
    this.#waiting.shift()!.resolve();
    await turns();
  }

  async broken(): Promise<void> {
    this.#waiting.shift()!.reject(new Error("the link is gone"));
    await turns();
  }

  /** What was told, as `first..last ≤upTo`. */
  shown(): string[] {
    return this.told.map((message) => {
      if (message.type === "lookAgain") return "look again";
      const revisions = message.notices.map(({ revision }) => revision);
      return `${
        revisions.length === 0 ? "nothing" : `${revisions[0]}..${revisions.at(-1)}`
      } ≤${message.upTo}`;
    });
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

function notices(first: number, last: number): Notice[] {
  const author = { user: "anna", device: "laptop" };
  return Array.from({ length: last - first + 1 }, (_, i) => (
    { kind: "gone", path: parsePath(`p${first + i}`), revision: first + i, author }
  ));
}

function subscribed(): { link: SlowLink; subscriber: Subscriber } {
  const link = new SlowLink();
  const actor = { user: "anna", device: "laptop", replica: "aa", clockOffset: 0 };
  const caller = { actor, rights: () => Rights.ALL };
  return { link, subscriber: new Subscriber({ caller, upTo: 10, conflicts: 0, tell: link.tell }) };
}

Deno.test("subscriber: a change is told at once, with how far all is known", () => {
  const { link, subscriber } = subscribed();
  subscriber.push(notices(11, 12), 12, 3);
  assertEquals(link.shown(), ["11..12 ≤12"]);
  assertEquals((link.told[0] as Changes).conflicts, 3);
});

Deno.test("subscriber: nothing new is no message", () => {
  const { link, subscriber } = subscribed();
  subscriber.push([], 10, 0);
  subscriber.push([], 9, 0);
  subscriber.push([], null, 0);
  assertEquals(link.shown(), []);
});

Deno.test("subscriber: an uploader gets the news before its results, and how far only after them", async () => {
  const { link, subscriber } = subscribed();
  subscriber.push(notices(11, 11), null, 0);
  await link.sent();
  subscriber.push([], 13, 0);
  assertEquals(link.shown(), ["11..11 ≤10", "nothing ≤13"]);
});

Deno.test("subscriber: while the link is busy, changes wait and go together", async () => {
  const { link, subscriber } = subscribed();
  subscriber.push(notices(11, 11), 11, 0);
  subscriber.push(notices(12, 12), 12, 0);
  subscriber.push(notices(13, 14), 14, 0);
  assertEquals(link.shown(), ["11..11 ≤11"]);
  await link.sent();
  assertEquals(link.shown(), ["11..11 ≤11", "12..14 ≤14"]);
  await link.sent();
  assertEquals(link.told.length, 2);
});

Deno.test("subscriber: of what needs several messages, only the last says how far all is known", async () => {
  const { link, subscriber } = subscribed();
  const last = 10 + 2 * ITEMS_MAX + 5;
  subscriber.push(notices(11, last), last, 0);
  await link.sent();
  await link.sent();
  assertEquals(link.shown(), [
    `11..${10 + ITEMS_MAX} ≤10`,
    `${11 + ITEMS_MAX}..${10 + 2 * ITEMS_MAX} ≤10`,
    `${11 + 2 * ITEMS_MAX}..${last} ≤${last}`,
  ]);
});

Deno.test("subscriber: what comes while messages are on their way delays the end of them", async () => {
  const { link, subscriber } = subscribed();
  subscriber.push(notices(11, 10 + ITEMS_MAX), 10 + ITEMS_MAX, 0);
  subscriber.push(notices(11 + ITEMS_MAX, 12 + 2 * ITEMS_MAX), 12 + 2 * ITEMS_MAX, 0);
  await link.sent();
  assertEquals(link.shown().at(-1), `${11 + ITEMS_MAX}..${10 + 2 * ITEMS_MAX} ≤${10 + ITEMS_MAX}`);
  await link.sent();
  assertEquals(link.shown().at(-1), `${11 + 2 * ITEMS_MAX}..${12 + 2 * ITEMS_MAX} ≤${12 + 2 * ITEMS_MAX}`);
});

Deno.test("subscriber: who is too slow is told to look again, and nothing more", async () => {
  const { link, subscriber } = subscribed();
  subscriber.push(notices(1, 1), 11, 0);
  subscriber.push(notices(1, NOTICES_QUEUED_MAX), 12, 0);
  assertEquals(subscriber.closed, false);
  subscriber.push(notices(1, 1), 13, 0);
  assertEquals([subscriber.closed, link.shown().at(-1)], [true, "look again"]);
  await link.sent();
  await link.sent();
  subscriber.push(notices(1, 1), 14, 0);
  assertEquals(link.told.length, 2);
});

Deno.test("subscriber: one flood beyond the bound is not begun", () => {
  const { link, subscriber } = subscribed();
  subscriber.push(notices(1, NOTICES_QUEUED_MAX + 1), 12, 0);
  assertEquals(link.shown(), ["look again"]);
});

Deno.test("subscriber: a broken link closes it quietly", async () => {
  const { link, subscriber } = subscribed();
  subscriber.push(notices(11, 11), 11, 0);
  await link.broken();
  assertEquals(subscriber.closed, true);
  subscriber.push(notices(12, 12), 12, 0);
  assertEquals(link.told.length, 1);
});

Deno.test("subscriber: one that left hears nothing of what waited", async () => {
  const { link, subscriber } = subscribed();
  subscriber.push(notices(11, 11), 11, 0);
  subscriber.push(notices(12, 12), 12, 0);
  subscriber.close();
  await link.sent();
  assertEquals(link.shown(), ["11..11 ≤11"]);
});
