import { openRecords } from "../../server/store/sqlite_records.ts";
import { systemClock } from "../../system/clock.ts";
import { systemRandom } from "../../system/random.ts";
import { MemRecords } from "../fakes/mem_records.ts";
import { recordsSuite } from "./records_suite.ts";

recordsSuite("SQLite records", () => {
  const dir = Deno.makeTempDirSync();
  return {
    open: () => openRecords(`${dir}/records.db`, systemRandom, systemClock),
    remove: () => Deno.removeSync(dir, { recursive: true }),
  };
});

recordsSuite("memory records", () => {
  const records = new MemRecords(systemRandom, systemClock);
  return { open: () => records, remove: () => {} };
});
