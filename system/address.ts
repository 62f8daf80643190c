/** `host:port` as people write it. */

export interface Address {
  /** Lower case, without brackets. */
  readonly host: string;
  readonly port: number;
}

export const DEFAULT_PORT = 65432;

/** A text is not `host:port`. */
export class AddressError extends Error {
  override name = "AddressError";
  constructor(text: string, reason: string) {
    super(`Cannot use "${text}" as a server address: ${reason}`);
  }
}

/** Letters of host names and IP addresses with a zone; so an address is also safe as a part of a file name. */
const HOST = /^[a-z0-9_]([a-z0-9._%-]*[a-z0-9])?$/;
const IPV6 = /^[0-9a-f:.]*:[0-9a-f:.]*(%[a-z0-9._-]+)?$/;
/** So that a file name made of it stays below 255 bytes. */
const HOST_LENGTH_MAX = 200;
const LOOPBACK = /^127(\.[0-9]+){3}$/;

/**
 * Reads `host`, `host:port`, `[ipv6]:port`, `ipv6`.
 * @throws {AddressError}
 */
export function parseAddress(text: string): Address {
  const parts = /^(?:\[([^\]]*)\]|([^:]*)|([^[\]]*:[^[\]]*:[^[\]]*))(?::([0-9]+))?$/.exec(text.toLowerCase());
  const host = parts?.[1] ?? parts?.[2] ?? parts?.[3];
  if (host === undefined || host === "") throw new AddressError(text, "expected HOST:PORT");
  const valid = host.includes(":") ? IPV6.test(host) : HOST.test(host);
  if (!valid || host.length > HOST_LENGTH_MAX) throw new AddressError(text, "the host name is not valid");
  const port = parts?.[4] === undefined ? DEFAULT_PORT : Number(parts[4]);
  if (port < 1 || port > 65535) throw new AddressError(text, "the port is not from 1 to 65535");
  return { host, port };
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether `host` is this machine, by one of its usual names. */
export function isOwnHost(host: string): boolean {
  const name = host.toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost") || LOOPBACK.test(name)) return true;
  return ["::1", "::", "0.0.0.0", Deno.hostname().toLowerCase()].includes(name);
}
