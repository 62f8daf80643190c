/** What every {@link Accounts} does. Run on the real ones and on the twin by `accounts_test.ts`. */
import { assert, assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { Access, Subject } from "../../core/access.ts";
import { parsePath } from "../../core/path.ts";
import {
  AccountError,
  type Accounts,
  EVERYTHING,
  MAIN_FOLDER,
  type NewDevice,
  ownerOf,
} from "../../server/accounts/accounts.ts";

export interface AccountsPlace {
  /** Opens the accounts; the same ones after `close()`. */
  open(clock: HandClock): Accounts;
  remove(): void;
}

const HOUR_MS = 3_600_000;
const START_MS = 1_735_689_600_000;
const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const id = (byte: number): string => byte.toString(16).padStart(2, "0").repeat(16);
const user = (name: string): Subject => ({ kind: "user", name });
const group = (name: string): Subject => ({ kind: "group", name });
const device = (byte: number, over: Partial<NewDevice> = {}): NewDevice => ({
  id: id(byte),
  name: "laptop",
  tokenHash: hash(byte),
  ...over,
});

/** Set by the test. */
export class HandClock {
  #ms = START_MS;
  now(): number {
    return this.#ms;
  }
  advance(ms: number): void {
    this.#ms += ms;
  }
}

/** Accounts with an owner, two users, a group and a second folder. */
interface Scene {
  readonly accounts: Accounts;
  readonly clock: HandClock;
  /** Closes the accounts and opens them again. */
  reopen(): Accounts;
  /** `prefix access`, e.g. `docs write`; `/` is the root. */
  allow(subject: Subject, line: string, over?: { history?: boolean; folder?: string }): void;
  /** Runs `work`, which must fail with this code and change nothing. */
  refuse(code: AccountError["code"], work: () => unknown): AccountError;
  /** What somebody may do at a path. */
  at(name: string, path: string, folder?: string): Access | null;
}

function scene(place: AccountsPlace): Scene {
  const clock = new HandClock();
  let accounts = place.open(clock);
  accounts.setOwner("olga");
  for (const name of ["ann", "ben"]) accounts.addUser({ name });
  accounts.addGroup("staff");
  accounts.addFolder({ name: "photos", path: "/srv/photos" });
  return {
    clock,
    get accounts() {
      return accounts;
    },
    reopen() {
      accounts.close();
      return accounts = place.open(clock);
    },
    allow(subject, line, { history = false, folder = MAIN_FOLDER } = {}) {
      const [prefix, access] = line.split(" ");
      accounts.grant(folder, prefix === "/" ? null : parsePath(prefix!), subject, {
        access: access as Access,
        history,
      });
    },
    refuse(code, work) {
      const before = everything(accounts);
      const error = assertThrows(work, AccountError);
      assertEquals(error.code, code, error.message);
      assertEquals(everything(accounts), before);
      return error;
    },
    at: (name, path, folder = MAIN_FOLDER) =>
      accounts.membership(name, folder)?.rights.at(parsePath(path)) ?? null,
  };
}

function everything(accounts: Accounts): unknown {
  return [
    accounts.users(),
    accounts.groups(),
    accounts.devices(),
    accounts.invitations(),
    accounts.folders(),
    accounts.grants(),
  ];
}

export function accountsSuite(what: string, make: () => AccountsPlace): void {
  const test = (name: string, body: (scene: Scene) => void) =>
    Deno.test(`${what}: ${name}`, () => {
      const place = make();
      try {
        const s = scene(place);
        body(s);
        s.accounts.close();
      } finally {
        place.remove();
      }
    });

  test("everything comes back after it was closed", (s) => {
    const { accounts } = s;
    accounts.setQuota("ann", 12_345_678_901);
    accounts.disableUser("ben", true);
    accounts.setMember("staff", "ann", true);
    accounts.addDevice({ ...device(1), user: "ann" });
    accounts.addDevice({ ...device(2), user: "ann" });
    accounts.noteSeen(id(1));
    accounts.revokeDevice(id(2));
    const expires = s.clock.now() + HOUR_MS;
    accounts.invite({ user: "ann", folder: "photos", expires, secretHash: hash(9) });
    accounts.invite({ user: "ann", folder: MAIN_FOLDER, expires, secretHash: hash(8) });
    accounts.redeem(hash(9), device(3));
    accounts.revokeInvitation(2);
    s.allow(user("ann"), "docs/secret none");
    s.allow(group("staff"), "/ read", { history: true, folder: "photos" });
    const before = everything(accounts);
    const view = accounts.membership("ann", "photos")?.view;
    assertEquals(everything(s.reopen()), before);
    assertEquals(s.accounts.membership("ann", "photos")?.view, view);
    assertEquals(s.accounts.user("ann"), {
      name: "ann",
      owner: false,
      disabled: false,
      quota: 12_345_678_901,
      created: START_MS,
    });
    assertEquals(s.accounts.groups(), [{ name: "staff", members: ["ann"] }]);
    assertEquals(s.accounts.folders(), [{ name: MAIN_FOLDER, path: null }, {
      name: "photos",
      path: "/srv/photos",
    }]);
  });

  test("names are taken once, and what is unknown is said to be", (s) => {
    const { accounts } = s;
    s.refuse("exists", () => accounts.addUser({ name: "ann" }));
    s.refuse("exists", () => accounts.addUser({ name: "olga" }));
    s.refuse("exists", () => accounts.addGroup("staff"));
    s.refuse("exists", () => accounts.addFolder({ name: "photos", path: "/elsewhere" }));
    s.refuse("exists", () => accounts.addFolder({ name: MAIN_FOLDER, path: "/elsewhere" }));
    for (
      const name of [
        "",
        "-x",
        ".x",
        "a/b",
        "a b",
        "a\nb",
        "a\0b",
        "e\u0301x",
        "ann\ufe0f",
        "x".repeat(65),
        "__proto__/",
      ]
    ) {
      s.refuse("invalid", () => accounts.addUser({ name }));
      s.refuse("invalid", () => accounts.addGroup(name));
      s.refuse("invalid", () => accounts.addFolder({ name, path: "/elsewhere" }));
    }
    s.refuse("unknown", () => accounts.removeUser("cleo"));
    s.refuse("unknown", () => accounts.disableUser("cleo", true));
    s.refuse("unknown", () => accounts.setQuota("cleo", 1));
    s.refuse("unknown", () => accounts.removeGroup("ann"));
    s.refuse("unknown", () => accounts.setMember("nobody", "ann", true));
    s.refuse("unknown", () => accounts.setMember("staff", "cleo", true));
    s.refuse("unknown", () => accounts.addDevice({ ...device(1), user: "cleo" }));
    s.refuse("unknown", () => accounts.revokeDevice(id(1)));
    s.refuse("unknown", () => accounts.revokeInvitation(1));
    s.refuse("unknown", () => accounts.removeFolder("music"));
    s.refuse("unknown", () => s.allow(user("cleo"), "/ read"));
    s.refuse("unknown", () => s.allow(group("ann"), "/ read"));
    s.refuse("unknown", () => s.allow(user("ann"), "/ read", { folder: "music" }));
    s.refuse("unknown", () => accounts.grant(MAIN_FOLDER, null, user("ann"), null));
    accounts.addUser({ name: "constructor" });
    assertEquals([accounts.user("toString"), accounts.user("constructor")?.name], [null, "constructor"]);
    assertEquals(accounts.membership("toString", MAIN_FOLDER), null);
  });

  test("users have a quota that is a count of bytes", (s) => {
    s.accounts.addUser({ name: "cleo", quota: 5 });
    assertEquals(s.accounts.user("cleo")?.quota, 5);
    s.accounts.setQuota("cleo", 0);
    assertEquals(s.accounts.user("cleo")?.quota, 0);
    s.accounts.setQuota("cleo", null);
    assertEquals(s.accounts.user("cleo")?.quota, null);
    for (const quota of [-1, 1.5, NaN, Infinity, 2 ** 60]) {
      s.refuse("invalid", () => s.accounts.setQuota("cleo", quota));
    }
  });

  test("the owner may do everything everywhere, and nobody can take that away", (s) => {
    const { accounts } = s;
    assertEquals(ownerOf(accounts)?.name, "olga");
    s.refuse("forbidden", () => accounts.removeUser("olga"));
    s.refuse("forbidden", () => accounts.disableUser("olga", true));
    s.refuse("forbidden", () => accounts.setQuota("olga", 1));
    s.refuse("forbidden", () => s.allow(user("olga"), "/ none"));
    s.allow(group("staff"), "/ none");
    accounts.setMember("staff", "olga", true);
    for (const folder of [MAIN_FOLDER, "photos"]) {
      assertEquals(s.at("olga", "a/b", folder), "write");
      const membership = accounts.membership("olga", folder);
      assertEquals(membership?.view, EVERYTHING);
      assert(membership?.rights.showsPast(parsePath("a")));
    }
  });

  test("another owner leaves the one before what it could do, as grants", (s) => {
    s.allow(user("ann"), "docs none");
    s.accounts.disableUser("ann", true);
    s.accounts.setOwner("ann");
    assertEquals(s.accounts.users().map(({ name, owner }) => [name, owner]), [
      ["ann", true],
      ["ben", false],
      ["olga", false],
    ]);
    for (const folder of [MAIN_FOLDER, "photos"]) {
      assertEquals([s.at("ann", "docs", folder), s.at("olga", "docs", folder)], ["write", "write"]);
    }
    assertEquals(s.accounts.grants().map(({ subject }) => subject.name), ["olga", "olga"]);
    s.accounts.removeUser("olga");
    s.accounts.setOwner("paul");
    assertEquals(ownerOf(s.reopen())?.name, "paul");
  });

  test("a user who is removed takes everything along, and a new one of that name has nothing of it", (s) => {
    const { accounts } = s;
    s.allow(user("ann"), "/ write");
    s.allow(user("ben"), "/ write");
    s.allow(group("staff"), "docs read");
    for (const name of ["ann", "ben"]) accounts.setMember("staff", name, true);
    accounts.addDevice({ ...device(1), user: "ann" });
    accounts.addDevice({ ...device(2), user: "ben" });
    const expires = s.clock.now() + HOUR_MS;
    accounts.invite({ user: "ann", folder: MAIN_FOLDER, expires, secretHash: hash(7) });
    accounts.removeUser("ann");
    accounts.addUser({ name: "ann" });
    assertEquals(accounts.membership("ann", MAIN_FOLDER)?.rules, []);
    assertEquals(accounts.devices().map((d) => d.user), ["ben"]);
    assertEquals(accounts.invitations(), []);
    assertEquals(accounts.redeem(hash(7), device(3)), null);
    assertEquals(accounts.groups()[0]?.members, ["ben"]);
    assertEquals(everything(s.reopen()), everything(s.accounts));
  });

  test("a disabled user has no membership, and gets it back as it was", (s) => {
    s.allow(user("ann"), "/ write");
    s.accounts.disableUser("ann", true);
    assertEquals(s.accounts.membership("ann", MAIN_FOLDER), null);
    s.accounts.disableUser("ann", false);
    assertEquals(s.at("ann", "a"), "write");
  });

  test("a group that is removed takes its grants along", (s) => {
    s.allow(group("staff"), "/ write");
    s.accounts.setMember("staff", "ann", true);
    assertEquals(s.at("ann", "a"), "write");
    s.accounts.removeGroup("staff");
    assertEquals([s.at("ann", "a"), s.accounts.grants().length], ["none", 0]);
    s.accounts.addGroup("staff");
    assertEquals(s.accounts.groups(), [{ name: "staff", members: [] }]);
  });

  test("a folder that is removed takes its grants and invitations along; the server's own stays", (s) => {
    const expires = s.clock.now() + HOUR_MS;
    s.allow(user("ann"), "/ write", { folder: "photos" });
    s.accounts.invite({ user: "ann", folder: "photos", expires, secretHash: hash(7) });
    s.accounts.removeFolder("photos");
    assertEquals(s.accounts.membership("ann", "photos"), null);
    assertEquals(s.accounts.membership("olga", "photos"), null);
    assertEquals([s.accounts.invitations(), s.accounts.grants()], [[], []]);
    s.refuse("forbidden", () => s.accounts.removeFolder(MAIN_FOLDER));
  });

  test("no folder lies in another, and each has a full path", (s) => {
    const add = (path: string) => () => s.accounts.addFolder({ name: "more", path });
    for (const path of ["/srv/photos", "/srv/photos/2025", "/srv", "/", "srv/x", ""]) {
      s.refuse("invalid", add(path));
    }
    add("/srv/photos2")();
  });

  test("the longest prefix decides, a user's own grant before those of groups", (s) => {
    s.allow(group("staff"), "/ read");
    s.allow(group("staff"), "docs write");
    s.allow(user("ann"), "docs/ann/private none");
    s.allow(user("ben"), "docs read");
    for (const name of ["ann", "ben"]) s.accounts.setMember("staff", name, true);
    assertEquals(
      ["a", "docs/x", "docs/ann/private/x", "docs/ann/privateer"].map((path) => s.at("ann", path)),
      ["read", "write", "none", "write"],
    );
    assertEquals(["a", "docs/x"].map((path) => s.at("ben", path)), ["read", "read"]);
    s.accounts.setMember("staff", "ben", false);
    assertEquals(["a", "docs/x"].map((path) => s.at("ben", path)), ["none", "read"]);
  });

  test("a grant replaces the one before for the same prefix, and is taken back for just that", (s) => {
    s.allow(user("ann"), "docs read", { history: true });
    s.allow(user("ann"), "docs write");
    assertEquals(s.accounts.grants().map(({ access, history }) => [access, history]), [["write", false]]);
    s.allow(user("ann"), "docs none", { history: true });
    assertEquals(s.accounts.grants()[0]?.history, false);
    s.refuse("unknown", () => s.accounts.grant(MAIN_FOLDER, null, user("ann"), null));
    s.accounts.grant(MAIN_FOLDER, parsePath("docs"), user("ann"), null);
    assertEquals(s.accounts.grants(), []);
  });

  test("a move opens something if anybody but the owner comes to read more, a disabled user too", (s) => {
    const opens = (folder: string) => s.accounts.opens(folder, parsePath("a/x"), parsePath("b/x"));
    s.allow(user("ann"), "/ read");
    assertEquals(opens(MAIN_FOLDER), false);
    s.accounts.setMember("staff", "ben", true);
    s.allow(group("staff"), "b read");
    assertEquals([opens(MAIN_FOLDER), opens("photos"), opens("none")], [true, false, false]);
    s.accounts.disableUser("ben", true);
    assertEquals(opens(MAIN_FOLDER), true);
    s.allow(user("ben"), "a read");
    assertEquals(opens(MAIN_FOLDER), false);
    s.allow(user("ann"), "a none");
    assertEquals(opens(MAIN_FOLDER), true);
    s.accounts.setOwner("ann");
    assertEquals(opens(MAIN_FOLDER), false);
  });

  test("grants are listed by folder, prefix and subject", (s) => {
    s.allow(user("ben"), "docs read");
    s.allow(user("ann"), "docs read");
    s.allow(user("ben"), "/ read", { folder: "photos" });
    s.allow(group("staff"), "/ read");
    const listed = (folder?: string) =>
      s.accounts.grants(folder).map((g) => `${g.folder} ${g.prefix ?? "/"} ${g.subject.name}`);
    assertEquals(listed(), ["main / staff", "main docs ann", "main docs ben", "photos / ben"]);
    assertEquals(listed("photos"), ["photos / ben"]);
    assertEquals(listed("music"), []);
  });

  test("a client is not told of what is forbidden", (s) => {
    s.allow(user("ann"), "/ read");
    const open = s.accounts.membership("ann", MAIN_FOLDER)!;
    s.allow(user("ann"), "board/salaries none");
    const { rules, view, rights } = s.accounts.membership("ann", MAIN_FOLDER)!;
    assertEquals(rules, open.rules);
    assertEquals(rights.rules.length, 2);
    assertNotEquals(view, open.view);
    assert(/^[0-9a-f]{32}$/.test(view));
  });

  test("a view stands for what is seen", (s) => {
    const view = (name: string) => s.accounts.membership(name, MAIN_FOLDER)!.view;
    const nothing = view("ann");
    assertNotEquals(nothing, EVERYTHING);
    s.allow(user("ann"), "/ write", { history: true });
    assertEquals(view("ann"), EVERYTHING);
    s.allow(user("ann"), "a/b none");
    const partly = view("ann");
    assertNotEquals(partly, EVERYTHING);
    // What changes nothing of it: to write where one read, to forbid below what is forbidden.
    s.allow(user("ann"), "/ read");
    s.allow(user("ann"), "a/b/c none");
    s.allow(user("ann"), "d write");
    assertEquals(view("ann"), partly);
    s.allow(user("ann"), "a/b/c read");
    assertNotEquals(view("ann"), partly);
    s.allow(user("ben"), "a/b none");
    assertEquals(view("ben"), nothing);
  });

  test("a membership is the same object until something of it changes", (s) => {
    s.allow(user("ann"), "/ write");
    const ann = s.accounts.membership("ann", MAIN_FOLDER);
    const olga = s.accounts.membership("olga", MAIN_FOLDER);
    s.allow(user("ben"), "/ write");
    s.accounts.addUser({ name: "cleo" });
    s.accounts.addDevice({ ...device(1), user: "ann" });
    s.allow(user("ben"), "/ read");
    assertStrictEquals(s.accounts.membership("ann", MAIN_FOLDER), ann);
    assertStrictEquals(s.accounts.membership("olga", MAIN_FOLDER), olga);
    s.allow(user("ann"), "/ write", { history: true });
    const later = s.accounts.membership("ann", MAIN_FOLDER);
    assertEquals([later === ann, later?.rights.showsPast(parsePath("a"))], [false, true]);
    s.accounts.disableUser("ann", true);
    assertEquals(s.accounts.membership("ann", MAIN_FOLDER), null);
  });

  test("whoever listens is called after each change, when it is in force", (s) => {
    const heard: string[] = [];
    const end = s.accounts.onChange(() => heard.push(String(s.at("ann", "a"))));
    s.allow(user("ann"), "/ read");
    s.allow(user("ann"), "/ write");
    s.allow(user("ann"), "/ write");
    s.accounts.addDevice({ ...device(1), user: "ann" });
    s.accounts.noteSeen(id(1));
    s.refuse("exists", () => s.accounts.addUser({ name: "ann" }));
    s.accounts.revokeDevice(id(1));
    s.accounts.revokeDevice(id(1));
    assertEquals(heard, ["read", "write", "write", "write"]);
    end();
    s.accounts.disableUser("ann", true);
    assertEquals(heard.length, 4);
  });

  test("a device can be given another token, by its own user only", (s) => {
    s.accounts.addDevice({ ...device(1), user: "ann" });
    s.accounts.revokeDevice(id(1));
    s.accounts.addDevice({ id: id(1), name: "tower", user: "ann", tokenHash: hash(5) });
    assertEquals(s.accounts.device(id(1)), {
      id: id(1),
      name: "tower",
      user: "ann",
      tokenHash: hash(5),
      created: START_MS,
      lastSeen: 0,
      revoked: false,
    });
    s.refuse("forbidden", () => s.accounts.addDevice({ ...device(1), user: "ben" }));
  });

  test("a device's name is one visible line, whatever it says of itself", (s) => {
    const names = [["a\x1b[2J\nb", "a [2J b"], ["\u202ephone", "phone"], ["", "device"], ["\n", "device"], [
      "é".repeat(99),
      "é".repeat(64),
    ]] as const;
    for (const [name, kept] of names) {
      s.accounts.addDevice({ ...device(1, { name }), user: "ann" });
      assertEquals(s.accounts.device(id(1))?.name, kept);
    }
  });

  test("when a device was seen is kept to the hour", (s) => {
    s.accounts.addDevice({ ...device(1), user: "ann" });
    s.clock.advance(HOUR_MS * 5 + 1234);
    s.accounts.noteSeen(id(1));
    s.accounts.noteSeen(id(2));
    assertEquals(s.accounts.device(id(1))?.lastSeen, START_MS + 5 * HOUR_MS);
    assertEquals(s.reopen().device(id(1))?.lastSeen, START_MS + 5 * HOUR_MS);
  });

  test("an invitation makes one device known", (s) => {
    const expires = s.clock.now() + HOUR_MS;
    const wanted = { user: "ann", folder: "photos", expires, secretHash: hash(7) };
    assertEquals(s.accounts.invite(wanted), {
      id: 1,
      user: "ann",
      folder: "photos",
      created: START_MS,
      expires,
      usedBy: null,
      revoked: false,
    });
    assertEquals(s.accounts.redeem(hash(8), device(1)), null);
    assertEquals(s.accounts.redeem(hash(7), device(1))?.usedBy, id(1));
    assertEquals([s.accounts.device(id(1))?.user, s.accounts.device(id(1))?.name], ["ann", "laptop"]);
    assertEquals(s.accounts.redeem(hash(7), device(2)), null);
    assertEquals(s.reopen().redeem(hash(7), device(2)), null);
    assertEquals(s.accounts.device(id(2)), null);
    assertEquals(s.accounts.invitations().map(({ usedBy }) => usedBy), [id(1)]);
  });

  test("whoever lost the answer may show the same device again", (s) => {
    const invite = (byte: number) => {
      const expires = s.clock.now() + HOUR_MS;
      return s.accounts.invite({ user: "ann", folder: MAIN_FOLDER, expires, secretHash: hash(byte) });
    };
    const again = (over: Partial<NewDevice> = {}) => s.accounts.redeem(hash(7), device(1, over));
    invite(7);
    const first = again();
    assertEquals(again({ name: "other" }), first);
    s.clock.advance(2 * HOUR_MS);
    assertEquals(again(), first);
    assertEquals(again({ tokenHash: hash(2) }), null);
    s.accounts.disableUser("ann", true);
    assertEquals(again(), null);
    s.accounts.disableUser("ann", false);
    s.accounts.revokeDevice(id(1));
    assertEquals(again(), null);
    assertEquals(s.accounts.device(id(1))?.revoked, true);
    // Nor does another invitation make a device of one that is known.
    invite(8);
    s.accounts.addDevice({ ...device(3), user: "ben" });
    for (const byte of [1, 3]) assertEquals(s.accounts.redeem(hash(8), device(byte)), null);
  });

  test("an invitation that expired or was revoked, or whose user is disabled, opens nothing", (s) => {
    const invite = (byte: number, ms: number) => {
      const expires = s.clock.now() + ms;
      return s.accounts.invite({ user: "ann", folder: MAIN_FOLDER, expires, secretHash: hash(byte) }).id;
    };
    invite(1, HOUR_MS);
    s.accounts.revokeInvitation(invite(2, 9 * HOUR_MS));
    s.accounts.revokeInvitation(2);
    invite(3, 9 * HOUR_MS);
    s.clock.advance(HOUR_MS);
    assertEquals(s.accounts.redeem(hash(1), device(1)), null);
    assertEquals(s.accounts.redeem(hash(2), device(1)), null);
    s.accounts.disableUser("ann", true);
    assertEquals(s.accounts.redeem(hash(3), device(1)), null);
    s.refuse("forbidden", () => invite(4, HOUR_MS));
    s.accounts.disableUser("ann", false);
    assertEquals(s.accounts.redeem(hash(3), device(1))?.id, 3);
    s.refuse("forbidden", () => s.accounts.revokeInvitation(3));
    for (const ms of [0, -1, NaN, 366 * 24 * HOUR_MS]) s.refuse("invalid", () => invite(5, ms));
    const expires = s.clock.now() + 1;
    const none = { user: "ann", folder: "music", expires, secretHash: hash(6) };
    s.refuse("unknown", () => s.accounts.invite(none));
    s.refuse("unknown", () => s.accounts.invite({ ...none, folder: "photos", user: "cleo" }));
  });

  test("an invitation that is long over is forgotten, and its number is not used again", (s) => {
    const invite = (byte: number) => {
      const expires = s.clock.now() + HOUR_MS;
      s.accounts.invite({ user: "ann", folder: MAIN_FOLDER, expires, secretHash: hash(byte) });
    };
    invite(1);
    invite(2);
    s.clock.advance(32 * 24 * HOUR_MS);
    invite(3);
    assertEquals(s.accounts.invitations().map((i) => i.id), [3]);
    s.accounts.removeUser("ann");
    s.accounts.addUser({ name: "ann" });
    s.reopen();
    invite(4);
    assertEquals(s.accounts.invitations().map((i) => i.id), [4]);
  });
}
