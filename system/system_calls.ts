import { DenoSys } from "./deno_sys.ts";
import { openLibc } from "./libc.ts";
import type { Sys } from "./sys.ts";

let shared: Sys | null = null;

/** The best {@link Sys} that can be had here; the same one every time. */
export function systemCalls(): Sys {
  return shared ??= openLibc() ?? new DenoSys();
}
