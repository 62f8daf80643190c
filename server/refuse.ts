/** How a link is ended with a reason, as far as the other side may know it. */
import { encode } from "../protocol/codec.ts";
import { type ErrorCode, ProtocolError } from "../protocol/errors.ts";
import type { Message } from "../protocol/messages.ts";
import { type Link, LinkClosed } from "../system/link.ts";

/** A session that ends with an answer to the client. */
export class Refused extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  constructor(code: ErrorCode, message: string, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** Always the same, whatever is wrong with a sign-in. */
export function denied(): Refused {
  const hint = "ask the owner for an invitation";
  return new Refused("denied", "Cannot sign in: this server does not let this device in", hint);
}

/**
 * Answers with the reason, as far as a client may know it. It leaves when the caller closes the link: a side that does not
 * read must not be waited for.
 */
export function refuse(link: Link, error: unknown): void {
  if (error instanceof LinkClosed) return;
  link.send(encode({ id: 0, message: farewell(error) })).catch(() => {});
}

function farewell(error: unknown): Message {
  if (error instanceof Refused) {
    return { type: "error", code: error.code, message: error.message, hint: error.hint };
  }
  if (error instanceof ProtocolError) {
    return { type: "error", code: "protocol", message: error.message, hint: "" };
  }
  return {
    type: "error",
    code: "internal",
    message: "Cannot go on: the server failed",
    hint: "see the server's log",
  };
}
