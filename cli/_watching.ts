/** Says once when a folder cannot be watched as it should, with the line to paste. */
import type { Watcher } from "../watcher/watcher.ts";
import type { Output } from "./_output.ts";

export async function adviseOnWatcher(watcher: Watcher, output: Output): Promise<void> {
  await watcher.ready;
  const health = await watcher.health();
  if (health.reason === null) return;
  output.warn(`fsync: ${health.reason}`);
  if (health.advice !== null) output.warn(`hint: ${health.advice}`);
}
