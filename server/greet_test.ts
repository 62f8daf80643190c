import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertMatch } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { encode } from "../protocol/codec.ts";
import { HANDSHAKE_MS_MAX } from "../protocol/limits.ts";
import type { Message } from "../protocol/messages.ts";
import { CA_PEM, type Caller, idOf, Reception, tokenOf } from "../tests/fakes/reception.ts";
import { MAIN_FOLDER } from "./accounts/accounts.ts";
import { tokenHash } from "./auth.ts";
import { FAILURES_FREE, REFUSAL_MS, REFUSAL_SLOW_MS } from "./refusals.ts";

const HOUR_MS = 3_600_000;
const secretOf = (text: string) => new TextEncoder().encode(text.padEnd(16, "."));

/** A server with two folders, its owner, and users with something wrong about them. */
function workgroup(): Reception {
  const reception = new Reception();
  const { accounts } = reception;
  reception.addDevice("owner", "owner");
  accounts.addFolder({ name: "docs", path: "/srv/docs" });
  reception.addFolder("docs");
  accounts.addFolder({ name: "away", path: "/srv/away" });
  for (const name of ["ann", "bob", "left", "lost"]) reception.addUser(name, MAIN_FOLDER);
  reception.addUser("stranger");
  reception.addUser("hidden");
  accounts.grant(MAIN_FOLDER, null, { kind: "user", name: "hidden" }, { access: "none", history: false });
  reception.addUser("reader", "away");
  accounts.grant("docs", parsePath("a/b"), { kind: "user", name: "reader" }, {
    access: "read",
    history: false,
  });
  accounts.disableUser("left", true);
  accounts.revokeDevice(idOf("lost"));
  for (const name of ["used", "gone", "old", "open"]) invite(reception, name);
  accounts.redeem(tokenHash(secretOf("used")), {
    id: idOf("first"),
    name: "first",
    tokenHash: tokenHash(tokenOf("first")),
  });
  accounts.revokeInvitation(2);
  return reception;
}

function invite({ accounts, clock }: Reception, secret: string, folder = MAIN_FOLDER): void {
  const expires = clock.now() + (secret === "old" ? 1 : HOUR_MS);
  accounts.invite({ user: "ann", folder, expires, secretHash: tokenHash(secretOf(secret)) });
}

const wrong: [name: string, message: (reception: Reception) => Message][] = [
  ["an unknown device", (r) => r.hello("nobody")],
  ["no token", (r) => r.hello("ann", { token: new Uint8Array(0) })],
  ["a token one byte short", (r) => r.hello("ann", { token: tokenOf("ann").subarray(0, 31) })],
  ["a token with one byte more", (r) => r.hello("ann", { token: new Uint8Array([...tokenOf("ann"), 0]) })],
  ["a very long token", (r) => r.hello("ann", { token: new Uint8Array(256).fill(97) })],
  ["a wrong token", (r) => r.hello("ann", { token: tokenOf("ann").map((byte, i) => i === 31 ? 0 : byte) })],
  ["another account's token", (r) => r.hello("ann", { token: tokenOf("bob") })],
  ["a revoked device", (r) => r.hello("lost")],
  ["a disabled user", (r) => r.hello("left")],
  ["an unknown folder", (r) => r.hello("ann", { folder: "nowhere" })],
  ["a folder where the user may do nothing", (r) => r.hello("ann", { folder: "docs" })],
  ["a folder that cannot be served, of others", (r) => r.hello("ann", { folder: "away" })],
  ["a user without any grant", (r) => r.hello("stranger")],
  ["a user with a grant that forbids", (r) => r.hello("hidden")],
  ["a name that tries to be another", (r) => r.hello("ann", { folder: `${MAIN_FOLDER}\0` })],
  ["an unknown invitation", (r) => r.join(secretOf("x"), "new")],
  ["an invitation that another device has used", (r) => r.join(secretOf("used"), "new")],
  [
    "a used invitation, its device with another token",
    (r) => r.join(secretOf("used"), "first", { token: tokenOf("new") }),
  ],
  ["a revoked invitation", (r) => r.join(secretOf("gone"), "new")],
  ["an expired invitation", (r) => r.join(secretOf("old"), "new")],
  ["an invitation for a device that is known", (r) => r.join(secretOf("open"), "ann")],
  ["an invitation with a short token", (r) => r.join(secretOf("open"), "new", { token: new Uint8Array(31) })],
];

Deno.test("greet: every error of authentication gives the same bytes after the same time", async (t) => {
  await using reception = workgroup();
  await reception.clock.advance(1000);
  const refused: Caller[] = [];
  for (const [i, [, message]] of wrong.entries()) {
    // From a network of its own each, so that no rate comes in between.
    refused.push(await reception.knock(message(reception), `10.0.0.${i}`));
    // Some while others wait.
    await reception.clock.advance(i % 3);
  }
  await reception.clock.advance(REFUSAL_MS);
  for (const [i, [name]] of wrong.entries()) {
    await t.step(name, () => {
      const { heard, endedAfterMs } = refused[i]!;
      assertEquals(heard, [{ frame: refused[0]!.heard[0]!.frame, afterMs: REFUSAL_MS }]);
      assertEquals([refused[i]!.types(), endedAfterMs], [["denied"], REFUSAL_MS]);
    });
  }
  assertEquals([reception.opened, reception.joined], [[], []]);
});

Deno.test("greet: whoever may come in is welcomed at once, with what it may do", async () => {
  await using reception = workgroup();
  const owner = await reception.signIn("owner");
  const reader = await reception.signIn("reader", { folder: "docs" });
  const [first, second] = [owner, reader].map(({ messages }) => messages[0]!);
  assert(first?.type === "welcome" && second?.type === "welcome");
  assertEquals([first.user, first.folderName, first.rules.length, first.view], [
    "owner",
    MAIN_FOLDER,
    1,
    "0".repeat(32),
  ]);
  assertEquals(second.rules, [{ prefix: parsePath("a/b"), access: "read", history: false }]);
  assertEquals([second.folderName, second.folder], [
    "docs",
    reception.folders.get("docs")!.records.identity().folder,
  ]);
  assert(second.view !== first.view && second.folder !== first.folder);
  assertEquals([owner, reader].map(({ heard }) => heard[0]!.afterMs), [0, 0]);
  assertEquals(reception.opened.map(({ user, folder }) => `${user} ${folder}`), [
    "owner main",
    "reader docs",
  ]);
  assertEquals(reception.accounts.device(idOf("reader"))!.lastSeen > 0, true);
});

Deno.test("greet: a folder that cannot be served now says so to those who may see it", async () => {
  await using reception = workgroup();
  const caller = await reception.knock(reception.hello("reader", { folder: "away" }));
  assertEquals([caller.types(), caller.endedAfterMs], [["internal"], 0]);
  assertEquals(reception.greeter.sessions, 0);
});

Deno.test("greet: an invitation makes a device known, also if its answer was lost", async () => {
  await using reception = workgroup();
  invite(reception, "fresh", "docs");
  const join = reception.join(secretOf("fresh"), "new", { deviceName: "ann's\n\x1b[31mtablet" });
  for (let time = 0; time < 2; time++) {
    const { messages, endedAfterMs } = await reception.knock(join);
    assertEquals(messages, [{
      type: "joined",
      version: 2,
      software: "test",
      user: "ann",
      folderName: "docs",
      folder: reception.folders.get("docs")!.records.identity().folder,
      caPem: CA_PEM,
    }]);
    assertEquals(endedAfterMs, 0);
  }
  assertEquals(
    reception.joined.map(({ user, device }) => [user, device]),
    Array(2).fill(["ann", "ann's [31mtablet"]),
  );
  await reception.signIn("new");
});

Deno.test("greet: guessing gets slow for its network; valid credentials always pass", async () => {
  await using reception = workgroup();
  const guesses: Caller[] = [];
  for (let i = 0; i < FAILURES_FREE + 5; i++) guesses.push(await reception.knock(reception.hello("nobody")));
  const [honest, other] = [
    await reception.signIn("ann"),
    await reception.knock(reception.hello("x"), "10.0.0.8"),
  ];
  await reception.clock.advance(REFUSAL_SLOW_MS);
  assertEquals(
    guesses.map(({ endedAfterMs }) => endedAfterMs),
    guesses.map((_, i) => i < FAILURES_FREE ? REFUSAL_MS : REFUSAL_SLOW_MS),
  );
  assertEquals(new Set(guesses.map(({ heard }) => heard[0]!.frame.toHex())).size, 1);
  assertEquals([honest.heard[0]!.afterMs, other.endedAfterMs], [0, REFUSAL_MS]);
  await reception.clock.advance(60_000);
  assertEquals(reception.failed, [
    { network: "10.0.0.7", count: 1 },
    { network: "10.0.0.8", count: 1 },
    { network: "10.0.0.7", count: FAILURES_FREE + 5 },
  ]);
});

const notBeginnings: [name: string, first: Message | Uint8Array][] = [
  ["a ping", { type: "ping" }],
  ["a subscription", { type: "subscribe", since: 0, live: true }],
  ["an upload", {
    type: "upload",
    items: [],
    block: { encoding: "raw", rawSize: 0, bytes: new Uint8Array(0) },
  }],
  ["an answer", { type: "lookAgain" }],
  ["a frame without a type", new Uint8Array(1)],
  ["an unknown type", new Uint8Array([200, 0, 0, 0, 0])],
  ["a web browser", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")],
];

Deno.test("greet: what is no beginning is refused, always in the same words", async (t) => {
  await using reception = workgroup();
  const answers = new Set<string>();
  for (const [name, first] of notBeginnings) {
    await t.step(name, async () => {
      const caller = await reception.knock(first);
      assertEquals([caller.types(), caller.endedAfterMs], [["protocol"], 0]);
      answers.add(caller.heard[0]!.frame.toHex());
    });
  }
  const cut = await reception.knock(encode({ id: 0, message: reception.hello("ann") }).subarray(0, 60));
  answers.add(cut.heard[0]!.frame.toHex());
  assertEquals(answers.size, 1);
});

Deno.test("greet: the version that the client likes best is spoken, and without one it is told", async () => {
  await using reception = workgroup();
  const [welcome] = (await reception.signIn("ann", { versions: [9, 2] })).messages;
  assertEquals(welcome?.type === "welcome" && welcome.version, 2);
  const other = await reception.knock(reception.hello("nobody", { versions: [9] }));
  const [answer] = other.messages;
  assert(answer?.type === "error" && answer.code === "version");
  assertMatch(answer.message, /version 2$/);
});

Deno.test("greet: frames of impossible lengths end the connection at once, before and after signing in", async () => {
  await using reception = workgroup();
  for (const length of [0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    const stranger = reception.connect();
    const known = await reception.signIn("ann");
    for (const { wire } of [stranger, known]) wire.announce("a", length);
    await reception.clock.settle();
    assertEquals([stranger.endedAfterMs, known.endedAfterMs], [0, 0], `${length}`);
  }
  const early = reception.connect();
  early.wire.announce("a", 4097);
  const later = await reception.signIn("ann");
  later.wire.announce("a", 4097);
  await reception.clock.settle();
  assertEquals([early.endedAfterMs, later.endedAfterMs], [0, null]);
  assertEquals((await reception.knock(new Uint8Array(1))).types(), ["protocol"]);
  await later.say(new Uint8Array(1));
  assertEquals([later.types(), later.endedAfterMs], [["welcome"], 0]);
});

Deno.test("greet: who says nothing, or only a part, is shown out", async () => {
  await using reception = workgroup();
  const silent = reception.connect();
  const slow = reception.connect();
  slow.wire.announce("a", 100);
  await reception.clock.advance(HANDSHAKE_MS_MAX - 1);
  assertEquals([silent.endedAfterMs, slow.endedAfterMs], [null, null]);
  await reception.clock.advance(1);
  assertEquals([silent, slow].map(({ endedAfterMs, heard }) => [endedAfterMs, heard]), [
    [HANDSHAKE_MS_MAX, []],
    [HANDSHAKE_MS_MAX, []],
  ]);
});

Deno.test("greet: a thousand who stay silent keep nobody out, and no more of them are held than the limit", async () => {
  const reception = new Reception({ connections: 60, strangers: 20 });
  await using _ = reception;
  reception.addUser("ann", MAIN_FOLDER);
  const working = await reception.signIn("ann", { replica: idOf("other") });
  const silent = Array.from({ length: 1000 }, () => reception.connect());
  await reception.clock.settle();
  assertEquals(silent.filter(({ endedAfterMs }) => endedAfterMs === null).length, 20);
  await reception.signIn("ann");
  assertEquals(working.endedAfterMs, null);
  await reception.clock.advance(HANDSHAKE_MS_MAX);
  assertEquals(silent.some(({ endedAfterMs }) => endedAfterMs === null), false);
  assertEquals(reception.greeter.sessions, 2);
  assertLessOrEqual(reception.clock.pending, 10);
  assertGreaterOrEqual(reception.opened.length, 2);
});
