/**
 * TCP_NODELAY for the connections of a listener. Deno offers it for plain TCP only; on accepted TLS connections Nagle's
 * algorithm would hold back the second of two small frames until the first is acknowledged, up to 40 ms. On Linux an
 * accepted socket inherits the option from the listening one, so it is set there, by libc.
 */
import { loadLibc } from "./libc.ts";
import { readProcLinks } from "./proc.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

const libc = loadLibc({
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
});

/** Runs `listen` and sets TCP_NODELAY on the sockets that it opens. Without libc they stay as they are. */
export function withoutDelay<T>(listen: () => T): T {
  const before = socketDescriptors();
  const listener = listen();
  for (const [socket, descriptor] of socketDescriptors()) {
    if (!before.has(socket)) setNoDelay(descriptor);
  }
  return listener;
}

/** The open sockets of this process: identity (`socket:[inode]`) → descriptor. Without /proc none is known. */
function socketDescriptors(): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, target] of readProcLinks("/proc/self/fd")) {
    if (target.startsWith("socket:")) found.set(target, Number(name));
  }
  return found;
}

function setNoDelay(descriptor: number): void {
  libc?.setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, new Int32Array([1]), 4);
}
