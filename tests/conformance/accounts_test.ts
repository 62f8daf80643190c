import { openAccounts } from "../../server/accounts/sqlite_accounts.ts";
import { systemRandom } from "../../system/random.ts";
import { MemAccounts } from "../fakes/mem_accounts.ts";
import { accountsSuite } from "./accounts_suite.ts";

accountsSuite("SQLite accounts", () => {
  const dir = Deno.makeTempDirSync();
  return {
    open: (clock) => openAccounts(`${dir}/accounts.db`, systemRandom, clock),
    remove: () => Deno.removeSync(dir, { recursive: true }),
  };
});

accountsSuite("memory accounts", () => {
  let accounts: MemAccounts | null = null;
  return { open: (clock) => accounts ??= new MemAccounts(systemRandom, clock), remove: () => {} };
});
