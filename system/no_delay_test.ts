import { assert, assertEquals } from "@std/assert";
import { withoutDelay } from "./no_delay.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

Deno.test("connections of a listener made without delay have TCP_NODELAY", async () => {
  using listener = withoutDelay(() => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const before = openSockets();
  using _server = await listener.accept();
  const accepted = openSockets().filter((descriptor) => !before.includes(descriptor));
  assert(accepted.some((descriptor) => noDelayOf(descriptor) === 1));
  assertEquals(client.remoteAddr.port, listener.addr.port);
});

function openSockets(): number[] {
  return [...Deno.readDirSync("/proc/self/fd")]
    .map(({ name }) => name)
    .filter((name) => isSocket(`/proc/self/fd/${name}`))
    .map(Number);
}

function isSocket(path: string): boolean {
  try {
    return Deno.readLinkSync(path).startsWith("socket:");
  } catch {
    return false;
  }
}

function noDelayOf(descriptor: number): number {
  const libc = Deno.dlopen("libc.so.6", {
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  const value = new Int32Array([0]);
  libc.symbols.getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, value, new Uint32Array([4]));
  libc.close();
  return value[0]!;
}
