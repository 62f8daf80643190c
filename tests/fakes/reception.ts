/** A server's reception over memory and a manual clock: strangers knock, and what they hear is written down with its time. */
import { assertEquals } from "@std/assert";
import { decode, encode } from "../../protocol/codec.ts";
import { FRAME_BYTES_MAX } from "../../protocol/limits.ts";
import { type Hello, type Join, type Message, PROTOCOL_VERSIONS } from "../../protocol/messages.ts";
import { MAIN_FOLDER } from "../../server/accounts/accounts.ts";
import { TOKEN_BYTES, tokenHash } from "../../server/auth.ts";
import type { DoorLimits } from "../../server/door.ts";
import { Folder } from "../../server/folder.ts";
import { Greeter, type Guest } from "../../server/greet.ts";
import type { FailedSignIns } from "../../server/refusals.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemAccounts } from "./mem_accounts.ts";
import { MemContents } from "./mem_contents.ts";
import { type MemLinkOptions, memLinkPair, type MemWire } from "./mem_link.ts";
import { MemRecords } from "./mem_records.ts";
import { SeededRandom } from "./seeded_random.ts";

export const CA_PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const WRITE = { access: "write", history: false } as const;

export function idOf(text: string): string {
  return Array.from(text.padEnd(16, "\0"), (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join(
    "",
  )
    .slice(0, 32);
}

/** The token of the device of that name. */
export function tokenOf(device: string): Uint8Array {
  return new Uint8Array(TOKEN_BYTES).fill(device.length).fill(device.charCodeAt(0), 0, 16);
}

export class Reception {
  readonly clock = new ManualClock();
  readonly accounts = new MemAccounts(new SeededRandom(1n), this.clock);
  readonly folders = new Map<string, Folder>();
  readonly opened: Guest[] = [];
  readonly closed: (Guest & { readonly reason: string })[] = [];
  readonly joined: Guest[] = [];
  readonly failed: FailedSignIns[] = [];
  readonly bugs: unknown[] = [];
  readonly greeter: Greeter;
  #peers = 0;

  constructor(limits: DoorLimits = { connections: 1000, strangers: 256 }) {
    this.addFolder(MAIN_FOLDER);
    this.accounts.setOwner("owner");
    this.greeter = new Greeter({
      accounts: this.accounts,
      folder: (name) => this.folders.get(name) ?? null,
      clock: this.clock,
      software: "test",
      caPem: CA_PEM,
      limits,
      events: {
        onOpen: (guest) => void this.opened.push(guest),
        onClose: (guest, reason) => void this.closed.push({ ...guest, reason }),
        onJoined: (guest) => void this.joined.push(guest),
        onFailed: (failed) => void this.failed.push(failed),
        onBug: (error) => void this.bugs.push(error),
      },
    });
  }

  /** A folder of the server; its stores are there whether the accounts know of it or not. */
  addFolder(name: string, contents = new MemContents()): Folder {
    const { clock } = this;
    const records = new MemRecords(new SeededRandom(BigInt(this.folders.size + 7)), clock);
    const folder = new Folder({
      records,
      contents,
      clock,
      onCommit: () => {},
      opens: (from, to) => this.accounts.opens(name, from, to),
    });
    this.folders.set(name, folder);
    return folder;
  }

  /** A user with one device of the same name, who may write everywhere in these folders. */
  addUser(name: string, ...folders: string[]): void {
    this.accounts.addUser({ name });
    this.addDevice(name, name);
    for (const folder of folders) this.accounts.grant(folder, null, { kind: "user", name }, WRITE);
  }

  addDevice(user: string, name: string): void {
    this.accounts.addDevice({ id: idOf(name), name, user, tokenHash: tokenHash(tokenOf(name)) });
  }

  hello(device: string, change: Partial<Hello> = {}): Hello {
    return {
      type: "hello",
      versions: PROTOCOL_VERSIONS,
      software: "test",
      folder: "",
      replica: idOf(`r ${device}`),
      device: idOf(device),
      token: tokenOf(device),
      clock: this.clock.now(),
      ...change,
    };
  }

  join(secret: Uint8Array, device: string, change: Partial<Join> = {}): Join {
    return {
      type: "join",
      versions: PROTOCOL_VERSIONS,
      software: "test",
      secret,
      device: idOf(device),
      deviceName: device,
      token: tokenOf(device),
      ...change,
    };
  }

  /** A connection from `network`, its other side in the hands of the test. */
  plug(network = "10.0.0.7", options: MemLinkOptions = {}): MemWire {
    const wire = memLinkPair({ names: [`${network}:${++this.#peers}`, "server"], ...options });
    void this.greeter.serve(wire.b);
    return wire;
  }

  /** Connects from `network`. */
  connect(network = "10.0.0.7"): Caller {
    return new Caller(this.clock, this.plug(network));
  }

  /** Connects and says one thing. */
  async knock(message: Message | Uint8Array, network?: string): Promise<Caller> {
    const caller = this.connect(network);
    await caller.say(message);
    return caller;
  }

  /** The same; the conversation has begun when it returns. */
  async signIn(device: string, change: Partial<Hello> = {}, network?: string): Promise<Caller> {
    const caller = await this.knock(this.hello(device, change), network);
    assertEquals(caller.types(), ["welcome"], `${device} is not let in`);
    return caller;
  }

  /** Ends it, and makes sure that nothing is left over. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.clock.runUntil(this.greeter.close());
    await this.clock.settle();
    assertEquals([this.clock.pending, this.greeter.sessions, this.bugs], [0, 0, []]);
  }
}

/** The other side of a connection. */
export class Caller {
  /** Frames that were heard, and when, ms after the last thing that was said. */
  readonly heard: { readonly frame: Uint8Array; readonly afterMs: number }[] = [];
  readonly wire: MemWire;
  /** When the connection ended, ms after the last thing that was said; `null` while it is open. */
  endedAfterMs: number | null = null;
  readonly #clock: ManualClock;
  #said = 0;

  constructor(clock: ManualClock, wire: MemWire) {
    this.#clock = clock;
    this.wire = wire;
    this.#said = clock.monotonic();
    wire.a.frameMax = FRAME_BYTES_MAX;
    void this.#listen();
  }

  async say(message: Message | Uint8Array, id = 0): Promise<void> {
    this.#said = this.#clock.monotonic();
    const frame = message instanceof Uint8Array ? message : encode({ id, message });
    void this.wire.a.send(frame).catch(() => {});
    await this.#clock.settle();
  }

  get messages(): Message[] {
    return this.heard.map(({ frame }) => decode(frame).message);
  }

  /** What was heard, shortly: an error by its code. */
  types(): string[] {
    return this.messages.map((message) => message.type === "error" ? message.code : message.type);
  }

  async #listen(): Promise<void> {
    try {
      for (let frame; (frame = await this.wire.a.receive()) !== null;) {
        this.heard.push({ frame, afterMs: this.#clock.monotonic() - this.#said });
      }
    } catch {
      // It ended with a jolt.
    }
    this.endedAfterMs = this.#clock.monotonic() - this.#said;
    this.wire.a.close();
  }
}
