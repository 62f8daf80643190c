/**
 * A client that is signed in and then says whatever it likes: raw frames over real TCP to the real server, started as a
 * process. Beside the server's folder lie canaries that nobody may touch.
 */
import { assert, assertEquals } from "@std/assert";
import { digestHex } from "../../core/chunk.ts";
import { decode, encode } from "../../protocol/codec.ts";
import { FRAME_BYTES_MAX } from "../../protocol/limits.ts";
import type { Message, UploadResult } from "../../protocol/messages.ts";
import { PROTOCOL_VERSIONS } from "../../protocol/messages.ts";
import type { Link } from "../../system/link.ts";
import { connectTcp } from "../../system/tcp_link.ts";
import { type World, worldTest } from "../e2e/_world.ts";
import { FreeFields, type FreePath } from "./free_frames.ts";

const UPLOAD = 6;
const PUT = 1, DELETE = 2, RENAME = 3;
const INLINE = 1;
const encoder = new TextEncoder();

/** What a device has to sign in. */
export interface Credential {
  readonly device: string;
  readonly token: string;
}

/** The credential that the server leaves for its own user. */
export function ownerCredential(world: World): Credential {
  return credentialIn(world, "state");
}

/** The credential of whoever has this state directory. */
export function credentialIn(world: World, state: string): Credential {
  const dir = world.path(`${state}/servers`);
  const name = [...Deno.readDirSync(dir)].map(({ name }) => name).find((name) => name.endsWith(".json"))!;
  return JSON.parse(Deno.readTextFileSync(`${dir}/${name}`)) as Credential;
}

export function tokenBytes({ token }: Credential): Uint8Array {
  return Uint8Array.fromBase64(token, { alphabet: "base64url" });
}

/** A Hello that the server believes, with what is different. */
export function hello(
  credential: Credential,
  over: Partial<Extract<Message, { type: "hello" }>> = {},
) {
  return {
    type: "hello",
    versions: PROTOCOL_VERSIONS,
    software: "mallory 1.0",
    folder: "",
    replica: crypto.randomUUID().replaceAll("-", ""),
    device: credential.device,
    token: tokenBytes(credential),
    clock: Date.now(),
    ...over,
  } as const;
}

export class HostileClient {
  readonly link: Link;
  #id = 0;

  private constructor(link: Link) {
    this.link = link;
    link.frameMax = FRAME_BYTES_MAX;
  }

  /** Connects, and says nothing. */
  static async stranger(world: World): Promise<HostileClient> {
    return new HostileClient(await connectTcp("127.0.0.1", world.port, { tls: null }));
  }

  /** Signs in, as the owner if nobody else is named. */
  static async signedIn(
    world: World,
    credential: Credential = ownerCredential(world),
  ): Promise<HostileClient> {
    const client = await HostileClient.stranger(world);
    const welcome = await client.ask({
      type: "hello",
      versions: PROTOCOL_VERSIONS,
      software: "mallory 1.0",
      folder: "",
      replica: crypto.randomUUID().replaceAll("-", ""),
      device: credential.device,
      token: tokenBytes(credential),
      clock: Date.now(),
    });
    assertEquals(welcome?.type, "welcome");
    return client;
  }

  /** Sends a proper message and returns the next one, `null` if the server has closed the connection. */
  async ask(message: Message): Promise<Message | null> {
    await this.link.send(encode({ id: ++this.#id, message }));
    return await this.next();
  }

  /** Sends a frame with every field free: its type, then its fields. */
  async send(type: number, fields: Uint8Array): Promise<void> {
    const frame = new FreeFields().u8(type).u32(++this.#id).raw(fields).bytes();
    await this.link.send(frame);
  }

  /** Sends one more frame of the request that was sent last. */
  async continue(type: number, fields: Uint8Array): Promise<void> {
    await this.link.send(new FreeFields().u8(type).u32(this.#id).raw(fields).bytes());
  }

  /** The next message that is no ping, `null` at the end of the connection. */
  async next(): Promise<Message | null> {
    for (;;) {
      const frame = await this.link.receive().catch(() => null);
      if (frame === null) return null;
      const { message } = decode(frame);
      if (message.type !== "ping") return message;
    }
  }

  /** Sends items, bytes of inline files behind them, and returns the results; `null` if the session was ended. */
  async upload(
    items: readonly Uint8Array[],
    block: Uint8Array = new Uint8Array(0),
  ): Promise<readonly UploadResult[] | null> {
    const fields = new FreeFields().uint(items.length);
    for (const item of items) fields.raw(item);
    fields.u8(0).uint(block.length).uint(block.length).raw(block);
    await this.send(UPLOAD, fields.bytes()).catch(() => {});
    const answer = await this.next();
    if (answer === null || answer.type === "error") {
      if (answer !== null) assertEquals(answer.code, "protocol");
      assertEquals(await this.next(), null, "the connection stays open after an error of the protocol");
      return null;
    }
    assert(answer.type === "results", answer.type);
    return answer.results;
  }

  close(): void {
    this.link.close();
  }
}

/** Items of an upload with any path. */
export const freeItem = {
  file: (path: FreePath, text: string, base = 0) =>
    new FreeFields().u8(PUT).text(path).uint(base).u8(1).uint(text.length).time(1000).uint(0o644)
      .hex(digestHex(encoder.encode(text))).u8(INLINE).bytes(),
  entry: (path: FreePath, entry: Uint8Array, base = 0) =>
    new FreeFields().u8(PUT).text(path).uint(base).raw(entry).bytes(),
  delete: (path: FreePath, base: number) => new FreeFields().u8(DELETE).text(path).uint(base).bytes(),
  rename: (from: FreePath, to: FreePath, base: number, count: number) =>
    new FreeFields().u8(RENAME).text(from).text(to).uint(base).uint(count).bytes(),
};

/** A server without TLS, so that frames are what is on the wire; canaries around its folder; an honest client at the end. */
export function hostileClientTest(name: string, body: (world: World) => Promise<void>): void {
  worldTest(name, async (world) => {
    Deno.mkdirSync(world.path("canary/dir"), { recursive: true });
    Deno.writeTextFileSync(world.path("canary/secret"), "canary");
    await world.startServer();
    const before = residentBytes(world);
    await body(world);
    await checkHonest(world);
    const grown = residentBytes(world) - before;
    assert(grown < 120 * 2 ** 20, `the server grew by ${Math.round(grown / 2 ** 20)} MiB`);
    assertEquals(Deno.readTextFileSync(world.path("canary/secret")), "canary");
    assertEquals([...Deno.readDirSync(world.path("canary"))].map(({ name }) => name).sort(), [
      "dir",
      "secret",
    ]);
    assertEquals([...Deno.readDirSync(world.path("canary/dir"))].length, 0);
    const allowed = ["canary", "honest", "server_files", "state"];
    assertEquals(
      [...Deno.readDirSync(world.cwd)].map(({ name }) => name).filter((name) => !allowed.includes(name)),
      [],
    );
    await world.server.stop();
    const { code, stderr } = await world.run(["check", "--data", "server_files"]);
    assertEquals([code, stderr], [0, ""]);
    assert(!world.server.stderr.some((line) => line.includes("bug")), world.server.stderr.join("\n"));
  }, { server: ["--no-tls"] });
}

let honest = 0;

/** An honest client still syncs, both ways. */
export async function checkHonest(world: World): Promise<void> {
  Deno.mkdirSync(world.path("honest"), { recursive: true });
  const name = `honest file ${++honest}`;
  Deno.writeTextFileSync(world.path(`honest/${name}`), "honest");
  const pass = await world.syncAll("honest");
  assertEquals([pass.code, pass.stderr], [0, ""]);
  assert(pass.ms < 10_000, `an honest pass took ${pass.ms} ms`);
  await world.equal("honest");
}

export function residentBytes(world: World): number {
  const status = Deno.readTextFileSync(`/proc/${world.server.pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1024;
}
