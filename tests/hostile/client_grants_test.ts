/** MC19, MC24: a member who has signed in, and wants more than was granted. What is hidden answers as what never was. */
import { assert, assertEquals } from "@std/assert";
import { digestHex } from "../../core/chunk.ts";
import type { FileEntry } from "../../core/entry.ts";
import { parsePath, type SyncPath } from "../../core/path.ts";
import { packBlock } from "../../protocol/block.ts";
import type { Message } from "../../protocol/messages.ts";
import { large, noise } from "../conformance/contents_suite.ts";
import { owner } from "../e2e/_person.ts";
import { until, type World } from "../e2e/_world.ts";
import { freeDir, freeFile } from "./free_frames.ts";
import {
  credentialIn,
  freeItem,
  HostileClient,
  hostileClientTest,
  ownerCredential,
} from "./hostile_client.ts";

const p = parsePath;
const encode = (text: string) => new TextEncoder().encode(text);
const NOTHING = packBlock([]);

const SECRET = "what nobody else may know";
const LARGE = large(noise(300_000, 3));
const UNKNOWN = large(noise(300_000, 4));
const RIGHTS = ["open --user mallory write --history", "shown --user mallory read --history"];

/** A path with a revision; of the one that is there, the true one. */
interface Place {
  readonly path: SyncPath;
  readonly revision: number;
  readonly content: string;
}

interface Scene {
  readonly mallory: HostileClient;
  /** Hidden places, each pair one that is there and one that never was. */
  readonly pairs: readonly (readonly [Place, Place])[];
  readonly conflict: number;
}

/** Somebody who may write in `open`, read `shown`, and knows nothing of `hidden`, where all kinds of things are. */
async function start(world: World): Promise<Scene> {
  const mine = await HostileClient.signedIn(world);
  const dirs = ["open", "shown", "hidden", "hidden/adir"].map((dir) => freeItem.entry(dir, freeDir()));
  const made = await mine.upload([
    ...dirs,
    freeItem.file("hidden/secret", SECRET),
    freeItem.file("hidden/edited", "first"),
    freeItem.file("shown/f", "shown to mallory"),
  ], encode(`${SECRET}firstshown to mallory`));
  assertEquals(made?.map(({ status }) => status), Array(7).fill("ok"));
  await until("the plain tree has followed", () => world.tree("server_files").has("hidden/edited"));
  Deno.writeFileSync(world.path("server_files/hidden/large"), LARGE.bytes);
  // Another replica, which knows of nothing: a conflict.
  const other = await HostileClient.signedIn(world);
  const [clash] = (await other.upload([freeItem.file("hidden/edited", "second")], encode("second")))!;
  assertEquals(clash?.status, "conflict");
  await until("the large file is known", () => heads(world).has("hidden/large"));
  mine.close();
  other.close();
  await owner(world, "user add mallory");
  for (const right of RIGHTS) await owner(world, `grant ${right}`);
  const line = (await owner(world, `invite mallory --host ${world.address} --quiet`)).trim();
  const joined = await world.run(["join", line, "state/mallory/dir"], {
    env: { USER: "mallory", FSYNC_STATE_DIR: world.path("state/mallory") },
  });
  assertEquals([joined.code, joined.stderr], [0, ""]);
  const known = heads(world);
  const place = (path: string, content: string): readonly [Place, Place] => {
    const revision = known.get(path)!;
    const never = path.replace(/.$/, "0");
    assert(!known.has(never));
    return [{ path: p(path), revision, content }, { path: p(never), revision, content }];
  };
  return {
    mallory: await HostileClient.signedIn(world, credentialIn(world, "state/mallory")),
    pairs: [
      place("hidden/secret", digestHex(encode(SECRET))),
      place("hidden/large", LARGE.id),
      place("hidden/adir", digestHex(encode("no content"))),
      place("hidden/edited", digestHex(encode("second"))),
    ],
    conflict: world.conflicts().length,
  };
}

/** Settles the conflict, so that an honest client has nothing to say. */
async function settle(world: World): Promise<void> {
  const mine = await HostileClient.signedIn(world);
  const settled = await mine.ask({ type: "resolve", conflict: 1, keep: { kind: "head" } });
  assertEquals(settled?.type, "resolved");
  mine.close();
}

const heads = (world: World) =>
  new Map(world.versions().filter(({ head }) => head).map(({ path, revision }) => [path, revision]));

const isLast = (message: Message) =>
  !("last" in message && !message.last) && !("more" in message && message.more) &&
  message.type !== "fetching";

/** All that is answered to one request, without the name that was asked for. */
async function answers(client: HostileClient, message: Message, { path }: Place): Promise<string> {
  const all: Message[] = [];
  for (let next = await client.ask(message);; next = await client.next()) {
    assert(next !== null, `${message.type} ended the session`);
    all.push(next);
    if (isLast(next)) break;
  }
  return JSON.stringify(all).replaceAll(path, "PATH");
}

const entryOf = (content: string, size: number): FileEntry =>
  ({ kind: "file", size, mtime: 1000, mode: 0o644, content }) as FileEntry;

type Question = (place: Place) => Message;

const upload = (
  items: Extract<Message, { type: "upload" }>["items"],
  bytes: readonly Uint8Array[] = [],
): Message => ({ type: "upload", items, block: bytes.length === 0 ? NOTHING : packBlock(bytes) });

const x = encode("x");
const small = entryOf(digestHex(x), 1);

/** Whatever a client can ask about a path. */
const QUESTIONS: Readonly<Record<string, Question>> = {
  "its bytes": ({ path, revision }) => ({ type: "download", items: [{ path, revision }] }),
  "its chunks": ({ path, revision }) => fetch({ path, revision }, null),
  "its versions": ({ path }) => ({ type: "versions", path }),
  "the bytes of a version": ({ path, revision }) => ({ type: "read", path, revision }),
  "a restore of it": ({ path, revision }) => restore(path, { kind: "version", revision }),
  "what a restore would do": ({ path }) => ({ ...restore(path, { kind: "undelete" }), dryRun: true }),
  "it as it was": ({ path }) => restore(path, { kind: "time", time: Date.now() - 1 }),
  "a new file there": ({ path }) =>
    upload([{ op: "put", path, base: 0, entry: small, source: { from: "inline" } }], [x]),
  "a new version": ({ path, revision }) =>
    upload([{ op: "put", path, base: revision, entry: small, source: { from: "inline" } }], [x]),
  "a directory there": ({ path }) =>
    upload([{ op: "put", path, base: 0, entry: { kind: "dir", mode: 0o755 }, source: null }]),
  "something below it": ({ path }) =>
    upload([{ op: "put", path: p(`${path}/x`), base: 0, entry: small, source: { from: "inline" } }], [x]),
  "its end": ({ path, revision }) => upload([{ op: "delete", path, base: revision }]),
  "another name for it": ({ path, revision }) =>
    upload([{ op: "rename", from: path, to: p("open/stolen"), base: revision, count: 1 }]),
  "its name for another": ({ path }) =>
    upload([{ op: "rename", from: p("open"), to: path, base: 99, count: 1 }]),
  "a copy of it": ({ path, revision, content }) =>
    upload([{
      op: "put",
      path: p("open/copy"),
      base: 0,
      entry: entryOf(content, SECRET.length),
      source: { from: "version", path, revision },
    }]),
  "a large copy of it": ({ path, revision, content }) =>
    upload([{
      op: "put",
      path: p("open/copy"),
      base: 0,
      entry: entryOf(content, LARGE.bytes.length),
      source: { from: "version", path, revision },
    }]),
  "its chunks as a base": ({ path, revision }) => ({
    type: "stage",
    content: UNKNOWN.id,
    size: 300_000,
    chunks: UNKNOWN.chunks.length,
    base: { path, revision },
  }),
};

function fetch(
  of: { path: SyncPath; revision: number },
  base: { path: SyncPath; revision: number } | null,
): Message {
  return { type: "fetch", ...of, base, chunks: 0, prefix: new Uint8Array(0) };
}

function restore(path: SyncPath, goal: Extract<Message, { type: "restore" }>["goal"]) {
  return { type: "restore", path, goal, dryRun: false } as const;
}

hostileClientTest(
  "MC24: whatever a member asks of a path that is hidden, the answer is as if nothing had ever been there",
  async (world) => {
    const { mallory, pairs, conflict } = await start(world);
    const before = world.versions();
    for (const [question, ask] of Object.entries(QUESTIONS)) {
      for (const [there, never] of pairs) {
        const [first, second] = [
          await answers(mallory, ask(there), there),
          await answers(mallory, ask(never), never),
        ];
        assertEquals(first, second, `${question}: ${there.path}`);
        assert(
          !first.includes(SECRET) && !/"status":"(ok|skip|conflict)"/.test(first),
          `${question}: ${first}`,
        );
      }
    }
    // Conflicts are counted in the Welcome and listed; those of hidden files are not.
    assertEquals(conflict, 1);
    const asked = await mallory.ask({ type: "conflicts", open: false });
    assert(asked?.type === "conflictList");
    assertEquals(asked.conflicts, []);
    const none: Place = { path: p("none"), revision: 0, content: "" };
    for (const kind of ["head", "both"] as const) {
      const [real, made] = [
        await answers(mallory, { type: "resolve", conflict: 1, keep: { kind } }, none),
        await answers(mallory, { type: "resolve", conflict: 99, keep: { kind } }, none),
      ];
      assertEquals(real.replace(/\b1\b/g, "N"), made.replace(/\b99\b/g, "N"));
    }
    mallory.close();
    assertEquals(world.versions(), before, "something was changed");
    await settle(world);
  },
);

hostileClientTest(
  "MC24: that others have a content is told to nobody, and their bytes are no proof of having it",
  async (world) => {
    const { mallory } = await start(world);
    const none: Place = { path: p("none"), revision: 0, content: "" };
    // Announced, it is as unknown as one that nobody has.
    const stage = ({ id, bytes, chunks }: typeof LARGE): Message => ({
      type: "stage",
      content: id,
      size: bytes.length,
      chunks: chunks.length,
      base: null,
    });
    assertEquals(await answers(mallory, stage(LARGE), none), await answers(mallory, stage(UNKNOWN), none));
    for (const content of [LARGE, UNKNOWN]) {
      const item = {
        op: "put",
        path: p("open/large"),
        base: 0,
        entry: entryOf(content.id, content.bytes.length),
        source: { from: "staged" },
      } as const;
      assert((await answers(mallory, upload([item]), none)).includes('"corrupt"'));
    }
    // Small contents come with their bytes, or not at all.
    const results = await mallory.upload([
      freeItem.entry("open/guess", freeFile(digestHex(encode(SECRET)), { size: SECRET.length })),
    ]);
    assertEquals(results, null);
    mallory.close();
    await settle(world);
  },
);

hostileClientTest("MC24: who may only read changes nothing, by whatever request", async (world) => {
  const { mallory } = await start(world);
  const revision = heads(world).get("shown/f")!;
  const before = world.versions();
  const place: Place = { path: p("shown/f"), revision, content: digestHex(encode("shown to mallory")) };
  const download = await mallory.ask({ type: "download", items: [place] });
  assert(download?.type === "contents" && download.sizes[0] === 16);
  const writes = [
    ...["a new file there", "a new version", "a directory there", "something below it", "its end"],
    ...["another name for it", "its name for another", "a restore of it", "it as it was"],
  ];
  for (const name of writes) {
    const answer = await answers(mallory, QUESTIONS[name]!(place), place);
    assert(/"(forbidden|stale|notFound)"/.test(answer), `${name}: ${answer}`);
  }
  mallory.close();
  assertEquals(world.versions(), before);
  await settle(world);
});

hostileClientTest(
  "MC19: a device's token opens what its user was granted, and nothing as somebody else",
  async (world) => {
    await start(world).then(({ mallory }) => mallory.close());
    await owner(world, `folder add other --path ${world.path("state/other")}`);
    const [theirs, mine] = [credentialIn(world, "state/mallory"), ownerCredential(world)];
    const hello = (device: string, token: string, folder: string) => ({
      type: "hello",
      versions: [2],
      software: "mallory",
      folder,
      replica: "ab".repeat(16),
      device,
      token: Uint8Array.fromBase64(token, { alphabet: "base64url" }),
      clock: Date.now(),
    } as const);
    const attacks = {
      "the owner's device with a member's token": hello(mine.device, theirs.token, ""),
      "a member's device with the owner's token": hello(theirs.device, mine.token, ""),
      "a folder where the member may do nothing": hello(theirs.device, theirs.token, "other"),
      "a folder that is not there": hello(theirs.device, theirs.token, "nowhere"),
    };
    const said = new Set<string>();
    for (const [name, message] of Object.entries(attacks)) {
      const client = await HostileClient.stranger(world);
      const answer = await client.ask(message);
      assert(answer?.type === "error" && answer.code === "denied", name);
      said.add(JSON.stringify(answer));
      assertEquals(await client.next(), null);
    }
    // Taken away while it is used, and from then on.
    const client = await HostileClient.signedIn(world, theirs);
    await owner(world, `device revoke ${theirs.device}`);
    const last = await client.next();
    assert(last === null || last.type === "error");
    assertEquals(await client.next(), null);
    const again = await HostileClient.stranger(world);
    said.add(JSON.stringify(await again.ask(hello(theirs.device, theirs.token, ""))));
    assertEquals(said.size, 1);
    await settle(world);
  },
);
