/** A server of the time before there were accounts, by its own files. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { systemClock } from "../../system/clock.ts";
import { systemRandom } from "../../system/random.ts";
import { authenticate } from "../auth.ts";
import { openRecords } from "../store/sqlite_records.ts";
import { RecordsError } from "../store/records.ts";
import { type Accounts, MAIN_FOLDER, ownerOf } from "./accounts.ts";
import { openServerAccounts } from "./former.ts";

/** Bob ran the server once, then Ann; each synced a file with the credential that it left. */
const OLD = fromFileUrl(new URL("../../tests/fixtures/server_format_1.db", import.meta.url));
const ANN = {
  device: "81b3e091a999d1ed9cdf5138da83d372",
  token: "_3ZsjxVoqwbENsUXboeqDqvWNUNuOnk1U0Tjq-7NKk0",
};
const BOB = {
  device: "e3dfbf74f3064a2a5c146e3e47c5b063",
  token: "JG_GoiLd1BzbUUnUqujRYgGJPcuI8I7U_w7wM3kZ77s",
};

function inDirectory(body: (dir: string) => void): void {
  const dir = Deno.makeTempDirSync();
  try {
    body(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

function open(dir: string, owner = "ann"): Accounts {
  return openServerAccounts({ dir, owner, random: systemRandom, clock: systemClock });
}

function enters(accounts: Accounts, { device, token }: typeof ANN): string | null {
  const bytes = Uint8Array.fromBase64(token, { alphabet: "base64url" });
  return authenticate(accounts, { device, token: bytes, folder: MAIN_FOLDER })?.membership.user ?? null;
}

Deno.test("devices of old records still come in, once their server has accounts", () => {
  inDirectory((dir) => {
    Deno.copyFileSync(OLD, `${dir}/server.db`);
    const accounts = open(dir);
    assertEquals([enters(accounts, ANN), enters(accounts, BOB)], ["ann", "bob"]);
    assertEquals(ownerOf(accounts)?.name, "ann");
    assertEquals(accounts.users().map(({ name }) => name), ["ann", "bob"]);
    // Everybody could write; the past was the owner's.
    const { rules } = accounts.membership("bob", MAIN_FOLDER)!;
    assertEquals(rules, [{ prefix: null, access: "write", history: false }]);
    accounts.close();
    // The records are as they were, for them too.
    const records = openRecords(`${dir}/server.db`, systemRandom, systemClock);
    assertEquals([...records.liveHeads()].map(({ path }) => path as string), ["bob.txt", "ann.txt"]);
    records.close();
  });
});

Deno.test("old records are taken over once: what was revoked since stays revoked", () => {
  inDirectory((dir) => {
    Deno.copyFileSync(OLD, `${dir}/server.db`);
    const first = open(dir);
    first.revokeDevice(ANN.device);
    first.removeUser("bob");
    first.close();
    const accounts = open(dir, "somebody");
    assertEquals([enters(accounts, ANN), enters(accounts, BOB)], [null, null]);
    assertEquals(accounts.users().map(({ name }) => name), ["ann"]);
    accounts.close();
  });
});

Deno.test("a new server's accounts begin with its owner alone", () => {
  inDirectory((dir) => {
    const accounts = open(dir, "DOMAIN\\olga");
    assertEquals(accounts.users().map(({ name, owner }) => [name, owner]), [["DOMAIN_olga", true]]);
    assertEquals([...Deno.readDirSync(dir)].some(({ name }) => name === "server.db"), false);
    accounts.close();
  });
});

Deno.test("old records that cannot be read make no accounts: the next start tries again", () => {
  inDirectory((dir) => {
    Deno.writeTextFileSync(`${dir}/server.db`, "not a database".repeat(1000));
    const error = assertThrows(() => open(dir), RecordsError, "Cannot take over the devices");
    assertEquals(error.code, "damaged");
    Deno.copyFileSync(OLD, `${dir}/server.db`);
    const accounts = open(dir);
    assert(enters(accounts, ANN) !== null);
    accounts.close();
  });
});
