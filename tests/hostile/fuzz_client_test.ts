/**
 * An honest server whose frames are changed on their way: bits flipped, bytes cut out, put in, taken from other frames. The
 * client ends each time, with an error that it knows, and afterwards an honest server syncs the same folder.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { Engine } from "../../client/engine.ts";
import { talk } from "../../client/wire_remote.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import { connectTcp } from "../../system/tcp_link.ts";
import { MemDisk } from "../fakes/mem_disk.ts";
import { MemState } from "../fakes/mem_state.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { HostileServer, type Talk } from "./hostile_server.ts";

const SESSIONS = 960;
/** A frame that was changed into one that asks for nothing leaves the client waiting; then the line ends, ms. */
const PATIENCE_MS = 20;
/** Sessions at the same time. */
const PARALLEL = 32;
/** Waits a fiftieth of the time, but for what is meant for the dead. */
const QUICK: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms < 5000 ? ms / 50 : ms, signal),
};
/** Errors that tell of the other side, or of the disk. */
const KNOWN = new Set([
  "ProtocolError",
  "UnreachableError",
  "RemoteError",
  "HeldError",
  "DiskError",
  "StateError",
]);

class Tamper {
  changed = 0;
  readonly #random: SeededRandom;
  readonly #seen: Uint8Array[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  frame(frame: Uint8Array): Uint8Array {
    const random = this.#random;
    if (this.#seen.length < 500) this.#seen.push(frame.slice());
    if (random.chance(0.4)) return frame;
    this.changed++;
    const bytes = frame.slice();
    const at = random.int(bytes.length);
    switch (random.int(6)) {
      case 0:
        bytes[at]! ^= 1 << random.int(8);
        return bytes;
      case 1:
        bytes[at] = random.int(256);
        return bytes;
      case 2:
        return bytes.slice(0, Math.max(1, at));
      case 3:
        return Uint8Array.from([
          ...bytes.slice(0, at),
          ...random.bytes(1 + random.int(8)),
          ...bytes.slice(at),
        ]);
      case 4: {
        const other = this.#seen[random.int(this.#seen.length)]!;
        return Uint8Array.from([...bytes.slice(0, at), ...other.slice(Math.min(at, other.length))]);
      }
      default:
        return Uint8Array.from([
          ...bytes.slice(0, at),
          ...bytes.slice(Math.min(bytes.length, at + 1 + random.int(8))),
        ]);
    }
  }
}

/** A folder in memory, and one pass over it. */
class Client {
  readonly disk = new MemDisk({ clock: () => Date.now() });
  readonly state: MemState;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.state = new MemState(random);
  }

  engine(port: number): Engine {
    return new Engine({
      disk: this.disk,
      state: this.state,
      clock: QUICK,
      random: this.#random,
      onEvent: () => {},
      connector: {
        connect: async (hello, signal) => {
          const link = await connectTcp("127.0.0.1", port, { tls: null, signal });
          const fields = { ...hello, software: "fuzz", device: "d".repeat(32), token: new Uint8Array(32) };
          return await talk(link, fields, QUICK);
        },
      },
      folder: "",
      rootProblem: () => null,
      guard: "on",
    });
  }
}

Deno.test("frames of a server that are changed on their way never bring the client down", async () => {
  const before = Deno.memoryUsage().rss;
  let changed = 0;
  for (let first = 0; first < SESSIONS; first += PARALLEL) {
    const sessions = Array.from({ length: PARALLEL }, (_, i) => trySession(first + i));
    for (const count of await Promise.all(sessions)) changed += count;
  }
  assert(changed > SESSIONS, `${changed} frames were changed`);
  // Garbage included; 4,800 sessions end where 960 do.
  assertLess(Deno.memoryUsage().rss - before, 400 * 2 ** 20);
});

/** Two passes over one folder, with changed frames. Returns how many were. */
async function trySession(seed: number): Promise<number> {
  const random = new SeededRandom(BigInt(seed));
  const tamper = new Tamper(random);
  await using server = new HostileServer();
  const client = new Client(random);
  for (const path of ["a", "d/b", "d/e/c"]) server.put(path, `text of ${path}`);
  client.disk.user.write("mine", `mine ${seed}`);
  client.disk.user.mkdir("dir");
  server.tamper = (frame, talk) => {
    endSoon(talk);
    return tamper.frame(frame);
  };
  for (let pass = 0; pass < 2; pass++) {
    const end = await client.engine(server.port).pass(new AbortController().signal).catch((error) => error);
    const fine = !(end instanceof Error) || KNOWN.has(end.name);
    assert(fine, `session ${seed}: ${end instanceof Error ? end.stack : ""}`);
  }
  server.tamper = null;
  // The numbers that it was made to tell may be beyond all reason.
  client.state.reset();
  const status = await client.engine(server.port).pass(new AbortController().signal);
  assertEquals([status.problems, status.state], [[], "in sync"], `session ${seed}`);
  return tamper.changed;
}

const ending = new WeakSet<Talk>();

function endSoon(talk: Talk): void {
  if (ending.has(talk)) return;
  ending.add(talk);
  const timer = setTimeout(() => talk.close(), PATIENCE_MS);
  void talk.ended.then(() => clearTimeout(timer));
}
