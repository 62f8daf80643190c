/** What a stranger says first. */
import { decode } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { type Hello, type Join, type Message, PROTOCOL_VERSIONS } from "../protocol/messages.ts";
import { Refused } from "./refuse.ts";

/** @throws {ProtocolError} without a detail: a stranger is told none */
export function firstMessage(frame: Uint8Array): Hello | Join {
  let message: Message | null = null;
  try {
    ({ message } = decode(frame));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  if (message?.type === "hello" || message?.type === "join") return message;
  throw new ProtocolError("Cannot talk: this is not how a conversation begins");
}

/** The version that the client likes best, of those that are spoken here. @throws {Refused} */
export function commonVersion({ versions }: Hello | Join): number {
  const version = versions.find((offered) => PROTOCOL_VERSIONS.includes(offered));
  if (version !== undefined) return version;
  const spoken = PROTOCOL_VERSIONS.join(", ");
  throw new Refused(
    "version",
    `Cannot talk: this server speaks protocol version ${spoken}`,
    "update the older side",
  );
}
