/**
 * Keeps a connection alive, and finds out that its other side is dead: a machine that lost its power or its network says
 * nothing more, not even good-bye.
 */
import type { Clock } from "./clock.ts";
import type { Link } from "./link.ts";

export interface PulseOptions {
  readonly link: Link;
  readonly clock: Clock;
  /** This side says something at least this often, ms. */
  readonly everyMs: number;
  /** Time without a byte after which the other side is dead, ms; it is noticed at most a third of `everyMs` later. */
  readonly silenceMs: number;
  /** Sends something small. */
  readonly ping: () => void;
}

/** Looks so often in the time between two signs of life that none comes late. */
const LOOKS = 3;

/**
 * Watches `link` until `signal` aborts (`null`) or the other side is dead: then returns why, and the caller ends the link.
 *
 * Whole frames do not count, bytes do: one large frame may take longer on a slow line than a dead side is given. Somebody
 * who does not read what was sent is as dead as somebody who is silent, or it could make this side hold that for ever.
 */
export async function deathOf(options: PulseOptions, signal: AbortSignal): Promise<string | null> {
  const { link, clock, everyMs, silenceMs, ping } = options;
  const stepMs = everyMs / LOOKS;
  let before = clock.monotonic();
  let [heard, taken, said] = [before, before, before];
  let { bytesReceived, bytesSent } = link;
  for (;;) {
    await clock.sleep(stepMs, signal);
    if (signal.aborted) return null;
    const now = clock.monotonic();
    // Who is not listened to cannot be heard.
    if (link.bytesReceived !== bytesReceived || !link.receiving) heard = now;
    if (link.bytesSent !== bytesSent || link.bytesWaiting === 0) taken = now;
    if (link.bytesSent !== bytesSent) said = before;
    ({ bytesReceived, bytesSent } = link);
    if (now - heard >= silenceMs) return "the other side is silent";
    if (now - taken >= silenceMs) return "the other side does not read what it is sent";
    if (link.bytesWaiting === 0 && now + stepMs - said > everyMs) {
      ping();
      said = now;
    }
    before = now;
  }
}
