import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CHUNK_MAX, digestHex, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import { type ContentId, type FileEntry, MTIME_MS_MAX } from "../core/entry.ts";
import { parsePath, type SyncPath } from "../core/path.ts";
import { messages } from "../tests/arbitrary/messages.ts";
import { decode, encode } from "./codec.ts";
import { ProtocolError } from "./errors.ts";
import type { PastVersion } from "./history.ts";
import {
  BLOCK_RAW_BYTES_MAX,
  CHUNKS_MAX,
  FILE_BYTES_MAX,
  FRAME_BYTES_MAX,
  ITEMS_MAX,
  OPS_MAX,
  TEXT_BYTES_MAX,
} from "./limits.ts";
import type {
  Block,
  Changes,
  ContentSource,
  Data,
  DataOp,
  Hello,
  Join,
  Joined,
  Message,
  MessageType,
  Notice,
  Upload,
  UploadItem,
  Welcome,
} from "./messages.ts";
import { itemTextBytes, noticeTextBytes } from "./text_bytes.ts";

const SEED = Number(Deno.env.get("FSYNC_FUZZ_SEED") ?? 20250407);
const MESSAGE_TEXT_MAX = 2048;

const content = "ab".repeat(32) as ContentId;
const emptyContent = digestHex(new Uint8Array(0)) as ContentId;
const a = parsePath("a");
const author = { user: "anna", device: "laptop" };
const file: FileEntry = { kind: "file", size: 3, mtime: 1_744_024_265_123, mode: 0o644, content };
const noBlock: Block = { encoding: "raw", rawSize: 0, bytes: new Uint8Array(0) };
const base = { path: a, revision: 6 };

function rawBlock(size: number): Block {
  return { encoding: "raw", rawSize: size, bytes: new Uint8Array(size).fill(7) };
}

function put(entry: FileEntry, source: ContentSource | null, path: SyncPath = a): UploadItem {
  return { op: "put", path, base: 6, entry, source };
}

function upload(items: readonly UploadItem[], block = noBlock): Upload {
  return { type: "upload", items, block };
}

function data(ops: readonly DataOp[], block = noBlock): Data {
  return { type: "data", ops, block, last: true };
}

function changes(notices: readonly Notice[]): Changes {
  return { type: "changes", notices, upTo: 7, more: false, conflicts: 0 };
}

const hello: Hello = {
  type: "hello",
  versions: [2],
  software: "fsync 0.1.0",
  folder: "",
  replica: "00".repeat(16),
  device: "ff".repeat(16),
  token: new Uint8Array(32).fill(9),
  clock: 1_744_024_265_000,
};
const welcome: Welcome = {
  type: "welcome",
  version: 2,
  software: "fsync 0.1.0",
  folderName: "main",
  folder: "01".repeat(16),
  epoch: "02".repeat(16),
  head: 2 ** 40,
  clock: -1,
  user: "anna",
  deviceName: "laptop",
  view: "03".repeat(16),
  rules: [{ prefix: null, access: "read", history: false }, { prefix: a, access: "write", history: true }],
  conflicts: 2,
  heartbeatMs: 15_000,
};
const join: Join = {
  type: "join",
  versions: [2],
  software: "fsync 0.1.0",
  secret: new Uint8Array(16).fill(7),
  device: "ff".repeat(16),
  deviceName: "laptop",
  token: new Uint8Array(32).fill(9),
};
const joined: Joined = {
  type: "joined",
  version: 2,
  software: "fsync 0.1.0",
  user: "anna",
  folderName: "main",
  folder: "01".repeat(16),
  caPem: "-----BEGIN CERTIFICATE-----",
};

const pastVersion: PastVersion = {
  path: a,
  revision: 6,
  operation: "modified",
  entry: file,
  base: 5,
  from: null,
  author,
  time: 1_744_024_265_123,
  clockOffset: -1500,
  head: true,
};

/** At least one of each, with every kind of item. */
const examples: { readonly [T in MessageType]: Extract<Message, { type: T }>[] } = {
  hello: [hello],
  welcome: [welcome, { ...welcome, rules: [] }],
  join: [join],
  joined: [joined, { ...joined, caPem: "" }],
  subscribe: [{ type: "subscribe", since: 0, live: false }, { type: "subscribe", since: 9, live: true }],
  changes: [
    changes([]),
    changes([
      { kind: "set", path: a, revision: 7, entry: file, from: null, author },
      {
        kind: "set",
        path: a,
        revision: 7,
        entry: { kind: "dir", mode: 0o755 },
        from: parsePath("ü/b"),
        author,
      },
      { kind: "gone", path: a, revision: 8, author: { user: "ben", device: "desk" } },
      { kind: "moved", from: a, to: parsePath("b/a"), revision: 9, author: { ...author } },
    ]),
  ],
  lookAgain: [{ type: "lookAgain" }],
  upload: [
    upload([]),
    upload([
      put(file, { from: "inline" }),
      put({ ...file, size: 0, content: emptyContent }, { from: "inline" }),
      put({ ...file, size: 0, content: emptyContent }, { from: "version", ...base }),
      put({ ...file, size: SINGLE_CHUNK_MAX }, { from: "version", ...base }),
      put({ ...file, size: SINGLE_CHUNK_MAX + 1 }, { from: "staged" }),
      { op: "put", path: a, base: 0, entry: { kind: "link", target: "../ü" }, source: null },
      { op: "delete", path: a, base: 6 },
      { op: "rename", from: a, to: parsePath("b"), base: 6, count: 20 },
    ], rawBlock(3)),
    upload([put({ ...file, size: 1000 }, { from: "inline" })], {
      ...rawBlock(20),
      encoding: "zstd",
      rawSize: 1000,
    }),
  ],
  results: [{
    type: "results",
    results: [
      { status: "ok", revision: 10 },
      { status: "skip", revision: 0, entry: null },
      { status: "skip", revision: 5, entry: file },
      { status: "conflict", won: true, revision: 11, storedAs: null, reason: "edited by ben" },
      { status: "conflict", won: false, revision: 12, storedAs: parsePath("a (2)"), reason: "" },
      { status: "stale" },
      { status: "error", code: "noSpace", message: "No room" },
    ],
  }],
  stage: [
    { type: "stage", content, size: SINGLE_CHUNK_MAX + 1, chunks: 2, base },
    { type: "stage", content, size: FILE_BYTES_MAX, chunks: CHUNKS_MAX, base: null },
  ],
  staged: [
    { type: "staged", chunks: 0, prefix: new Uint8Array(0), complete: false },
    { type: "staged", chunks: 9, prefix: new Uint8Array(32).fill(5), complete: true },
  ],
  data: [
    data([]),
    data([
      { op: "base", index: 0, count: 40 },
      { op: "self", index: 3 },
      { op: "new", id: new Uint8Array(32).fill(1), size: 5 },
    ], rawBlock(5)),
  ],
  download: [{ type: "download", items: [base, { path: parsePath("b/c"), revision: 2 }] }],
  contents: [{ type: "contents", sizes: [3, -1, 0], block: rawBlock(3), last: true }],
  fetch: [
    { type: "fetch", path: a, revision: 7, base, chunks: 4, prefix: new Uint8Array(32) },
    { type: "fetch", path: a, revision: 7, base: null, chunks: 0, prefix: new Uint8Array(0) },
  ],
  fetching: [{ type: "fetching", first: 4, chunks: 4 }],
  versions: [{ type: "versions", path: a }],
  versionList: [
    { type: "versionList", versions: [], more: false },
    { type: "versionList", versions: [pastVersion, { ...pastVersion, entry: null, from: a }], more: true },
  ],
  read: [{ type: "read", ...base }],
  bytes: [{ type: "bytes", block: rawBlock(9), last: false }, { type: "bytes", block: noBlock, last: true }],
  restore: [
    { type: "restore", path: a, goal: { kind: "version", revision: 6 }, dryRun: false },
    { type: "restore", path: a, goal: { kind: "undelete" }, dryRun: true },
    { type: "restore", path: null, goal: { kind: "time", time: -1 }, dryRun: true },
  ],
  restored: [{ type: "restored", steps: [{ action: "blocked", path: a, version: 6 }], more: true }],
  conflicts: [{ type: "conflicts", open: true }],
  conflictList: [{
    type: "conflictList",
    conflicts: [{
      id: 1,
      path: a,
      winner: pastVersion,
      loser: { ...pastVersion, operation: "conflict", head: false },
      base: null,
      reason: "kept anna's",
      time: 5,
      resolved: false,
    }],
    more: false,
  }],
  resolve: [
    { type: "resolve", conflict: 1, keep: { kind: "head" } },
    { type: "resolve", conflict: 1, keep: { kind: "version", revision: 6 } },
    { type: "resolve", conflict: 1, keep: { kind: "both" } },
  ],
  resolved: [{ type: "resolved", path: a, beside: null }, { type: "resolved", path: a, beside: a }],
  ping: [{ type: "ping" }],
  pong: [{ type: "pong" }],
  error: [{ type: "error", code: "denied", message: "Cannot sign in: denied", hint: "fsync join" }],
};

function roundTrip(message: Message, id = 5): void {
  assertEquals(decode(encode({ id, message })), { id, message });
}

for (const [type, list] of Object.entries(examples)) {
  Deno.test(`codec: ${type} comes back as it went`, () => {
    for (const message of list) roundTrip(message);
  });
}

for (const [type, arbitrary] of Object.entries(messages)) {
  Deno.test(`codec: any ${type} comes back as it went`, () => {
    fc.assert(
      fc.property(
        fc.nat(0xffffffff),
        arbitrary as fc.Arbitrary<Message>,
        (id, message) => roundTrip(message, id),
      ),
      { seed: SEED, numRuns: 200 },
    );
  });
}

Deno.test("codec: the greatest texts and counts come back as they went", () => {
  const long = parsePath(`${"ü".repeat(127)}/`.repeat(16).slice(0, -1));
  const target = "t".repeat(4095);
  const items: UploadItem[] = [];
  for (let i = 0; i < 600; i++) {
    items.push({ op: "put", path: long, base: i, entry: { kind: "link", target }, source: null });
  }
  for (let i = 600; i < ITEMS_MAX; i++) items.push({ op: "delete", path: a, base: i });
  roundTrip(upload(items));
  roundTrip(data(Array.from({ length: OPS_MAX }, (_, index) => ({ op: "self", index }))));
});

Deno.test("codec: bytes in a message are views on the frame", () => {
  const frame = encode({ id: 1, message: upload([put(file, { from: "inline" })], rawBlock(3)) });
  const { message } = decode(frame);
  assert(message.type === "upload");
  assert(message.block.bytes.buffer === frame.buffer);
});

Deno.test("codec: a frame may be a view on larger memory", () => {
  const frame = encode({ id: 1, message: examples.upload[1]! });
  const memory = new Uint8Array(frame.length + 20).fill(0xee);
  memory.set(frame, 10);
  assertEquals(decode(memory.subarray(10, 10 + frame.length)).message, examples.upload[1]!);
});

Deno.test("codec: a frame keeps its bytes when the next message is encoded", () => {
  const frame = encode({ id: 1, message: hello });
  const copy = frame.slice();
  encode({ id: 2, message: examples.changes[1]! });
  assertEquals(frame, copy);
});

Deno.test("codec: an author is sent once for a page", () => {
  const notice = (i: number): Notice => ({
    kind: "gone",
    path: a,
    revision: 1,
    author: { user: "u".repeat(200), device: i % 2 === 0 ? "laptop" : "desk" },
  });
  const page = changes(Array.from({ length: 100 }, (_, i) => notice(i)));
  const frame = encode({ id: 0, message: page });
  assert(frame.length < 1100, `${frame.length} bytes`);
  assertEquals(decode(frame).message, page);
});

Deno.test("codec: authors whose names run together are told apart", () => {
  roundTrip(changes([
    { kind: "gone", path: a, revision: 1, author: { user: "ab", device: "c" } },
    { kind: "gone", path: a, revision: 1, author: { user: "a", device: "bc" } },
  ]));
});

Deno.test("codec: a message for people is cut to fit, between two characters", () => {
  const frame = encode({
    id: 0,
    message: { type: "error", code: "internal", message: "ü".repeat(3000), hint: "x" },
  });
  const { message } = decode(frame);
  assert(message.type === "error");
  assertEquals(message.message, "ü".repeat(MESSAGE_TEXT_MAX / 2));
  assertEquals(message.hint, "x");
});

Deno.test("codec: a message for people may hold a lone surrogate; it is replaced", () => {
  const { message } = decode(encode({
    id: 0,
    message: { type: "error", code: "internal", message: "a\ud800b", hint: "" },
  }));
  assertEquals(message, { type: "error", code: "internal", message: "a\ufffdb", hint: "" });
});

Deno.test("text bytes: what is counted for an item is what the codec counts", () => {
  const unit = parsePath("ü".repeat(100));
  const per: [Message, number][] = [
    [upload([{ op: "put", path: unit, base: 0, entry: { kind: "link", target: "ü" }, source: null }]), 202],
    [upload([put(file, { from: "version", path: unit, revision: 1 })]), 201],
    [upload([{ op: "delete", path: unit, base: 0 }]), 200],
    [upload([{ op: "rename", from: unit, to: a, base: 0, count: 1 }]), 201],
    [
      changes([{
        kind: "set",
        path: unit,
        revision: 1,
        entry: { kind: "link", target: "ü" },
        from: a,
        author,
      }]),
      203,
    ],
    [changes([{ kind: "gone", path: unit, revision: 1, author }]), 200],
    [changes([{ kind: "moved", from: unit, to: a, revision: 1, author }]), 201],
  ];
  for (const [message, expected] of per) {
    const counted = message.type === "upload"
      ? message.items.reduce((sum, item) => sum + itemTextBytes(item), 0)
      : message.type === "changes"
      ? message.notices.reduce((sum, notice) => sum + noticeTextBytes(notice), 0)
      : -1;
    assertEquals(counted, expected);
  }
});

Deno.test("codec: the texts of one message are bounded together, on both sides", () => {
  const rename = (i: number): UploadItem => ({
    op: "rename",
    from: `${"f".repeat(255)}/`.repeat(16).slice(0, -5) + String(i).padStart(4, "0") as SyncPath,
    to: `${"t".repeat(255)}/`.repeat(16).slice(0, -1) as SyncPath,
    base: 0,
    count: 1,
  });
  const items = Array.from({ length: ITEMS_MAX }, (_, i) => rename(i));
  assertThrows(() => encode({ id: 1, message: upload(items) }), ProtocolError, "its texts are longer than");

  const fits = items.slice(0, Math.floor(TEXT_BYTES_MAX / itemTextBytes(items[0]!)));
  const frame = encode({ id: 1, message: upload(fits) });
  const one = encode({ id: 1, message: upload(items.slice(0, 1)) });
  const itemBytes = one.subarray(6, one.length - 3);
  // The count of items takes two bytes here; one more item is appended behind the writer's back.
  const tooMuch = new Uint8Array(frame.length + itemBytes.length);
  tooMuch.set(frame.subarray(0, frame.length - 3));
  tooMuch.set(itemBytes, frame.length - 3);
  tooMuch.set(frame.subarray(frame.length - 3), tooMuch.length - 3);
  const count = fits.length + 1;
  tooMuch[5] = count % 128 | 128;
  tooMuch[6] = count >> 7;
  assertThrows(() => decode(tooMuch), ProtocolError, "its texts are longer than");
});

Deno.test("codec: a frame beyond the limit is refused before it is read", () => {
  assertThrows(() => decode(new Uint8Array(FRAME_BYTES_MAX + 1)), ProtocolError, "it is too long");
});

Deno.test("codec: a count that the frame cannot hold takes no memory", () => {
  const frame = encode({ id: 1, message: upload([]) });
  frame[5] = 100;
  assertThrows(() => decode(frame), ProtocolError, 'Cannot read message "upload"');
});

const link = (target: string) =>
  upload([{ op: "put", path: a, base: 0, entry: { kind: "link", target }, source: null }]);
const withEntry = (change: Partial<FileEntry>) =>
  upload([put({ ...file, ...change }, { from: "version", ...base })]);

/** What a writer refuses, so that a fault shows where it was made; the reader's rules are in `tests/vectors`. */
const refused: [name: string, message: Message, problem: string][] = [
  ["no version", { ...hello, versions: [] }, "it offers no version"],
  ["too many versions", { ...hello, versions: Array(33).fill(1) }, "the count of versions is out of bounds"],
  ["a fractional version", { ...hello, versions: [1.5] }, "a version is out of bounds"],
  ["a long name", { ...hello, folder: "f".repeat(257) }, "the folder's name is longer than 256 bytes"],
  [
    "a name long only in UTF-8",
    { ...hello, folder: "ü".repeat(129) },
    "the folder's name is longer than 256 bytes",
  ],
  ["a lone surrogate", { ...hello, folder: "\ud800" }, "the folder's name is not well-formed Unicode"],
  ["a short id", { ...hello, replica: "00" }, "the replica does not have 16 bytes"],
  ["an id in capitals", { ...hello, device: "FF".repeat(16) }, "the device is not lower-case hex"],
  ["an id beyond ASCII", { ...hello, device: "ü".repeat(32) }, "the device is not lower-case hex"],
  ["a long token", { ...hello, token: new Uint8Array(257) }, "the length of the token is out of bounds"],
  ["a fractional clock", { ...hello, clock: 0.5 }, "the clock is out of bounds"],
  ["no clock", { ...hello, clock: NaN }, "the clock is out of bounds"],
  ["no heartbeat", { ...welcome, heartbeatMs: 0 }, "the heartbeat is out of bounds"],
  ["a long heartbeat", { ...welcome, heartbeatMs: 600_001 }, "the heartbeat is out of bounds"],
  ["a negative revision", { ...welcome, head: -1 }, "the head is out of bounds"],
  ["a revision beyond 2^53 - 1", { ...welcome, head: 2 ** 53 }, "the head is out of bounds"],
  [
    "too many notices",
    changes(Array(ITEMS_MAX + 1).fill({ kind: "gone", path: a, revision: 1, author })),
    "count of notices",
  ],
  [
    "a move below itself",
    changes([{ kind: "moved", from: a, to: parsePath("a/b"), revision: 1, author }]),
    "below itself",
  ],
  [
    "too many items",
    upload(Array(ITEMS_MAX + 1).fill({ op: "delete", path: a, base: 1 })),
    "the count of items",
  ],
  ["a rename to itself", upload([{ op: "rename", from: a, to: a, base: 1, count: 1 }]), "renamed to itself"],
  [
    "a rename of nothing",
    upload([{ op: "rename", from: a, to: parsePath("b"), base: 1, count: 0 }]),
    "has no entries",
  ],
  ["a file without a source", upload([put(file, null)]), "a file has no source"],
  [
    "a directory with a source",
    upload([{ op: "put", path: a, base: 0, entry: { kind: "dir", mode: 0 }, source: { from: "staged" } }]),
    "something other than a file has a source",
  ],
  [
    "a small staged file",
    upload([put({ ...file, size: SINGLE_CHUNK_MAX }, { from: "staged" })]),
    "a small file is staged",
  ],
  [
    "a large inline file",
    upload(
      [put({ ...file, size: SINGLE_CHUNK_MAX + 1 }, { from: "inline" })],
      rawBlock(SINGLE_CHUNK_MAX + 1),
    ),
    "a large file is inline",
  ],
  ["an empty file of a version with content", withEntry({ size: 0 }), "than nothing"],
  ["an empty file with content", upload([put({ ...file, size: 0 }, { from: "inline" })]), "than nothing"],
  ["inline sizes above the block", upload([put(file, { from: "inline" })], rawBlock(2)), "do not add up"],
  ["inline sizes below the block", upload([put(file, { from: "inline" })], rawBlock(4)), "do not add up"],
  ["a huge file", withEntry({ size: FILE_BYTES_MAX + 1 }), "the size of the file is out of bounds"],
  ["a mode beyond 0o777", withEntry({ mode: 0o1000 }), "the mode is out of bounds"],
  ["a fractional time", withEntry({ mtime: 1.5 }), "the modification time is out of bounds"],
  ["a time after the last", withEntry({ mtime: MTIME_MS_MAX + 1 }), "the modification time is out of bounds"],
  [
    "a time before the first",
    withEntry({ mtime: -MTIME_MS_MAX - 1 }),
    "the modification time is out of bounds",
  ],
  [
    "a content that is no digest",
    withEntry({ content: "ab" as ContentId }),
    "the content does not have 32 bytes",
  ],
  ["an empty target", link(""), "the link target is empty"],
  ["a target with NUL", link("a\0b"), "the link target contains a NUL character"],
  ["a long target", link("t".repeat(4096)), "the link target is longer than 4095 bytes"],
  ["a target with a lone surrogate", link("\udc00"), "the link target is not well-formed Unicode"],
  [
    "a raw block of another size",
    upload([], { ...noBlock, bytes: new Uint8Array(1) }),
    "not that of its raw bytes",
  ],
  [
    "a compressed block that grew",
    upload([put(file, { from: "inline" })], { ...rawBlock(3), encoding: "zstd" }),
    "not smaller than its raw bytes",
  ],
  [
    "a block beyond the limit",
    data(
      Array(6).fill({ op: "new", id: new Uint8Array(32), size: CHUNK_MAX }),
      { encoding: "zstd", rawSize: 6 * CHUNK_MAX, bytes: new Uint8Array(9) },
    ),
    "the block is too large",
  ],
  ["an op of nothing", data([{ op: "base", index: 0, count: 0 }]), "an op has no chunks"],
  [
    "a chunk beyond all files",
    data([{ op: "self", index: CHUNKS_MAX + 1 }]),
    "the index of a chunk is out of bounds",
  ],
  ["an empty chunk", data([{ op: "new", id: new Uint8Array(32), size: 0 }]), "a chunk is empty"],
  ["a short chunk id", data([{ op: "new", id: new Uint8Array(31), size: 1 }], rawBlock(1)), "id of a chunk"],
  [
    "new sizes unlike the block",
    data([{ op: "new", id: new Uint8Array(32), size: 2 }], rawBlock(1)),
    "do not add up",
  ],
  [
    "too many ops",
    data(Array(OPS_MAX + 1).fill({ op: "self", index: 0 })),
    "the count of ops is out of bounds",
  ],
  [
    "a small stage",
    { type: "stage", content, size: SINGLE_CHUNK_MAX, chunks: 1, base: null },
    "small content is staged",
  ],
  [
    "a stage of too few chunks",
    { type: "stage", content, size: CHUNK_MAX + 1, chunks: 1, base: null },
    "does not fit",
  ],
  [
    "a prefix of nothing",
    { type: "staged", chunks: 0, prefix: new Uint8Array(32), complete: false },
    "prefix",
  ],
  ["no prefix", { type: "fetch", ...base, base: null, chunks: 2, prefix: new Uint8Array(0) }, "prefix"],
  ["sizes unlike the block", { type: "contents", sizes: [1], block: noBlock, last: true }, "do not add up"],
  [
    "a size below -1",
    { type: "contents", sizes: [-2], block: noBlock, last: true },
    "a size is out of bounds",
  ],
  [
    "a size of a large file",
    { type: "contents", sizes: [SINGLE_CHUNK_MAX + 1], block: rawBlock(SINGLE_CHUNK_MAX + 1), last: true },
    "a size is out of bounds",
  ],
  [
    "a first chunk after the last",
    { type: "fetching", first: 2, chunks: 1 },
    "the first chunk is out of bounds",
  ],
];

for (const [name, message, problem] of refused) {
  Deno.test(`codec: ${name} is not written`, () => {
    const error = assertThrows(() => encode({ id: 1, message }), ProtocolError, problem);
    assert(error.message.startsWith(`Cannot write message "${message.type}": `), error.message);
    roundTrip(hello);
  });
}

Deno.test("codec: a request id beyond 32 bits is not written", () => {
  for (const id of [-1, 0.5, 2 ** 32]) {
    assertThrows(() => encode({ id, message: hello }), ProtocolError, "the request id is out of bounds");
  }
});

Deno.test("codec: blocks of the greatest size fit into a frame", () => {
  const items = Array.from(
    { length: BLOCK_RAW_BYTES_MAX / SINGLE_CHUNK_MAX },
    () => put({ ...file, size: SINGLE_CHUNK_MAX }, { from: "inline" }),
  );
  roundTrip(upload(items, rawBlock(BLOCK_RAW_BYTES_MAX)));
});
