import { assert, assertEquals } from "@std/assert";
import { NotifySocket } from "../tests/fakes/notify_socket.ts";
import { openNotifier, socketAddress } from "./notify.ts";

const NAMES: { name: string; make: (dir: string) => string }[] = [
  { name: "a path", make: (dir) => `${dir}/notify` },
  { name: "an abstract name", make: () => `@fsync-test-${crypto.randomUUID()}` },
];

for (const { name, make } of NAMES) {
  Deno.test(`messages reach the service manager at ${name}`, () => {
    const dir = Deno.makeTempDirSync();
    try {
      const socket = make(dir);
      using manager = new NotifySocket(socket);
      const notifier = openNotifier((key) => key === "NOTIFY_SOCKET" ? socket : undefined);
      assert(notifier !== null);
      assert(notifier.send("READY=1\nSTATUS=größer"));
      assert(notifier.send("WATCHDOG=1"));
      assertEquals(manager.receive(), ["READY=1\nSTATUS=größer", "WATCHDOG=1"]);
      notifier.close();
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  });
}

Deno.test("a service manager that is gone, or does not listen, is no error", () => {
  const gone = openNotifier(() => `@fsync-test-${crypto.randomUUID()}`);
  assert(gone !== null);
  assertEquals(gone.send("READY=1"), false);
  gone.close();
});

Deno.test("a service manager whose queue is full is not waited for", () => {
  const name = `@fsync-test-${crypto.randomUUID()}`;
  using manager = new NotifySocket(name);
  const notifier = openNotifier(() => name);
  assert(notifier !== null);
  let sent = 0;
  while (notifier.send("WATCHDOG=1")) sent++;
  assertEquals(manager.receive().length, sent);
  assert(notifier.send("WATCHDOG=1"));
  notifier.close();
});

Deno.test("only what can be an address is one", () => {
  const cases: [string, number[] | null][] = [
    ["", null],
    ["vsock:2:1234", null],
    ["relative/path", null],
    ["/", null],
    ["@", null],
    ["/a\0b", null],
    ["/a", [1, 0, 0x2f, 0x61, 0]],
    ["@a", [1, 0, 0, 0x61]],
    ["/" + "x".repeat(107), null],
    ["@" + "x".repeat(108), null],
  ];
  for (const [text, expected] of cases) {
    const address = socketAddress(text);
    assertEquals(address === null ? null : [...address], expected, text);
  }
  assertEquals(socketAddress("/" + "x".repeat(106))?.length, 110);
  assertEquals(socketAddress("@" + "x".repeat(107))?.length, 110);
  assertEquals(openNotifier(() => undefined), null);
});
