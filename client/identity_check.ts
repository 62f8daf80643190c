/**
 * Whether a server is the one that this folder was synced with. A re-created or restored server must never be mistaken
 * for one whose files were deleted.
 */
import type { Welcome } from "../protocol/messages.ts";
import { HeldError } from "./errors.ts";
import type { Binding } from "./state.ts";

const HINT =
  "check the server; if this is meant, run sync-all --accept-server: both sides are merged, nothing is deleted";

/** @throws {HeldError} if it is another server, or one that went back in time */
export function checkIdentity(binding: Binding, welcome: Welcome): void {
  if (binding.folder === null) return;
  if (binding.folder !== welcome.folder) {
    throw new HeldError(
      "Cannot sync: this is another server folder than the one this directory was synced with",
      HINT,
    );
  }
  if (binding.epoch !== null && binding.epoch !== welcome.epoch) {
    throw new HeldError("Cannot sync: the server's history was replaced since the last sync", HINT);
  }
  if (welcome.head < Math.max(binding.cursor, binding.seen)) {
    throw new HeldError(
      "Cannot sync: the server is older than what this directory has seen (restored from a backup?)",
      HINT,
    );
  }
}
