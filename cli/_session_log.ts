/** What the log says of connections. Names come from the accounts, addresses from the network; neither goes in raw. */
import { displayPath } from "../core/path.ts";
import type { GreetEvents, Guest } from "../server/greet.ts";
import type { Journal } from "./_journal.ts";
import { type Output, plural } from "./_output.ts";

export function sessionLog(journal: Pick<Journal, "write">, output: Pick<Output, "warn">): GreetEvents {
  return {
    onOpen: (guest) =>
      journal.write(
        { type: "session", ...guest },
        `Connected: ${nameOf(guest)} from ${displayPath(guest.peer)}`,
      ),
    onClose: (guest, reason) =>
      journal.write(
        { type: "session-end", ...guest, reason },
        `Disconnected: ${nameOf(guest)} (${displayPath(reason)})`,
      ),
    onJoined: (guest) =>
      journal.write(
        { type: "joined", ...guest },
        `Joined: ${nameOf(guest)} from ${displayPath(guest.peer)}, by an invitation to folder ${
          displayPath(guest.folder)
        }`,
      ),
    onFailed: ({ network, count }) => {
      const from = network === null ? "many other addresses" : displayPath(network);
      const text = count === 1
        ? `Refused: a sign-in from ${from}`
        : `Refused: ${plural(count, "sign-in")} from ${from} in the last minute`;
      journal.write({ type: "denied", network, count }, text);
    },
    onBug: (error) =>
      output.warn(`fsync: bug: ${error instanceof Error ? error.stack ?? error.message : String(error)}`),
  };
}

function nameOf({ user, device }: Guest): string {
  return `${displayPath(user)}@${displayPath(device)}`;
}
