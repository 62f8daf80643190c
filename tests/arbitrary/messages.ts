/** Any message that keeps the rules, for property tests. */
import fc from "fast-check";
import { CHUNK_MAX, CHUNK_MIN, digestHex, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import { type ContentId, type Entry, MODE_MASK, MTIME_MS_MAX } from "../../core/entry.ts";
import { isAtOrBelow, nameProblem, type SyncPath } from "../../core/path.ts";
import { ERROR_CODES, type ErrorCode } from "../../protocol/errors.ts";
import {
  type Keep,
  PAST_OPERATIONS,
  type PastConflict,
  type PastVersion,
  RESTORE_ACTIONS,
  type RestoreGoal,
} from "../../protocol/history.ts";
import {
  CHUNKS_MAX,
  FILE_BYTES_MAX,
  HEARTBEAT_MS_MAX,
  SECRET_BYTES,
  TOKEN_BYTES_MAX,
} from "../../protocol/limits.ts";
import type {
  Author,
  Block,
  ContentSource,
  DataOp,
  Envelope,
  Message,
  MessageType,
  Notice,
  UploadItem,
  UploadResult,
} from "../../protocol/messages.ts";

const EMPTY_CONTENT = digestHex(new Uint8Array(0)) as ContentId;

const trickyName = fc.constantFrom(
  "a",
  "A",
  "é",
  "e\u0301",
  "-x",
  "x y",
  "n\nl",
  "__proto__",
  "\ufeffbom",
  "\ufffd",
  "🙂",
  "...",
  "n".repeat(255),
);
const anyName = fc.string({ unit: "binary", minLength: 1, maxLength: 20 })
  .filter((name) => nameProblem(name) === null);
const path = fc.array(fc.oneof(trickyName, anyName), { minLength: 1, maxLength: 5 })
  .map((names) => names.join("/") as SyncPath);
const twoPaths = fc.tuple(path, path).filter(([from, to]) => !isAtOrBelow(to, from));

const name = fc.string({ unit: "grapheme", maxLength: 8 });
const text = fc.string({ unit: "grapheme", maxLength: 60 });
const flag = fc.boolean();
const whole = fc.oneof(fc.nat(300), fc.maxSafeNat());
const time = fc.integer({ min: -MTIME_MS_MAX, max: MTIME_MS_MAX });
const mode = fc.nat(MODE_MASK);
const bytes = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });
const hex = (count: number) => bytes(count).map((b) => b.toHex());
const id = hex(16);
const content = hex(32) as fc.Arbitrary<ContentId>;
const errorCode = fc.constantFrom(...Object.keys(ERROR_CODES) as ErrorCode[]);
const author: fc.Arbitrary<Author> = fc.record({
  user: fc.oneof(fc.constantFrom("anna", "ben"), name),
  device: fc.oneof(fc.constantFrom("laptop", "desk"), name),
});
const versionRef = fc.record({ path, revision: whole });
const base = fc.option(versionRef);

function fileOf(size: fc.Arbitrary<number>): fc.Arbitrary<Extract<Entry, { kind: "file" }>> {
  return fc.record({ size, mtime: time, mode, content }).map((file) => ({ kind: "file", ...file }));
}

const file = fileOf(fc.oneof(fc.nat(3000), fc.maxSafeNat().map((n) => n % (FILE_BYTES_MAX + 1))));
const dirOrLink: fc.Arbitrary<Entry> = fc.oneof(
  mode.map((mode) => ({ kind: "dir" as const, mode })),
  fc.oneof(fc.constantFrom("/etc/passwd", "../x", " ", "t".repeat(4095)), anyName)
    .map((target) => ({ kind: "link" as const, target })),
);
const entry = fc.oneof(file, dirOrLink);

const notice: fc.Arbitrary<Notice> = fc.oneof(
  fc.record({ path, revision: whole, entry, from: fc.option(path), author })
    .map((set) => ({ kind: "set" as const, ...set })),
  fc.record({ path, revision: whole, author }).map((gone) => ({ kind: "gone" as const, ...gone })),
  fc.record({ paths: twoPaths, revision: whole, author })
    .map(({ paths: [from, to], ...rest }) => ({ kind: "moved" as const, from, to, ...rest })),
);

function put(entry: fc.Arbitrary<Entry>, source: fc.Arbitrary<ContentSource | null>) {
  return fc.record({ path, base: whole, entry, source })
    .map((fields): UploadItem => ({ op: "put", ...fields }));
}

const inline = fc.constant<ContentSource>({ from: "inline" });
const ofVersion = versionRef.map((ref): ContentSource => ({ from: "version", ...ref }));
const staged = fc.constant<ContentSource>({ from: "staged" });
const large = fileOf(fc.integer({ min: SINGLE_CHUNK_MAX + 1, max: FILE_BYTES_MAX }));
const empty = fileOf(fc.constant(0)).map((file) => ({ ...file, content: EMPTY_CONTENT }));
const item: fc.Arbitrary<UploadItem> = fc.oneof(
  put(fc.oneof(fileOf(fc.integer({ min: 1, max: 3000 })), empty), inline),
  put(fc.oneof(fileOf(fc.integer({ min: 1, max: FILE_BYTES_MAX })), empty), ofVersion),
  put(large, staged),
  put(dirOrLink, fc.constant(null)),
  fc.record({ path, base: whole }).map((fields) => ({ op: "delete" as const, ...fields })),
  fc.record({ paths: twoPaths, base: whole, count: fc.integer({ min: 1, max: 1e6 }) })
    .map(({ paths: [from, to], ...rest }) => ({ op: "rename" as const, from, to, ...rest })),
);

const result: fc.Arbitrary<UploadResult> = fc.oneof(
  whole.map((revision) => ({ status: "ok" as const, revision })),
  fc.record({ revision: whole, entry: fc.option(entry) }).map((skip) => ({
    status: "skip" as const,
    ...skip,
  })),
  fc.record({ won: flag, revision: whole, storedAs: fc.option(path), reason: text })
    .map((conflict) => ({ status: "conflict" as const, ...conflict })),
  fc.constant({ status: "stale" as const }),
  fc.record({ code: errorCode, message: text }).map((error) => ({ status: "error" as const, ...error })),
);

const chunkIndex = fc.nat(CHUNKS_MAX);
const op: fc.Arbitrary<DataOp> = fc.oneof(
  fc.record({ index: chunkIndex, count: fc.integer({ min: 1, max: CHUNKS_MAX }) })
    .map((fields) => ({ op: "base" as const, ...fields })),
  chunkIndex.map((index) => ({ op: "self" as const, index })),
  fc.record({ id: bytes(32), size: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constant(CHUNK_MAX)) })
    .map((fields) => ({ op: "new" as const, ...fields })),
);

/** A block of `rawSize` bytes; what is in a compressed one is not the codec's business. */
function blockOf(rawSize: number): fc.Arbitrary<Block> {
  const raw = fc.nat(255).map((byte): Block => ({
    encoding: "raw",
    rawSize,
    bytes: new Uint8Array(rawSize).fill(byte),
  }));
  if (rawSize === 0) return raw;
  const zstd = fc.uint8Array({ maxLength: Math.min(rawSize - 1, 200) })
    .map((bytes): Block => ({ encoding: "zstd", rawSize, bytes }));
  return fc.oneof(raw, zstd);
}

function inlineBytes(items: readonly UploadItem[]): number {
  let sum = 0;
  for (const item of items) {
    if (item.op === "put" && item.entry.kind === "file" && item.source?.from === "inline") {
      sum += item.entry.size;
    }
  }
  return sum;
}

const held = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: CHUNKS_MAX })).chain((chunks) =>
  bytes(chunks > 0 ? 32 : 0).map((prefix) => ({ chunks, prefix }))
);

const pastVersion: fc.Arbitrary<PastVersion> = fc.record({
  path,
  revision: whole,
  operation: fc.constantFrom(...PAST_OPERATIONS),
  entry: fc.option(entry),
  base: whole,
  from: fc.option(path),
  author,
  time,
  clockOffset: time,
  head: flag,
});
const pastConflict: fc.Arbitrary<PastConflict> = fc.record({
  id: whole,
  path,
  winner: fc.option(pastVersion),
  loser: fc.option(pastVersion),
  base: fc.option(pastVersion),
  reason: text,
  time,
  resolved: flag,
});
const atTime = time.map((time): RestoreGoal => ({ kind: "time", time }));
const goal: fc.Arbitrary<RestoreGoal> = fc.oneof(
  atTime,
  whole.map((revision): RestoreGoal => ({ kind: "version", revision })),
  fc.constant<RestoreGoal>({ kind: "undelete" }),
);
const keep: fc.Arbitrary<Keep> = fc.oneof(
  fc.constantFrom<Keep>({ kind: "head" }, { kind: "both" }),
  whole.map((revision): Keep => ({ kind: "version", revision })),
);

function typed<T extends MessageType>(type: T) {
  return <F>(fields: F) => ({ type, ...fields });
}

export const messages: { readonly [T in MessageType]: fc.Arbitrary<Extract<Message, { type: T }>> } = {
  hello: fc.record({
    versions: fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 5 }),
    software: name,
    folder: name,
    replica: id,
    device: id,
    token: fc.uint8Array({ maxLength: TOKEN_BYTES_MAX }),
    clock: time,
  }).map(typed("hello")),
  welcome: fc.record({
    version: fc.nat(0xffff),
    software: name,
    folderName: name,
    folder: id,
    epoch: id,
    head: whole,
    clock: time,
    user: name,
    deviceName: name,
    view: id,
    rules: fc.array(
      fc.record({
        prefix: fc.option(path),
        access: fc.constantFrom("read" as const, "write" as const),
        history: flag,
      }),
      { maxLength: 5 },
    ),
    conflicts: whole,
    heartbeatMs: fc.integer({ min: 1, max: HEARTBEAT_MS_MAX }),
  }).map(typed("welcome")),
  join: fc.record({
    versions: fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 5 }),
    software: name,
    secret: bytes(SECRET_BYTES),
    device: id,
    deviceName: name,
    token: fc.uint8Array({ maxLength: TOKEN_BYTES_MAX }),
  }).map(typed("join")),
  joined: fc.record({
    version: fc.nat(0xffff),
    software: name,
    user: name,
    folderName: name,
    folder: id,
    caPem: text,
  }).map(typed("joined")),
  subscribe: fc.record({ since: whole, live: flag }).map(typed("subscribe")),
  changes: fc.record({
    notices: fc.array(notice, { maxLength: 12 }),
    upTo: whole,
    more: flag,
    conflicts: whole,
  }).map(typed("changes")),
  lookAgain: fc.constant({ type: "lookAgain" }),
  upload: fc.array(item, { maxLength: 12 })
    .chain((items) => blockOf(inlineBytes(items)).map((block) => ({ items, block })))
    .map(typed("upload")),
  results: fc.record({ results: fc.array(result, { maxLength: 12 }) }).map(typed("results")),
  stage: fc.record({
    content,
    size: fc.integer({ min: SINGLE_CHUNK_MAX + 1, max: FILE_BYTES_MAX }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    base,
  }).map(({ part, ...rest }) => {
    const least = Math.ceil(rest.size / CHUNK_MAX), most = Math.ceil(rest.size / CHUNK_MIN);
    return { type: "stage", ...rest, chunks: Math.round(least + part * (most - least)) };
  }),
  staged: fc.record({ held, complete: flag })
    .map(({ held, complete }) => ({ type: "staged", ...held, complete })),
  data: fc.record({ ops: fc.array(op, { maxLength: 4 }), last: flag })
    .chain(({ ops, last }) => {
      const rawSize = ops.reduce((sum, op) => sum + (op.op === "new" ? op.size : 0), 0);
      return blockOf(rawSize).map((block) => ({ ops, block, last }));
    }).map(typed("data")),
  download: fc.record({ items: fc.array(versionRef, { maxLength: 12 }) }).map(typed("download")),
  contents: fc.record({
    sizes: fc.array(fc.oneof(fc.constant(-1), fc.nat(2000), fc.constant(SINGLE_CHUNK_MAX)), { maxLength: 8 }),
    last: flag,
  }).chain(({ sizes, last }) => {
    const rawSize = sizes.reduce((sum, size) => sum + Math.max(0, size), 0);
    return blockOf(rawSize).map((block) => ({ sizes, block, last }));
  }).map(typed("contents")),
  fetch: fc.record({ ref: versionRef, base, held })
    .map(({ ref, base, held }) => ({ type: "fetch", ...ref, base, ...held })),
  fetching: fc.record({ a: chunkIndex, b: chunkIndex })
    .map(({ a, b }) => ({ type: "fetching", first: Math.min(a, b), chunks: Math.max(a, b) })),
  versions: fc.record({ path }).map(typed("versions")),
  versionList: fc.record({ versions: fc.array(pastVersion, { maxLength: 8 }), more: flag })
    .map(typed("versionList")),
  read: versionRef.map(typed("read")),
  bytes: fc.nat(3000).chain((size) => fc.record({ block: blockOf(size), last: flag })).map(typed("bytes")),
  restore: fc.oneof(
    fc.record({ path, goal, dryRun: flag }),
    fc.record({ path: fc.constant(null), goal: atTime, dryRun: flag }),
  ).map(typed("restore")),
  restored: fc.record({
    steps: fc.array(fc.record({ action: fc.constantFrom(...RESTORE_ACTIONS), path, version: whole }), {
      maxLength: 12,
    }),
    more: flag,
  }).map(typed("restored")),
  conflicts: fc.record({ open: flag }).map(typed("conflicts")),
  conflictList: fc.record({ conflicts: fc.array(pastConflict, { maxLength: 4 }), more: flag })
    .map(typed("conflictList")),
  resolve: fc.record({ conflict: whole, keep }).map(typed("resolve")),
  resolved: fc.record({ path, beside: fc.option(path) }).map(typed("resolved")),
  ping: fc.constant({ type: "ping" }),
  pong: fc.constant({ type: "pong" }),
  error: fc.record({ code: errorCode, message: text, hint: text }).map(typed("error")),
};

export const anyEnvelope: fc.Arbitrary<Envelope> = fc.record({
  id: fc.nat(0xffffffff),
  message: fc.oneof(...Object.values(messages) as fc.Arbitrary<Message>[]),
});
