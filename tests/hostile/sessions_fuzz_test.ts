/**
 * MC30: damaged and spliced frames of recorded conversations, at the server and at the client, before and after signing in.
 * Whatever comes, nothing fails in a way that nobody foresaw, nothing hangs or grows, and the store is whole.
 * `FSYNC_FUZZ_RUNS` sets how many frames, `FSYNC_SEED` which.
 */
import { assert, assertEquals } from "@std/assert";
import { Engine } from "../../client/engine.ts";
import { UnreachableError } from "../../client/errors.ts";
import { talk, type WireRemote } from "../../client/wire_remote.ts";
import { WireHistory } from "../../client/wire_history.ts";
import type { Id } from "../../protocol/messages.ts";
import { encode } from "../../protocol/codec.ts";
import { ProtocolError, RemoteError } from "../../protocol/errors.ts";
import { FRAME_BYTES_MAX } from "../../protocol/limits.ts";
import { PROTOCOL_VERSIONS } from "../../protocol/messages.ts";
import { MAIN_FOLDER } from "../../server/accounts/accounts.ts";
import { tokenHash } from "../../server/auth.ts";
import { Folder } from "../../server/folder.ts";
import { Greeter } from "../../server/greet.ts";
import { StoreCheck } from "../../server/upkeep/check.ts";
import { systemClock } from "../../system/clock.ts";
import { type Link, LinkClosed } from "../../system/link.ts";
import { openDisk } from "../../system/real_disk.ts";
import { systemRandom } from "../../system/random.ts";
import { noise } from "../conformance/contents_suite.ts";
import { MemAccounts } from "../fakes/mem_accounts.ts";
import { memLinkPair } from "../fakes/mem_link.ts";
import { MemState } from "../fakes/mem_state.ts";
import { SeededRandom, seedForRun } from "../fakes/seeded_random.ts";
import { OpenStore, StorePlace } from "../fakes/store_place.ts";
import { chanceOf, DAMAGES } from "../fuzz/damage.ts";
import frames from "../vectors/frames.json" with { type: "json" };

const RUNS = Number(Deno.env.get("FSYNC_FUZZ_RUNS") ?? 100_000);
const SEED = Number(seedForRun());
/** Frames that go down one conversation, unless it ends before. */
const FRAMES_EACH = 25;
/** One conversation in so many is that of a stranger. */
const STRANGERS = 4;
/** Far beyond what an answer takes. */
const PATIENCE_MS = 20_000;
const GROWTH_BYTES_MAX = 100 * 2 ** 20;

const DEVICE: Id = "d".repeat(32);
const TOKEN = new Uint8Array(32).fill(9);

/** A real server without a listener: accounts, records, packs, sessions. */
class Place implements AsyncDisposable {
  readonly #place = new StorePlace();
  readonly store = new OpenStore(`${this.#place.root}/server`);
  readonly folder: Folder;
  readonly bugs: unknown[] = [];
  readonly greeter: Greeter;
  #served = 0;

  constructor() {
    const { records, contents } = this.store;
    this.folder = new Folder({ records, contents, clock: systemClock, onCommit: () => {} });
    const accounts = new MemAccounts(new SeededRandom(1n), systemClock);
    accounts.setOwner("ann");
    accounts.addDevice({ id: DEVICE, name: "laptop", user: "ann", tokenHash: tokenHash(TOKEN) });
    this.greeter = new Greeter({
      accounts,
      folder: (name) => name === MAIN_FOLDER ? this.folder : null,
      clock: systemClock,
      software: "test",
      caPem: "",
      limits: { connections: 1000, strangers: 256 },
      events: {
        onOpen: () => {},
        onClose: () => {},
        onJoined: () => {},
        onFailed: () => {},
        onBug: (error) => void this.bugs.push(error),
      },
    });
  }

  /** The other side of a new connection; each comes from elsewhere, so that none is slowed down for the others. */
  connect(onFrame?: (frame: Uint8Array, from: "a" | "b") => "deliver"): Link {
    const n = this.#served++;
    const names = [`10.${n >> 16 & 255}.${n >> 8 & 255}.${n & 255}:1`, "server"] as const;
    const wire = memLinkPair(onFrame === undefined ? { names } : { names, onFrame });
    void this.greeter.serve(wire.b);
    return wire.a;
  }

  dir(name: string): string {
    const path = `${this.#place.root}/${name}`;
    Deno.mkdirSync(`${path}/.fsync`, { recursive: true });
    return path;
  }

  async check(): Promise<void> {
    assertEquals(this.bugs, [], "somebody's frames made a request fail in a way that nobody foresaw");
    await this.folder.idle();
    const check = new StoreCheck(this.store.parts());
    await check.run();
    assertEquals(check.report(new Set()).findings, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.greeter.close();
    await this.folder.idle();
    this.store.close();
    this.#place[Symbol.dispose]();
  }
}

interface Recorded {
  /** What the client sent. */
  readonly up: Uint8Array[];
  /** What the server sent. */
  readonly down: Uint8Array[];
}

/** Lets a real client do a bit of everything, and writes down each frame. */
async function record(place: Place): Promise<Recorded> {
  const recorded: Recorded = { up: [], down: [] };
  const onFrame = (frame: Uint8Array, from: "a" | "b") => {
    recorded[from === "a" ? "up" : "down"].push(frame.slice());
    return "deliver" as const;
  };
  const connect = () =>
    talk(place.connect(onFrame), helloFields(systemRandom.bytes(16).toHex()), systemClock);
  const [a, b] = [replica(place.dir("a"), connect), replica(place.dir("b"), connect)];
  try {
    const put = (path: string, bytes: Uint8Array) => Deno.writeFileSync(`${a.root}/${path}`, bytes);
    const large = noise(300_000, 5);
    Deno.mkdirSync(`${a.root}/dir/sub`, { recursive: true });
    for (let n = 0; n < 20; n++) put(`dir/f${n}`, noise(50 + n * 40, n));
    put("dir/large", large);
    Deno.symlinkSync("f0", `${a.root}/dir/link`);
    await a.pass();
    await b.pass();
    large.set(noise(10, 9), 150_000);
    put("dir/large", large);
    put("dir/f1", noise(60, 77));
    Deno.removeSync(`${a.root}/dir/f2`);
    Deno.renameSync(`${a.root}/dir`, `${a.root}/moved`);
    await a.pass();
    await b.pass();
    const remote = await connect();
    const history = new WireHistory(remote as WireRemote);
    for (const path of ["moved/f1", "dir/f2"]) {
      for (const { revision, entry } of await history.versions(path as never)) {
        if (entry?.kind === "file") await history.read(path as never, revision, () => {}).catch(() => {});
      }
    }
    await history.restore("dir/f2" as never, { kind: "undelete" }, true).catch(() => {});
    await history.conflicts({ open: false });
    remote.close();
  } finally {
    a.close();
    b.close();
  }
  for (const { frame } of frames) {
    (frame.startsWith("02") ? recorded.down : recorded.up).push(Uint8Array.fromHex(frame));
  }
  return recorded;
}

function helloFields(replica: Id) {
  return { software: "fuzz", folder: "", replica, device: DEVICE, token: TOKEN };
}

function replica(root: string, connect: () => Promise<WireRemote>) {
  const disk = openDisk(root);
  const state = new MemState(new SeededRandom(BigInt(root.length)));
  const engine = new Engine({
    disk,
    state,
    clock: systemClock,
    random: systemRandom,
    onEvent: () => {},
    connector: { connect },
    folder: "",
    rootProblem: () => null,
    guard: "on",
  });
  return {
    root,
    close: () => disk.close(),
    pass: async () => void await engine.pass(new AbortController().signal),
  };
}

/** `promise`, or a failure that says what hung. */
async function inTime<T>(promise: Promise<T>, what: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it hangs: ${what()}`)), PATIENCE_MS);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function rss(): number {
  return Deno.memoryUsage().rss;
}

Deno.test(`MC30: ${RUNS / 2} damaged frames at the server harm nobody (seed ${SEED})`, async () => {
  await using place = new Place();
  const { up } = await record(place);
  const chance = chanceOf(SEED);
  let [sent, answered, halfway] = [0, 0, 0];
  while (sent < RUNS / 2) {
    const link = place.connect();
    link.frameMax = FRAME_BYTES_MAX;
    const last: Uint8Array[] = [];
    const said = drain(link);
    if (chance(STRANGERS) !== 0) await link.send(greeting());
    try {
      for (let n = 0; n < FRAMES_EACH; n++) {
        const frame = DAMAGES[sent % DAMAGES.length]!(up[chance(up.length)]!, chance, up);
        sent++;
        if (frame.length === 0) continue;
        last.push(frame);
        await inTime(link.send(frame), () => describe(sent, last));
      }
      // An honest word at the end: whoever still listens answers it.
      await link.send(encode({ id: 7, message: { type: "ping" } }));
      for (let turn = 0; turn < 3; turn++) await systemClock.yield();
    } catch (error) {
      if (!(error instanceof LinkClosed)) throw error;
    }
    link.close();
    answered += await inTime(said, () => describe(sent, last));
    if (halfway === 0 && sent > RUNS / 4) halfway = rss();
  }
  assert(answered > RUNS / 50, `only ${answered} messages came back: the damage does not reach the requests`);
  await place.check();
  assert(rss() - halfway < GROWTH_BYTES_MAX, `the second half took ${(rss() - halfway) >> 20} MiB`);
  // An honest client still syncs.
  const fresh = replica(
    place.dir("fresh"),
    () => talk(place.connect(), helloFields("f".repeat(32)), systemClock),
  );
  await fresh.pass();
  fresh.close();
});

function greeting(): Uint8Array {
  const fields = helloFields(systemRandom.bytes(16).toHex());
  return encode({
    id: 0,
    message: { type: "hello", versions: PROTOCOL_VERSIONS, clock: Date.now(), ...fields },
  });
}

/** Counts what comes, until the link ends. */
async function drain(link: Link): Promise<number> {
  for (let count = 0;; count++) {
    const frame = await link.receive().catch(() => null);
    if (frame === null) return count;
  }
}

function describe(sent: number, last: readonly Uint8Array[]): string {
  return `after ${sent} frames, FSYNC_SEED=${SEED}, the last: ${
    last.slice(-3).map((frame) => frame.toHex().slice(0, 400))
  }`;
}

Deno.test(`MC30: ${RUNS / 2} damaged frames at the client harm nobody (seed ${SEED})`, async () => {
  await using place = new Place();
  const { down } = await record(place);
  const chance = chanceOf(SEED + 1);
  let [sent, halfway] = [0, 0];
  const causes = new Map<string, number>();
  while (sent < RUNS / 2) {
    const { a, b } = memLinkPair();
    b.frameMax = FRAME_BYTES_MAX;
    const heard = drain(b);
    const last: Uint8Array[] = [];
    const damaged = () => {
      const frame = DAMAGES[sent++ % DAMAGES.length]!(down[chance(down.length)]!, chance, down);
      last.push(frame);
      return frame.length === 0 ? Uint8Array.of(0) : frame;
    };
    const talking = talk(a, helloFields("e".repeat(32)), systemClock);
    const stranger = chance(STRANGERS) === 0;
    await b.send(stranger ? damaged() : encode({ id: 0, message: WELCOME }));
    const remote = await inTime(talking.catch(foreseen), () => describe(sent, last));
    if (remote !== null) {
      const asked = Promise.allSettled(everything(remote));
      for (let n = 0; n < FRAMES_EACH; n++) {
        const frame = damaged();
        // Most answers belong to one of the requests that wait.
        if (frame.length >= 5 && chance(4) !== 0) {
          new DataView(frame.buffer, frame.byteOffset).setUint32(1, 1 + chance(8));
        }
        await inTime(b.send(frame).catch(() => {}), () => describe(sent, last));
      }
      for (let turn = 0; turn < 3; turn++) await systemClock.yield();
      b.close();
      const results = await inTime(asked, () => describe(sent, last));
      for (const result of results) if (result.status === "rejected") foreseen(result.reason);
      const reason = await inTime(remote.closed, () => describe(sent, last));
      causes.set(reason.name, (causes.get(reason.name) ?? 0) + 1);
    }
    a.close();
    b.close();
    await inTime(heard, () => describe(sent, last));
    if (halfway === 0 && sent > RUNS / 4) halfway = rss();
  }
  assert((causes.get("ProtocolError") ?? 0) > 10, JSON.stringify([...causes]));
  assert(rss() - halfway < GROWTH_BYTES_MAX, `the second half took ${(rss() - halfway) >> 20} MiB`);
});

const WELCOME = {
  type: "welcome",
  version: PROTOCOL_VERSIONS[0]!,
  software: "fuzz",
  folderName: "main",
  folder: "f".repeat(32),
  epoch: "e".repeat(32),
  head: 100,
  clock: 1_744_024_265_000,
  user: "ann",
  deviceName: "laptop",
  view: "0".repeat(32),
  rules: [{ prefix: null, access: "write", history: true }],
  conflicts: 0,
  heartbeatMs: 15_000,
} as const;

/** Every request that there is, all at once. */
function everything(remote: WireRemote): Promise<unknown>[] {
  const path = "dir/f1" as never;
  const history = new WireHistory(remote);
  const sink = {
    have: { chunks: 0, prefix: new Uint8Array(0) },
    start: () => {},
    accept: () => {},
  };
  return [
    remote.subscribe(0, true, () => {}),
    remote.upload([{ item: { op: "delete", path, base: 3 }, bytes: null }]),
    remote.download([{ path, revision: 3 }], () => {}),
    remote.fetch({ path, revision: 3 }, null, sink),
    history.versions(path),
    history.read(path, 3, () => {}),
    history.restore(path, { kind: "undelete" }, true),
    history.conflicts({ open: true }),
  ];
}

/** What a client may say of a server that talks nonsense. Anything else is a fault of ours. */
function foreseen(error: unknown): null {
  const known = error instanceof ProtocolError || error instanceof RemoteError ||
    error instanceof UnreachableError ||
    error instanceof LinkClosed;
  if (!known) throw error;
  return null;
}
