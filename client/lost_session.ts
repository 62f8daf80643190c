/** What the failure of a session means: somebody is needed, or another session may follow. */
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import { DiskError } from "../system/disk.ts";
import { LinkClosed } from "../system/link.ts";
import { UnreachableError } from "./errors.ts";
import { StateError } from "./state.ts";

/**
 * Whether what failed may go well another time, without a person. A request that was refused (rights may have just
 * changed) is no reason to give up; not being let in is, and so is what nobody foresaw.
 */
export function mayPass(error: unknown): error is Error {
  if (error instanceof StateError) return error.code === "no_space" || error.code === "busy";
  if (error instanceof RemoteError) return error.code !== "denied" && error.code !== "version";
  return error instanceof UnreachableError || error instanceof DiskError || error instanceof LinkClosed ||
    error instanceof ProtocolError;
}

/** Whether one of the two sides broke the protocol, by its own words or the other's. */
export function brokeProtocol(error: unknown): boolean {
  return error instanceof ProtocolError || (error instanceof RemoteError && error.code === "protocol");
}
