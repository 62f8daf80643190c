/** What is answered to the owner's requests, above all to those that cannot be. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { MAIN_FOLDER } from "../server/accounts/accounts.ts";
import { RecordsError } from "../server/store/records.ts";
import { MemAccounts } from "../tests/fakes/mem_accounts.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { type AccountsDesk, answerAccounts } from "./_accounts.ts";
import type { AccountAnswer, AccountRequest, AccountTopic } from "./_account_requests.ts";
import type { Outcome } from "./_exit.ts";

class Scene implements Disposable {
  readonly dir = Deno.realPathSync(Deno.makeTempDirSync());
  readonly accounts = new MemAccounts(new SeededRandom(1n), { now: () => 1_000_000 });
  readonly served: string[] = [];
  failing = false;

  constructor() {
    Deno.mkdirSync(`${this.dir}/server/.fsync`, { recursive: true });
    this.accounts.setOwner("olga");
    this.accounts.addUser({ name: "ann" });
    this.accounts.addGroup("staff");
  }

  get desk(): AccountsDesk {
    const root = `${this.dir}/server`;
    const folders = {
      add: (name: string) => {
        if (this.failing) return Promise.reject(new RecordsError("damaged", "Cannot open the records"));
        return Promise.resolve(void this.served.push(name));
      },
      remove: (name: string) => Promise.resolve(void this.served.splice(this.served.indexOf(name), 1)),
    };
    const clock = { now: () => 1_000_000 };
    const log = { write: () => {} };
    return { root, accounts: this.accounts, clock, address: "0.0.0.0:1", caPem: null, folders, log };
  }

  async ask<T extends AccountTopic>(request: AccountRequest<T>): Promise<AccountAnswer<T>> {
    // As it travels over the socket.
    const text = JSON.stringify(await answerAccounts(this.desk, request as unknown as AccountRequest));
    const outcome = JSON.parse(text) as { answer?: AccountAnswer<T>; refused?: unknown };
    assertEquals(outcome.refused, undefined);
    return outcome.answer as AccountAnswer<T>;
  }

  /** The request must be refused so, and change nothing. */
  async refuse(
    request: AccountRequest,
    outcome: Outcome,
    message: string,
    hint: string,
  ): Promise<void> {
    const before = this.everything();
    const answer = await answerAccounts(this.desk, request);
    assert("refused" in answer, JSON.stringify(answer));
    assertEquals([answer.refused.outcome, answer.refused.message], [outcome, message]);
    assertStringIncludes(answer.refused.hint, hint);
    assertEquals(this.everything(), before);
  }

  everything(): unknown {
    const { accounts } = this;
    return [
      accounts.users(),
      accounts.groups(),
      accounts.grants(),
      accounts.invitations(),
      accounts.folders(),
    ];
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

const INVITE = {
  do: "invite",
  user: "ann",
  group: null,
  readOnly: false,
  validMs: 3_600_000,
  folder: MAIN_FOLDER,
  secretHash: "ab".repeat(32),
} as const;

const right = (access: "none" | "read" | "write") => ({ access, history: false }) as const;
const ann = { kind: "user", name: "ann" } as const;
const staff = { kind: "group", name: "staff" } as const;

const REFUSED: readonly (readonly [string, AccountRequest, Outcome, string, string])[] = [
  [
    "unknown user",
    { do: "user-remove", name: "anne" },
    "failed",
    'Cannot find user "anne": there is none of that name',
    "did you mean ann?",
  ],
  [
    "unknown user, nothing near",
    { do: "user-disable", name: "xyz", disabled: true },
    "failed",
    'Cannot find user "xyz": there is none of that name',
    "fsync user list",
  ],
  [
    "the owner",
    { do: "user-remove", name: "olga" },
    "denied",
    'Cannot remove "olga": it is the owner of the server',
    "",
  ],
  [
    "a bad name",
    { do: "user-add", name: "a/b", quota: null },
    "usage",
    'Cannot use "a/b" as the name of a user: it contains "/"',
    "letters",
  ],
  [
    "a name that is taken",
    { do: "group-add", name: "staff" },
    "failed",
    'Cannot add group "staff": there is one of that name',
    "",
  ],
  [
    "one unknown member of two",
    { do: "group-member", group: "staff", users: ["olga", "bob"], member: true },
    "failed",
    'Cannot find user "bob": there is none of that name',
    "",
  ],
  [
    "one who is no member",
    { do: "group-member", group: "staff", users: ["ann"], member: false },
    "failed",
    'Cannot remove "ann" from "staff": it is no member',
    "",
  ],
  [
    "a device of a user",
    { do: "device-revoke", device: "ann" },
    "failed",
    'Cannot find device "ann": there is none of that name or id',
    "name one of aaaaaaaa (ann@laptop), aaaabbbb (ann@laptop), cccccccc (ann@phone)",
  ],
  [
    "a name of two devices",
    { do: "device-revoke", device: "laptop" },
    "failed",
    'Cannot tell which device "laptop" is',
    "aaaaaaaa (ann@laptop), aaaabbbb (ann@laptop)",
  ],
  [
    "a beginning of two devices",
    { do: "device-revoke", device: "aaaa" },
    "failed",
    'Cannot tell which device "aaaa" is',
    "aaaabbbb",
  ],
  [
    "too little of an id",
    { do: "device-revoke", device: "ccc" },
    "failed",
    'Cannot find device "ccc": there is none of that name or id',
    "",
  ],
  [
    "an unknown invitation",
    { do: "invitation-revoke", id: 7 },
    "failed",
    "Cannot find invitation 7: there is none",
    "",
  ],
  [
    "a grant to nobody",
    {
      do: "grant",
      folder: "main",
      prefix: null,
      subject: { kind: "group", name: "stuff" },
      right: right("read"),
    },
    "failed",
    'Cannot find group "stuff": there is none of that name',
    "did you mean staff?",
  ],
  [
    "a grant to the owner",
    {
      do: "grant",
      folder: "main",
      prefix: null,
      subject: { kind: "user", name: "olga" },
      right: right("none"),
    },
    "denied",
    'Cannot grant anything to "olga": it is the owner of the server',
    "",
  ],
  [
    "a grant in an unknown folder",
    { do: "grant", folder: "mein", prefix: null, subject: ann, right: right("read") },
    "failed",
    'Cannot find folder "mein": there is none of that name',
    "did you mean main?",
  ],
  [
    "a grant for no path",
    { do: "grant", folder: "main", prefix: "../x", subject: ann, right: right("read") },
    "usage",
    'the path has a ".." part',
    "",
  ],
  [
    "a grant that is not there",
    { do: "grant", folder: "main", prefix: "docs", subject: ann, right: null },
    "failed",
    'Cannot take the grant back: user "ann" has none for just this',
    "fsync grant list",
  ],
  [
    "the server's own folder",
    { do: "folder-remove", name: "main" },
    "denied",
    'Cannot remove folder "main": it is the server\'s own',
    "",
  ],
  [
    "an invitation of the owner to a group",
    { ...INVITE, user: "olga", group: "staff" },
    "denied",
    'Cannot invite "olga" with --group: it is the owner of the server, who may do everything',
    "one more device",
  ],
  [
    "a read-only owner",
    { ...INVITE, user: "olga", readOnly: true },
    "denied",
    'Cannot invite "olga" with --read-only: it is the owner of the server, who may do everything',
    "one more device",
  ],
  [
    "an invitation to no folder",
    { ...INVITE, user: "new", folder: "attic" },
    "failed",
    'Cannot find folder "attic": there is none of that name',
    "",
  ],
  [
    "an invitation for ever",
    { ...INVITE, user: "new", validMs: 1e12 },
    "usage",
    'Cannot invite "new": an invitation is valid for up to a year',
    "",
  ],
  [
    "an invitation for ever, with a new group",
    { ...INVITE, user: "new", group: "more", validMs: 1e12 },
    "usage",
    'Cannot invite "new": an invitation is valid for up to a year',
    "",
  ],
  [
    "a new user with a bad name",
    { ...INVITE, user: "-x" },
    "usage",
    'Cannot use "-x" as the name of a user: it begins with "-"',
    "",
  ],
  [
    "a new group with a bad name",
    { ...INVITE, user: "new", group: "-x" },
    "usage",
    'Cannot use "-x" as the name of a group: it begins with "-"',
    "",
  ],
  [
    "a group that may do nothing",
    { ...INVITE, user: "new", group: "staff" },
    "denied",
    'Cannot invite "new": it may do nothing in folder "main"',
    "fsync grant / --group staff read",
  ],
];

for (const [name, request, outcome, message, hint] of REFUSED) {
  Deno.test(`accounts: refused, and nothing changed: ${name}`, async () => {
    using s = new Scene();
    for (
      const [id, device] of [["aaaaaaaa", "laptop"], ["aaaabbbb", "laptop"], ["cccccccc", "phone"]] as const
    ) {
      s.accounts.addDevice({ id: id.repeat(4), name: device, user: "ann", tokenHash: new Uint8Array(32) });
    }
    await s.refuse(request, outcome, message, hint);
  });
}

Deno.test("accounts: a new user is invited with a grant of its own, or as a member with none", async () => {
  using s = new Scene();
  const first = await s.ask({ ...INVITE, user: "ben", readOnly: true });
  assertEquals([first.added, first.allowed, first.invitation.expires, first.listens], [
    true,
    "read",
    4_600_000,
    "0.0.0.0:1",
  ]);
  const second = await s.ask({
    ...INVITE,
    user: "cleo",
    group: "guests",
    readOnly: true,
    secretHash: "cd".repeat(32),
  });
  assertEquals([second.added, second.allowed, second.invitation.id], [true, "read", 2]);
  const grants = s.accounts.grants().map(({ subject, prefix, access }) => [subject.name, prefix, access]);
  assertEquals(grants, [["guests", null, "read"], ["ben", null, "read"]]);
  assertEquals(s.accounts.groups()[0], { name: "guests", members: ["cleo"] });
  // The group is there: the next one joins it, and its grant stays what it is.
  const third = await s.ask({ ...INVITE, user: "dora", group: "guests", secretHash: "ef".repeat(32) });
  assertEquals([third.allowed, s.accounts.grants().length], ["read", 2]);
});

Deno.test("accounts: a known user gets one more device, and nothing else changes", async () => {
  using s = new Scene();
  s.accounts.grant(MAIN_FOLDER, parsePath("docs"), ann, right("read"));
  const grants = s.accounts.grants();
  const invited = await s.ask({ ...INVITE, readOnly: true });
  assertEquals([invited.added, invited.allowed], [false, "some"]);
  assertEquals(s.accounts.grants(), grants);
  s.accounts.grant(MAIN_FOLDER, parsePath("docs/new"), ann, right("write"));
  const message = 'Cannot invite "ann" with --read-only: it may write in folder "main" already';
  await s.refuse({ ...INVITE, readOnly: true }, "denied", message, "fsync grant / --user ann read");
  s.accounts.disableUser("ann", true);
  await s.refuse(INVITE, "denied", 'Cannot invite "ann": the user is disabled', "fsync user enable ann");
});

Deno.test("accounts: a known user who may do nothing in a folder yet may what the invitation says", async () => {
  using s = new Scene();
  s.accounts.addFolder({ name: "photos", path: "/srv/photos" });
  assertEquals((await s.ask({ ...INVITE, folder: "photos", readOnly: true })).allowed, "read");
  assertEquals(s.accounts.grants().map(({ folder, access }) => [folder, access]), [["photos", "read"]]);
  // Whom something is forbidden is not given it by the way.
  s.accounts.grant(MAIN_FOLDER, null, ann, right("none"));
  const message = 'Cannot invite "ann": it may do nothing in folder "main"';
  await s.refuse(INVITE, "denied", message, "fsync grant / --user ann read");
});

Deno.test("accounts: nobody joins a group by an invitation that is refused", async () => {
  using s = new Scene();
  s.accounts.grant(MAIN_FOLDER, null, staff, right("write"));
  const message = 'Cannot invite "ann" with --read-only: it may write in folder "main" already';
  await s.refuse({ ...INVITE, group: "staff", readOnly: true }, "denied", message, "leave --read-only out");
  s.accounts.grant(MAIN_FOLDER, null, ann, right("none"));
  const nothing = 'Cannot invite "ann": it may do nothing in folder "main"';
  await s.refuse({ ...INVITE, group: "staff" }, "denied", nothing, "fsync grant");
  s.accounts.grant(MAIN_FOLDER, null, ann, null);
  assertEquals((await s.ask({ ...INVITE, group: "staff" })).allowed, "write");
  assertEquals(s.accounts.groups()[0]?.members, ["ann"]);
});

Deno.test("accounts: a device is named by its id, the beginning of one, its name, or its user's and its", async () => {
  using s = new Scene();
  const words = ["aa".repeat(16), "bbbb", "phone", "ann@laptop"];
  ["aa", "bb", "cc", "dd"].forEach((id, at) =>
    s.accounts.addDevice({
      id: id.repeat(16),
      name: ["old", "old", "phone", "laptop"][at]!,
      user: at === 3 ? "ann" : "olga",
      tokenHash: new Uint8Array(32),
    })
  );
  for (const [at, device] of words.entries()) {
    const revoked = await s.ask({ do: "device-revoke", device });
    assertEquals([revoked.id.slice(0, 2), revoked.revoked], [["aa", "bb", "cc", "dd"][at], true]);
  }
  // One that is revoked stands back behind a new one of that name.
  s.accounts.addDevice({ id: "ee".repeat(16), name: "phone", user: "olga", tokenHash: new Uint8Array(32) });
  assertEquals((await s.ask({ do: "device-revoke", device: "phone" })).id, "ee".repeat(16));
  assert(!JSON.stringify(await s.ask({ do: "devices", user: null })).includes("token"));
});

Deno.test("accounts: a folder is made and served at once, and not kept if it cannot be", async () => {
  using s = new Scene();
  const path = `${s.dir}/photos`;
  assertEquals(await s.ask({ do: "folder-add", name: "photos", path }), { name: "photos", path, live: true });
  assert(Deno.statSync(path).isDirectory);
  assertEquals(s.served, ["photos"]);
  await s.ask({ do: "folder-remove", name: "photos" });
  assertEquals([s.served, s.accounts.folders().length], [[], 1]);
  s.failing = true;
  await s.refuse({ do: "folder-add", name: "photos", path }, "state", "Cannot open the records", "");
});

Deno.test("accounts: what is a folder otherwise is not shared once more, by whatever way it is named", async () => {
  using s = new Scene();
  for (const name of ["client", "other"]) Deno.mkdirSync(`${s.dir}/${name}/.fsync`, { recursive: true });
  Deno.writeTextFileSync(`${s.dir}/client/.fsync/state.db`, "");
  Deno.writeTextFileSync(`${s.dir}/other/.fsync/accounts.db`, "");
  Deno.symlinkSync("server", `${s.dir}/link`);
  Deno.writeTextFileSync(`${s.dir}/file`, "");
  const tries: [string, Outcome, string][] = [
    ["server", "usage", "the server's own folder is at"],
    ["server/below", "usage", "the server's own folder is at"],
    ["link", "usage", "the server's own folder is at"],
    [".", "usage", "the server's own folder is at"],
    ["client", "usage", "it is a folder that a client syncs"],
    ["other", "usage", "it is a server's own folder"],
    ["file", "failed", "it is not a directory"],
  ];
  for (const [where, outcome, reason] of tries) {
    const path = where === "." ? s.dir : `${s.dir}/${where}`;
    const answer = await answerAccounts(s.desk, { do: "folder-add", name: "more", path });
    assert("refused" in answer, where);
    assertEquals(answer.refused.outcome, outcome, where);
    assertStringIncludes(answer.refused.message, reason);
  }
  assertEquals([s.accounts.folders().length, s.served], [1, []]);
});

Deno.test("accounts: a request of another version is told to be one", async () => {
  using s = new Scene();
  const answer = await answerAccounts(s.desk, { do: "frobnicate" } as unknown as AccountRequest);
  assert("refused" in answer);
  assertStringIncludes(answer.refused.hint, "another version");
});
