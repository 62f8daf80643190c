/** A service manager's end of the sd_notify protocol: a real Unix datagram socket. */
import { loadLibc } from "../../system/libc.ts";
import { socketAddress } from "../../system/notify.ts";

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT = 0x40;
const LOOK_MS = 5;

export class NotifySocket implements Disposable {
  /** Every message so far, in order, with the time at which it was read. */
  readonly messages: { readonly text: string; readonly at: number }[] = [];
  readonly #libc: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
  readonly #fd: number;
  readonly #buffer = new Uint8Array(4096);

  /** @param name a path, or `@name` */
  constructor(name: string) {
    const address = socketAddress(name);
    const libc = loadLibc(SYMBOLS);
    if (address === null || libc === null) throw new Error(`cannot listen at ${name}`);
    this.#libc = libc;
    this.#fd = this.#libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    if (this.#libc.bind(this.#fd, address, address.length) !== 0) throw new Error(`cannot bind ${name}`);
  }

  /** Reads what has come. */
  receive(): string[] {
    const size = BigInt(this.#buffer.length);
    for (;;) {
      const length = Number(this.#libc.recv(this.#fd, this.#buffer, size, MSG_DONTWAIT));
      if (length < 0) return this.messages.map(({ text }) => text);
      const text = new TextDecoder().decode(this.#buffer.subarray(0, length));
      this.messages.push({ text, at: performance.now() });
    }
  }

  /** Waits for a message that holds `part`, come or to come. */
  async until(part: string, patienceMs = 30_000): Promise<string> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const found = this.receive().find((text) => text.includes(part));
      if (found !== undefined) return found;
      if (performance.now() > deadline) {
        throw new Error(`"${part}" never came, but ${JSON.stringify(this.receive())}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  [Symbol.dispose](): void {
    this.#libc.close(this.#fd);
  }
}
