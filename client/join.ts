/** Makes this device known to a server by an invitation. */
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import { CA_PEM_BYTES_MAX } from "../protocol/limits.ts";
import { type Join, type Joined, PROTOCOL_VERSIONS } from "../protocol/messages.ts";
import { parseAddress } from "../system/address.ts";
import type { Clock } from "../system/clock.ts";
import { IdentityError } from "../system/identity.ts";
import type { Link } from "../system/link.ts";
import { anchorFor, isPinned } from "../system/server_pin.ts";
import { ConnectError, connectTcp, type PinnedServer } from "../system/tcp_link.ts";
import type { Credential } from "./credentials.ts";
import { UnreachableError } from "./errors.ts";
import { shakeHands } from "./handshake.ts";
import type { InvitationLine } from "./invitation.ts";
import type { PendingJoin } from "./pending_join.ts";

export interface JoinOptions {
  readonly clock: Clock;
  readonly software: string;
  readonly deviceName: string;
  readonly signal: AbortSignal;
}

/** A Joined beside its CA. */
const ANSWER_BYTES_MAX = CA_PEM_BYTES_MAX + 4096;
/** Waits before the same Join is sent again because its answer was lost, ms. */
const PAUSES_MS = [250, 1000, 3000];

/**
 * Shows the invitation and the device of `pending`, again if the answer is lost: the server lets the same device in as
 * often as it asks.
 *
 * @throws {ConnectError | UnreachableError | RemoteError | ProtocolError | IdentityError} then it may be tried again
 */
export async function join(
  line: InvitationLine,
  pending: PendingJoin,
  options: JoinOptions,
): Promise<{ readonly joined: Joined; readonly credential: Credential }> {
  const joined = await ask(line, pending, options);
  const { user, folder } = joined;
  const tls = line.pin === null ? null : { caPem: joined.caPem };
  // What is kept from now on is what the line named, whoever sent it.
  if (line.pin !== null && !isPinned(joined.caPem, line.pin)) {
    throw new IdentityError("Cannot join: the server sent another identity than the one in the invitation");
  }
  return { joined, credential: { server: line.server, tls, ...pending, user, folder } };
}

async function ask(line: InvitationLine, pending: PendingJoin, options: JoinOptions): Promise<Joined> {
  const tls = line.pin === null ? null : await anchorFor(line.pin);
  const message: Join = {
    type: "join",
    versions: PROTOCOL_VERSIONS,
    software: options.software,
    secret: line.secret,
    deviceName: options.deviceName,
    device: pending.device,
    token: Uint8Array.fromBase64(pending.token, { alphabet: "base64url" }),
  };
  for (const pause of PAUSES_MS) {
    const link = await connect(line, tls, options.signal);
    try {
      return await shakeHands(link, message, { clock: options.clock, answerMax: ANSWER_BYTES_MAX });
    } catch (error) {
      if (!mayBeLost(error) || options.signal.aborted) throw error;
    } finally {
      link.close();
    }
    await options.clock.sleep(pause, options.signal);
  }
  const link = await connect(line, tls, options.signal);
  try {
    return await shakeHands(link, message, { clock: options.clock, answerMax: ANSWER_BYTES_MAX });
  } finally {
    link.close();
  }
}

function connect({ server }: InvitationLine, tls: PinnedServer | null, signal: AbortSignal): Promise<Link> {
  const { host, port } = parseAddress(server);
  return connectTcp(host, port, { tls, signal });
}

/** Whether the server may have accepted the Join all the same. */
function mayBeLost(error: unknown): boolean {
  if (error instanceof ProtocolError || error instanceof ConnectError) return false;
  return error instanceof UnreachableError || (error instanceof RemoteError && error.code === "closing");
}
