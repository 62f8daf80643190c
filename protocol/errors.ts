/** Codes of the wire's ERROR. Stable: numbers are never reused. */
export const ERROR_CODES = {
  /** The message cannot be understood or is not allowed here; the link is closed. */
  protocol: 1,
  /** No common protocol version. */
  version: 2,
  /** Not authenticated; always the same answer, whatever was wrong. */
  denied: 3,
  /** Authenticated, but this may not be done here. */
  forbidden: 4,
  /** No such folder, path or version. */
  notFound: 5,
  /** The server has no room. */
  noSpace: 6,
  /** The content does not match its identity. */
  corrupt: 7,
  /** A limit was passed: size, count, rate. */
  limit: 8,
  /** The server failed; the request may be tried again. */
  internal: 9,
  /** The server is going away; connect again. */
  closing: 10,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** A peer broke the protocol. Ends the session that it came from, nothing else. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** An ERROR that the other side answered. */
export class RemoteError extends Error {
  override name = "RemoteError";
  readonly code: ErrorCode;
  readonly hint: string;
  constructor(code: ErrorCode, message: string, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
