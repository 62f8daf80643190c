/**
 * The beginning of a conversation: a stranger says who it is, and becomes a {@link Session} or is sent away. Until then it
 * gets little memory and little time.
 */
import { Rights } from "../core/access.ts";
import { encode } from "../protocol/codec.ts";
import { FRAME_BYTES_MAX, HANDSHAKE_MS_MAX, HEARTBEAT_MS } from "../protocol/limits.ts";
import type { Hello, Join, Message } from "../protocol/messages.ts";
import type { Clock } from "../system/clock.ts";
import type { Link } from "../system/link.ts";
import { AccountError, type Accounts, type Invitation, MAIN_FOLDER } from "./accounts/accounts.ts";
import { type Admitted, authenticate, TOKEN_BYTES, tokenHash } from "./auth.ts";
import type { Caller } from "./caller.ts";
import { Door, type DoorLimits, type Visit } from "./door.ts";
import { commonVersion, firstMessage } from "./first_message.ts";
import type { Folder } from "./folder.ts";
import { type LiveSession, LiveSessions } from "./live_sessions.ts";
import { quotaOf } from "./quota.ts";
import { type FailedSignIns, Refusals } from "./refusals.ts";
import { denied, refuse, Refused } from "./refuse.ts";
import { Session } from "./session.ts";

/** Who has come, as the accounts name them. */
export interface Guest {
  readonly user: string;
  readonly device: string;
  readonly folder: string;
  readonly peer: string;
}

export interface GreetEvents {
  readonly onOpen: (guest: Guest) => void;
  readonly onClose: (guest: Guest, reason: string) => void;
  /** A device has become known by an invitation. */
  readonly onJoined: (guest: Guest) => void;
  readonly onFailed: (failed: FailedSignIns) => void;
  /** A request failed in a way that nobody foresaw: a bug. */
  readonly onBug: (error: unknown) => void;
}

export interface GreeterParts {
  readonly accounts: Accounts;
  /** The folder of that name, `null` while it cannot be served. */
  readonly folder: (name: string) => Folder | null;
  readonly clock: Clock;
  readonly software: string;
  /** What a device that joins is to pin; empty without TLS. */
  readonly caPem: string;
  readonly limits: DoorLimits;
  readonly events: GreetEvents;
}

interface Opened {
  readonly session: Session;
  readonly live: LiveSession;
}

const NO_RIGHTS = new Rights([]);

/** Receives the connections of a server, for all of its folders. */
export class Greeter {
  readonly #parts: GreeterParts;
  readonly #door: Door;
  readonly #refusals: Refusals;
  readonly #sessions: LiveSessions;
  readonly #served = new Map<Link, Promise<void>>();
  readonly #conversations = new Map<LiveSession, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(parts: GreeterParts) {
    this.#parts = parts;
    this.#door = new Door(parts.limits);
    this.#refusals = new Refusals({ clock: parts.clock, onFailed: parts.events.onFailed });
    this.#sessions = new LiveSessions(parts.accounts, parts.clock);
  }

  /** Sessions that are open. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Connections that have not signed in. */
  get strangers(): number {
    return this.#door.strangers;
  }

  /** Sign-ins that were refused so far. */
  get refused(): number {
    return this.#refusals.count;
  }

  /** Serves `link` until it ends. Never throws. */
  async serve(link: Link): Promise<void> {
    const visit = this.#stop.signal.aborted ? null : this.#door.enter(link);
    if (visit === null) return link.close();
    const serving = this.#serve(link, visit);
    this.#served.set(link, serving);
    await serving;
    this.#served.delete(link);
  }

  /** Ends the sessions of a folder that is not served any more. Resolves when none of them uses it. */
  async endFolder(name: string, reason: Refused): Promise<void> {
    this.#sessions.endAll(reason, name);
    const ending = [...this.#conversations].filter(([{ folder }]) => folder === name);
    await Promise.all(ending.map(([, end]) => end));
  }

  /** Ends everything. Resolves when the last connection has ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#sessions.close();
    this.#sessions.endAll(new Refused("closing", "Cannot go on: the server is going away"));
    for (const link of this.#served.keys()) link.close();
    await Promise.all(this.#served.values());
    this.#refusals.close();
  }

  async #serve(link: Link, visit: Visit): Promise<void> {
    const { events } = this.#parts;
    try {
      const opened = await this.#greet(link, visit);
      visit.decided();
      if (opened !== null) {
        const conversation = this.#converse(link, opened);
        this.#conversations.set(opened.live, conversation);
        await conversation.finally(() => this.#conversations.delete(opened.live));
      }
    } catch (error) {
      events.onBug(error);
    } finally {
      link.close();
      await link.ended;
      visit.leave();
    }
  }

  async #converse(link: Link, { session, live }: Opened): Promise<void> {
    const { events } = this.#parts;
    const { user, folder } = live;
    const guest: Guest = { user, device: session.caller.actor.device, folder, peer: link.peer };
    events.onOpen(guest);
    try {
      events.onClose(guest, await session.run());
    } finally {
      this.#sessions.delete(live);
    }
  }

  async #greet(link: Link, visit: Visit): Promise<Opened | null> {
    try {
      const frame = await this.#firstFrame(link);
      if (frame === null) return null;
      const since = this.#parts.clock.monotonic();
      const message = firstMessage(frame);
      const version = commonVersion(message);
      const welcomed = message.type === "hello"
        ? this.#open(link, message, version)
        : await this.#admit(link, message, version);
      if (welcomed === "denied") {
        await this.#denyLater(since + this.#refusals.note(visit.network));
        throw denied();
      }
      return welcomed;
    } catch (error) {
      refuse(link, error);
      return null;
    }
  }

  /** What a stranger says first; it must come soon. */
  async #firstFrame(link: Link): Promise<Uint8Array | null> {
    const deadline = new AbortController();
    void this.#parts.clock.sleep(HANDSHAKE_MS_MAX, deadline.signal).then(() => {
      if (!deadline.signal.aborted) link.close();
    });
    try {
      return await link.receive();
    } finally {
      deadline.abort();
    }
  }

  /** Whatever was wrong, and however long it took to find that out: the answer comes at its time. */
  #denyLater(atMs: number): Promise<void> {
    const { clock } = this.#parts;
    return clock.sleep(Math.max(0, atMs - clock.monotonic()), this.#stop.signal);
  }

  #open(link: Link, hello: Hello, version: number): Opened | "denied" {
    const { accounts, clock, events } = this.#parts;
    const name = hello.folder === "" ? MAIN_FOLDER : hello.folder;
    const admitted = authenticate(accounts, { device: hello.device, token: hello.token, folder: name });
    if (admitted === null) return "denied";
    const folder = this.#folder(name);
    const { device, membership } = admitted;
    const { user } = device;
    const caller: Caller = {
      actor: {
        user,
        device: device.name,
        replica: hello.replica,
        clockOffset: hello.clock - clock.now(),
      },
      rights: () => accounts.membership(user, name)?.rights ?? NO_RIGHTS,
      quota: quotaOf(user, () => accounts.user(user)?.quota ?? null, () => this.#folders()),
    };
    const welcome = this.#welcome(version, name, folder, admitted, caller);
    const session = new Session(link, { folder, clock, caller, onBug: events.onBug });
    const end = (reason: Refused) => session.end(reason);
    const live = { user, device: device.id, folder: name, replica: hello.replica, membership, end };
    this.#sessions.add(live);
    accounts.noteSeen(device.id);
    link.frameMax = FRAME_BYTES_MAX;
    // Nothing may be awaited before: what ends the session from now on must find it, and come after its Welcome.
    link.send(encode({ id: 0, message: welcome })).catch(() => {});
    return { session, live };
  }

  #folder(name: string): Folder {
    const folder = this.#parts.folder(name);
    if (folder !== null) return folder;
    const hint = "try again later; the server's log says what is wrong";
    throw new Refused("internal", "Cannot serve this folder at the moment", hint);
  }

  /** All that are served. */
  *#folders(): Generator<Folder> {
    for (const { name } of this.#parts.accounts.folders()) {
      const folder = this.#parts.folder(name);
      if (folder !== null) yield folder;
    }
  }

  #welcome(
    version: number,
    folderName: string,
    folder: Folder,
    { device, membership }: Admitted,
    caller: Caller,
  ): Message {
    const { clock, software } = this.#parts;
    const identity = folder.records.identity();
    return {
      type: "welcome",
      version,
      software,
      folderName,
      folder: identity.folder,
      epoch: identity.epoch,
      head: folder.revision,
      clock: clock.now(),
      user: device.user,
      deviceName: device.name,
      view: membership.view,
      rules: membership.rules,
      conflicts: folder.openConflicts(caller),
      heartbeatMs: HEARTBEAT_MS,
    };
  }

  /** Makes a device known that has an invitation. */
  async #admit(link: Link, join: Join, version: number): Promise<null | "denied"> {
    const { caPem, events, software } = this.#parts;
    const invitation = this.#redeem(join);
    if (invitation === null) return "denied";
    const { user, folder: folderName } = invitation;
    const { folder } = this.#folder(folderName).records.identity();
    const message: Message = { type: "joined", version, software, user, folderName, folder, caPem };
    const device = this.#parts.accounts.device(join.device)?.name ?? "";
    events.onJoined({ user, device, folder: folderName, peer: link.peer });
    await link.send(encode({ id: 0, message }));
    return null;
  }

  #redeem({ secret, device, deviceName, token }: Join): Invitation | null {
    const newDevice = { id: device, name: deviceName, tokenHash: tokenHash(token) };
    if (token.length !== TOKEN_BYTES) return null;
    try {
      return this.#parts.accounts.redeem(tokenHash(secret), newDevice);
    } catch (error) {
      if (!(error instanceof AccountError)) throw error;
      // Too many devices: only somebody with a valid invitation gets to know.
      throw new Refused("limit", error.message, error.hint);
    }
  }
}
