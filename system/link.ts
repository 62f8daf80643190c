/**
 * A connection that carries whole frames, in order, or ends. `tcp_link.ts` is TCP and TLS,
 * `tests/fakes/mem_link.ts` its twin; both pass `tests/conformance/link_suite.ts`.
 *
 * On the wire a frame is its length (u32, big endian, counting what follows) and its bytes.
 */
export interface Link {
  /** Address of the other side, for logs. */
  readonly peer: string;
  /** Bytes on the wire so far, length prefixes included. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Bytes that were sent and have not left yet, because the other side does not read. */
  readonly bytesWaiting: number;
  /** Whether {@link receive} waits for the other side. */
  readonly receiving: boolean;
  /** Largest frame that is accepted, bytes; a longer one closes the link. Raised after authentication. */
  frameMax: number;
  /**
   * Sends one frame. Resolves when there is room for the next (back-pressure); frames go out in the order of the calls.
   * The frame belongs to the link from here on: its bytes must not be changed any more.
   * @throws {LinkClosed} if the link has ended
   */
  send(frame: Uint8Array): Promise<void>;
  /** The next frame, in memory of its own, or `null` when the other side has closed in an orderly way. One call at a time.
   * @throws {LinkClosed} if the link broke, or the other side sent a frame out of bounds */
  receive(): Promise<Uint8Array | null>;
  /**
   * Ends the link; safe to call twice. What was sent before still arrives if the other side reads it within two seconds,
   * whatever it was sending itself.
   */
  close(): void;
  /** Resolves when the link has ended and holds nothing any more: at most three seconds after {@link close}. */
  readonly ended: Promise<void>;
}

/** The connection is gone. `reason` is for people. */
export class LinkClosed extends Error {
  override name = "LinkClosed";
}

/** Accepts connections. */
export interface Listener {
  readonly port: number;
  /** The next connection, or `null` after `close`. */
  accept(): Promise<Link | null>;
  close(): void;
}
