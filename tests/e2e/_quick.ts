/** Bounds of time that hold on a machine which has other things to do. */
import { assertLess } from "@std/assert";
import type { World } from "./_world.ts";

/** What it takes the program to start, say its version and end where nothing else runs, ms. */
const START_MS = 250;

/**
 * Asserts that something took less than `boundMs`. If it took longer, then so much longer must the simplest command take
 * right now: a machine under load stretches both, a program that waits for something it need not wait for only one.
 */
export async function assertQuick(world: World, ms: number, boundMs: number, what = "it"): Promise<void> {
  if (ms < boundMs) return;
  const control = await world.run(["--version"]);
  const stretch = Math.max(1, control.ms / START_MS);
  assertLess(ms, boundMs * stretch, `${what} took ${ms} ms, while --version takes ${control.ms} ms`);
}
