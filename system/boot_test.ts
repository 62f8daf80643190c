import { assertEquals, assertNotEquals } from "@std/assert";
import { bootOf } from "./boot.ts";
import { ENOENT } from "./errno.ts";
import type { Sys } from "./sys.ts";
import { systemCalls } from "./system_calls.ts";

Deno.test("the boot is the kernel's, and the same for all", () => {
  const sys = systemCalls();
  assertEquals(bootOf(sys), Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim());
  assertEquals(bootOf(sys), bootOf(sys));
});

Deno.test("where the kernel does not tell, no two boots are the same", () => {
  const silent = { open: () => -ENOENT } as Partial<Sys> as Sys;
  assertNotEquals(bootOf(silent), bootOf(silent));
  const short = { open: () => 3, read: () => 0, close: () => {} } as Partial<Sys> as Sys;
  assertNotEquals(bootOf(short), bootOf(short));
});
