/** Exit codes and the words that stand for them in `--json`; the one place where errors become codes. */
import { HeldError, UnreachableError } from "../client/errors.ts";
import { CredentialError } from "../client/credentials.ts";
import { InvitationError } from "../client/invitation.ts";
import type { Stuck } from "../client/standstill.ts";
import { StateError } from "../client/state.ts";
import { PathError } from "../core/path.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import { ContentsError } from "../server/store/contents.ts";
import { BackupError } from "../server/upkeep/backup.ts";
import { RecordsError } from "../server/store/records.ts";
import { AddressError } from "../system/address.ts";
import { ControlError } from "../system/control_socket.ts";
import { DiskError } from "../system/disk.ts";
import { AreaError } from "../system/group_area.ts";
import { IdentityError } from "../system/identity.ts";
import { ConnectError, ListenError } from "../system/link_errors.ts";
import { ExposedFileError } from "../system/private_file.ts";

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  state: 3,
  denied: 4,
  unreachable: 5,
  problems: 6,
  conflicts: 7,
  held: 8,
  locked: 9,
  no_space: 10,
  interrupted: 130,
} as const;

export type Outcome = keyof typeof EXIT;

/** What the codes say to people; the manual lists them. */
export const EXIT_MEANINGS: { readonly [outcome in Outcome]: string } = {
  ok: "in sync, or done",
  failed: "another failure",
  usage: "the command line is wrong",
  state: "configuration or state cannot be read",
  denied: "not allowed",
  unreachable: "the server cannot be reached",
  problems: "some paths failed; the rest is done",
  conflicts: "synced, and conflicts are open",
  held: "a guard holds changes until a person decides",
  locked: "another run works on the folder",
  no_space: "no space is left, or the quota is used up",
  interrupted: "interrupted",
};

/** Something a person did wrong with the command line. */
export class UsageError extends Error {
  override name = "UsageError";
  readonly hint: string;
  constructor(message: string, hint = "") {
    super(message);
    this.hint = hint;
  }
}

/** Another run holds the folder. */
export class LockedError extends Error {
  override name = "LockedError";
  readonly hint: string;
  constructor(message: string, hint = "") {
    super(message);
    this.hint = hint;
  }
}

/** Files, folders or credentials that a command needs are not there or not usable. */
export class SetupError extends Error {
  override name = "SetupError";
  readonly outcome: Outcome;
  readonly hint: string;
  constructor(outcome: Outcome, message: string, hint = "") {
    super(message);
    this.outcome = outcome;
    this.hint = hint;
  }
}

export interface Explained {
  readonly outcome: Outcome;
  readonly message: string;
  readonly hint: string;
}

/** What an error means to a person, or `null` if it is a bug of ours. */
export function explain(error: unknown): Explained | null {
  if (!(error instanceof Error)) return null;
  // Whatever a person named may be somebody else's.
  if (error instanceof Deno.errors.PermissionDenied) return notPermitted(error);
  if (error instanceof Deno.errors.NotCapable || NOT_CAPABLE.test(error.message)) return notCapable(error);
  const outcome = outcomeOf(error);
  if (outcome === null) return null;
  const hint = "hint" in error && typeof error.hint === "string" ? error.hint : "";
  return { outcome, message: error.message, hint: hint || hintFor(error) };
}

/** "Permission denied (os error 13): stat '…'" */
function notPermitted({ message }: Error): Explained {
  const path = /: \w+ '(.+)'$/s.exec(message)?.[1];
  const what = path === undefined ? "a file or directory" : `"${path}"`;
  const hint = "run it as the user whose it is, or let this one in: chmod, chgrp";
  return { outcome: "failed", message: `Cannot use ${what}: permission denied`, hint };
}

/** 'Requires all access to "/proc", run again with the --allow-all flag', also within the message of another error. */
const NOT_CAPABLE = /Requires \w+ access to "(.+)", run again with the --allow-/s;

function notCapable({ message }: Error): Explained {
  const path = NOT_CAPABLE.exec(message)?.[1];
  const what = path === undefined ? "that" : `"${path}"`;
  const hint = "choose another place: what is not for files, like /proc, /sys and /dev, is closed to fsync";
  return { outcome: "failed", message: `Cannot use ${what}: fsync has no permission for it`, hint };
}

/** For errors of the rooms below, which do not know the command line. */
function hintFor(error: Error): string {
  if (error instanceof AddressError) return "like this: nas:65432, 192.168.1.10, [fd00::1]:65432";
  if (error instanceof RemoteError && error.code === "forbidden") {
    return "the owner can allow it, on the server: fsync help grant";
  }
  return "";
}

function outcomeOf(error: Error): Outcome | null {
  if (error instanceof SetupError) return error.outcome;
  if (error instanceof UsageError || error instanceof PathError || error instanceof AddressError) {
    return "usage";
  }
  if (error instanceof InvitationError) return "usage";
  if (error instanceof LockedError) return "locked";
  if (error instanceof HeldError) return "held";
  if (error instanceof UnreachableError) return "unreachable";
  if (error instanceof ConnectError) return error.code === "tls" ? "denied" : "unreachable";
  if (error instanceof RemoteError) return remoteOutcome(error);
  if (error instanceof ProtocolError) return "unreachable";
  if (error instanceof StateError) return error.code === "no_space" ? "no_space" : "state";
  if (error instanceof IdentityError) return "state";
  if (
    error instanceof CredentialError || error instanceof ExposedFileError || error instanceof AreaError
  ) return "state";
  if (error instanceof RecordsError) return error.code === "no_space" ? "no_space" : "state";
  if (error instanceof BackupError) return error.code === "no_space" ? "no_space" : "failed";
  if (error instanceof ContentsError) return error.code === "no_space" ? "no_space" : "failed";
  if (error instanceof DiskError) return error.code === "no_space" ? "no_space" : "failed";
  if (error instanceof ListenError || error instanceof ControlError) return "failed";
  return null;
}

/** What it means that a running engine cannot go on. */
export function outcomeOfStuck({ noSpace }: Stuck): Outcome {
  return noSpace ? "no_space" : "failed";
}

function remoteOutcome(error: RemoteError): Outcome {
  if (error.code === "denied" || error.code === "forbidden") return "denied";
  if (error.code === "noSpace") return "no_space";
  if (error.code === "closing") return "unreachable";
  return "failed";
}
