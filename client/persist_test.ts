/** A pass whose sessions the server ends: it goes on as long as that helps, and no longer. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { RemoteError } from "../protocol/errors.ts";
import type { Connector } from "../protocol/remote.ts";
import { FakeFolder } from "../tests/fakes/fake_folder.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { MemDisk } from "../tests/fakes/mem_disk.ts";
import { MemState } from "../tests/fakes/mem_state.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { Engine } from "./engine.ts";
import type { EngineStatus } from "./engine_status.ts";
import { UnreachableError } from "./errors.ts";

const CLOSING = new RemoteError("closing", "Cannot go on: what this user may do has changed");
const DENIED = new RemoteError("denied", "Cannot sign in");
const AWAY = new UnreachableError("Cannot connect: nobody is there");

/** What becomes of a session: it works, there is none, or it ends with its first upload, or right after all is done. */
type Fate =
  | "works"
  | { readonly refused: Error }
  | { readonly endsInUpload: Error }
  | { readonly endsAtLast: Error };

interface Passed {
  readonly status: Promise<EngineStatus>;
  readonly tries: () => number;
  readonly server: FakeFolder;
}

/** A pass with something to send and something to fetch; the last fate is that of all further sessions. */
function pass(...fates: readonly Fate[]): Passed {
  const clock = new ManualClock();
  const random = new SeededRandom(1n);
  const disk = new MemDisk({ clock: () => clock.now() });
  const server = new FakeFolder();
  server.put("theirs", "of the server");
  disk.user.write("mine", "of this side");
  let tries = 0;
  const connector: Connector = {
    connect: async (hello, signal) => {
      const fate = fates[Math.min(tries++, fates.length - 1)]!;
      if (fate !== "works" && "refused" in fate) throw fate.refused;
      const remote = await server.connector().connect(hello, signal);
      if (fate === "works") return remote;
      const { promise: closed, resolve } = Promise.withResolvers<Error>();
      return {
        ...remote,
        closed,
        upload: (batch) => {
          if ("endsAtLast" in fate) return remote.upload(batch).finally(() => resolve(fate.endsAtLast));
          // On the wire the failed request is met before the reason for it.
          queueMicrotask(() => resolve(fate.endsInUpload));
          return Promise.reject(new UnreachableError("Cannot go on: the connection has ended"));
        },
      };
    },
  };
  const engine = new Engine({
    disk,
    state: new MemState(random),
    clock,
    random,
    onEvent: () => {},
    connector,
    folder: "",
    rootProblem: () => null,
    guard: "on",
  });
  const status = clock.runUntil(engine.pass(new AbortController().signal), 60_000);
  return { status, tries: () => tries, server };
}

for (const how of ["endsInUpload", "endsAtLast"] as const) {
  const ending = { [how]: CLOSING } as unknown as Fate;

  Deno.test(`pass: where the session ${how} because rights change, another one finishes it`, async () => {
    const { status, tries, server } = pass(ending, "works");
    assertEquals((await status).state, "in sync");
    assertEquals([tries(), server.text("mine")], [2, "of this side"]);
  });
}

Deno.test("pass: a server that starts again is waited for, a moment", async () => {
  const { status, tries } = pass({ endsInUpload: CLOSING }, { refused: AWAY }, { refused: AWAY }, "works");
  assertEquals((await status).state, "in sync");
  assertEquals(tries(), 4);
});

Deno.test("pass: where every session is ended, it gives up after four and says why", async () => {
  const { status, tries } = pass({ endsInUpload: CLOSING });
  const { message } = await assertRejects(() => status, UnreachableError);
  assertEquals(tries(), 4);
  assertStringIncludes(message, "has ended 4 sessions");
  assertStringIncludes(message, "what this user may do has changed");
});

for (
  const [name, fates, count] of [
    ["is shown out in its session", [{ endsInUpload: DENIED }], 1],
    ["is shown out at its end", [{ endsAtLast: DENIED }], 1],
    ["may not come again", [{ endsInUpload: CLOSING }, { refused: DENIED }], 2],
  ] as const
) {
  Deno.test(`pass: who ${name} is told so at once`, async () => {
    const { status, tries } = pass(...fates);
    const { code } = await assertRejects(() => status, RemoteError);
    assertEquals([code, tries()], ["denied", count]);
  });
}

for (const refused of [AWAY, CLOSING]) {
  Deno.test(`pass: a server that does not let it begin is not asked again (${refused.message})`, async () => {
    const { status, tries } = pass({ refused });
    await assertRejects(() => status);
    assertEquals(tries(), 1);
  });
}

Deno.test("pass: a line that breaks ends it", async () => {
  const { status, tries } = pass({ endsInUpload: new UnreachableError("Cannot go on: the line is gone") });
  await assertRejects(() => status, UnreachableError, "the connection has ended");
  assertEquals(tries(), 1);
});
