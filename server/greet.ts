/**
 * The beginning of a conversation: a stranger says who it is, and becomes a {@link Session} or is sent away. Until then it
 * gets little memory and little time.
 */
import { Rights } from "../core/access.ts";
import { decode, encode } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { FRAME_BYTES_MAX, HANDSHAKE_MS_MAX, HEARTBEAT_MS } from "../protocol/limits.ts";
import { type Message, PROTOCOL_VERSIONS } from "../protocol/messages.ts";
import type { Clock } from "../system/clock.ts";
import type { Link } from "../system/link.ts";
import { type Accounts, MAIN_FOLDER, type Membership } from "./accounts/accounts.ts";
import { authenticate } from "./auth.ts";
import type { Caller } from "./caller.ts";
import type { Folder } from "./folder.ts";
import type { Actor } from "./heads.ts";
import { refuse, Refused } from "./refuse.ts";
import { Session } from "./session.ts";

export interface SessionEvents {
  readonly onOpen: (who: { user: string; device: string; peer: string }) => void;
  readonly onClose: (who: { user: string; device: string; peer: string; reason: string }) => void;
  readonly onDenied: (peer: string) => void;
  /** A request failed in a way that nobody foresaw: a bug. */
  readonly onBug: (error: unknown) => void;
}

export interface GreetParts {
  readonly accounts: Accounts;
  readonly folder: Folder;
  readonly clock: Clock;
  readonly software: string;
  readonly events: SessionEvents;
}

const NO_RIGHTS = new Rights([]);

/** Serves `link` until it ends. Never throws. */
export async function serveLink(link: Link, parts: GreetParts, signal: AbortSignal): Promise<void> {
  const stop = () => link.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const session = await greet(link, parts);
    if (session === null) return;
    const { user, device } = session.caller.actor;
    const who = { user, device, peer: link.peer };
    parts.events.onOpen(who);
    const reason = await session.run();
    parts.events.onClose({ ...who, reason });
  } finally {
    signal.removeEventListener("abort", stop);
    link.close();
  }
}

async function greet(link: Link, parts: GreetParts): Promise<Session | null> {
  const { accounts, clock, folder, events } = parts;
  const deadline = new AbortController();
  void clock.sleep(HANDSHAKE_MS_MAX, deadline.signal).then(() => {
    if (!deadline.signal.aborted) link.close();
  });
  try {
    const frame = await link.receive();
    if (frame === null) return null;
    const { id, message } = decode(frame);
    if (message.type !== "hello") throw new ProtocolError("the first message is not a hello");
    const version = PROTOCOL_VERSIONS.find((known) => message.versions.includes(known));
    if (version === undefined) {
      const spoken = PROTOCOL_VERSIONS.join(", ");
      throw new Refused(
        "version",
        `Cannot talk: this server speaks protocol version ${spoken}`,
        "update the older side",
      );
    }
    const { device: claimed, token } = message;
    const admitted = authenticate(accounts, {
      device: claimed,
      token,
      folder: message.folder || MAIN_FOLDER,
    });
    if (admitted === null) {
      events.onDenied(link.peer);
      throw new Refused(
        "denied",
        "Cannot sign in: this device is not known here",
        "ask the owner for an invitation",
      );
    }
    const { device, membership } = admitted;
    accounts.noteSeen(device.id);
    const actor: Actor = {
      user: device.user,
      device: device.name,
      replica: message.replica,
      clockOffset: message.clock - clock.now(),
    };
    const rights = () => accounts.membership(device.user, MAIN_FOLDER)?.rights ?? NO_RIGHTS;
    const caller: Caller = { actor, rights };
    link.frameMax = FRAME_BYTES_MAX;
    await link.send(encode({ id, message: welcome(parts, version, caller, membership) }));
    return new Session(link, { folder, clock, caller, onBug: events.onBug });
  } catch (error) {
    await refuse(link, error);
    return null;
  } finally {
    deadline.abort();
  }
}

function welcome(
  parts: GreetParts,
  version: number,
  { actor }: Caller,
  { view, rules }: Membership,
): Message {
  const { folder, clock, software } = parts;
  const identity = folder.records.identity();
  return {
    type: "welcome",
    version,
    software,
    folderName: MAIN_FOLDER,
    folder: identity.folder,
    epoch: identity.epoch,
    head: folder.revision,
    clock: clock.now(),
    user: actor.user,
    deviceName: actor.device,
    view,
    rules,
    conflicts: folder.openConflicts(actor.user),
    heartbeatMs: HEARTBEAT_MS,
  };
}
