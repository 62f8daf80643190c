import { assertEquals } from "@std/assert";
import { NotifySocket } from "../tests/fakes/notify_socket.ts";
import { Service } from "./_service.ts";

/** A service with a manager that listens, in an environment of its own. */
function managed(more: readonly (readonly [string, string])[] = []) {
  const name = `@fsync-test-${crypto.randomUUID()}`;
  const variables = new Map([["NOTIFY_SOCKET", name], ...more]);
  const env = {
    get: (key: string) => variables.get(key),
    delete: (key: string) => void variables.delete(key),
  };
  const stop = new AbortController();
  return { manager: new NotifySocket(name), service: Service.open(env), env, variables, stop };
}

Deno.test("a service says that it is ready, what it does, and that it ends", () => {
  const { manager, service, stop } = managed();
  using _ = manager;
  service.ready("watching docs", stop.signal);
  service.note({ type: "state", state: "syncing" });
  service.note({ type: "state", state: "in sync" });
  service.note({ type: "state", state: "in sync" });
  service.note({ type: "disconnected", reason: "no route\nto host" });
  service.note({ type: "state", state: "unreachable" });
  service.note({ type: "stuck", reason: "the disk is full", hint: "make room" });
  service.note({ type: "state", state: "stuck" });
  stop.abort();
  service.note({ type: "state", state: "stopped" });
  service.close();
  assertEquals(manager.receive(), [
    "READY=1\nSTATUS=watching docs",
    "STATUS=syncing",
    "STATUS=in sync",
    "STATUS=unreachable: no route\\nto host",
    "STATUS=stuck: the disk is full",
    "STOPPING=1\nSTATUS=stopping",
  ]);
});

Deno.test("the watchdog hears of an event loop that turns, and of no other", async () => {
  const { manager, service, stop } = managed([["WATCHDOG_USEC", "20000"], [
    "WATCHDOG_PID",
    String(Deno.pid),
  ]]);
  using _ = manager;
  service.ready("ready", stop.signal);
  await manager.until("WATCHDOG=1");
  const before = manager.receive().length;
  for (const until = performance.now() + 100; performance.now() < until;);
  assertEquals(manager.receive().length, before);
  while (manager.receive().length === before) await new Promise((resolve) => setTimeout(resolve, 1));
  service.close();
  assertEquals(manager.receive().at(-1), "WATCHDOG=1");
});

Deno.test("the watchdog of another process is not ours", () => {
  const { manager, service, stop } = managed([["WATCHDOG_USEC", "1000"], ["WATCHDOG_PID", "1"]]);
  using _ = manager;
  // A timer that was left would be a leak, which fails the test.
  service.ready("ready", stop.signal);
  assertEquals(manager.receive(), ["READY=1\nSTATUS=ready"]);
});

Deno.test("a manager whose queue was full hears later that we are ready", async () => {
  const { manager, service, stop } = managed();
  using _ = manager;
  // More than a queue of datagrams holds.
  for (let i = 0; i < 10_000; i++) service.status(String(i));
  service.ready("ready", stop.signal);
  await manager.until("READY=1");
  service.close();
});

Deno.test("what a service starts is no service, and without a manager nothing happens", () => {
  const { manager, service, env, variables, stop } = managed([["WATCHDOG_USEC", "1000000"]]);
  using _ = manager;
  assertEquals([...variables.keys()], []);
  const second = Service.open(env);
  second.ready("ready", stop.signal);
  second.status("busy");
  second.close();
  service.close();
  assertEquals(manager.receive(), []);
});
