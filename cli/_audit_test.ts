/** What the log says of each change of the accounts: who did what to whom, and no secret. */
import { assert, assertEquals } from "@std/assert";
import { MAIN_FOLDER } from "../server/accounts/accounts.ts";
import { MemAccounts } from "../tests/fakes/mem_accounts.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import type { AccountRequest } from "./_account_requests.ts";
import { answerAccounts } from "./_accounts.ts";
import { auditor, auditStart } from "./_audit.ts";
import type { LogRecord } from "./_journal.ts";

const NOW = 1_000_000;
const DEVICE = "d0".repeat(16);
const SECRET = "5e".repeat(32);

class Scene implements Disposable {
  readonly dir = Deno.realPathSync(Deno.makeTempDirSync());
  readonly accounts = new MemAccounts(new SeededRandom(1n), { now: () => NOW });
  readonly records: LogRecord[] = [];
  #lines: string[] = [];

  constructor() {
    Deno.mkdirSync(`${this.dir}/server/.fsync`, { recursive: true });
    this.accounts.setOwner("olga");
  }

  readonly log = {
    write: (record: LogRecord, text: string | null) => {
      this.records.push(record);
      this.#lines.push(text ?? "");
    },
  };

  async ask(request: AccountRequest): Promise<boolean> {
    const { accounts, log } = this;
    const root = `${this.dir}/server`;
    const desk = { root, accounts, clock: { now: () => NOW }, address: null, caPem: null, log };
    return "answer" in await answerAccounts(desk, request);
  }

  /** What was logged since the last call, without who did it, which must stand at the end of each line. */
  lines(): string[] {
    const { user, device } = auditor();
    const end = ` (by ${user}@${device})`;
    const lines = this.#lines;
    this.#lines = [];
    for (const line of lines) assert(line.endsWith(end), line);
    return lines.map((line) => line.slice(0, -end.length).replace(/until \d.*$/, "until …"));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

const right = { access: "write", history: true } as const;
const ben = { kind: "user", name: "ben" } as const;
const staff = { kind: "group", name: "staff" } as const;
const invitation = {
  do: "invite",
  user: "dora",
  group: "staff",
  readOnly: false,
  validMs: 1000,
  folder: MAIN_FOLDER,
  secretHash: SECRET,
} as const;

/** Each change with its line; in an order in which they can be done. */
const CHANGES = (dir: string): readonly (readonly [AccountRequest, string])[] => [
  [{ do: "user-add", name: "ben", quota: null }, "User added: ben"],
  [{ do: "user-quota", name: "ben", quota: 5_000_000 }, "Quota set: ben, 5,000,000 bytes"],
  [{ do: "user-quota", name: "ben", quota: null }, "Quota set: ben, none"],
  [{ do: "user-disable", name: "ben", disabled: true }, "User disabled: ben"],
  [{ do: "user-disable", name: "ben", disabled: false }, "User enabled: ben"],
  [{ do: "group-add", name: "staff" }, "Group added: staff"],
  [
    { do: "group-member", group: "staff", users: ["ben", "olga"], member: true },
    "Added to group staff: ben, olga",
  ],
  [{ do: "group-member", group: "staff", users: ["olga"], member: false }, "Removed from group staff: olga"],
  [
    { do: "grant", folder: MAIN_FOLDER, prefix: null, subject: staff, right: { ...right, history: false } },
    "Granted: all of folder main, group staff, write",
  ],
  [
    { do: "grant", folder: MAIN_FOLDER, prefix: "do\ncs", subject: ben, right },
    "Granted: do\\ncs of folder main, user ben, write with history",
  ],
  [
    { do: "grant", folder: MAIN_FOLDER, prefix: "do\ncs", subject: ben, right: null },
    "Grant removed: do\\ncs of folder main, user ben",
  ],
  [invitation, "Invited: dora, a new user, in group staff, to folder main, by invitation 1 until …"],
  [{ do: "invitation-revoke", id: 1 }, "Invitation revoked: 1, for dora"],
  [
    { do: "folder-add", name: "photos", path: `${dir}/photos` },
    `Folder added: photos at ${dir}/photos`,
  ],
  [
    { do: "folder-remove", name: "photos" },
    `Folder removed: photos; ${dir}/photos is left as it is`,
  ],
  [{ do: "device-revoke", device: DEVICE }, "Device revoked: ben@laptop (d0d0d0d0)"],
  [{ do: "group-remove", name: "staff" }, "Group removed: staff, with 2 members"],
  [{ do: "user-remove", name: "ben" }, "User removed: ben, with 0 devices"],
];

/** Never logged: nothing changes. */
const QUESTIONS: readonly AccountRequest[] = [
  { do: "users" },
  { do: "groups" },
  { do: "devices", user: null },
  { do: "invitations" },
  { do: "grants", folder: null },
  { do: "folders" },
];

Deno.test("audit: each change of the accounts is one line with who did it, and no secret in it", async () => {
  using scene = new Scene();
  for (const [request, line] of CHANGES(scene.dir)) {
    if (request.do === "device-revoke") {
      const device = { id: DEVICE, name: "laptop", user: "ben", tokenHash: Uint8Array.fromHex(SECRET) };
      scene.accounts.addDevice(device);
    }
    assert(await scene.ask(request), JSON.stringify(request));
    assertEquals(scene.lines(), [line]);
  }
  const { user, device } = auditor();
  for (const record of scene.records) assertEquals(record.by, { user, device });
  assertEquals(JSON.stringify(scene.records).includes(SECRET), false);
  assertEquals(new Set(CHANGES("").map(([{ do: topic }]) => topic)).size + QUESTIONS.length, 19);
});

Deno.test("audit: questions and what is refused leave no line", async () => {
  using scene = new Scene();
  for (const question of QUESTIONS) assert(await scene.ask(question));
  assertEquals(await scene.ask({ do: "user-remove", name: "nobody" }), false);
  assertEquals(await scene.ask({ do: "user-remove", name: "olga" }), false);
  assertEquals(scene.lines(), []);
});

Deno.test("audit: a server tells of a new owner, and of the device that it made for its own user", () => {
  using scene = new Scene();
  const { user } = auditor();
  auditStart(scene.log, { formerOwner: user, device: null });
  auditStart(scene.log, { formerOwner: null, device: null });
  assertEquals(scene.lines(), []);
  auditStart(scene.log, { formerOwner: "olga", device: DEVICE });
  assertEquals(scene.lines(), [
    `Owner changed: ${user}, before olga`,
    `Device added: ${user}@${Deno.hostname()}, by a credential on this machine`,
  ]);
});
