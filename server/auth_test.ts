import { assertEquals } from "@std/assert";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { MemRecords } from "../tests/fakes/mem_records.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { authenticate, TOKEN_BYTES, tokenHash } from "./auth.ts";

const random = new SeededRandom(1n);
const TOKEN = random.bytes(TOKEN_BYTES);
const OTHER = random.bytes(TOKEN_BYTES);

function recordsWith(
  ...devices: readonly { id: string; token: Uint8Array; revoked?: boolean }[]
): MemRecords {
  const records = new MemRecords(new SeededRandom(2n), new ManualClock());
  for (const { id, token, revoked = false } of devices) {
    records.addDevice({ id, name: "laptop", user: "anna", tokenHash: tokenHash(token), created: 0, revoked });
  }
  return records;
}

const CASES: readonly { name: string; id: string; token: Uint8Array; enters: boolean }[] = [
  { name: "the right token", id: "aa", token: TOKEN, enters: true },
  { name: "the other device's token", id: "aa", token: OTHER, enters: false },
  { name: "no token", id: "aa", token: new Uint8Array(0), enters: false },
  { name: "one byte short", id: "aa", token: TOKEN.subarray(1), enters: false },
  { name: "one byte more", id: "aa", token: new Uint8Array([...TOKEN, 0]), enters: false },
  { name: "one bit wrong", id: "aa", token: TOKEN.with(31, TOKEN[31]! ^ 1), enters: false },
  { name: "its hash", id: "aa", token: tokenHash(TOKEN), enters: false },
  { name: "very much", id: "aa", token: new Uint8Array(256), enters: false },
  { name: "an unknown device", id: "cc", token: TOKEN, enters: false },
  {
    name: "an unknown device with the words that stand for it",
    id: "cc",
    token: new TextEncoder().encode("no such device"),
    enters: false,
  },
  { name: "an id like a key of an object", id: "__proto__", token: TOKEN, enters: false },
  { name: "a revoked device", id: "dd", token: TOKEN, enters: false },
];

for (const { name, id, token, enters } of CASES) {
  Deno.test(`auth: ${name} ${enters ? "opens" : "does not open"} the door`, () => {
    const records = recordsWith({ id: "aa", token: TOKEN }, { id: "bb", token: OTHER }, {
      id: "dd",
      token: TOKEN,
      revoked: true,
    });
    assertEquals(authenticate(records, id, token)?.id ?? null, enters ? id : null);
  });
}

Deno.test("auth: a short token does not open the door, though its hash is right", () => {
  const short = TOKEN.subarray(0, 16);
  assertEquals(authenticate(recordsWith({ id: "aa", token: short }), "aa", short), null);
});
