/** By which address others reach this machine: a guess, which the one who invites can see and correct. */
import { listCredentials } from "../client/credentials.ts";
import { DEFAULT_PORT, formatAddress, parseAddress } from "../system/address.ts";

/** A port behind a name, or behind an IPv6 address in brackets. */
const WITH_PORT = /^([^:]+|\[.*\]):\d+$/;

export interface Reachable {
  /** `host:port` */
  readonly address: string;
  /** Other machines cannot get there: the server, or this machine, is by itself. */
  readonly onlyHere: boolean;
}

const ANY: readonly string[] = ["0.0.0.0", "::"];
/** Interfaces that lead to containers and machines inside this one. */
const INNER = /^(lo|docker|br-|veth|virbr|vnet|podman|cni|lxc|lxd|tap)/;

/**
 * @param listens where the running server listens; `null` if none runs
 * @param caPem its CA; the server's own user has a credential with it, and its port
 */
export function guessReachable(listens: string | null, caPem: string | null): Reachable {
  const { host, port } = listens === null
    ? { host: ANY[0]!, port: portByCredential(caPem) }
    : parseAddress(listens);
  if (!ANY.includes(host)) return { address: formatAddress(host, port), onlyHere: isLoopback(host) };
  const found = outerAddresses()[0];
  return { address: formatAddress(found ?? "localhost", port), onlyHere: found === undefined };
}

/** `host`, as somebody says it, with the server's port if they say none. @throws {AddressError} */
export function withServerPort(text: string, guess: Reachable): string {
  const { host, port } = parseAddress(text);
  return formatAddress(host, WITH_PORT.test(text) ? port : parseAddress(guess.address).port);
}

/** Addresses of this machine on its networks: IPv4 first, then IPv6 that is valid elsewhere. */
function outerAddresses(): string[] {
  const usable = Deno.networkInterfaces()
    .filter(({ name, address }) => !INNER.test(name) && !isLoopback(address) && !isLinkLocal(address));
  const ofFamily = (family: string) =>
    usable.filter((one) => one.family === family).map(({ address }) => address);
  return [...ofFamily("IPv4"), ...ofFamily("IPv6")];
}

function isLoopback(host: string): boolean {
  return host.startsWith("127.") || host === "::1" || host === "localhost";
}

function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab]/i.test(address);
}

function portByCredential(caPem: string | null): number {
  for (const stored of caPem === null ? [] : listCredentials()) {
    if ("credential" in stored && stored.credential.tls?.caPem === caPem) {
      return parseAddress(stored.credential.server).port;
    }
  }
  return DEFAULT_PORT;
}
