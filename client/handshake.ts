/** The first message on a connection and its answer: what Hello and Join share. */
import { decode, encode } from "../protocol/codec.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import { HANDSHAKE_MS_MAX } from "../protocol/limits.ts";
import {
  type Hello,
  type Join,
  type Joined,
  type Message,
  PROTOCOL_VERSIONS,
  type Welcome,
} from "../protocol/messages.ts";
import type { Clock } from "../system/clock.ts";
import { type Link, LinkClosed } from "../system/link.ts";
import { UnreachableError } from "./errors.ts";

export interface HandshakeOptions {
  readonly clock: Clock;
  /** Longest answer, bytes. */
  readonly answerMax: number;
}

/**
 * Says `message` on `link` and returns the answer. Closes the link if there is none of use.
 *
 * @throws {UnreachableError} if the link ends or nobody answers in time
 * @throws {RemoteError} if the server refuses
 * @throws {ProtocolError} if it is no server of ours
 */
export function shakeHands(link: Link, message: Hello, options: HandshakeOptions): Promise<Welcome>;
export function shakeHands(link: Link, message: Join, options: HandshakeOptions): Promise<Joined>;
export async function shakeHands(
  link: Link,
  message: Hello | Join,
  { clock, answerMax }: HandshakeOptions,
): Promise<Message> {
  const deadline = new AbortController();
  void clock.sleep(HANDSHAKE_MS_MAX, deadline.signal).then(() => {
    if (!deadline.signal.aborted) link.close();
  });
  try {
    link.frameMax = answerMax;
    await link.send(encode({ id: 0, message }));
    const frame = await link.receive();
    if (frame === null) throw new LinkClosed("the server closed the connection");
    return accepted(decode(frame).message, message);
  } catch (error) {
    link.close();
    if (error instanceof LinkClosed) {
      throw new UnreachableError(`Cannot talk to the server: ${error.message}`);
    }
    throw error;
  } finally {
    deadline.abort();
  }
}

function accepted(answer: Message, { type, versions }: Hello | Join): Message {
  if (answer.type === "error") throw new RemoteError(answer.code, answer.message, answer.hint);
  const wanted = type === "hello" ? "welcome" : "joined";
  if (answer.type !== wanted) throw new ProtocolError(`the server answered ${answer.type} to a ${type}`);
  if (!versions.includes(answer.version)) {
    const spoken = PROTOCOL_VERSIONS.join(", ");
    throw new ProtocolError(`the server chose protocol version ${answer.version}, not one of ${spoken}`);
  }
  return answer;
}
