/**
 * A pass whose session the server ends, for a reason that concerns the session alone, begins another one and goes on:
 * what was agreed on is kept, so only the rest is done again.
 */
import { RemoteError } from "../protocol/errors.ts";
import type { Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import { UnreachableError } from "./errors.ts";

/** The server ended a session that had begun, and said that another one may follow. */
export class SessionEnded extends Error {
  override name = "SessionEnded";
}

export interface Persistence {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/**
 * Before each new session, ms. The first comes at once, for a person who waits; the others let the rest of a row of
 * changes pass, e.g. a script of grants.
 */
const PAUSES_MS = [0, 1000, 4000];

/**
 * Runs `once`, and again while its sessions are ended, a few times.
 *
 * @throws {UnreachableError} if that did not help; what else `once` throws
 */
export async function persist<T>(once: () => Promise<T>, parts: Persistence): Promise<T> {
  const { clock, random, signal } = parts;
  for (let tries = 1;; tries++) {
    try {
      return await once();
    } catch (error) {
      // Before the first session a server that is away is away; after one it may only be starting again.
      const passes = error instanceof SessionEnded || (tries > 1 && isAway(error));
      if (!passes) throw error;
      const pause = PAUSES_MS[tries - 1];
      if (pause === undefined || signal.aborted) throw inTheEnd(error as Error, tries);
      await clock.sleep(pause * (0.5 + random.fraction()), signal);
    }
  }
}

function isAway(error: unknown): boolean {
  return error instanceof UnreachableError || (error instanceof RemoteError && error.code === "closing");
}

function inTheEnd(error: Error, tries: number): Error {
  if (!(error instanceof SessionEnded)) return error;
  return new UnreachableError(
    `Cannot finish: the server has ended ${tries} sessions; the last one said: ${error.message}`,
    "nothing is lost; try again in a moment",
  );
}

/** How long the reason why a session ended may come after the failure of a request in it, ms. */
const REASON_MS = 1000;

/** What `error` means in a session that ends, or has ended, as `closed` says: a request knows only that it got no answer. */
export async function endOf(error: unknown, closed: Promise<Error>, clock: Clock): Promise<unknown> {
  if (!isAway(error)) return error;
  const stop = new AbortController();
  const reason = await Promise.race([closed, clock.sleep(REASON_MS, stop.signal)]);
  stop.abort();
  if (!(reason instanceof RemoteError)) return error;
  return reason.code === "closing" ? new SessionEnded(reason.message) : reason;
}
