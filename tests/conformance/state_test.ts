import { openState } from "../../client/sqlite_state.ts";
import { systemRandom } from "../../system/random.ts";
import { MemState } from "../fakes/mem_state.ts";
import { stateSuite } from "./state_suite.ts";

stateSuite("SQLite state", () => {
  const dir = Deno.makeTempDirSync();
  return {
    open: () => openState(`${dir}/state.db`, systemRandom),
    remove: () => Deno.removeSync(dir, { recursive: true }),
  };
});

stateSuite("memory state", () => {
  const state = new MemState(systemRandom);
  return { open: () => state, remove: () => {} };
});
