/** Stands between a client and a server without TLS, passes everything on, and remembers what the client got. */
import { decode } from "../../protocol/codec.ts";
import { unpackBlock } from "../../protocol/block.ts";

/** Four bytes of length before each frame. */
const PREFIX_BYTES = 4;

export class RecordingProxy implements AsyncDisposable {
  readonly port: number;
  /** Of each connection, what came from the server, byte for byte. */
  readonly #received: Uint8Array[][] = [];
  readonly #listener: Deno.Listener<Deno.TcpConn>;
  readonly #conns = new Set<Deno.TcpConn>();
  readonly #work = new Set<Promise<void>>();
  readonly #target: number;

  /** @param target port of the server on this machine */
  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#spawn(this.#accept());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) close(conn);
    await Promise.allSettled(this.#work);
  }

  /** All that came so far: each connection as it was, and what its frames say once names and contents are unpacked. */
  seen(): { readonly raw: Uint8Array[]; readonly unpacked: Uint8Array[]; readonly frames: number } {
    const raw = this.#received.map(joined);
    const unpacked: Uint8Array[] = [];
    let frames = 0;
    for (const bytes of raw) {
      for (const frame of framesOf(bytes)) {
        frames++;
        unpacked.push(...contentsOf(frame));
      }
    }
    return { raw, unpacked, frames };
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.#conns.add(client);
      this.#spawn(this.#relay(client));
    }
  }

  async #relay(client: Deno.TcpConn): Promise<void> {
    const received: Uint8Array[] = [];
    this.#received.push(received);
    const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target }).catch(() => null);
    if (server === null) return close(client);
    this.#conns.add(server);
    await Promise.allSettled([
      pass(client, server, () => {}),
      pass(server, client, (bytes) => void received.push(bytes)),
    ]);
    for (const conn of [client, server]) {
      close(conn);
      this.#conns.delete(conn);
    }
  }

  #spawn(work: Promise<void>): void {
    const done = work.catch(() => {}).finally(() => this.#work.delete(done));
    this.#work.add(done);
  }
}

/** Passes on what comes, and then the end of it. */
async function pass(from: Deno.TcpConn, to: Deno.TcpConn, note: (bytes: Uint8Array) => void): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
      const bytes = buffer.slice(0, n);
      note(bytes);
      for (let at = 0; at < n;) at += await to.write(bytes.subarray(at));
    }
    await to.closeWrite();
  } catch {
    // One side is gone, so the other one goes.
    close(to);
  }
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // It was closed before.
  }
}

function* framesOf(bytes: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + PREFIX_BYTES <= bytes.length;) {
    const length = view.getUint32(at);
    at += PREFIX_BYTES;
    // The last one may have been cut.
    if (at + length > bytes.length) return;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** The message as text, and the bytes of its block. */
function contentsOf(frame: Uint8Array): Uint8Array[] {
  const { message } = decode(frame);
  const hex = (_: string, value: unknown) => value instanceof Uint8Array ? value.toHex() : value;
  const parts: Uint8Array[] = [new TextEncoder().encode(JSON.stringify(message, hex))];
  if ("block" in message) parts.push(unpackBlock(message.block));
  return parts;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
