import { assert, assertEquals } from "@std/assert";
import { MemAccounts } from "../tests/fakes/mem_accounts.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { MAIN_FOLDER } from "./accounts/accounts.ts";
import { type Admitted, authenticate, TOKEN_BYTES, tokenHash } from "./auth.ts";

const random = new SeededRandom(1n);
const TOKEN = random.bytes(TOKEN_BYTES);
const OTHER = random.bytes(TOKEN_BYTES);
const SHORT = TOKEN.subarray(0, 16);

/** anna may write everything, ben one directory, cleo nothing, dora is forbidden everything, emil is disabled. */
function accounts(): MemAccounts {
  const made = new MemAccounts(new SeededRandom(2n), new ManualClock());
  made.setOwner("olga");
  made.addFolder({ name: "photos", path: "/srv/photos" });
  for (const name of ["anna", "ben", "cleo", "dora", "emil"]) made.addUser({ name });
  const allow = (user: string, prefix: string | null, access: "none" | "read" | "write") =>
    made.grant(MAIN_FOLDER, prefix as never, { kind: "user", name: user }, { access, history: false });
  allow("anna", null, "write");
  allow("ben", "docs", "read");
  allow("dora", null, "none");
  allow("emil", null, "write");
  const device = (id: string, user: string, token: Uint8Array) =>
    made.addDevice({ id, name: "laptop", user, tokenHash: tokenHash(token) });
  device("aa", "anna", TOKEN);
  device("a2", "anna", OTHER);
  device("a3", "anna", SHORT);
  device("bb", "ben", TOKEN);
  device("cc", "cleo", TOKEN);
  device("dd", "dora", TOKEN);
  device("ee", "emil", TOKEN);
  device("oo", "olga", TOKEN);
  device("rr", "anna", TOKEN);
  made.revokeDevice("rr");
  made.disableUser("emil", true);
  return made;
}

const words = new TextEncoder().encode("no such device");

const CASES: readonly { name: string; id: string; token: Uint8Array; folder?: string; enters: boolean }[] = [
  { name: "the right token", id: "aa", token: TOKEN, enters: true },
  { name: "a right to one directory", id: "bb", token: TOKEN, enters: true },
  { name: "the owner", id: "oo", token: TOKEN, enters: true },
  { name: "the owner, in every folder,", id: "oo", token: TOKEN, folder: "photos", enters: true },
  { name: "the other device's token", id: "aa", token: OTHER, enters: false },
  { name: "no token", id: "aa", token: new Uint8Array(0), enters: false },
  { name: "one byte short", id: "aa", token: TOKEN.subarray(1), enters: false },
  { name: "one byte more", id: "aa", token: new Uint8Array([...TOKEN, 0]), enters: false },
  { name: "one bit wrong", id: "aa", token: TOKEN.with(31, TOKEN[31]! ^ 1), enters: false },
  { name: "its hash", id: "aa", token: tokenHash(TOKEN), enters: false },
  { name: "very much", id: "aa", token: new Uint8Array(256), enters: false },
  { name: "a short token whose hash is right", id: "a3", token: SHORT, enters: false },
  { name: "an unknown device", id: "xx", token: TOKEN, enters: false },
  { name: "an unknown device with the words that stand for it", id: "xx", token: words, enters: false },
  { name: "an id like a key of an object", id: "__proto__", token: TOKEN, enters: false },
  { name: "a revoked device", id: "rr", token: TOKEN, enters: false },
  { name: "a disabled user", id: "ee", token: TOKEN, enters: false },
  { name: "a user without any grant", id: "cc", token: TOKEN, enters: false },
  { name: "a user who is forbidden everything", id: "dd", token: TOKEN, enters: false },
  { name: "a right in another folder", id: "aa", token: TOKEN, folder: "photos", enters: false },
  { name: "a folder that is not there", id: "oo", token: TOKEN, folder: "secrets", enters: false },
  { name: "no folder", id: "aa", token: TOKEN, folder: "", enters: false },
];

function enter(made: MemAccounts, device: string, token: Uint8Array, folder = MAIN_FOLDER): Admitted | null {
  return authenticate(made, { device, token, folder });
}

for (const { name, id, token, folder, enters } of CASES) {
  Deno.test(`auth: ${name} ${enters ? "opens" : "does not open"} the door`, () => {
    assertEquals(enter(accounts(), id, token, folder)?.device.id ?? null, enters ? id : null);
  });
}

Deno.test("auth: whoever comes in is told what it may do", () => {
  const admitted = enter(accounts(), "bb", TOKEN);
  assert(admitted !== null);
  assertEquals(admitted.membership.user, "ben");
  assertEquals(admitted.membership.rules.map(({ prefix, access }) => [prefix, access]), [[
    "docs" as never,
    "read",
  ]]);
});

Deno.test("auth: a grant that is taken back closes the door at once, and one that is given opens it", () => {
  const made = accounts();
  const ben = { kind: "user", name: "ben" } as const;
  made.grant(MAIN_FOLDER, "docs" as never, ben, null);
  assertEquals(enter(made, "bb", TOKEN), null);
  made.grant(MAIN_FOLDER, null, ben, { access: "read", history: false });
  assertEquals(enter(made, "bb", TOKEN)?.membership.user, "ben");
});
