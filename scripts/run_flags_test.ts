import { assert } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { RUN_FLAGS } from "./run_flags.ts";

Deno.test("the tasks run the program with the flags that tests and benchmarks use", () => {
  assert(config.tasks.start.command.startsWith(`deno run ${RUN_FLAGS.join(" ")} main.ts`));
  assert(config.tasks.compile.command.startsWith(`deno compile ${RUN_FLAGS.join(" ")} `));
});
