/** Links over TCP and TLS: see `link.ts` for what they promise, `stream_link.ts` for how frames travel. */
import { AcceptedSockets } from "./accepted_sockets.ts";
import { formatAddress } from "./address.ts";
import type { Link, Listener } from "./link.ts";
import { ConnectError, listenError, reasonOf, tcpError, timeoutError, tlsError } from "./link_errors.ts";
import { withoutDelay } from "./no_delay.ts";
import { type ByteStream, StreamLink } from "./stream_link.ts";
import { type LineLimits, throttled } from "./throttle.ts";

export { ConnectError, ListenError } from "./link_errors.ts";

/** The pinned identity of a server: `caPem` signed its certificate, which is made out to `serverName`. */
export interface PinnedServer {
  readonly caPem: string;
  readonly serverName: string;
}

export interface ConnectOptions {
  /** `null`: no TLS. */
  readonly tls: PinnedServer | null;
  readonly signal?: AbortSignal | undefined;
  /** Bounds of the line's rate; none without it. */
  readonly limits?: LineLimits | undefined;
  /** For name lookup, TCP and TLS together, ms. */
  readonly timeoutMs?: number;
}

const CONNECT_MS_MAX = 10_000;
/** Pause after a failed accept (usually: no free descriptors), so that a lasting failure does not spin, ms. */
const ACCEPT_RETRY_MS = 100;

/**
 * Connects and, with TLS, has verified the server before it returns.
 *
 * @throws {ConnectError}
 * @throws the signal's reason if it aborts
 */
export async function connectTcp(host: string, port: number, options: ConnectOptions): Promise<Link> {
  const target = formatAddress(host, port);
  const timeoutMs = options.timeoutMs ?? CONNECT_MS_MAX;
  using cancel = new Cancel(options.signal, timeoutMs, timeoutError(target, timeoutMs));
  const conn = await openTcp(host, port, target, cancel.signal);
  const stream = options.tls === null ? conn : await secure(conn, options.tls, target, cancel.signal);
  return new StreamLink(limited(stream, options.limits), target);
}

function limited(stream: ByteStream, limits: LineLimits | undefined): ByteStream {
  return limits === undefined ? stream : throttled(stream, limits);
}

export interface ListenOptions {
  readonly hostname: string;
  /** 0: any free port. */
  readonly port: number;
  /** `null`: no TLS. */
  readonly tls: { readonly certPem: string; readonly keyPem: string } | null;
  /** Bounds of the rate of all its connections together; none without it. */
  readonly limits?: LineLimits | undefined;
}

/** Accepts connections. TLS is negotiated when a link is first used, so its failures stay with that link.
 * @throws {ListenError} */
export function listen(options: ListenOptions): Listener {
  const target = formatAddress(options.hostname, options.port);
  try {
    const sockets = options.tls === null ? null : new AcceptedSockets();
    return new TcpListener(openListener(options), sockets, options.limits);
  } catch (error) {
    throw listenError(target, error);
  }
}

type AnyListener = Deno.Listener<Deno.Conn, Deno.NetAddr>;

class TcpListener implements Listener {
  readonly port: number;
  readonly #listener: AnyListener;
  /** `null`: Deno needs no help to close plain connections. */
  readonly #sockets: AcceptedSockets | null;
  readonly #limits: LineLimits | undefined;
  readonly #closing = new AbortController();

  constructor(listener: AnyListener, sockets: AcceptedSockets | null, limits: LineLimits | undefined) {
    this.#listener = listener;
    this.#sockets = sockets;
    this.#limits = limits;
    this.port = listener.addr.port;
  }

  async accept(): Promise<Link | null> {
    while (!this.#closing.signal.aborted) {
      try {
        const conn = await this.#listener.accept();
        return new StreamLink(limited(this.#closable(conn), this.#limits), peerOf(conn));
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return null;
        await pause(ACCEPT_RETRY_MS, this.#closing.signal);
      }
    }
    return null;
  }

  #closable(conn: Deno.Conn): ByteStream {
    if (this.#sockets === null) return conn;
    const end = this.#sockets.take(conn.remoteAddr as Deno.NetAddr);
    return {
      read: (into) => conn.read(into),
      write: (bytes) => conn.write(bytes),
      closeWrite: () => conn.closeWrite(),
      close: () => {
        conn.close();
        end();
      },
    };
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#listener.close();
  }
}

/** An abort signal of its own for one attempt: the caller's, or the passing of time. */
class Cancel implements Disposable {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #relay = () => this.#controller.abort(this.#outer?.reason);

  constructor(outer: AbortSignal | undefined, timeoutMs: number, timeout: Error) {
    this.#outer = outer;
    this.#timer = setTimeout(() => this.#controller.abort(timeout), timeoutMs);
    outer?.addEventListener("abort", this.#relay, { once: true });
    if (outer?.aborted) this.#relay();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#relay);
  }
}

async function openTcp(
  host: string,
  port: number,
  target: string,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  signal.throwIfAborted();
  const connecting = dial(host, port, signal);
  try {
    const conn = await orAbort(connecting, signal);
    conn.setNoDelay(true);
    return conn;
  } catch (error) {
    // It may still succeed after we stopped waiting, e.g. during a slow name lookup.
    connecting.then((conn) => conn.close(), () => {});
    if (signal.aborted) throw signal.reason;
    throw tcpError(target, error);
  }
}

/** Of itself a machine knows its address, also one without a hosts file, as minimal roots are. */
async function dial(hostname: string, port: number, signal: AbortSignal): Promise<Deno.TcpConn> {
  try {
    return await Deno.connect({ hostname, port, signal });
  } catch (error) {
    const unknown = hostname === "localhost" && reasonOf(error).includes("failed to lookup address");
    if (!unknown || signal.aborted) throw error;
    return await Deno.connect({ hostname: "127.0.0.1", port, signal });
  }
}

async function secure(
  conn: Deno.TcpConn,
  pinned: PinnedServer,
  target: string,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  const tls = await startTls(conn, pinned, target);
  try {
    await orAbort(tls.handshake(), signal);
    return tls;
  } catch (error) {
    tls.close();
    if (signal.aborted) throw signal.reason;
    throw tlsError(target, error);
  }
}

async function startTls(conn: Deno.TcpConn, pinned: PinnedServer, target: string): Promise<Deno.TlsConn> {
  try {
    return await Deno.startTls(conn, { hostname: pinned.serverName, caCerts: [pinned.caPem] });
  } catch (error) {
    throw new ConnectError(
      "tls",
      target,
      `the pinned certificate cannot be used (${reasonOf(error)})`,
      "join the server again with a new invite",
    );
  }
}

/** `promise`, unless `signal` aborts first. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

function openListener({ hostname, port, tls }: ListenOptions): AnyListener {
  if (tls === null) return withoutDelay(() => Deno.listen({ hostname, port }));
  return withoutDelay(() => Deno.listenTls({ hostname, port, cert: tls.certPem, key: tls.keyPem }));
}

function peerOf(conn: Deno.Conn): string {
  const { hostname, port } = conn.remoteAddr as Deno.NetAddr;
  return formatAddress(hostname, port);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
