/**
 * Ends accepted TLS connections for good. Deno closes the socket of one whose handshake is not over only when the other
 * side does: strangers who say nothing would hold descriptors for ever, and Deno does not survive the end of those. Here
 * the socket is shut down by libc, and Deno finds it ended.
 */
import { addressBytes } from "./ip_address.ts";
import { loadLibc } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SHUT_RDWR = 2;
/** Of a `sockaddr_in6`, the longest that is met. */
const ADDRESS_BYTES = 28;
/** Where the address stands in `sockaddr_in` and `sockaddr_in6`. */
const ADDRESS_AT = new Map([[AF_INET, 4], [AF_INET6, 8]]);
/** Descriptors below are never sockets that were accepted. */
const FIRST_DESCRIPTOR = 3;
/** Descriptors that are looked at beside those that are known: files, databases, and sockets of others. */
const SEARCHED_MAX = 4096;

const libc = loadLibc({
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
});

export class AcceptedSockets {
  /** Descriptors of connections that are open. */
  readonly #known = new Set<number>();
  readonly #address = new Uint8Array(ADDRESS_BYTES);
  readonly #length = new Uint32Array(1);

  /**
   * To be called when a connection from `peer` was accepted, before anything else happens.
   *
   * @returns what ends the connection, after Deno was told to close it
   */
  take(peer: Deno.NetAddr): () => void {
    const fd = this.#find(peer);
    if (fd === null) return () => {};
    this.#known.add(fd);
    return () => {
      if (!this.#known.delete(fd)) return;
      // Deno may have closed it, and something else may have its number by now.
      if (this.#isConnectedTo(fd, peer)) libc!.shutdown(fd, SHUT_RDWR);
    };
  }

  #find(peer: Deno.NetAddr): number | null {
    if (libc === null) return null;
    // A new descriptor has the lowest free number.
    const end = FIRST_DESCRIPTOR + this.#known.size + SEARCHED_MAX;
    for (let fd = FIRST_DESCRIPTOR; fd < end; fd++) {
      if (!this.#known.has(fd) && this.#isConnectedTo(fd, peer)) return fd;
    }
    return null;
  }

  #isConnectedTo(fd: number, { hostname, port }: Deno.NetAddr): boolean {
    const [address, length] = [this.#address, this.#length];
    length[0] = address.length;
    if (libc!.getpeername(fd, address, new Uint8Array(length.buffer)) !== 0) return false;
    const at = ADDRESS_AT.get(address[0]! | (address[1]! << 8));
    if (at === undefined || ((address[2]! << 8) | address[3]!) !== port) return false;
    const wanted = addressBytes(hostname);
    return wanted !== null && wanted.every((byte, i) => address[at + i] === byte);
  }
}
