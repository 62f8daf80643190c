/** Joining a server: over real TLS, with answers that are lost, and with a crash between any two steps. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RemoteError } from "../protocol/errors.ts";
import type { Join, Joined } from "../protocol/messages.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { createIdentity, IdentityError } from "../system/identity.ts";
import { systemRandom } from "../system/random.ts";
import { pinOf } from "../system/server_pin.ts";
import { ConnectError } from "../system/tcp_link.ts";
import { HostileServer, type Talk } from "../tests/hostile/hostile_server.ts";
import { MemState } from "../tests/fakes/mem_state.ts";
import { addCredential, readRemembered } from "./credentials.ts";
import { UnreachableError } from "./errors.ts";
import { type InvitationLine, parseInvitation } from "./invitation.ts";
import { join } from "./join.ts";
import { PendingJoins } from "./pending_join.ts";

const identity = await createIdentity();
const SECRET = new Uint8Array(16).fill(7);
const FOLDER = "f".repeat(32);

/** Waits a tenth of the time, but for what is meant for the dead. */
const QUICK: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms < 5000 ? ms / 10 : ms, signal),
};

/** A server that lets one device in by {@link SECRET}, as often as it asks. */
class Host implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync();
  readonly server: HostileServer;
  readonly pending = new PendingJoins(this.dir);
  /** What is done with an answer on its way. */
  answer: (talk: Talk, joined: Joined, times: number) => void | Promise<void> = (talk, joined) =>
    talk.send(0, joined);
  caPem = identity.caPem;
  device: string | null = null;
  times = 0;

  constructor(tls = identity) {
    this.server = new HostileServer({ tls });
    this.server.on.join = (talk, _id, message) => this.#join(talk, message);
  }

  get line(): InvitationLine {
    const server = `127.0.0.1:${this.server.port}`;
    return { user: "bob", server, pin: pinOf(identity.caPem), secret: SECRET };
  }

  async #join(talk: Talk, { secret, device, token }: Join): Promise<void> {
    const shown = `${device} ${token.toHex()}`;
    this.times++;
    const good = secret.every((byte) => byte === 7) && (this.device ?? shown) === shown;
    if (!good) await talk.send(0, { type: "error", code: "denied", message: "Cannot sign in", hint: "" });
    else {
      this.device = shown;
      await this.answer(talk, {
        type: "joined",
        version: 2,
        software: "test",
        user: "bob",
        folderName: "main",
        folder: FOLDER,
        caPem: this.caPem,
      }, this.times);
    }
    talk.close();
  }

  join(line = this.line) {
    const signal = new AbortController().signal;
    const options = { clock: QUICK, software: "test", deviceName: "laptop", signal };
    return join(line, this.pending.begin(line, systemRandom), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    Deno.removeSync(this.dir, { recursive: true });
  }
}

Deno.test("a device that joins gets a credential of its own, and the CA that the line names", async () => {
  await using host = new Host();
  const { joined, credential } = await host.join();
  assertEquals([joined.user, joined.folderName], ["bob", "main"]);
  assertEquals(credential.tls, { caPem: identity.caPem });
  assertEquals([credential.server, credential.folder], [host.line.server, FOLDER]);
  const token = Uint8Array.fromBase64(credential.token, { alphabet: "base64url" });
  assertEquals(`${credential.device} ${token.toHex()}`, host.device);
});

Deno.test("an answer that is lost is asked for again, by the same device", async () => {
  await using host = new Host();
  host.answer = (talk, joined, times) => times < 3 ? talk.close() : talk.send(0, joined);
  assertEquals((await host.join()).joined.user, "bob");
  assertEquals(host.times, 3);
});

Deno.test("a server that is going away while one joins is asked again", async () => {
  await using host = new Host();
  host.answer = (talk, joined, times) =>
    times < 2
      ? talk.send(0, { type: "error", code: "closing", message: "", hint: "" })
      : talk.send(0, joined);
  assertEquals((await host.join()).joined.user, "bob");
});

Deno.test("answers that are always lost leave the invitation to whoever had begun with it", async () => {
  await using host = new Host();
  host.answer = (talk) => talk.close();
  await assertRejects(() => host.join(), UnreachableError);
  host.answer = (talk, joined) => talk.send(0, joined);
  assertEquals((await host.join()).joined.user, "bob");
});

Deno.test("a used invitation is asked for once, and no more", async () => {
  await using host = new Host();
  host.device = "somebody else";
  const error = await assertRejects(() => host.join(), RemoteError);
  assertEquals([error.code, host.times], ["denied", 1]);
});

Deno.test("MS09: a server with another identity is told nothing", async () => {
  await using host = new Host(await createIdentity());
  const error = await assertRejects(() => host.join(), ConnectError);
  assertEquals([error.code, host.server.received, host.server.bytes], ["tls", [], []]);
});

Deno.test("MS09: a CA that the line does not name is not pinned", async () => {
  await using host = new Host();
  host.caPem = (await createIdentity()).caPem;
  await assertRejects(() => host.join(), IdentityError, "another identity");
});

Deno.test("a crash between any two steps of joining leaves the same command to be run again", async () => {
  for (let steps = 0; steps <= 5; steps++) {
    await using host = new Host();
    const state = new MemState(systemRandom);
    const run = async (limit: number): Promise<void> => {
      const { line, pending, dir } = host;
      const crash = (at: number) => {
        if (at === limit) throw new Error("killed");
      };
      crash(0);
      pending.begin(line, systemRandom);
      crash(1);
      const { joined, credential } = await host.join();
      crash(2);
      const credentialKey = addCredential(credential, dir);
      crash(3);
      state.write({ binding: { server: line.server, credential: credentialKey, folder: joined.folder } });
      crash(4);
      pending.end(line, 0);
      crash(5);
    };
    await run(steps).catch(({ message }) => assertEquals(message, "killed"));
    if (steps < 5) await run(Infinity);
    const { server, credential, folder } = state.binding();
    assertEquals([server, folder], [host.line.server, FOLDER]);
    const stored = readRemembered(server, credential, host.dir)!;
    assertEquals(`${stored.device} ${hexOf(stored.token)}`, host.device, `killed at ${steps}`);
    assertEquals(host.pending.has(host.line), false);
  }
});

function hexOf(token: string): string {
  return Uint8Array.fromBase64(token, { alphabet: "base64url" }).toHex();
}

Deno.test("what is kept of a join that was begun is its owner's alone, and not the secret", () => {
  const dir = Deno.makeTempDirSync();
  const old = Deno.umask(0);
  try {
    const pending = new PendingJoins(dir);
    const text = "fsync://bob@nas:1/plain/AAAAAAAAAAAAAAAAAAAAAA";
    const line = parseInvitation(text);
    const device = pending.begin(line, systemRandom);
    assertEquals(pending.begin(line, systemRandom), device);
    const [file] = [...Deno.readDirSync(`${dir}/joins`)];
    const path = `${dir}/joins/${file!.name}`;
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    assert(!Deno.readTextFileSync(path).includes("AAAAAAAAAAAAAAAAAAAAAA"));
    // Damaged, it is worth nothing: a new one takes its place.
    Deno.writeTextFileSync(path, "{");
    assertEquals(pending.has(line), false);
    assert(pending.begin(line, systemRandom).device !== device.device);
    // Another one, from long ago, goes with the next that ends.
    const other = { ...line, secret: SECRET };
    pending.begin(other, systemRandom);
    for (const { name } of Deno.readDirSync(`${dir}/joins`)) Deno.utimeSync(`${dir}/joins/${name}`, 0, 0);
    pending.begin({ ...line, server: "nas:2" }, systemRandom);
    pending.end(line, Date.now());
    assertEquals([...Deno.readDirSync(`${dir}/joins`)].length, 1);
  } finally {
    Deno.umask(old);
    Deno.removeSync(dir, { recursive: true });
  }
});
