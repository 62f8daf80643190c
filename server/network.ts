/** Which connections count as coming from one place. */
import { addressBytes } from "../system/ip_address.ts";

/** The first bytes of an IPv4 address that is written as an IPv6 one. */
const MAPPED = "00000000000000000000ffff";

/**
 * The network that a peer (`host:port`, as links name it) belongs to: its IPv4 address, or the first 64 bits of its IPv6
 * address, since a single customer has at least as many addresses as fit behind them. A name that is no address stands
 * for itself.
 */
export function networkOf(peer: string): string {
  const host = /^\[(.*)\](?::\d+)?$/.exec(peer)?.[1] ?? peer.replace(/:\d+$/, "");
  const bytes = addressBytes(host);
  if (bytes === null) return host;
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.subarray(0, 12).toHex() === MAPPED) return bytes.subarray(12).join(".");
  const groups = [0, 2, 4, 6].map((at) => ((bytes[at]! << 8) | bytes[at + 1]!).toString(16));
  return `${groups.join(":")}::/64`;
}
