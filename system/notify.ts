/**
 * The service manager that started this process, as the sd_notify protocol has it: datagrams to the Unix socket that
 * `NOTIFY_SOCKET` names. Deno sends such datagrams only with an unstable flag, and none to an abstract address, so libc
 * does it.
 */
import { loadLibc } from "./libc.ts";
import type { Environment } from "./state_dirs.ts";

export interface Notifier {
  /** Sends one message, e.g. `READY=1`. Never waits. Returns whether it went out. */
  send(message: string): boolean;
  close(): void;
}

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path`. */
const PATH_BYTES_MAX = 108;

const encoder = new TextEncoder();

/** Opens the way to the service manager; `null` if there is none, or none that can be reached from here. */
export function openNotifier(env: Environment = (name) => Deno.env.get(name)): Notifier | null {
  const address = socketAddress(env("NOTIFY_SOCKET") ?? "");
  if (address === null) return null;
  const libc = loadLibc(SYMBOLS);
  if (libc === null) return null;
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return null;
  return {
    send: (message) => {
      const bytes = encoder.encode(message);
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      return libc.sendto(fd, bytes, BigInt(bytes.length), flags, address, address.length) ===
        BigInt(bytes.length);
    },
    close: () => void libc.close(fd),
  };
}

/** A `sockaddr_un` for a path, or for an abstract name (`@name`); `null` for what is neither. */
export function socketAddress(text: string): Uint8Array<ArrayBuffer> | null {
  const abstract = text.startsWith("@");
  if ((!abstract && !text.startsWith("/")) || text.includes("\0")) return null;
  const name = encoder.encode(text);
  // A path ends with a NUL; an abstract name begins with one and ends where the address does.
  if (name.length < 2 || name.length + (abstract ? 0 : 1) > PATH_BYTES_MAX) return null;
  const address = new Uint8Array(2 + name.length + (abstract ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  if (abstract) address[2] = 0;
  return address;
}
