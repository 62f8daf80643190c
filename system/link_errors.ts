/**
 * Why a connection or a listening port is not to be had. Callers choose exit codes and retries by `code`; the message
 * is a sentence for people, the hint says what to try.
 */

export type ConnectErrorCode =
  /** Nobody listens there. */
  | "refused"
  /** The name is unknown, or the network has no way there. */
  | "unreachable"
  | "timeout"
  /** TLS was spoken, but the certificate is not the pinned one. */
  | "tls"
  /** Somebody listens, who speaks something else. */
  | "not_fsync";

export class ConnectError extends Error {
  override name = "ConnectError";
  readonly code: ConnectErrorCode;
  readonly hint: string;
  constructor(code: ConnectErrorCode, target: string, reason: string, hint: string) {
    super(`Cannot connect to "${target}": ${reason}`);
    this.code = code;
    this.hint = hint;
  }
}

export type ListenErrorCode = "in_use" | "permission" | "other";

export class ListenError extends Error {
  override name = "ListenError";
  readonly code: ListenErrorCode;
  readonly hint: string;
  constructor(code: ListenErrorCode, target: string, reason: string, hint: string) {
    super(`Cannot listen on "${target}": ${reason}`);
    this.code = code;
    this.hint = hint;
  }
}

/** The text of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function timeoutError(target: string, timeoutMs: number): ConnectError {
  const hint = "check the address and that no firewall drops the packets";
  return new ConnectError("timeout", target, `no answer within ${timeoutMs / 1000} s`, hint);
}

export function tcpError(target: string, error: unknown): ConnectError {
  if (error instanceof Deno.errors.ConnectionRefused) {
    return new ConnectError(
      "refused",
      target,
      "connection refused",
      'is "fsync server" running on that port?',
    );
  }
  if (error instanceof Deno.errors.TimedOut) {
    return new ConnectError("timeout", target, "no answer", "check the address and the network");
  }
  return new ConnectError(
    "unreachable",
    target,
    plainReason(error),
    "check the address and the network",
  );
}

export function tlsError(target: string, error: unknown): ConnectError {
  const reason = reasonOf(error);
  if (reason.includes("peer certificate")) {
    return new ConnectError(
      "tls",
      target,
      `its certificate is not the pinned one (${reason})`,
      "if the server was set up anew, join it again with a new invite; otherwise somebody may be in between",
    );
  }
  if (reason.includes("fatal alert")) {
    return new ConnectError("tls", target, `TLS failed: ${reason}`, "both sides must run a current fsync");
  }
  const hint = "is it another service, or a server started with --no-tls?";
  return new ConnectError("not_fsync", target, `it does not speak TLS (${lowerFirst(reason)})`, hint);
}

export function listenError(target: string, error: unknown): ListenError {
  if (error instanceof Deno.errors.AddrInUse) {
    return new ListenError(
      "in_use",
      target,
      "the port is in use",
      "choose another with --port, or stop the other program",
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new ListenError(
      "permission",
      target,
      "permission denied",
      "ports below 1024 need privileges; choose another",
    );
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    const hint = "--host takes one of its own addresses; 0.0.0.0 stands for all";
    return new ListenError("other", target, "this machine has no such address", hint);
  }
  return new ListenError(
    "other",
    target,
    plainReason(error),
    "check the host name and the certificate files",
  );
}

/** "No route to host (os error 113)" */
function plainReason(error: unknown): string {
  return lowerFirst(reasonOf(error).replace(/ \(os error \d+\)/, ""));
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
