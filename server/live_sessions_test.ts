import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertMatch } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { encode } from "../protocol/codec.ts";
import { talk } from "../client/wire_remote.ts";
import { REQUESTS_IN_FLIGHT_MAX, SILENCE_MS_MAX } from "../protocol/limits.ts";
import { type Caller, idOf, Reception, tokenOf } from "../tests/fakes/reception.ts";
import { MAIN_FOLDER } from "./accounts/accounts.ts";
import { TAKEOVERS_MAX, USER_SESSIONS_MAX } from "./live_sessions.ts";
import { Refused } from "./refuse.ts";

const READ = { access: "read", history: false } as const;
const WRITE = { access: "write", history: false } as const;
const user = (name: string) => ({ kind: "user", name }) as const;

/** Ann is in both folders, bob in one; ann has two devices. */
function workgroup(): Reception {
  const reception = new Reception();
  reception.accounts.addFolder({ name: "docs", path: "/srv/docs" });
  reception.addFolder("docs");
  reception.addUser("ann", MAIN_FOLDER, "docs");
  reception.addDevice("ann", "laptop");
  reception.addUser("bob", MAIN_FOLDER);
  return reception;
}

interface Sessions {
  readonly ann: Caller;
  readonly laptop: Caller;
  readonly docs: Caller;
  readonly bob: Caller;
}

async function connectAll(reception: Reception): Promise<Sessions> {
  return {
    ann: await reception.signIn("ann"),
    laptop: await reception.signIn("laptop"),
    docs: await reception.signIn("laptop", { folder: "docs" }),
    bob: await reception.signIn("bob"),
  };
}

type Name = keyof Sessions;

const changes: {
  name: string;
  change: (reception: Reception) => void;
  denied?: Name[];
  closing?: Name[];
}[] = [
  {
    name: "a device is revoked",
    change: (r) => r.accounts.revokeDevice(idOf("laptop")),
    denied: ["laptop", "docs"],
  },
  {
    name: "a user is disabled",
    change: (r) => r.accounts.disableUser("ann", true),
    denied: ["ann", "laptop", "docs"],
  },
  { name: "a user is removed", change: (r) => r.accounts.removeUser("bob"), denied: ["bob"] },
  {
    name: "the last grant in a folder is taken back",
    change: (r) => r.accounts.grant("docs", null, user("ann"), null),
    denied: ["docs"],
  },
  { name: "a folder is removed", change: (r) => r.accounts.removeFolder("docs"), denied: ["docs"] },
  {
    name: "a part is hidden",
    change: (r) =>
      r.accounts.grant(MAIN_FOLDER, parsePath("a"), user("bob"), { access: "none", history: false }),
    closing: ["bob"],
  },
  {
    name: "a right is taken, the view stays",
    change: (r) => r.accounts.grant(MAIN_FOLDER, null, user("ann"), READ),
    closing: ["ann", "laptop"],
  },
  {
    name: "a group brings more",
    change: ({ accounts }) => {
      accounts.addGroup("team");
      accounts.setMember("team", "bob", true);
      accounts.grant(MAIN_FOLDER, parsePath("b"), { kind: "group", name: "team" }, {
        ...WRITE,
        history: true,
      });
    },
    closing: ["bob"],
  },
  { name: "others change", change: (r) => r.addUser("eve", MAIN_FOLDER, "docs") },
  { name: "a quota changes", change: (r) => r.accounts.setQuota("bob", 5) },
  {
    name: "a grant says again what holds",
    change: (r) => r.accounts.grant(MAIN_FOLDER, null, user("bob"), WRITE),
  },
  {
    name: "what changed is as before at the end of the turn",
    change: ({ accounts }) => {
      accounts.disableUser("bob", true);
      accounts.disableUser("bob", false);
    },
  },
];

for (const { name, change, denied = [], closing = [] } of changes) {
  Deno.test(`sessions: ${name}: those whom it concerns end at once, with the reason`, async () => {
    await using reception = workgroup();
    const sessions = await connectAll(reception);
    change(reception);
    await reception.clock.settle();
    for (const [who, { wire: _, ...caller }] of Object.entries(sessions) as [Name, Caller][]) {
      const expected = denied.includes(who) ? "denied" : closing.includes(who) ? "closing" : null;
      const heard = sessions[who].types().slice(1);
      assertEquals(heard, expected === null ? [] : [expected], who);
      assertEquals(caller.endedAfterMs, expected === null ? null : 0, who);
    }
    assertEquals(reception.closed.length, denied.length + closing.length);
    assertEquals(reception.greeter.sessions, 4 - denied.length - closing.length);
  });
}

Deno.test("sessions: a session that opens sees the rights of that moment, and each later one", async () => {
  await using reception = workgroup();
  const { accounts } = reception;
  const caller = await reception.signIn("bob");
  accounts.grant(MAIN_FOLDER, null, user("bob"), READ);
  await reception.clock.settle();
  const again = await reception.signIn("bob");
  const [first, second] = [caller, again].map(({ messages }) => messages[0]);
  assert(first?.type === "welcome" && second?.type === "welcome");
  assertEquals([first.rules[0]!.access, second.rules[0]!.access], ["write", "read"]);
});

Deno.test("sessions: a new session of a replica takes the place of the one before, in that folder only", async () => {
  await using reception = workgroup();
  const { ann, laptop, docs } = await connectAll(reception);
  const again = await reception.signIn("laptop");
  assertEquals([ann, laptop, docs, again].map(({ endedAfterMs }) => endedAfterMs), [null, 0, null, null]);
  assertEquals(laptop.types(), ["welcome", "closing"]);
  // The end of the old one does not take the new one with it.
  await reception.clock.advance(1000);
  assertEquals([reception.greeter.sessions, again.endedAfterMs], [4, null]);
});

Deno.test("sessions: two copies of one directory do not push each other out for ever", async () => {
  await using reception = workgroup();
  let last = await reception.signIn("ann");
  for (let i = 0; i < TAKEOVERS_MAX; i++) last = await reception.signIn("ann");
  const refused = await reception.knock(reception.hello("ann"));
  const [answer] = refused.messages;
  assert(answer?.type === "error" && answer.code === "limit");
  assertMatch(answer.hint, /copied/);
  assertEquals(last.endedAfterMs, null);
  // Others, and another replica of the same device, are not concerned.
  await reception.signIn("bob");
  await reception.signIn("ann", { replica: idOf("another") });
  await reception.clock.advance(60_000);
  await reception.signIn("ann");
});

Deno.test("sessions: one user has so many at most, and that keeps no other out", async () => {
  await using reception = workgroup();
  const sessions: Caller[] = [];
  for (let i = 0; i < USER_SESSIONS_MAX; i++) {
    sessions.push(await reception.signIn("ann", { replica: idOf(`r${i}`) }));
  }
  const more = await reception.knock(reception.hello("laptop"));
  assertEquals(more.types(), ["limit"]);
  await reception.signIn("bob");
  sessions[0]!.wire.a.close();
  await reception.clock.settle();
  await reception.signIn("laptop");
});

Deno.test("sessions: when the server goes, everybody is told, and nobody is waited for", async () => {
  const reception = workgroup();
  const { ann, bob } = await connectAll(reception);
  const silent = reception.connect();
  const refused = await reception.knock(reception.hello("nobody"));
  await reception[Symbol.asyncDispose]();
  assertEquals([ann, bob].map((caller) => caller.types()), Array(2).fill(["welcome", "closing"]));
  assertEquals([silent.types(), refused.types()], [[], []]);
  for (const caller of [ann, bob, silent, refused]) assertEquals(caller.endedAfterMs, 0);
  const late = reception.connect();
  await reception.clock.settle();
  assertEquals(late.endedAfterMs, 0);
});

Deno.test("sessions: a folder that is not served any more ends its own", async () => {
  await using reception = workgroup();
  const sessions = await connectAll(reception);
  reception.greeter.endFolder(
    "docs",
    new Refused("closing", "Cannot go on: the folder is not served any more"),
  );
  await reception.clock.settle();
  const ended = Object.values(sessions).map(({ endedAfterMs }) => endedAfterMs !== null);
  assertEquals(ended, [false, false, true, false]);
});

Deno.test("sessions: when the line goes dead, both sides know within 50 s", async () => {
  await using reception = workgroup();
  const { clock } = reception;
  const line = reception.plug();
  const remote = await clock.runUntil(
    talk(line.a, {
      software: "test",
      folder: "",
      replica: idOf("r"),
      device: idOf("ann"),
      token: tokenOf("ann"),
    }, clock),
  );
  await clock.advance(600_000);
  assertEquals(reception.greeter.sessions, 1);
  const before = clock.monotonic();
  let clientKnew = 0;
  void remote.closed.then(() => clientKnew = clock.monotonic() - before);
  line.blackHole(true);
  await clock.advance(SILENCE_MS_MAX - 15_000);
  assertEquals([reception.greeter.sessions, clientKnew], [1, 0]);
  await clock.advance(20_000);
  assertEquals(reception.greeter.sessions, 0);
  assertGreaterOrEqual(clientKnew, SILENCE_MS_MAX - 15_000);
  assertLessOrEqual(clientKnew, SILENCE_MS_MAX + 5_000);
  assertMatch(reception.closed.at(-1)!.reason, /silent/);
});

Deno.test("sessions: who asks on and on and never reads is given up within 55 s, and holds little", async () => {
  await using reception = workgroup();
  const { a, b } = reception.plug("10.0.0.7", { windowBytes: 1000 });
  // Nothing is ever read on this side; what it asks is answered as long as there is room.
  await a.send(encode({ id: 0, message: reception.hello("ann") }));
  let asked = 0;
  const asking = (async () => {
    for (;; asked++) await a.send(encode({ id: 1, message: { type: "ping" } }));
  })().catch(() => {});
  await reception.clock.advance(SILENCE_MS_MAX - 5_000);
  assertEquals(reception.greeter.sessions, 1);
  assertGreaterOrEqual(b.bytesWaiting, 1000);
  assertLessOrEqual(b.bytesWaiting, 1000 + REQUESTS_IN_FLIGHT_MAX * 9);
  await reception.clock.advance(15_000);
  await asking;
  assertEquals(reception.greeter.sessions, 0);
  assertMatch(reception.closed[0]!.reason, /does not read/);
  assertLessOrEqual(asked, 1000);
});
