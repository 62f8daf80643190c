/** The accounts in memory: the twin of `server/accounts/sqlite_accounts.ts`. */
import { AccountBook, firstRows } from "../../server/accounts/account_book.ts";
import { Tables } from "../../server/accounts/_tables.ts";
import type { RecordsError } from "../../server/store/records.ts";
import type { Clock } from "../../system/clock.ts";
import type { Random } from "../../system/random.ts";

/** Survives `close()`, like a file. A change is durable when it returns, so a power cut takes nothing back. */
export class MemAccounts extends AccountBook {
  /** The next change fails with this, and changes nothing. */
  failNextChange: RecordsError | null = null;

  constructor(random: Random, clock: Pick<Clock, "now">) {
    const tables = new Tables();
    for (const row of firstRows(random)) tables.apply(row);
    super({ tables, clock, save: () => this.#fail(), onClose: () => {} });
  }

  #fail(): void {
    const failure = this.failNextChange;
    this.failNextChange = null;
    if (failure !== null) throw failure;
  }
}
