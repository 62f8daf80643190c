/** Which connections count as coming from one place. */

/**
 * The network that a peer (`host:port`, as links name it) belongs to: its IPv4 address, or the first 64 bits of its IPv6
 * address, since a single customer has at least as many addresses as fit behind them. A name that is no address stands
 * for itself.
 */
export function networkOf(peer: string): string {
  const host = /^\[(.*)\](?::\d+)?$/.exec(peer)?.[1] ?? peer.replace(/:\d+$/, "");
  if (!host.includes(":")) return host;
  const groups = ipv6Groups(host);
  if (groups === null) return host;
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (mapped) return [groups[6]!, groups[7]!].flatMap((group) => [group >> 8, group & 0xff]).join(".");
  return `${groups.slice(0, 4).map((group) => group.toString(16)).join(":")}::/64`;
}

/** The eight groups of an address, `null` if it is none. */
function ipv6Groups(host: string): number[] | null {
  const address = host.replace(/%.*$/, "").replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, ...bytes: string[]) => {
      const [a, b, c, d] = bytes.slice(0, 4).map(Number) as [number, number, number, number];
      return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
    },
  );
  const halves = address.split("::").map((half) =>
    half === "" ? [] : half.split(":").map((group) => parseInt(group, 16))
  );
  const [head, tail] = halves;
  if (head === undefined || halves.length > 2) return null;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = tail === undefined ? head : [...head, ...Array<number>(missing).fill(0), ...tail];
  return groups.every((group) => group >= 0 && group <= 0xffff) ? groups : null;
}
