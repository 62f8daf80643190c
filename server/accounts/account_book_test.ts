/** The bounds of the accounts. */
import { assertEquals, assertThrows } from "@std/assert";
import { parsePath } from "../../core/path.ts";
import { MemAccounts } from "../../tests/fakes/mem_accounts.ts";
import { SeededRandom } from "../../tests/fakes/seeded_random.ts";
import { AccountError, MAIN_FOLDER } from "./accounts.ts";
import {
  DEVICES_MAX,
  FOLDERS_MAX,
  GROUPS_MAX,
  INVITATIONS_OPEN_MAX,
  USER_RULES_MAX,
  USERS_MAX,
} from "./limits.ts";

const READ = { access: "read", history: false } as const;

function make(): { accounts: MemAccounts; time: { now: number } } {
  const time = { now: 1_000_000_000_000 };
  const accounts = new MemAccounts(new SeededRandom(1n), { now: () => time.now++ });
  accounts.setOwner("olga");
  accounts.addUser({ name: "ann" });
  return { accounts, time };
}

function assertFull(work: () => unknown): void {
  const error = assertThrows(work, AccountError);
  assertEquals([error.code, error.hint !== ""], ["limit", true]);
}

const hash = (n: number): Uint8Array => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, n + 1);
  return bytes;
};
const device = (n: number) => ({ id: n.toString(16).padStart(32, "0"), name: `d${n}`, tokenHash: hash(n) });

Deno.test("users, groups and folders have a bound", () => {
  const { accounts } = make();
  for (let n = 2; n < USERS_MAX; n++) accounts.addUser({ name: `u${n}` });
  assertFull(() => accounts.addUser({ name: "one-more" }));
  for (let n = 0; n < GROUPS_MAX; n++) accounts.addGroup(`g${n}`);
  assertFull(() => accounts.addGroup("one-more"));
  for (let n = 1; n < FOLDERS_MAX; n++) accounts.addFolder({ name: `f${n}`, path: `/f/${n}` });
  assertFull(() => accounts.addFolder({ name: "one-more", path: "/one" }));
});

Deno.test("a user has so many devices; those that were revoked make room, the oldest first", () => {
  const { accounts } = make();
  for (let n = 0; n < DEVICES_MAX; n++) accounts.addDevice({ ...device(n), user: "ann" });
  assertFull(() => accounts.addDevice({ ...device(DEVICES_MAX), user: "ann" }));
  accounts.invite({ user: "ann", folder: MAIN_FOLDER, expires: 1_000_001_000_000, secretHash: hash(7) });
  assertFull(() => accounts.redeem(hash(7), device(DEVICES_MAX)));
  assertEquals(accounts.invitations()[0]?.usedBy, null);
  // One that is known takes no more room.
  accounts.addDevice({ ...device(3), tokenHash: hash(99), user: "ann" });
  for (const n of [9, 5]) accounts.revokeDevice(device(n).id);
  assertEquals(accounts.redeem(hash(7), device(DEVICES_MAX))?.usedBy, device(DEVICES_MAX).id);
  assertEquals([accounts.device(device(5).id), accounts.device(device(9).id)?.revoked], [null, true]);
  // The invitation of a device that was forgotten does not bring it back.
  assertEquals(accounts.devices().length, DEVICES_MAX);
});

Deno.test("a device that was forgotten does not come back by its old invitation", () => {
  const { accounts } = make();
  accounts.invite({ user: "ann", folder: MAIN_FOLDER, expires: 1_000_001_000_000, secretHash: hash(7) });
  accounts.redeem(hash(7), device(0));
  accounts.revokeDevice(device(0).id);
  for (let n = 1; n <= DEVICES_MAX; n++) accounts.addDevice({ ...device(n), user: "ann" });
  assertEquals(accounts.device(device(0).id), null);
  assertEquals(accounts.redeem(hash(7), device(0)), null);
});

Deno.test("so many invitations may wait", () => {
  const { accounts, time } = make();
  const invite = (n: number) =>
    accounts.invite({ user: "ann", folder: MAIN_FOLDER, expires: time.now + 100_000, secretHash: hash(n) });
  for (let n = 0; n < INVITATIONS_OPEN_MAX; n++) invite(n);
  assertFull(() => invite(INVITATIONS_OPEN_MAX));
  accounts.revokeInvitation(5);
  invite(INVITATIONS_OPEN_MAX);
  assertFull(() => invite(0));
  time.now += 200_000;
  invite(INVITATIONS_OPEN_MAX + 1);
});

Deno.test("one user's rules fit in one message, whether they are its own or its groups'", () => {
  const { accounts } = make();
  accounts.addGroup("staff");
  accounts.setMember("staff", "ann", true);
  const half = USER_RULES_MAX / 2;
  const ann = { kind: "user", name: "ann" } as const;
  const staff = { kind: "group", name: "staff" } as const;
  for (let n = 0; n < half; n++) {
    accounts.grant(MAIN_FOLDER, parsePath(`a/${n}`), ann, READ);
    accounts.grant(MAIN_FOLDER, parsePath(`g/${n}`), staff, READ);
  }
  assertEquals(accounts.membership("ann", MAIN_FOLDER)?.rules.length, USER_RULES_MAX);
  assertFull(() => accounts.grant(MAIN_FOLDER, null, ann, READ));
  assertFull(() => accounts.grant(MAIN_FOLDER, null, staff, READ));
  // A prefix that has a rule takes no more room.
  accounts.grant(MAIN_FOLDER, parsePath("g/0"), ann, READ);
  accounts.addGroup("more");
  accounts.grant(MAIN_FOLDER, parsePath("m"), { kind: "group", name: "more" }, READ);
  assertFull(() => accounts.setMember("more", "ann", true));
  assertEquals(accounts.membership("ann", MAIN_FOLDER)?.rules.length, USER_RULES_MAX);
});
