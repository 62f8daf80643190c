/** What a watch says once, at its start, to the person in front of it. */
import { findCredential } from "../client/group_credential.ts";
import type { Watcher } from "../watcher/watcher.ts";
import type { Output } from "./_output.ts";
import { credentialHint, type OpenReplica } from "./_replica.ts";

/**
 * Says once what a folder waits for that no server lets in yet. It does wait: the server of this machine may be started
 * later, and leaves a credential then.
 */
export function adviseOnCredential({ server, root, where }: OpenReplica, output: Output): void {
  try {
    if (findCredential(server, root, where.credential) !== null) return;
  } catch {
    // One that cannot be used ends the watch, with the reason.
    return;
  }
  output.warn(`fsync: Cannot sync yet: there is no credential for ${server} here`);
  output.warn(`hint: ${credentialHint()}`);
}

/** Says when a folder cannot be watched as it should, with the line to paste. */
export async function adviseOnWatcher(watcher: Watcher, output: Output): Promise<void> {
  await watcher.ready;
  const health = await watcher.health();
  if (health.reason === null) return;
  output.warn(`fsync: ${health.reason}`);
  if (health.advice !== null) output.warn(`hint: ${health.advice}`);
}
